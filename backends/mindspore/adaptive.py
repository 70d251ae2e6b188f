"""Updates that divide by the root of squares, in MindSpore."""

from mindspore.experimental.optim import Adagrad, AdamW, RMSprop

import mindspore
from mindspore import Parameter, Tensor, nn, ops

from .update import rate_of, schedule, varies, zeros_like


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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    b1, b2 = betas
    dtype = next(iter(params.values())).dtype
    rates, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    keep_m, new_m = Tensor(b1, dtype), Tensor(1 - b1, dtype)
    keep_v, new_v = Tensor(b2, dtype), Tensor(1 - b2, dtype)
    state = adam_state(params)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        ops.assign(state["step"], state["step"] + 1)
        t = state["step"].astype(dtype)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + shrink * param
            m = keep_m * state[name + "/m"] + new_m * grad
            v = keep_v * state[name + "/v"] + new_v * ops.square(grad)
            ops.assign(state[name + "/m"], m)
            ops.assign(state[name + "/v"], v)
            m_hat, v_hat = m / (1 - keep_m**t), v / (1 - keep_v**t)
            step = m_hat / (ops.sqrt(v_hat) + tiny)
            ops.assign_sub(param, rate * step)
        return params, state

    return state, update


def adam_concise(params, lr, betas, eps, decay):
    """Adam by `nn.Adam`; by adam_scratch in float64, which it refuses.

    p = p - lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)

    Differs: eps is added before the bias correction of v, so that it counts
    as eps / sqrt(1 - b2^t): 31.6 times as much at the first step. The powers
    of b1 and b2 are kept, not t alone. It would skip the decay of parameters
    whose names contain "beta" or "gamma".

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Adam.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        return adam_scratch(params, lr, betas, eps, decay)
    b1, b2 = betas
    optimizer = nn.Adam(
        weights, schedule(lr), beta1=b1, beta2=b2, eps=eps, weight_decay=decay
    )
    first, second = optimizer.moment1, optimizer.moment2
    state = {n + "/m": m for n, m in zip(params, first, strict=True)}
    state |= {n + "/v": v for n, v in zip(params, second, strict=True)}
    state["step"] = optimizer.global_step
    for name in ("beta1", "beta1_power", "beta2", "beta2_power"):
        state[name] = getattr(optimizer, name)

    def update(params, grads, state):
        optimizer(tuple([g for g in grads.values()]))
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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: https://arxiv.org/abs/1711.05101; there the decay is not times lr
    """
    b1, b2 = betas
    dtype = next(iter(params.values())).dtype
    rates, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    keep_m, new_m = Tensor(b1, dtype), Tensor(1 - b1, dtype)
    keep_v, new_v = Tensor(b2, dtype), Tensor(1 - b2, dtype)
    state = adam_state(params)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        ops.assign(state["step"], state["step"] + 1)
        t = state["step"].astype(dtype)
        for name, param in params.items():
            grad = grads[name]
            m = keep_m * state[name + "/m"] + new_m * grad
            v = keep_v * state[name + "/v"] + new_v * ops.square(grad)
            ops.assign(state[name + "/m"], m)
            ops.assign(state[name + "/v"], v)
            m_hat, v_hat = m / (1 - keep_m**t), v / (1 - keep_v**t)
            step = m_hat / (ops.sqrt(v_hat) + tiny)
            if decay:
                step = step + shrink * param
            ops.assign_sub(param, rate * step)
        return params, state

    return state, update


