"""Updates that divide by the root of squares, in JAX."""

import jax.numpy as jnp
import optax

from .update import rate_of, schedule


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

    Differs: nothing is changed in place; new dicts are returned.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        moved, buffers = {}, {"step": state["step"] + 1}
        t, rate = buffers["step"], rate_of(lr, state)
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
            moved[name] = param - rate * step
        return moved, buffers

    return state, update


def adam_concise(params, lr, betas, eps, decay):
    """Adam by `optax.adam`.

    Differs: weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.adam(schedule(lr), *betas, eps=eps, eps_root=0.0)
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
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        betas: b1 and b2, how much of m and v is kept; both start at 0.
        eps: outside the root, added after the bias correction.
        decay: 0 for none; decoupled, taken off the old p, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: nothing is changed in place; new dicts are returned.

    See: https://arxiv.org/abs/1711.05101; there the decay is not times lr
    """
    (b1, b2), state = betas, adam_state(params)

    def update(params, grads, state):
        moved, buffers = {}, {"step": state["step"] + 1}
        t, rate = buffers["step"], rate_of(lr, state)
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
            moved[name] = param - rate * step
        return moved, buffers

    return state, update


def adamw_concise(params, lr, betas, eps, decay):
    """Adam with decoupled weight decay by `optax.adamw`.

    Differs: said explicitly, because its own weight decay is 1e-4.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.adamw(
        schedule(lr), *betas, eps=eps, eps_root=0.0, weight_decay=decay
    )

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


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

    Differs: nothing is changed in place; new dicts are returned.

    See: Dive into Deep Learning, 11.8, where eps is inside the root.
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        moved, buffers, rate = {}, {}, rate_of(lr, state)
        if "step" in state:
            buffers["step"] = state["step"] + 1
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            v = state[f"{name}/v"]
            v = alpha * v + (1 - alpha) * grad**2
            buffers[f"{name}/v"] = v
            moved[name] = param - rate * grad / (jnp.sqrt(v) + eps)
        return moved, buffers

    return state, update


def rmsprop_concise(params, lr, alpha, eps, decay):
    """RMSprop by `optax.rmsprop`.

    Differs: said explicitly, because its own eps is inside the root. Weight
    decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.rmsprop(
        schedule(lr), decay=alpha, eps=eps, eps_in_sqrt=False
    )
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


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

    Differs: nothing is changed in place; new dicts are returned.

    See: https://jmlr.org/papers/v12/duchi11a.html; Dive into Deep Learning,
    11.7, where eps is inside the root.
    """
    state = squares_state(params, lr)

    def update(params, grads, state):
        moved, buffers, rate = {}, {}, rate_of(lr, state)
        if "step" in state:
            buffers["step"] = state["step"] + 1
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            v = state[f"{name}/v"]
            v = v + grad**2
            buffers[f"{name}/v"] = v
            moved[name] = param - rate * grad / (jnp.sqrt(v) + eps)
        return moved, buffers

    return state, update


def adagrad_concise(params, lr, eps, decay):
    """AdaGrad by `optax.adagrad`.

    p = p - lr * g / sqrt(v + eps)

    Differs: eps is inside the root; there is no step where v is 0. v would
    start at 0.1. Weight decay is a transformation of its own, chained before.

    See: https://optax.readthedocs.io/en/latest/api/optimizers.html
    """
    optimizer = optax.adagrad(
        schedule(lr), initial_accumulator_value=0.0, eps=eps
    )
    if decay:
        optimizer = optax.chain(optax.add_decayed_weights(decay), optimizer)

    def update(params, grads, state):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    return optimizer.init(params), update


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    first = {f"{name}/m": jnp.zeros_like(p) for name, p in params.items()}
    second = {f"{name}/v": jnp.zeros_like(p) for name, p in params.items()}
    return {**first, **second, "step": jnp.zeros((), jnp.int32)}


def squares_state(params, lr):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {f"{name}/v": jnp.zeros_like(p) for name, p in params.items()}
    if jnp.ndim(lr):
        state["step"] = jnp.zeros((), jnp.int32)
    return state
