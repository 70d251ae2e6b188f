"""GELU is exact by default in PyTorch; jax.nn.gelu and MindSpore's nn.GELU approximate it by tanh.

MindSpore's function ops.gelu is exact, unlike its layer; JAX has the function only. Asked for
either form, all agree.
"""

TOPIC = "model"
WHY = "Weights trained with the one form give other outputs with the other, up to 5e-4 off a layer."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.gelu.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.GELU.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.gelu.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    x = torch.tensor([-3.0])
    layer, function = nn.GELU()(x), nn.functional.gelu(x)
    exact = nn.GELU(approximate="none")
    tanh = nn.GELU(approximate="tanh")
    return {
        "defaults at -3": [layer.item(), function.item()],
        "exact form at -3": exact(x).item(),
        "tanh form at -3": tanh(x).item(),
    }


def jax():
    from functools import partial

    import jax
    import jax.numpy as jnp

    x = jnp.array([-3.0])
    function = jax.nn.gelu(x)
    exact = partial(jax.nn.gelu, approximate=False)
    tanh = partial(jax.nn.gelu, approximate=True)
    return {
        "defaults at -3": [function.item()],
        "exact form at -3": exact(x).item(),
        "tanh form at -3": tanh(x).item(),
    }


def mindspore():
    import mindspore
    from mindspore import nn, ops

    x = mindspore.Tensor([-3.0])
    layer, function = nn.GELU()(x), ops.gelu(x)
    exact = nn.GELU(approximate=False)
    tanh = nn.GELU(approximate=True)
    return {
        "defaults at -3": [layer.item(), function.item()],
        "exact form at -3": exact(x).asnumpy().item(),
        "tanh form at -3": tanh(x).asnumpy().item(),
    }


CLAIM = {
    "torch": {
        "defaults at -3": [-0.0040497, -0.0040497],
        "exact form at -3": -0.0040497,
        "tanh form at -3": -0.0036374,
    },
    "jax": {
        "defaults at -3": [-0.0036374],
        "exact form at -3": -0.0040497,
        "tanh form at -3": -0.0036374,
    },
    "mindspore": {
        "defaults at -3": [-0.0036374, -0.0040497],
        "exact form at -3": -0.0040497,
        "tanh form at -3": -0.0036374,
    },
}
