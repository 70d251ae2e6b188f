"""Updates: gradients in, moved parameters out, in JAX."""

import jax.numpy as jnp
import optax
from optax import tree_utils

import jax
import numpy as np

from .data import to_array


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

    Differs: nothing is changed in place; new dicts are returned.

    See: Dive into Deep Learning, 3.1.1.4 and 11.6.
    """
    state = {}
    if momentum:
        state = {f"{name}/m": jnp.zeros_like(p) for name, p in params.items()}

    def update(params, grads, state):
        moved, buffers = {}, {}
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            if momentum:
                step = momentum * state[f"{name}/m"] + step
                buffers[f"{name}/m"] = step
            moved[name] = param - lr * step
        return moved, buffers

    return state, update


def sgd_concise(params, lr, momentum, decay):
    """Mini-batch gradient descent by `optax.sgd`.

    Differs: weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.sgd(lr, momentum=momentum or None)
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


def assign_state(state, arrays):
    """Set the optimiser's state.

    Differs: arrays are immutable, so the result is a new state; optax keeps
    the momentum as a dict called `trace` inside nested tuples.

    See: https://optax.readthedocs.io/en/latest/api/utilities.html
    """
    if isinstance(state, dict):
        return {
            name: jax.device_put(np.array(arrays[name].T), buffer.sharding)
            for name, buffer in state.items()
        }
    trace = tree_utils.tree_get(state, "trace")
    if trace is None:
        return state
    trace = {
        name: jax.device_put(np.array(arrays[f"{name}/m"].T), buffer.sharding)
        for name, buffer in trace.items()
    }
    return tree_utils.tree_set(state, trace=trace)


def dump_state(state):
    """Hand the state back: "<parameter>/m", (in, out), contiguous."""
    if isinstance(state, dict):
        return {
            name: to_array(buffer).T.copy() for name, buffer in state.items()
        }
    trace = tree_utils.tree_get(state, "trace") or {}
    return {
        f"{name}/m": to_array(buffer).T.copy()
        for name, buffer in trace.items()
    }
