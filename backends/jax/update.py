"""Updates: gradients in, moved parameters out, in JAX."""

import jax.numpy as jnp
import optax
from common.contract.axes import from_layout, to_layout
from optax import tree_utils

import jax

from .data import to_array
from .model import LAYOUT, placed

# optax's names, and ours
FIELDS = {"trace": "m", "mu": "m", "nu": "v", "sum_of_squares": "v"}


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

    Differs: nothing is changed in place; new dicts are returned.

    See: Dive into Deep Learning, 3.1.1.4, 3.2.6 and 11.6.
    """
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        moved, buffers, rate = {}, {}, rate_of(lr, state)
        if "step" in state:
            buffers["step"] = state["step"] + 1
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            if momentum:
                step = momentum * state[f"{name}/m"] + step
                buffers[f"{name}/m"] = step
            moved[name] = param - rate * step
        return moved, buffers

    return state, update


def sgd_concise(params, lr, momentum, decay):
    """Mini-batch gradient descent by `optax.sgd`.

    Differs: weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.sgd(schedule(lr), momentum=momentum or None)
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


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

    Differs: nothing is changed in place; new dicts are returned.

    See: https://proceedings.mlr.press/v28/sutskever13.html
    """
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        moved, buffers, rate = {}, {}, rate_of(lr, state)
        if "step" in state:
            buffers["step"] = state["step"] + 1
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + decay * param
            m = momentum * state[f"{name}/m"] + step
            buffers[f"{name}/m"] = m
            step = step + momentum * m
            moved[name] = param - rate * step
        return moved, buffers

    return state, update


def nesterov_concise(params, lr, momentum, decay):
    """Gradient descent with Nesterov's momentum by `optax.sgd`.

    Differs: weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.sgd(schedule(lr), momentum=momentum, nesterov=True)
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


def assign_state(state, arrays, axes):
    """Set the optimiser's state.

    Differs: arrays are immutable, so the result is a new state; optax keeps
    momentum as a dict called `trace`, Adam's moments as `mu` and `nu`, and
    the number of updates as `count`, inside nested tuples.

    See: https://optax.readthedocs.io/en/latest/api/utilities.html
    """
    arrays = to_layout(arrays, axes, LAYOUT)

    def put(name, buffer):
        return placed(arrays[name], buffer)

    if isinstance(state, dict):
        return {name: put(name, buffer) for name, buffer in state.items()}
    found = {}
    for field, letter in FIELDS.items():
        if buffers := tree_utils.tree_get(state, field):
            found[field] = {
                n: put(f"{n}/{letter}", b) for n, b in buffers.items()
            }
    state = tree_utils.tree_set(state, **found)

    # Adam and a schedule count both: a compiled epoch takes no buffer twice.
    def counted(path, leaf):
        return put("step", leaf) if is_count(path) else leaf

    return jax.tree_util.tree_map_with_path(counted, state)


def dump_state(state, axes):
    """Hand the state back: "<parameter>/m", its parameter's order, contiguous."""
    if not isinstance(state, dict):
        state = named(state)
    arrays = {name: to_array(buffer) for name, buffer in state.items()}
    return from_layout(arrays, axes, LAYOUT)


def named(state):
    """What optax keeps in nested tuples, as one dict with neutral names."""
    found = {}
    for field, letter in FIELDS.items():
        buffers = tree_utils.tree_get(state, field) or {}
        found |= {f"{name}/{letter}": b for name, b in buffers.items()}
    count = count_of(state)
    return found if count is None else {**found, "step": count}


def count_of(state):
    """The number of updates done; Adam and a schedule keep one each."""
    counts = tree_utils.tree_get_all_with_path(state, "count")
    return counts[0][1] if counts else None


def is_count(path):
    """Whether a place in nested tuples is a number of updates."""
    return getattr(path[-1], "name", None) == "count"


def schedule(lr):
    """A number as it is; the rates of all steps as optax takes them."""
    if jnp.ndim(lr) == 0:
        return lr
    return lambda count: rate_of(lr, {"step": count})


def rate_of(lr, state):
    """The learning rate of this step; after the last one its rate stays."""
    if jnp.ndim(lr) == 0:
        return lr
    return lr[jnp.minimum(state["step"], len(lr) - 1)]


def sgd_state(params, lr, momentum):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {}
    if momentum:
        state = {f"{name}/m": jnp.zeros_like(p) for name, p in params.items()}
    if jnp.ndim(lr):
        state["step"] = jnp.zeros((), jnp.int32)
    return state
