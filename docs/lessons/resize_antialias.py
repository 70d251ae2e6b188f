"""Shrunk from 8 pixels to 2, a line of one bright pixel stays in JAX and is gone in the others.

jax.image.resize blurs first unless told not to; torch only if asked to, MindSpore's interpolate
never: they look at the two nearest pixels and skip the rest. The bright pixel is 8.
"""

TOPIC = "data"
WHY = "A network trained on pictures that one framework shrank sees other details in the other's."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.image.resize.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.interpolate.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import interpolate

    line = torch.tensor([0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 1, 1, 8)

    def shrunk(**settings):
        return interpolate(line, size=(1, 2), mode="bilinear", **settings).flatten().tolist()

    return {
        "as it comes": shrunk(),
        "antialias=True": shrunk(antialias=True),
        "antialias=False": shrunk(antialias=False),
    }


def jax():
    import jax
    import jax.numpy as jnp

    line = jnp.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 8)

    def shrunk(**settings):
        return jax.image.resize(line, (1, 2), "linear", **settings).ravel().tolist()

    return {
        "as it comes": shrunk(),
        "antialias=True": shrunk(antialias=True),
        "antialias=False": shrunk(antialias=False),
    }


def mindspore():
    from mindspore import Tensor, ops

    line = Tensor([0.0, 0.0, 0.0, 8.0, 0.0, 0.0, 0.0, 0.0]).reshape(1, 1, 1, 8)

    def shrunk():
        return ops.interpolate(line, size=(1, 2), mode="bilinear").flatten().asnumpy().tolist()

    return {
        "as it comes": shrunk(),
        "antialias=True": None,
        "antialias=False": shrunk(),
    }


CLAIM = {
    "torch": {
        "as it comes": [0.0, 0.0],
        "antialias=True": [1.4286, 0.85714],
        "antialias=False": [0.0, 0.0],
    },
    "jax": {
        "as it comes": [1.4286, 0.85714],
        "antialias=True": [1.4286, 0.85714],
        "antialias=False": [0.0, 0.0],
    },
    "mindspore": {
        "as it comes": [0.0, 0.0],
        "antialias=True": None,
        "antialias=False": [0.0, 0.0],
    },
}
