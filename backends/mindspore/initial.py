"""What MindSpore's own layers begin with."""

import mindspore
from mindspore import Parameter, nn


def initial(params, seed):
    """Draw the weights of every layer as `nn` does, who is told nothing.

        Dense, Conv1d, Conv2d   U(-a, a), a = 1 / sqrt(fan in); biases, too
        GRU, LSTM               U(-a, a), a = 1 / sqrt(state); biases, too
        MultiheadAttention      U(-a, a), a = sqrt(6 / (fan in + fan out)),
                                what joins the heads as a Dense

    Args:
        params: of a model, as `load` placed them: they say the shapes.
        seed: of the draws.

    Returns:
        the same names. Norms begin with 0 and 1, as given; positions are a
        model's own, and stay.

    Differs: a convolution has no bias unless it is told to.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html
    """
    mindspore.set_seed(seed)
    drawn = dict(params)
    for name, given in params.items():
        layer, _, part = name.partition(".")
        if part == "weight" and layer != "position":
            weight, bias = own(layer, tuple(given.shape), params)
            drawn[name] = as_given(weight, name, given)
            if (other := f"{layer}.bias") in params:
                drawn[other] = as_given(bias, other, given)
    return drawn


def as_given(tensor, name, given):
    """A Parameter of the dtype of another."""
    return Parameter(tensor.astype(given.dtype), name=name)


def own(layer, sizes, params):
    """Weight and bias of a new layer of these sizes."""
    outputs, inputs, *window = sizes
    if layer == "attention":
        net = nn.MultiheadAttention(inputs, 1)
        return net.in_proj_weight, net.in_proj_bias
    if layer == "projection":
        net = nn.MultiheadAttention(inputs, 1).out_proj
    elif layer in ("input", "recurrent") and "recurrent.weight" in params:
        state = params["recurrent.weight"].shape[1]
        gates = {3: nn.GRU, 4: nn.LSTM}[outputs // state]
        net = gates(inputs, state)
        return net.w_ih_list[0], net.b_ih_list[0]
    elif window:
        kind = {1: nn.Conv1d, 2: nn.Conv2d}[len(window)]
        window = window[0] if len(window) == 1 else tuple(window)
        net = kind(inputs, outputs, window, has_bias=True)
    else:
        net = nn.Dense(inputs, outputs)
    return net.weight, net.bias
