"""Max pooling pads with minus infinity in all three; padded with zeros, 0 wins over negatives.

JAX pads with the initial value it is given, usually minus infinity. A helper of one's own easily
pads with zeros. Behind a ReLU both are the same; before it, or behind GELU, they are not.
"""

TOPIC = "model"
WHY = "Where all values are negative, the rim becomes 0 and lets no gradient through."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MaxPool2d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import max_pool2d, pad

    negative = -torch.ones(1, 1, 4, 4)

    def own(values):
        return max_pool2d(values, 3, stride=2, padding=1)

    def zeros(values):
        return max_pool2d(pad(values, (1, 1, 1, 1)), 3, stride=2)

    slope = torch.func.grad(lambda values: own(values).sum())(negative)
    lost = torch.func.grad(lambda values: zeros(values).sum())(negative)
    return {
        "its own": own(negative)[0, 0].tolist(),
        "padded with zeros": zeros(negative)[0, 0].tolist(),
        "gradient's sum, its own": slope.sum().item(),
        "gradient's sum, padded with zeros": lost.sum().item(),
    }


def jax():
    import jax
    import jax.numpy as jnp
    from jax import lax

    negative = -jnp.ones((1, 1, 4, 4))
    around = ((0, 0), (0, 0), (1, 1), (1, 1))

    def own(values):
        return lax.reduce_window(values, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), around)

    def zeros(values):
        padded = jnp.pad(values, around)
        return lax.reduce_window(padded, -jnp.inf, lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID")

    slope = jax.grad(lambda values: own(values).sum())(negative)
    lost = jax.grad(lambda values: zeros(values).sum())(negative)
    return {
        "its own": own(negative)[0, 0].tolist(),
        "padded with zeros": zeros(negative)[0, 0].tolist(),
        "gradient's sum, its own": slope.sum().item(),
        "gradient's sum, padded with zeros": lost.sum().item(),
    }


def mindspore():
    import mindspore
    from mindspore import nn, ops

    negative = -ops.ones((1, 1, 4, 4))
    padding = nn.MaxPool2d(3, stride=2, pad_mode="pad", padding=1)
    plain = nn.MaxPool2d(3, stride=2)

    def own(values):
        return padding(values)

    def zeros(values):
        return plain(ops.pad(values, (1, 1, 1, 1)))

    slope = mindspore.grad(lambda values: own(values).sum())(negative)
    lost = mindspore.grad(lambda values: zeros(values).sum())(negative)
    return {
        "its own": own(negative)[0, 0].asnumpy().tolist(),
        "padded with zeros": zeros(negative)[0, 0].asnumpy().tolist(),
        "gradient's sum, its own": slope.sum().item(),
        "gradient's sum, padded with zeros": lost.sum().item(),
    }


CLAIM = {
    "torch": {
        "its own": [[-1.0, -1.0], [-1.0, -1.0]],
        "padded with zeros": [[0.0, 0.0], [0.0, -1.0]],
        "gradient's sum, its own": 4.0,
        "gradient's sum, padded with zeros": 1.0,
    },
    "jax": {
        "its own": [[-1.0, -1.0], [-1.0, -1.0]],
        "padded with zeros": [[0.0, 0.0], [0.0, -1.0]],
        "gradient's sum, its own": 4.0,
        "gradient's sum, padded with zeros": 1.0,
    },
    "mindspore": {
        "its own": [[-1.0, -1.0], [-1.0, -1.0]],
        "padded with zeros": [[0.0, 0.0], [0.0, -1.0]],
        "gradient's sum, its own": 4.0,
        "gradient's sum, padded with zeros": 1.0,
    },
}
