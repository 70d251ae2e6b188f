"""nn.Conv2d(1, 6, 5) has a bias and no padding in torch; in MindSpore padding and no bias.

JAX has no default for either: lax.conv asks for the padding and adds no bias, and layers are left
to libraries on top of it; so it has no function here.
"""

TOPIC = "model"
WHY = "The same line gives maps of another size, and lacks a parameter that the original has."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Conv2d.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Conv2d.html",
)
SEEN = {"torch": "2.14.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    picture = torch.zeros(1, 1, 28, 28)
    layer = nn.Conv2d(1, 6, 5)
    other = nn.Conv2d(1, 6, 5, padding="same", bias=False)
    return {
        "parameters": sum(p.numel() for p in layer.parameters()),
        "maps of 28 × 28": list(layer(picture).shape[2:]),
        "parameters, as the other": sum(p.numel() for p in other.parameters()),
        "maps, as the other": list(other(picture).shape[2:]),
    }


def mindspore():
    from mindspore import nn, ops

    picture = ops.zeros((1, 1, 28, 28))
    layer = nn.Conv2d(1, 6, 5)
    other = nn.Conv2d(1, 6, 5, pad_mode="valid", has_bias=True)
    return {
        "parameters": sum(p.size for p in layer.get_parameters()),
        "maps of 28 × 28": list(layer(picture).shape[2:]),
        "parameters, as the other": sum(p.size for p in other.get_parameters()),
        "maps, as the other": list(other(picture).shape[2:]),
    }


CLAIM = {
    "torch": {
        "parameters": 156,
        "maps of 28 × 28": [24, 24],
        "parameters, as the other": 150,
        "maps, as the other": [28, 28],
    },
    "mindspore": {
        "parameters": 150,
        "maps of 28 × 28": [28, 28],
        "parameters, as the other": 156,
        "maps, as the other": [24, 24],
    },
}
