"""Models that read a picture row by row, in MindSpore."""

import mindspore
from mindspore import ParameterTuple, nn, ops

from .layers import dense, sigmoid

HIDDEN = 64  # numbers in a state


def gru_scratch(params, shape):
    """A GRU from scratch; its last state goes to a dense layer.

        r = σ(x Wᵣ + bᵣ + h Uᵣ + cᵣ)          reset
        z = σ(x W_z + b_z + h U_z + c_z)      update
        m = tanh(x Wₘ + bₘ + r (h Uₘ + cₘ))   new: reset after the product
        h = (1 - z) m + z h, from 0

    Args:
        params: input.weight (192, columns * channels) and input.bias are Wᵀ
            and b, recurrent.weight (192, 64) and recurrent.bias Uᵀ and c:
            reset, update and new, 64 rows each; output.weight (10, 64),
            output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Cho et al., Learning phrase representations using RNN
    encoder-decoder, 2014, 2.3; PyTorch's nn.GRU, which resets after.
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = ops.zeros((len(images), HIDDEN), images.dtype)
        for row in range(shape[0]):
            state = gru_step(params, given[row], state)
        return dense(params, "output", state)

    return forward


def gru_concise(params, shape):
    """A GRU with `nn.GRU`.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: it holds its parameters in tuples, one for each layer, and takes
    no state of float64, though it starts from one (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.GRU.html
    """
    net = nn.GRU(shape[1] * shape[2], HIDDEN)
    give(net, params)

    def forward(params, images):
        _, states = net(rows(images, shape))
        return dense(params, "output", states[0])

    return forward


def lstm_scratch(params, shape):
    """An LSTM from scratch; its last state goes to a dense layer.

        i = σ(x Wᵢ + bᵢ + h Uᵢ + cᵢ)        input
        f = σ(x W_f + b_f + h U_f + c_f)    forget
        m = tanh(x Wₘ + bₘ + h Uₘ + cₘ)     new
        o = σ(x Wₒ + bₒ + h Uₒ + cₒ)        output
        s = f s + i m, h = o tanh(s), both from 0

    Args:
        params: input.weight (256, columns * channels) and input.bias are Wᵀ
            and b, recurrent.weight (256, 64) and recurrent.bias Uᵀ and c:
            input, forget, new and output, 64 rows each; output.weight
            (10, 64), output.bias (10,).
        shape: (height, width, channels) of one image.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Hochreiter and Schmidhuber, Long short-term memory, 1997; with a
    forget gate: Gers et al., 2000; the order is that of PyTorch's nn.LSTM.
    """

    def forward(params, images):
        given = dense(params, "input", rows(images, shape))
        state = memory = ops.zeros((len(images), HIDDEN), images.dtype)
        for row in range(shape[0]):
            state, memory = lstm_step(params, given[row], state, memory)
        return dense(params, "output", state)

    return forward


def lstm_concise(params, shape):
    """An LSTM with `nn.LSTM`.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: on a CPU it is one operation, which is given the sum of both
    biases. Of float64 it takes the rows, computes in float32 and has no
    gradient, NaN (2.10.0): from scratch then.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LSTM.html
    """
    if params["input.weight"].dtype == mindspore.float64:
        return lstm_scratch(params, shape)
    net = nn.LSTM(shape[1] * shape[2], HIDDEN)
    give(net, params)

    def forward(params, images):
        _, (states, _) = net(rows(images, shape))
        return dense(params, "output", states[0])

    return forward


def gru_step(params, given, state):
    """The next state of a GRU.

    Args:
        given: x W + b of the row, (n, 192).
        state: h, (n, 64).
    """
    kept = dense(params, "recurrent", state)  # h U + c
    kept_r, kept_z, kept_m = ops.split(kept, HIDDEN, 1)
    given_r, given_z, given_m = ops.split(given, HIDDEN, 1)
    reset = sigmoid(given_r + kept_r)
    update = sigmoid(given_z + kept_z)
    new = ops.tanh(given_m + reset * kept_m)
    return (1 - update) * new + update * state


def lstm_step(params, given, state, memory):
    """The next state and memory of an LSTM.

    Args:
        given: x W + b of the row, (n, 256).
        state, memory: h and s, (n, 64) each.
    """
    gates = given + dense(params, "recurrent", state)
    gate_i, gate_f, gate_m, gate_o = ops.split(gates, HIDDEN, 1)
    enter, forget = sigmoid(gate_i), sigmoid(gate_f)
    new, leave = ops.tanh(gate_m), sigmoid(gate_o)
    memory = forget * memory + enter * new
    return leave * ops.tanh(memory), memory


def give(net, params):
    """Give a recurrent layer of `nn` these Parameters."""
    net.w_ih_list = ParameterTuple([params["input.weight"]])
    net.b_ih_list = ParameterTuple([params["input.bias"]])
    net.w_hh_list = ParameterTuple([params["recurrent.weight"]])
    net.b_hh_list = ParameterTuple([params["recurrent.bias"]])


def rows(images, shape):
    """Pictures as sequences of their rows: (rows, n, columns * channels)."""
    height, width, channels = shape
    images = ops.reshape(images, (-1, height, width * channels))
    return ops.transpose(images, (1, 0, 2))
