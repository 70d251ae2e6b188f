"""torch's and MindSpore's recurrent layers add two biases: their sum learns twice as fast as one.

They do the work of one, and each gets the whole gradient. Written by hand, as in JAX, a cell has
one. An LSTM from 28 to 64 has 256 parameters more for it.
"""

TOPIC = "model"
WHY = "A port with one bias starts equal, once the two are added, and parts at the first step."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.RNNCell.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.grad.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.RNNCell.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    large = sum(weight.numel() for weight in nn.LSTM(28, 64).parameters())
    cell = nn.RNNCell(1, 1)
    for weight in cell.parameters():
        nn.init.zeros_(weight)
    optimizer = torch.optim.SGD(cell.parameters(), lr=0.1)
    cell(torch.zeros(1, 1), torch.zeros(1, 1)).sum().backward()
    optimizer.step()
    return {
        "parameters of an LSTM": large,
        "each bias moved by": cell.bias_hh.item(),
        "bias in all moved by": (cell.bias_ih + cell.bias_hh).item(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    shapes = {"input": (28, 256), "hidden": (64, 256), "bias": (256,)}
    large = sum(jnp.zeros(shape).size for shape in shapes.values())

    def cell(weights, x, hidden):
        return jnp.tanh(x @ weights["input"] + hidden @ weights["hidden"] + weights["bias"]).sum()

    weights = {"input": jnp.zeros((1, 1)), "hidden": jnp.zeros((1, 1)), "bias": jnp.zeros(1)}
    slopes = jax.grad(cell)(weights, jnp.zeros((1, 1)), jnp.zeros((1, 1)))
    moved = jax.tree.map(lambda weight, slope: weight - 0.1 * slope, weights, slopes)
    return {
        "parameters of an LSTM": large,
        "each bias moved by": moved["bias"].item(),
        "bias in all moved by": moved["bias"].item(),
    }


def mindspore():
    import mindspore
    from mindspore import nn, ops

    large = sum(weight.size for weight in nn.LSTM(28, 64).get_parameters())
    cell = nn.RNNCell(1, 1)
    for weight in cell.get_parameters():
        ops.assign(weight, ops.zeros(weight.shape))
    optimizer = nn.SGD(cell.trainable_params(), learning_rate=0.1)
    slope = mindspore.grad(lambda x, h: cell(x, h).sum(), None, optimizer.parameters)
    optimizer(slope(ops.zeros((1, 1)), ops.zeros((1, 1))))
    return {
        "parameters of an LSTM": large,
        "each bias moved by": cell.bias_hh.asnumpy().item(),
        "bias in all moved by": (cell.bias_ih + cell.bias_hh).asnumpy().item(),
    }


CLAIM = {
    "torch": {
        "parameters of an LSTM": 24064,
        "each bias moved by": -0.1,
        "bias in all moved by": -0.2,
    },
    "jax": {
        "parameters of an LSTM": 23808,
        "each bias moved by": -0.1,
        "bias in all moved by": -0.1,
    },
    "mindspore": {
        "parameters of an LSTM": 24064,
        "each bias moved by": -0.1,
        "bias in all moved by": -0.2,
    },
}
