"""nn.MaxPool2d(2) makes 14 of 28 pixels in torch, 27 in MindSpore: its stride is 1 unless said.

MindSpore's function ops.max_pool2d has torch's default. JAX's reduce_window is told its strides
each time and has no default to compare, so it has no function here.
"""

TOPIC = "model"
WHY = "The dense layer behind it does not fit, or the network becomes four times as large."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MaxPool2d.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.max_pool2d.html",
)
SEEN = {"torch": "2.14.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    picture = torch.zeros(1, 1, 28, 28)
    return {
        "layer, largest": list(nn.MaxPool2d(2)(picture).shape[2:]),
        "layer, average": list(nn.AvgPool2d(2)(picture).shape[2:]),
        "layer, stride 2": list(nn.MaxPool2d(2, stride=2)(picture).shape[2:]),
        "function, largest": list(nn.functional.max_pool2d(picture, 2).shape[2:]),
    }


def mindspore():
    from mindspore import nn, ops

    picture = ops.zeros((1, 1, 28, 28))
    return {
        "layer, largest": list(nn.MaxPool2d(2)(picture).shape[2:]),
        "layer, average": list(nn.AvgPool2d(2)(picture).shape[2:]),
        "layer, stride 2": list(nn.MaxPool2d(2, stride=2)(picture).shape[2:]),
        "function, largest": list(ops.max_pool2d(picture, 2).shape[2:]),
    }


CLAIM = {
    "torch": {
        "layer, largest": [14, 14],
        "layer, average": [14, 14],
        "layer, stride 2": [14, 14],
        "function, largest": [14, 14],
    },
    "mindspore": {
        "layer, largest": [27, 27],
        "layer, average": [27, 27],
        "layer, stride 2": [14, 14],
        "function, largest": [14, 14],
    },
}