def adamw_concise(params, lr, betas, eps, decay):
    """AdamW by `experimental.optim.AdamW`; by adamw_scratch in float64.

    Differs: not `nn.AdamWeightDecay`, which has no bias correction: its first
    step is 3.2 times as long. The constants of this one are float32, too few
    digits for float64.

    See: https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/mindspore.experimental.optim.AdamW.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        return adamw_scratch(params, lr, betas, eps, decay)
    optimizer = AdamW(
        weights, 1.0 if varies(lr) else lr, tuple(betas), eps, decay
    )
    first, second = optimizer.exp_avg, optimizer.exp_avg_sq
    state = {n + "/m": m for n, m in zip(params, first, strict=True)}
    state |= {n + "/v": v for n, v in zip(params, second, strict=True)}
    state["step"] = optimizer.state_step
    rate = optimizer.lrs[0]

    def update(params, grads, state):
        if varies(lr):
            ops.assign(rate, rate_of(lr, state))
        optimizer(tuple([g for g in grads.values()]))
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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: Dive into Deep Learning, 11.8, where eps is inside the root.
    """
    dtype = next(iter(params.values())).dtype
    rates, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    keep, new = Tensor(alpha, dtype), Tensor(1 - alpha, dtype)
    state = squares_state(params, lr)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + shrink * param
            v = keep * state[name + "/v"] + new * ops.square(grad)
            ops.assign(state[name + "/v"], v)
            step = grad / (ops.sqrt(v) + tiny)
            ops.assign_sub(param, rate * step)
        if "step" in state:
            ops.assign(state["step"], state["step"] + 1)
        return params, state

    return state, update


def rmsprop_concise(params, lr, alpha, eps, decay):
    """RMSprop by `experimental.optim.RMSprop`; by rmsprop_scratch in float64.

    Differs: not `nn.RMSProp`: on a CPU it adds eps outside the root where it
    computes eight numbers at once, and inside, as documented, in the rest of
    a tensor (2.10.0). The constants of this one are float32, too few digits
    for float64.

    See: https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/mindspore.experimental.optim.RMSprop.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        return rmsprop_scratch(params, lr, alpha, eps, decay)
    first = 1.0 if varies(lr) else lr
    optimizer = RMSprop(weights, first, alpha, eps, decay)
    squares = zip(params, optimizer.mean_square, strict=True)
    state = {name + "/v": square for name, square in squares}
    if varies(lr):
        state["step"] = Parameter(Tensor(0, mindspore.int32), name="step")
    rate = optimizer.lrs[0]

    def update(params, grads, state):
        if varies(lr):
            ops.assign(rate, rate_of(lr, state))
            ops.assign(state["step"], state["step"] + 1)
        optimizer(tuple([g for g in grads.values()]))
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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: https://jmlr.org/papers/v12/duchi11a.html; Dive into Deep Learning,
    11.7, where eps is inside the root.
    """
    dtype = next(iter(params.values())).dtype
    rates, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    state = squares_state(params, lr)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        for name, param in params.items():
            grad = grads[name]
            if decay:
                grad = grad + shrink * param
            v = state[name + "/v"] + ops.square(grad)
            ops.assign(state[name + "/v"], v)
            step = grad / (ops.sqrt(v) + tiny)
            ops.assign_sub(param, rate * step)
        if "step" in state:
            ops.assign(state["step"], state["step"] + 1)
        return params, state

    return state, update


def adagrad_concise(params, lr, eps, decay):
    """AdaGrad by `experimental.optim.Adagrad`; by adagrad_scratch in float64.

    Differs: not `nn.Adagrad`, which has no eps: where a gradient is 0 from
    the start, as of pixels that are always black, it divides 0 by 0. The
    constants of this one are float32, too few digits for float64.

    See: https://www.mindspore.cn/docs/en/master/api_python/experimental/optim/mindspore.experimental.optim.Adagrad.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        return adagrad_scratch(params, lr, eps, decay)
    first = 1.0 if varies(lr) else lr
    optimizer = Adagrad(weights, first, weight_decay=decay, eps=eps)
    squares = zip(params, optimizer.accum, strict=True)
    state = {name + "/v": square for name, square in squares}
    if varies(lr):
        state["step"] = optimizer.step_t
    rate = optimizer.lrs[0]

    def update(params, grads, state):
        if varies(lr):
            ops.assign(rate, rate_of(lr, state))
        optimizer(tuple([g for g in grads.values()]))
        return params, state

    return state, update


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    second = {
        name + "/v": Parameter(ops.zeros_like(param), name=name + "/v")
        for name, param in params.items()
    }
    step = Parameter(Tensor(0, mindspore.int32), name="step")
    return {**zeros_like(params), **second, "step": step}


def squares_state(params, lr):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = {
        name + "/v": Parameter(ops.zeros_like(param), name=name + "/v")
        for name, param in params.items()
    }
    if varies(lr):
        state["step"] = Parameter(Tensor(0, mindspore.int32), name="step")
    return state
