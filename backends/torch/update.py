"""Updates: gradients in, moved parameters out, in PyTorch."""

from torch.optim.sgd import sgd

import torch

from .data import to_array, to_tensor


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


def assign_state(state, arrays):
    """Set the optimiser's state, in the memory it already has."""
    for name, buffer in state.items():
        buffer.copy_(to_tensor(arrays[name].T, buffer.device))
    return state


def dump_state(state):
    """Hand the state back: "<parameter>/m", (in, out), contiguous."""
    return {name: to_array(buffer).T.copy() for name, buffer in state.items()}
