"""Updates: gradients in, moved parameters out, in PyTorch."""

from common.contract.axes import from_layout, to_layout
from torch.compiler import is_compiling
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
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        momentum: 0 for none; the first step has m = g.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    See: Dive into Deep Learning, 3.1.1.4, 3.2.6 and 11.6.
    """
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            if momentum:
                step = state[f"{name}/m"].mul_(momentum).add_(step)
            param.sub_(rate * step)  # sub_(step, alpha=rate) compiles wrongly
        if "step" in state:
            state["step"].add_(1)
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
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        sgd(
            list(params.values()),
            [grads[name] for name in params],
            [state.get(f"{name}/m") for name in params],
            lr=rate_of(lr, state),
            momentum=momentum,
            weight_decay=decay,
            dampening=0.0,
            nesterov=False,
            maximize=False,
            foreach=True,
        )
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def nesterov_scratch(params, lr, momentum, decay):
    """Gradient descent with Nesterov's momentum, written out.

    g = grad + decay * p;  m = momentum * m + g;
    p = p - lr * (g + momentum * m)

    Args:
        params: what will be updated.
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        momentum: above 0; the first step has m = g.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    See: https://proceedings.mlr.press/v28/sutskever13.html
    """
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        rate = rate_of(lr, state)
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            m = state[f"{name}/m"].mul_(momentum).add_(step)
            step = step + momentum * m
            param.sub_(rate * step)
        if "step" in state:
            state["step"].add_(1)
        return params, state

    return state, update


def nesterov_concise(params, lr, momentum, decay):
    """Gradient descent with Nesterov's momentum by torch.optim.

    Differs: the function that `torch.optim.SGD.step` ends in, with foreach,
    as in sgd_concise. It adds to the gradients in place.

    See: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html
    """
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        sgd(
            list(params.values()),
            [grads[name] for name in params],
            [state[f"{name}/m"] for name in params],
            lr=rate_of(lr, state),
            momentum=momentum,
            weight_decay=decay,
            dampening=0.0,
            nesterov=True,
            maximize=False,
            foreach=True,
        )
        if "step" in state:
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


def rate_of(lr, state):
    """The learning rate of this step; after the last one its rate stays.

    Differs: from a schedule a number op by op, as torch.optim's own schedulers
    set it, and a Tensor where a number would be compiled anew at every step.
    """
    if not isinstance(lr, torch.Tensor):
        return lr
    step = state["step"].clamp(max=len(lr) - 1)
    # Not `take`: compiled, Adam's foreach refuses what that returns (2.14.1).
    rate = lr.index_select(0, step.view(1)).view(())
    return rate if is_compiling() or rate.is_cuda else rate.item()


def sgd_state(params, lr, momentum):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {}
    if momentum:
        state = {f"{n}/m": torch.zeros_like(p) for n, p in params.items()}
    if isinstance(lr, torch.Tensor):
        state["step"] = torch.zeros((), dtype=torch.int32, device=lr.device)
    return state
