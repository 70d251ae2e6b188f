"""Updates: gradients in, moved parameters out, in MindSpore."""

from common.contract.axes import from_layout, to_layout
from mindspore.experimental.optim import AdamW

import mindspore
from mindspore import Parameter, Tensor, nn, ops

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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign_sub`, because the method `sub_` does
    nothing on a CPU.

    See: Dive into Deep Learning, 3.1.1.4 and 11.6.
    """
    dtype = next(iter(params.values())).dtype
    rate, keep, shrink = (Tensor(x, dtype) for x in (lr, momentum, decay))
    state = {}
    if momentum:
        state = zeros_like(params)

    def update(params, grads, state):
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + shrink * param
            if momentum:
                step = keep * state[name + "/m"] + step
                ops.assign(state[name + "/m"], step)
            ops.assign_sub(param, rate * step)
        return params, state

    return state, update


def sgd_concise(params, lr, momentum, decay):
    """Mini-batch gradient descent by `nn.SGD`.

    Differs: nn.SGD refuses float64; nn.Momentum takes it, and is exact once
    its two float32 constants are replaced. Starting from m = 0 gives nn.SGD's
    own first step, m = g, without its flag for the first step. It would skip
    the decay of parameters whose names contain "beta" or "gamma".

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.SGD.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        optimizer = nn.Momentum(weights, lr, momentum)
        for name, value in (("learning_rate", lr), ("momentum", momentum)):
            exact = Parameter(Tensor(value, mindspore.float64), name=name)
            setattr(optimizer, name, exact)
        buffers = optimizer.moments
    else:
        optimizer = nn.SGD(weights, lr, momentum, weight_decay=decay)
        for first_step in optimizer.stat:
            ops.assign(first_step, ops.zeros_like(first_step))
        buffers = optimizer.accum
    state = {}
    if momentum:
        state = {n + "/m": m for n, m in zip(params, buffers, strict=True)}
    shrink = Tensor(decay, weights[0].dtype)
    coupled = decay and weights[0].dtype == mindspore.float64

    def update(params, grads, state):
        if coupled:
            grads = {n: g + shrink * params[n] for n, g in grads.items()}
        optimizer(tuple([g for g in grads.values()]))
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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: Dive into Deep Learning, 11.10.1; https://arxiv.org/abs/1412.6980
    """
    b1, b2 = betas
    dtype = next(iter(params.values())).dtype
    rate, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    keep_m, new_m = Tensor(b1, dtype), Tensor(1 - b1, dtype)
    keep_v, new_v = Tensor(b2, dtype), Tensor(1 - b2, dtype)
    state = adam_state(params)

    def update(params, grads, state):
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
        weights, lr, beta1=b1, beta2=b2, eps=eps, weight_decay=decay
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
        lr: learning rate, for the gradient of the batch's mean.
        betas: b1 and b2, how much of m and v is kept; both start at 0.
        eps: outside the root, added after the bias correction.
        decay: 0 for none; decoupled, taken off the old p, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign`, because methods like `mul_` do nothing
    on a CPU.

    See: https://arxiv.org/abs/1711.05101
    """
    b1, b2 = betas
    dtype = next(iter(params.values())).dtype
    rate, shrink, tiny = (Tensor(x, dtype) for x in (lr, decay, eps))
    keep_m, new_m = Tensor(b1, dtype), Tensor(1 - b1, dtype)
    keep_v, new_v = Tensor(b2, dtype), Tensor(1 - b2, dtype)
    state = adam_state(params)

    def update(params, grads, state):
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
    optimizer = AdamW(weights, lr, tuple(betas), eps, weight_decay=decay)
    first, second = optimizer.exp_avg, optimizer.exp_avg_sq
    state = {n + "/m": m for n, m in zip(params, first, strict=True)}
    state |= {n + "/v": v for n, v in zip(params, second, strict=True)}
    state["step"] = optimizer.state_step

    def update(params, grads, state):
        optimizer(tuple([g for g in grads.values()]))
        return params, state

    return state, update


def assign_state(state, arrays, axes):
    """Set the optimiser's state, in the memory it already has.

    Differs: nn.Adam's state has the powers of b1 and b2, too: they follow t,
    whose shape is (1,).
    """
    arrays = to_layout(arrays, axes, LAYOUT)
    for name, buffer in neutral(state).items():
        array = arrays[name].reshape(buffer.shape)
        ops.assign(buffer, to_tensor(array, "cpu"))
    for beta in ("beta1", "beta2"):
        if beta in state:
            power = ops.pow(state[beta], Tensor(arrays["step"].astype("f")))
            ops.assign(state[beta + "_power"], power)
    return state


def dump_state(state, axes):
    """Hand the state back: "<parameter>/m", its parameter's order, contiguous."""
    arrays = {n: to_array(buffer) for n, buffer in neutral(state).items()}
    if "step" in arrays:
        arrays["step"] = arrays["step"].reshape(())  # nn.Adam's is (1,)
    return from_layout(arrays, axes, LAYOUT)


def neutral(state):
    """The part of the state that every framework has."""
    return {n: b for n, b in state.items() if "/" in n or n == "step"}


def zeros_like(params):
    """One buffer of zeros for each parameter, named after it."""
    return {
        name + "/m": Parameter(ops.zeros_like(param), name=name + "/m")
        for name, param in params.items()
    }


def adam_state(params):
    """Two buffers of zeros for each parameter; the number of updates done."""
    second = {
        name + "/v": Parameter(ops.zeros_like(param), name=name + "/v")
        for name, param in params.items()
    }
    step = Parameter(Tensor(0, mindspore.int32), name="step")
    return {**zeros_like(params), **second, "step": step}
