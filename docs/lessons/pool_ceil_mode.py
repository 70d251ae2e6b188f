"""Pooling 5 pixels by pairs drops the last; with ceil_mode=True, and in JAX with SAME, it does not.

torch and MindSpore average the last pixel over itself, so over what there is. In JAX whoever
divides decides: by 2, as elsewhere, makes half of it.
"""

TOPIC = "model"
WHY = "Maps are a pixel smaller than those the weights were trained on, or differ at their end."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MaxPool2d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import functional

    row = torch.arange(5.0).reshape(1, 1, 1, 5)
    floor = functional.max_pool2d(row, (1, 2))
    ceil = functional.max_pool2d(row, (1, 2), ceil_mode=True)
    mean = functional.avg_pool2d(row, (1, 2), ceil_mode=True)
    return {
        "largest": floor.flatten().tolist(),
        "largest, ceil": ceil.flatten().tolist(),
        "mean, ceil": mean.flatten().tolist(),
    }


def jax():
    import jax.numpy as jnp
    from jax import lax

    row = jnp.arange(5.0).reshape(1, 1, 1, 5)
    pairs = (1, 1, 1, 2)
    floor = lax.reduce_window(row, -jnp.inf, lax.max, pairs, pairs, "VALID")
    ceil = lax.reduce_window(row, -jnp.inf, lax.max, pairs, pairs, "SAME")
    mean = lax.reduce_window(row, 0.0, lax.add, pairs, pairs, "SAME") / 2
    return {
        "largest": floor.ravel().tolist(),
        "largest, ceil": ceil.ravel().tolist(),
        "mean, ceil": mean.ravel().tolist(),
    }


def mindspore():
    from mindspore import nn, ops

    row = ops.arange(5.0).reshape(1, 1, 1, 5)
    pairs = {"kernel_size": (1, 2), "stride": (1, 2), "pad_mode": "pad"}
    floor = nn.MaxPool2d(**pairs)(row)
    ceil = nn.MaxPool2d(**pairs, ceil_mode=True)(row)
    mean = nn.AvgPool2d(**pairs, ceil_mode=True)(row)
    return {
        "largest": floor.flatten().asnumpy().tolist(),
        "largest, ceil": ceil.flatten().asnumpy().tolist(),
        "mean, ceil": mean.flatten().asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "largest": [1.0, 3.0],
        "largest, ceil": [1.0, 3.0, 4.0],
        "mean, ceil": [0.5, 2.5, 4.0],
    },
    "jax": {
        "largest": [1.0, 3.0],
        "largest, ceil": [1.0, 3.0, 4.0],
        "mean, ceil": [0.5, 2.5, 2.0],
    },
    "mindspore": {
        "largest": [1.0, 3.0],
        "largest, ceil": [1.0, 3.0, 4.0],
        "mean, ceil": [0.5, 2.5, 4.0],
    },
}
