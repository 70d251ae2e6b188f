"""Updates: gradients in, moved parameters out, in MindSpore."""

from common.contract.axes import from_layout, to_layout
from mindspore.nn.learning_rate_schedule import LearningRateSchedule

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
        lr: learning rate, for the gradient of the batch's mean: a number, or
            those of all steps (steps,), of which `step` updates were made.
        momentum: 0 for none; the first step has m = g.
        decay: 0 for none; coupled, added to the gradient, all parameters.

    Returns:
        state, update(params, grads, state) -> params, state.

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign_sub`, because the method `sub_` does
    nothing on a CPU.

    See: Dive into Deep Learning, 3.1.1.4, 3.2.6 and 11.6.
    """
    dtype = next(iter(params.values())).dtype
    rates, keep, shrink = (Tensor(x, dtype) for x in (lr, momentum, decay))
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + shrink * param
            if momentum:
                step = keep * state[name + "/m"] + step
                ops.assign(state[name + "/m"], step)
            ops.assign_sub(param, rate * step)
        if "step" in state:
            ops.assign(state["step"], state["step"] + 1)
        return params, state

    return state, update


def sgd_concise(params, lr, momentum, decay):
    """Mini-batch gradient descent by `nn.SGD`.

    Differs: nn.SGD refuses float64; nn.Momentum takes it, and is exact once
    its two float32 constants are replaced. Starting from m = 0 gives nn.SGD's
    own first step, m = g, without its flag for the first step. It would skip
    the decay of parameters whose names contain "beta" or "gamma". It counts
    its steps where a schedule does.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.SGD.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        optimizer = nn.Momentum(weights, 0.0 if varies(lr) else lr, momentum)
        for name, value in (("learning_rate", lr), ("momentum", momentum)):
            value = value[0] if varies(value) else value
            exact = Parameter(Tensor(value, mindspore.float64), name=name)
            setattr(optimizer, name, exact)
        buffers = optimizer.moments
    else:
        optimizer = nn.SGD(
            weights, schedule(lr), momentum, weight_decay=decay
        )
        for first_step in optimizer.stat:
            ops.assign(first_step, ops.zeros_like(first_step))
        buffers = optimizer.accum
    state = {}
    if momentum:
        state = {n + "/m": m for n, m in zip(params, buffers, strict=True)}
    if varies(lr):
        state["step"] = optimizer.global_step
    shrink = Tensor(decay, weights[0].dtype)
    coupled = decay and weights[0].dtype == mindspore.float64
    assigned = varies(lr) and weights[0].dtype == mindspore.float64

    def update(params, grads, state):
        if assigned:
            rate = rate_of(lr, state).reshape(())
            ops.assign(optimizer.learning_rate, rate)
        if coupled:
            grads = {n: g + shrink * params[n] for n, g in grads.items()}
        optimizer(tuple([g for g in grads.values()]))
        return params, state

    return state, update


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

    Differs: constants are Tensors, because a Python float meets a float64
    Tensor as float32; `ops.assign_sub`, because the method `sub_` does
    nothing on a CPU.

    See: https://proceedings.mlr.press/v28/sutskever13.html
    """
    dtype = next(iter(params.values())).dtype
    rates, keep, shrink = (Tensor(x, dtype) for x in (lr, momentum, decay))
    state = sgd_state(params, lr, momentum)

    def update(params, grads, state):
        rate = rate_of(rates, state)
        for name, param in params.items():
            step = grads[name]
            if decay:
                step = step + shrink * param
            m = keep * state[name + "/m"] + step
            ops.assign(state[name + "/m"], m)
            step = step + keep * m
            ops.assign_sub(param, rate * step)
        if "step" in state:
            ops.assign(state["step"], state["step"] + 1)
        return params, state

    return state, update


def nesterov_concise(params, lr, momentum, decay):
    """Gradient descent with Nesterov's momentum by `nn.SGD`.

    Differs: nn.SGD refuses float64, and nn.Momentum, which takes it, ignores
    its `use_nesterov` on a CPU; nesterov_scratch stands in for it there. For
    the first step as in sgd_concise.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.SGD.html
    """
    weights = list(params.values())
    if weights[0].dtype == mindspore.float64:
        return nesterov_scratch(params, lr, momentum, decay)
    optimizer = nn.SGD(
        weights, schedule(lr), momentum, weight_decay=decay, nesterov=True
    )
    for first_step in optimizer.stat:
        ops.assign(first_step, ops.zeros_like(first_step))
    buffers = zip(params, optimizer.accum, strict=True)
    state = {name + "/m": buffer for name, buffer in buffers}
    if varies(lr):
        state["step"] = optimizer.global_step

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


class Schedule(LearningRateSchedule):
    """The rates of all steps; given as a list, it would raise after the last.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LearningRateSchedule.html
    """

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def construct(self, global_step):
        """The rate of a step that is counted from 0."""
        return rate_of(self.rates, {"step": global_step})


def schedule(lr):
    """A number as it is; the rates of all steps as optimisers take them."""
    return Schedule(lr) if varies(lr) else lr


def varies(lr):
    """Whether these are the rates of all steps."""
    return isinstance(lr, Tensor) and lr.ndim > 0


def rate_of(rates, state):
    """The learning rate of this step; after the last one its rate stays."""
    if rates.ndim == 0:
        return rates
    return rates[ops.minimum(state["step"], rates.shape[0] - 1)]


def sgd_state(params, lr, momentum):
    """A buffer of zeros for each parameter; the number of updates done."""
    state = zeros_like(params) if momentum else {}
    if varies(lr):
        state["step"] = Parameter(Tensor(0, mindspore.int32), name="step")
    return state


def zeros_like(params):
    """One buffer of zeros for each parameter, named after it."""
    return {
        name + "/m": Parameter(ops.zeros_like(param), name=name + "/m")
        for name, param in params.items()
    }
