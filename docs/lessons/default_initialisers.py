"""PyTorch's Linear and MindSpore's Dense start uniform, bias too; JAX's usual start is normal.

With n inputs, uniform is between -1/sqrt(n) and 1/sqrt(n). JAX has no layer: lecun_normal for the
weight and zeros for the bias are the usual choice there, standard deviation 1/sqrt(n).
"""

TOPIC = "model"
WHY = "Left to their defaults, the same network starts √3 times wider in JAX."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.initializers.lecun_normal.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dense.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import numpy as np
    import torch

    layer = torch.nn.Linear(100, 1000)
    weight = layer.weight.detach().numpy()
    bias = layer.bias.detach().numpy()
    return {
        "weight between -0.1 and 0.1": bool(np.abs(weight).max() <= 0.1),
        "weight beyond 0.0999": bool(np.abs(weight).max() > 0.0999),
        "deviation near 0.058": bool(0.057 < weight.std() < 0.059),
        "deviation near 0.1": bool(0.098 < weight.std() < 0.102),
        "bias between -0.1 and 0.1": bool(np.abs(bias).max() <= 0.1),
        "bias zero": bool((bias == 0).all()),
    }


def jax():
    import jax
    import numpy as np

    start, key = jax.nn.initializers, jax.random.key(0)
    weight = np.asarray(start.lecun_normal()(key, (100, 1000)))
    bias = np.asarray(start.zeros(key, (1000,)))
    return {
        "weight between -0.1 and 0.1": bool(np.abs(weight).max() <= 0.1),
        "weight beyond 0.0999": bool(np.abs(weight).max() > 0.0999),
        "deviation near 0.058": bool(0.057 < weight.std() < 0.059),
        "deviation near 0.1": bool(0.098 < weight.std() < 0.102),
        "bias between -0.1 and 0.1": bool(np.abs(bias).max() <= 0.1),
        "bias zero": bool((bias == 0).all()),
    }


def mindspore():
    import numpy as np
    from mindspore import nn

    layer = nn.Dense(100, 1000)
    weight = layer.weight.asnumpy()
    bias = layer.bias.asnumpy()
    return {
        "weight between -0.1 and 0.1": bool(np.abs(weight).max() <= 0.1),
        "weight beyond 0.0999": bool(np.abs(weight).max() > 0.0999),
        "deviation near 0.058": bool(0.057 < weight.std() < 0.059),
        "deviation near 0.1": bool(0.098 < weight.std() < 0.102),
        "bias between -0.1 and 0.1": bool(np.abs(bias).max() <= 0.1),
        "bias zero": bool((bias == 0).all()),
    }


CLAIM = {
    "torch": {
        "weight between -0.1 and 0.1": True,
        "weight beyond 0.0999": True,
        "deviation near 0.058": True,
        "deviation near 0.1": False,
        "bias between -0.1 and 0.1": True,
        "bias zero": False,
    },
    "jax": {
        "weight between -0.1 and 0.1": False,
        "weight beyond 0.0999": True,
        "deviation near 0.058": False,
        "deviation near 0.1": True,
        "bias between -0.1 and 0.1": True,
        "bias zero": True,
    },
    "mindspore": {
        "weight between -0.1 and 0.1": True,
        "weight beyond 0.0999": True,
        "deviation near 0.058": True,
        "deviation near 0.1": False,
        "bias between -0.1 and 0.1": True,
        "bias zero": False,
    },
}
