"""Updates that divide by the root of squares, in PyTorch."""

from torch.compiler import is_compiling
from torch.optim.adagrad import adagrad
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.rmsprop import rmsprop

import torch

from .update import rate_of


def adam_scratch(params, lr, betas, eps, decay):
    """Adam, written out.

    g = grad + decay * p;  m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g²;  t = t + 1;
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        betas: b1 and b2, how much of m and v is kept; both start at 0.
        eps: outside the root, added after the bias correction.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: t is a Tensor; a number would be compiled anew at every step.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        state["step"].add_(1)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m.mul_(b1).add_((1 - b1) * grad)
            v.mul_(b2).add_((1 - b2) * grad**2)
            t = state["step"].to(param.dtype)
            m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
            step = m_hat / (v_hat.sqrt() + eps)
            param.sub_(rate * step)
        return params, state

    return state, update


def adam_concise(params, lr, betas, eps, decay):
    """Adam by torch.optim.

    Differs: the function that `torch.optim.Adam.step` ends in, for one graph
    with the rest of the step; with foreach, as in sgd_concise. It counts
    every parameter's steps in a Tensor of the parameter's dtype: copies of
    one counter here. `capturable` reads them as Tensors, not as numbers.

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        adam(
            list(params.values()),
            [grads[name] for name in params],
            [state[f"{name}/m"] for name in params],
            [state[f"{name}/v"] for name in params],
            [],
            [state["step"].to(p.dtype) for p in params.values()],
            lr=rate_of(lr, state),
            beta1=b1,
            beta2=b2,
            eps=eps,
            weight_decay=decay,
            amsgrad=False,
            maximize=False,
            foreach=True,
            capturable=is_compiling() or state["step"].is_cuda,
        )
        state["step"].add_(1)
        return params, state

    return state, update


def adamw_scratch(params, lr, betas, eps, decay):
    """Adam with decoupled weight decay, written out.

    m, v and t as in Adam, with g = grad;
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
          - lr * decay * p

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        betas: b1 and b2, how much of m and v is kept; both start at 0.
        eps: outside the root, added after the bias correction.
        decay: 0 for none; decoupled, taken off the old p, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: t is a Tensor; a number would be compiled anew at every step.

    See: https://arxiv.org/abs/1711.05101; there the decay is not times lr
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        state["step"].add_(1)
        for name, param in params.items():
            grad = grads[name]
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m.mul_(b1).add_((1 - b1) * grad)
            v.mul_(b2).add_((1 - b2) * grad**2)
            t = state["step"].to(param.dtype)
            m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
            step = m_hat / (v_hat.sqrt() + eps)
            if decay:
                step = step + decay * param
            param.sub_(rate * step)
        return params, state

    return state, update


def adamw_concise(params, lr, betas, eps, decay):
    """Adam with decoupled weight decay by torch.optim.

    Differs: the function that `torch.optim.AdamW.step` ends in, for one graph
    with the rest of the step; with foreach, as in sgd_concise. It counts
    every parameter's steps in a Tensor of the parameter's dtype: copies of
    one counter here. `capturable` reads them as Tensors, not as numbers.

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        adamw(
            list(params.values()),
            [grads[name] for name in params],
            [state[f"{name}/m"] for name in params],
            [state[f"{name}/v"] for name in params],
            [],
            [state["step"].to(p.dtype) for p in params.values()],
            lr=rate_of(lr, state),
            beta1=b1,
            beta2=b2,
            eps=eps,
            weight_decay=decay,
            amsgrad=False,
            maximize=False,
            foreach=True,
            capturable=is_compiling() or state["step"].is_cuda,
        )
        state["step"].add_(1)
        return params, state

    return state, update


def rmsprop_scratch(params, lr, alpha, eps, decay):
    """RMSprop, written out.

    g = grad + decay * p;  v = alpha * v + (1 - alpha) * g²;
    p = p - lr * g / (sqrt(v) + eps)

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        alpha: how much of v is kept; it starts at 0.
        eps: outside the root.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    See: Dive into Deep Learning, 11.8, where eps is inside the root.
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            v = state[f"{name}/v"]
            v.mul_(alpha).add_((1 - alpha) * grad**2)
            param.sub_(rate * grad / (v.sqrt() + eps))
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def rmsprop_concise(params, lr, alpha, eps, decay):
    """RMSprop by torch.optim.

    Differs: the function that `torch.optim.RMSprop.step` ends in, with
    foreach, as in sgd_concise. It counts every parameter's steps, for
    nothing.

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        rmsprop(
            list(params.values()),
            [grads[name] for name in params],
            [state[f"{name}/v"] for name in params],
            [],
            [],
            [p.new_zeros(()) for p in params.values()],
            lr=rate_of(lr, state),
            alpha=alpha,
            eps=eps,
            weight_decay=decay,
            momentum=0.0,
            centered=False,
            foreach=True,
            capturable=is_compiling() or next(iter(params.values())).is_cuda,
        )
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def adagrad_scratch(params, lr, eps, decay):
    """AdaGrad, written out.

    g = grad + decay * p;  v = v + g²;  p = p - lr * g / (sqrt(v) + eps)

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        eps: outside the root; v starts at 0.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    See: https://jmlr.org/papers/v12/duchi11a.html; Dive into Deep Learning,
    11.7, where eps is inside the root.
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            v = state[f"{name}/v"]
            v.add_(grad**2)
            param.sub_(rate * grad / (v.sqrt() + eps))
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def adagrad_concise(params, lr, eps, decay):
    """AdaGrad by torch.optim.

    Differs: the function that `torch.optim.Adagrad.step` ends in, with
    foreach, as in sgd_concise. It counts every parameter's steps for a decay
    of the rate that it has, and here not.

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        adagrad(
            list(params.values()),
            [grads[name] for name in params],
            [state[f"{name}/v"] for name in params],
            [p.new_zeros(()) for p in params.values()],
            lr=rate_of(lr, state),
            lr_decay=0.0,
            eps=eps,
            weight_decay=decay,
            maximize=False,
            foreach=True,
        )
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    first = {f"{name}/m": torch.zeros_like(p) for name, p in params.items()}
    second = {f"{name}/v": torch.zeros_like(p) for name, p in params.items()}
    device = next(iter(params.values())).device
    step = torch.zeros((), dtype=torch.int32, device=device)
    return {**first, **second, "step": step}


def squares_state(params, lr):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {f"{name}/v": torch.zeros_like(p) for name, p in params.items()}
    if isinstance(lr, torch.Tensor):
        state["step"] = torch.zeros((), dtype=torch.int32, device=lr.device)
    return state
