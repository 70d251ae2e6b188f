"""The largest value of each map in place of its mean: the shapes agree, and 1 pixel of 16 learns.

In DenseNet's head it would be adaptive pooling to 1 × 1 of the wrong kind. Of a map with one 8
among zeros it makes 8, not 0.5.
"""

TOPIC = "find the bug"
WHY = "Nothing fails: it trains, as another network, and weights trained with the mean do not fit."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.mean.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.AdaptiveAvgPool2d.html",
    "https://zh.d2l.ai/chapter_convolutional-modern/densenet.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    maps = torch.zeros(1, 1, 4, 4)
    maps[0, 0, 1, 2] = 8.0
    found = {}
    for name, pool in (
        ("with the slip", nn.AdaptiveMaxPool2d(1)),
        ("put right", nn.AdaptiveAvgPool2d(1)),
    ):
        x = maps.clone().requires_grad_()
        pool(x).sum().backward()
        found[f"of one 8, {name}"] = pool(maps).flatten().tolist()
        found[f"pixels that learn, {name}"] = x.grad.count_nonzero().item()
    return found


def jax():
    import jax
    import jax.numpy as jnp

    maps = jnp.zeros((1, 1, 4, 4)).at[0, 0, 1, 2].set(8.0)
    found = {}
    for name, pool in (
        ("with the slip", lambda x: x.max((2, 3))),
        ("put right", lambda x: x.mean((2, 3))),
    ):
        slopes = jax.grad(lambda x, pool=pool: pool(x).sum())(maps)
        found[f"of one 8, {name}"] = pool(maps).ravel().tolist()
        found[f"pixels that learn, {name}"] = jnp.count_nonzero(slopes).item()
    return found


def mindspore():
    import mindspore
    import numpy as np
    from mindspore import Tensor, nn

    maps = np.zeros((1, 1, 4, 4), np.float32)
    maps[0, 0, 1, 2] = 8.0
    maps, found = Tensor(maps), {}
    for name, pool in (
        ("with the slip", nn.AdaptiveMaxPool2d(1)),
        ("put right", nn.AdaptiveAvgPool2d(1)),
    ):
        slopes = mindspore.grad(lambda x, pool=pool: pool(x).sum())(maps)
        found[f"of one 8, {name}"] = pool(maps).flatten().asnumpy().tolist()
        found[f"pixels that learn, {name}"] = int(np.count_nonzero(slopes.asnumpy()))
    return found


CLAIM = {
    "torch": {
        "of one 8, with the slip": [8.0],
        "pixels that learn, with the slip": 1,
        "of one 8, put right": [0.5],
        "pixels that learn, put right": 16,
    },
    "jax": {
        "of one 8, with the slip": [8.0],
        "pixels that learn, with the slip": 1,
        "of one 8, put right": [0.5],
        "pixels that learn, put right": 16,
    },
    "mindspore": {
        "of one 8, with the slip": [8.0],
        "pixels that learn, with the slip": 1,
        "of one 8, put right": [0.5],
        "pixels that learn, put right": 16,
    },
}
