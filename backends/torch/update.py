"""Updates: gradients in, moved parameters out, in PyTorch."""

from common.contract.axes import from_layout, to_layout
from torch.compiler import is_compiling
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

import torch

from .data import to_array, to_tensor
from .model import LAYOUT


def sgd_scratch(params, lr, momentum, decay):
    """Mini-batch gradient descent, written out.

    g = grad + decay * p;  m = momentum * m + g;  p = p - lr * m
    (without momentum p = p - lr * g, and there is no state).

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean.
        momentum: 0 for none; the first step has m = g.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    See: Dive into Deep Learning, 3.1.1.4 and 11.6.
    """
    state = {}
    if momentum:
        state = {f"{n}/m": torch.zeros_like(p) for n, p in params.items()}

    def update(params, grads, state):
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            if momentum:
                step = state[f"{name}/m"].mul_(momentum).add_(step)
            param.sub_(lr * step)  # sub_(step, alpha=lr) compiles wrongly
        return params, state

    return state, update


def sgd_concise(params, lr, momentum, decay):
    """Mini-batch gradient descent by torch.optim.

    Differs: the function that `torch.optim.SGD.step` ends in, because
    torch.compile takes it into one graph with the rest of the step, and the
    method not. Starting from m = 0 gives the method's first step, m = g.
    With foreach, because the loop over parameters says p.add_(g, alpha=-lr),
    and compiled after a matrix product that loses its alpha (2.14.1): lr
    becomes 1, silently (pytorch issue 167313).

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """
    state = {}
    if momentum:
        state = {f"{n}/m": torch.zeros_like(p) for n, p in params.items()}

    def update(params, grads, state):
        sgd(
            list(params.values()),
            [grads[name] for name in params],
            list(state.values()) if momentum else [None] * len(params),
            lr=lr,
            momentum=momentum,
            weight_decay=decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            foreach=True,
        )
        return params, state

    return state, update


def adam_scratch(params, lr, betas, eps, decay):
    """Adam, written out.

    g = grad + decay * p;  m = b1 * m + (1 - b1) * g;
    v = b2 * v + (1 - b2) * g²;  t = t + 1;
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean.
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
            param.sub_(lr * step)
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
            lr=lr,
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
        lr: learning rate, for the gradient of the batch's mean.
        betas: b1 and b2, how much of m and v is kept; both start at 0.
        eps: outside the root, added after the bias correction.
        decay: 0 for none; decoupled, taken off the old p, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: t is a Tensor; a number would be compiled anew at every step.

    See: https://arxiv.org/abs/1711.05101
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
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
            param.sub_(lr * step)
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
            lr=lr,
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


def assign_state(state, arrays, axes):
    """Set the optimiser's state, in the memory it already has."""
    arrays = to_layout(arrays, axes, LAYOUT)
    for name, buffer in state.items():
        buffer.copy_(to_tensor(arrays[name], buffer.device))
    return state


def dump_state(state, axes):
    """Hand the state back: "<parameter>/m", its parameter's order, contiguous."""
    arrays = {name: to_array(buffer) for name, buffer in state.items()}
    return from_layout(arrays, axes, LAYOUT)


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    first = {f"{name}/m": torch.zeros_like(p) for name, p in params.items()}
    second = {f"{name}/v": torch.zeros_like(p) for name, p in params.items()}
    device = next(iter(params.values())).device
    step = torch.zeros((), dtype=torch.int32, device=device)
    return {**first, **second, "step": step}
