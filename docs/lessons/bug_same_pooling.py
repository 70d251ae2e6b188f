"""Pooling with SAME where the original has padding=1: shapes agree, all windows are a pixel off.

GoogLeNet and ResNet are easily taken over to MindSpore so. Both halve 8 columns, but SAME pads the
right only. On 7 columns it pads both sides, and the two agree. torch has no SAME: it is padded by
hand.
"""

TOPIC = "find the bug"
WHY = "Each such layer shifts the picture by a pixel, and trained weights give other outputs."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MaxPool2d.html",
    "https://zh.d2l.ai/chapter_convolutional-modern/resnet.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import max_pool2d, pad

    def columns(width):  # of each window the last column: the largest
        return torch.arange(float(width)).repeat(1, 1, width, 1)

    def same(x):
        left = 0 if x.shape[-1] % 2 == 0 else 1
        return max_pool2d(pad(x, (left, 1, left, 1), value=-torch.inf), 3, stride=2)

    def around(x):
        return max_pool2d(x, 3, stride=2, padding=1)

    return {
        "of 8, with the slip": same(columns(8))[0, 0, 0].tolist(),
        "of 8, put right": around(columns(8))[0, 0, 0].tolist(),
        "shapes agree": same(columns(8)).shape == around(columns(8)).shape,
        "of 7, the same": bool((same(columns(7)) == around(columns(7))).all()),
    }


def jax():
    import jax.numpy as jnp
    from jax import lax

    def columns(width):  # of each window the last column: the largest
        return jnp.tile(jnp.arange(float(width)), (1, 1, width, 1))

    def same(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "SAME")

    def around(x):
        pads = ((0, 0), (0, 0), (1, 1), (1, 1))
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), pads)

    return {
        "of 8, with the slip": same(columns(8))[0, 0, 0].tolist(),
        "of 8, put right": around(columns(8))[0, 0, 0].tolist(),
        "shapes agree": same(columns(8)).shape == around(columns(8)).shape,
        "of 7, the same": bool((same(columns(7)) == around(columns(7))).all()),
    }


def mindspore():
    from mindspore import nn, ops

    def columns(width):  # of each window the last column: the largest
        return ops.tile(ops.arange(float(width)), (1, 1, width, 1))

    same = nn.MaxPool2d(3, stride=2, pad_mode="same")
    around = nn.MaxPool2d(3, stride=2, pad_mode="pad", padding=1)
    return {
        "of 8, with the slip": same(columns(8))[0, 0, 0].asnumpy().tolist(),
        "of 8, put right": around(columns(8))[0, 0, 0].asnumpy().tolist(),
        "shapes agree": same(columns(8)).shape == around(columns(8)).shape,
        "of 7, the same": bool((same(columns(7)) == around(columns(7))).all()),
    }


CLAIM = {
    "torch": {
        "of 8, with the slip": [2.0, 4.0, 6.0, 7.0],
        "of 8, put right": [1.0, 3.0, 5.0, 7.0],
        "shapes agree": True,
        "of 7, the same": True,
    },
    "jax": {
        "of 8, with the slip": [2.0, 4.0, 6.0, 7.0],
        "of 8, put right": [1.0, 3.0, 5.0, 7.0],
        "shapes agree": True,
        "of 7, the same": True,
    },
    "mindspore": {
        "of 8, with the slip": [2.0, 4.0, 6.0, 7.0],
        "of 8, put right": [1.0, 3.0, 5.0, 7.0],
        "shapes agree": True,
        "of 7, the same": True,
    },
}
