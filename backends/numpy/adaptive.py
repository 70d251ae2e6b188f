"""Updates that divide by the root of squares, in NumPy."""

import numpy as np

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

    Differs: the bias corrections are computed in the parameters' dtype, as
    the other columns do it; in float32 that costs 1 - b2^t three digits.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    (b1, b2), state = betas, adam_state(params)
    dtype = next(iter(params.values())).dtype.type

    def update(params, grads, state):
        rate = rate_of(lr, state)
        state["step"] += 1
        t = state["step"].astype(dtype)
        c1, c2 = 1 - dtype(b1) ** t, 1 - dtype(b2) ** t
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + decay * param
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m[...] = b1 * m + (1 - b1) * grad
            v[...] = b2 * v + (1 - b2) * grad**2
            m_hat, v_hat = m / c1, v / c2
            step = m_hat / (np.sqrt(v_hat) + eps)
            param -= rate * step
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

    Differs: the bias corrections are computed in the parameters' dtype, as
    the other columns do it; in float32 that costs 1 - b2^t three digits.

    See: https://arxiv.org/abs/1711.05101; there the decay is not times lr
    """
    (b1, b2), state = betas, adam_state(params)
    dtype = next(iter(params.values())).dtype.type

    def update(params, grads, state):
        rate = rate_of(lr, state)
        state["step"] += 1
        t = state["step"].astype(dtype)
        c1, c2 = 1 - dtype(b1) ** t, 1 - dtype(b2) ** t
        for name, param in params.items():
            grad = grads[name]
            m, v = state[f"{name}/m"], state[f"{name}/v"]
            m[...] = b1 * m + (1 - b1) * grad
            v[...] = b2 * v + (1 - b2) * grad**2
            m_hat, v_hat = m / c1, v / c2
            step = m_hat / (np.sqrt(v_hat) + eps)
            if decay:
                step = step + decay * param
            param -= rate * step
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
            v[...] = alpha * v + (1 - alpha) * grad**2
            param -= rate * grad / (np.sqrt(v) + eps)
        if "step" in state:
            state["step"] += 1
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
            v[...] = v + grad**2
            param -= rate * grad / (np.sqrt(v) + eps)
        if "step" in state:
            state["step"] += 1
        return params, state

    return state, update


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    first = {f"{name}/m": np.zeros_like(p) for name, p in params.items()}
    second = {f"{name}/v": np.zeros_like(p) for name, p in params.items()}
    return {**first, **second, "step": np.zeros((), np.int32)}


def squares_state(params, lr):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {f"{name}/v": np.zeros_like(p) for name, p in params.items()}
    if np.ndim(lr):
        state["step"] = np.zeros((), np.int32)
    return state
