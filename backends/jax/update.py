"""Updates: gradients in, moved parameters out, in JAX."""

import jax.numpy as jnp
import optax
from common.contract.axes import from_layout, to_layout
from optax import tree_utils

import jax

from .data import to_array
from .model import LAYOUT

FIELDS = {"trace": "m", "mu": "m", "nu": "v"}  # optax's names, and ours


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

    Differs: nothing is changed in place; new dicts are returned.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        moved, buffers = {}, {"step": state["step"] + 1}
        t = buffers["step"]
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m = b1 * m + (1 - b1) * grad
            v = b2 * v + (1 - b2) * grad**2
            buffers |= {f"{name}/m": m, f"{name}/v": v}
            m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
            step = m_hat / (jnp.sqrt(v_hat) + eps)
            moved[name] = param - lr * step
        return moved, buffers

    return state, update


def adam_concise(params, lr, betas, eps, decay):
    """Adam by `optax.adam`.

    Differs: weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.adam(lr, *betas, eps=eps, eps_root=0.0)
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


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

    Differs: nothing is changed in place; new dicts are returned.

    See: https://arxiv.org/abs/1711.05101
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        moved, buffers = {}, {"step": state["step"] + 1}
        t = buffers["step"]
        for name, param in params.items():
            grad = grads[name]
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m = b1 * m + (1 - b1) * grad
            v = b2 * v + (1 - b2) * grad**2
            buffers |= {f"{name}/m": m, f"{name}/v": v}
            m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
            step = m_hat / (jnp.sqrt(v_hat) + eps)
            if decay:
                step = step + decay * param
            moved[name] = param - lr * step
        return moved, buffers

    return state, update


def adamw_concise(params, lr, betas, eps, decay):
    """Adam with decoupled weight decay by `optax.adamw`.

    Differs: said explicitly, because its own weight decay is 1e-4.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.adamw(
        lr, *betas, eps=eps, eps_root=0.0, weight_decay=decay
    )

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
        return jax.device_put(arrays[name], buffer.sharding)

    if isinstance(state, dict):
        return {name: put(name, buffer) for name, buffer in state.items()}
    found = {}
    for field, letter in FIELDS.items():
        if buffers := tree_utils.tree_get(state, field):
            found[field] = {
                n: put(f"{n}/{letter}", b) for n, b in buffers.items()
            }
    count = tree_utils.tree_get(state, "count")
    if count is not None:
        found["count"] = put("step", count)
    return tree_utils.tree_set(state, **found)


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
    count = tree_utils.tree_get(state, "count")
    return found if count is None else {**found, "step": count}


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    first = {f"{name}/m": jnp.zeros_like(p) for name, p in params.items()}
    second = {f"{name}/v": jnp.zeros_like(p) for name, p in params.items()}
    return {**first, **second, "step": jnp.zeros((), jnp.int32)}
