"""Adaptive pooling by a window and stride of ceil(in / out) is right only where the sizes divide.

A helper of one's own easily does so. 8 pixels become 2, as they should; of 7 it makes 2 in place of
3. Adaptive pooling averages from floor(i · in / out) to ceil((i + 1) · in / out), so its windows
may overlap. JAX has none: here these bounds are written down.
"""

TOPIC = "find the bug"
WHY = "It passes on the sizes of the book; on others shapes or values are wrong."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.AdaptiveAvgPool2d.html",
    "https://zh.d2l.ai/chapter_convolutional-modern/googlenet.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import functional

    def slipped(row, size):
        window = (1, -(-row.shape[-1] // size))
        return functional.avg_pool2d(row, window, stride=window).flatten().tolist()

    def put_right(row, size):
        return functional.adaptive_avg_pool2d(row, (1, size)).flatten().tolist()

    eight, seven = (torch.arange(float(width)).reshape(1, 1, 1, -1) for width in (8, 7))
    return {
        "8 to 2, with the slip": slipped(eight, 2),
        "8 to 2, put right": put_right(eight, 2),
        "7 to 3, with the slip": slipped(seven, 3),
        "7 to 3, put right": put_right(seven, 3),
    }


def jax():
    import jax.numpy as jnp
    from jax import lax

    def slipped(row, size):
        window = -(-len(row) // size)
        sums = lax.reduce_window(row, 0.0, lax.add, (window,), (window,), "VALID")
        return (sums / window).tolist()

    def put_right(row, size):
        bounds = [(i * len(row) // size, -(-(i + 1) * len(row) // size)) for i in range(size)]
        return [row[start:end].mean().item() for start, end in bounds]

    eight, seven = (jnp.arange(float(width)) for width in (8, 7))
    return {
        "8 to 2, with the slip": slipped(eight, 2),
        "8 to 2, put right": put_right(eight, 2),
        "7 to 3, with the slip": slipped(seven, 3),
        "7 to 3, put right": put_right(seven, 3),
    }


def mindspore():
    from mindspore import nn, ops

    def slipped(row, size):
        window = (1, -(-row.shape[-1] // size))
        return nn.AvgPool2d(window, stride=window)(row).flatten().asnumpy().tolist()

    def put_right(row, size):
        return nn.AdaptiveAvgPool2d((1, size))(row).flatten().asnumpy().tolist()

    eight, seven = (ops.arange(float(width)).reshape(1, 1, 1, -1) for width in (8, 7))
    return {
        "8 to 2, with the slip": slipped(eight, 2),
        "8 to 2, put right": put_right(eight, 2),
        "7 to 3, with the slip": slipped(seven, 3),
        "7 to 3, put right": put_right(seven, 3),
    }


CLAIM = {
    "torch": {
        "8 to 2, with the slip": [1.5, 5.5],
        "8 to 2, put right": [1.5, 5.5],
        "7 to 3, with the slip": [1.0, 4.0],
        "7 to 3, put right": [1.0, 3.0, 5.0],
    },
    "jax": {
        "8 to 2, with the slip": [1.5, 5.5],
        "8 to 2, put right": [1.5, 5.5],
        "7 to 3, with the slip": [1.0, 4.0],
        "7 to 3, put right": [1.0, 3.0, 5.0],
    },
    "mindspore": {
        "8 to 2, with the slip": [1.5, 5.5],
        "8 to 2, put right": [1.5, 5.5],
        "7 to 3, with the slip": [1.0, 4.0],
        "7 to 3, put right": [1.0, 3.0, 5.0],
    },
}
