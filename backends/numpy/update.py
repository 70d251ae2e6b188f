"""Updates: gradients in, moved parameters out, in NumPy."""

import numpy as np


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
        state = {f"{name}/m": np.zeros_like(p) for name, p in params.items()}

    def update(params, grads, state):
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            if momentum:
                state[f"{name}/m"] *= momentum
                state[f"{name}/m"] += step
                step = state[f"{name}/m"]
            param -= lr * step
        return params, state

    return state, update


def assign_state(state, arrays):
    """Set the optimiser's state, in the memory it already has."""
    for name, buffer in state.items():
        buffer[...] = arrays[name]
    return state


def dump_state(state):
    """Hand the state back: "<parameter>/m", (in, out), contiguous."""
    return {name: np.array(buffer) for name, buffer in state.items()}
