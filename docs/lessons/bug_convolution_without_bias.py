"""LeNet's nn.Conv2d lines, taken over to MindSpore, make no biases: 22 parameters are missing.

So do VGG, NiN and GoogLeNet taken over in this way, with no BatchNorm behind them to make up for
it. In JAX a convolution has the bias that is written. A black picture shows it: with no bias all
its feature maps are 0, whatever was learnt; here all biases there are become 1.
"""

TOPIC = "find the bug"
WHY = "Trained biases have no place in the port, and what is trained anew is a smaller network."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Conv2d.html",
    "https://zh.d2l.ai/chapter_convolutional-neural-networks/lenet.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import Conv2d, init

    found = {}
    for name, bias in (("with the slip", {}), ("put right", {"bias": True})):
        first = Conv2d(1, 6, 5, padding=2, **bias)
        second = Conv2d(6, 16, 5, **bias)
        for layer in (first, second):
            if layer.bias is not None:
                init.ones_(layer.bias)
        weights = [weight for layer in (first, second) for weight in layer.parameters()]
        black = first(torch.zeros(1, 1, 28, 28))
        found[f"parameters, {name}"] = sum(weight.numel() for weight in weights)
        found[f"feature map of black, {name}"] = black.max().item()
    missing = found["parameters, put right"] - found["parameters, with the slip"]
    return {**found, "missing": missing}


def jax():
    import jax
    import jax.numpy as jnp

    found = {}
    shapes = {"with the slip": ((6, 1, 5, 5), (16, 6, 5, 5))}
    shapes["put right"] = (*shapes["with the slip"], (6,), (16,))
    for name, wanted in shapes.items():
        first, second, *biases = (jnp.ones(shape) for shape in wanted)
        black = jax.lax.conv(jnp.zeros((1, 1, 28, 28)), first, (1, 1), "SAME")
        for bias in biases[:1]:
            black = black + bias[:, None, None]
        weights = [first, second, *biases]
        found[f"parameters, {name}"] = sum(weight.size for weight in weights)
        found[f"feature map of black, {name}"] = black.max().item()
    missing = found["parameters, put right"] - found["parameters, with the slip"]
    return {**found, "missing": missing}


def mindspore():
    from mindspore import ops
    from mindspore.nn import Conv2d

    found = {}
    for name, bias in (("with the slip", {}), ("put right", {"has_bias": True})):
        first = Conv2d(1, 6, 5, pad_mode="pad", padding=2, **bias)
        second = Conv2d(6, 16, 5, pad_mode="valid", **bias)
        for layer in (first, second):
            if layer.bias is not None:
                ops.assign(layer.bias, ops.ones(layer.bias.shape))
        weights = [weight for layer in (first, second) for weight in layer.get_parameters()]
        black = first(ops.zeros((1, 1, 28, 28)))
        found[f"parameters, {name}"] = sum(weight.size for weight in weights)
        found[f"feature map of black, {name}"] = black.max().item()
    missing = found["parameters, put right"] - found["parameters, with the slip"]
    return {**found, "missing": missing}


CLAIM = {
    "torch": {
        "parameters, with the slip": 2572,
        "feature map of black, with the slip": 1.0,
        "parameters, put right": 2572,
        "feature map of black, put right": 1.0,
        "missing": 0,
    },
    "jax": {
        "parameters, with the slip": 2550,
        "feature map of black, with the slip": 0.0,
        "parameters, put right": 2572,
        "feature map of black, put right": 1.0,
        "missing": 22,
    },
    "mindspore": {
        "parameters, with the slip": 2550,
        "feature map of black, with the slip": 0.0,
        "parameters, put right": 2572,
        "feature map of black, put right": 1.0,
        "missing": 22,
    },
}
