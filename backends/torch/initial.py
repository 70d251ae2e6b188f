"""What PyTorch's own layers begin with."""

import torch
from torch import nn


def initial(params, seed):
    """Draw the weights of every layer as `nn` does, who is told nothing.

        Linear, Conv1d, Conv2d  U(-a, a), a = 1 / sqrt(fan in); biases, too
        GRU, LSTM               U(-a, a), a = 1 / sqrt(state); biases, too
        MultiheadAttention      U(-a, a), a = sqrt(6 / (fan in + fan out)),
                                what joins the heads as a Linear; biases 0

    Args:
        params: of a model, as `load` placed them: they say the shapes.
        seed: of the draws.

    Returns:
        the same names. Norms begin with 0 and 1, as given; positions are a
        model's own, and stay.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html
    """
    torch.manual_seed(seed)
    drawn = dict(params)
    for name, given in params.items():
        layer, _, part = name.partition(".")
        if part == "weight" and layer != "position":
            weight, bias = own(layer, tuple(given.shape), params)
            drawn[name] = weight.detach().to(given)
            if f"{layer}.bias" in params:
                drawn[f"{layer}.bias"] = bias.detach().to(given)
    return drawn


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
        return net.weight_ih_l0, net.bias_ih_l0
    elif window:
        kind = {1: nn.Conv1d, 2: nn.Conv2d}[len(window)]
        net = kind(inputs, outputs, tuple(window))
    else:
        net = nn.Linear(inputs, outputs)
    return net.weight, net.bias
