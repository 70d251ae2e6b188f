"""Updates: gradients in, moved parameters out, in MindSpore."""

import mindspore
from mindspore import Parameter, Tensor, nn, ops

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


def assign_state(state, arrays):
    """Set the optimiser's state, in the memory it already has."""
    for name, buffer in state.items():
        ops.assign(buffer, to_tensor(arrays[name].T, "cpu"))
    return state


def dump_state(state):
    """Hand the state back: "<parameter>/m", (in, out), contiguous."""
    return {name: to_array(buffer).T.copy() for name, buffer in state.items()}


def zeros_like(params):
    """One buffer of zeros for each parameter, named after it."""
    return {
        name + "/m": Parameter(ops.zeros_like(param), name=name + "/m")
        for name, param in params.items()
    }
