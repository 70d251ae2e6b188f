"""Flattened, a picture with channels first lies channel by channel; with channels last by pixel.

torch and MindSpore have channels first, JAX's libraries channels last. A dense layer behind the
flattening has one weight for each place, so its weights have to be put in the other order as well.
"""

TOPIC = "model"
WHY = "A ported network's convolutions agree, and its first dense layer does not."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.transpose.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Flatten.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    # Two channels of 2 × 2 pixels: 0 to 3, and 10 to 13. The weights are torch's.
    channels = torch.tensor([[[0.0, 1.0], [2.0, 3.0]], [[10.0, 11.0], [12.0, 13.0]]])
    weight = torch.arange(8.0)
    flat = channels.flatten()
    reordered = weight
    return {
        "flattened": flat.tolist(),
        "dense, weights as they are": (flat @ weight).item(),
        "dense, weights reordered": (flat @ reordered).item(),
    }


def jax():
    import jax.numpy as jnp

    # Two channels of 2 × 2 pixels: 0 to 3, and 10 to 13. The weights are torch's.
    channels = jnp.array([[[0.0, 1.0], [2.0, 3.0]], [[10.0, 11.0], [12.0, 13.0]]])
    weight = jnp.arange(8.0)
    flat = channels.transpose(1, 2, 0).ravel()
    reordered = weight.reshape(2, 2, 2).transpose(1, 2, 0).ravel()
    return {
        "flattened": flat.tolist(),
        "dense, weights as they are": (flat @ weight).item(),
        "dense, weights reordered": (flat @ reordered).item(),
    }


def mindspore():
    from mindspore import Tensor, nn, ops

    # Two channels of 2 × 2 pixels: 0 to 3, and 10 to 13. The weights are torch's.
    channels = Tensor([[[0.0, 1.0], [2.0, 3.0]], [[10.0, 11.0], [12.0, 13.0]]])
    weight = ops.arange(8.0)
    flat = nn.Flatten()(channels.expand_dims(0))[0]
    reordered = weight
    return {
        "flattened": flat.asnumpy().tolist(),
        "dense, weights as they are": (flat @ weight).item(),
        "dense, weights reordered": (flat @ reordered).item(),
    }


CLAIM = {
    "torch": {
        "flattened": [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0],
        "dense, weights as they are": 272.0,
        "dense, weights reordered": 272.0,
    },
    "jax": {
        "flattened": [0.0, 10.0, 1.0, 11.0, 2.0, 12.0, 3.0, 13.0],
        "dense, weights as they are": 222.0,
        "dense, weights reordered": 272.0,
    },
    "mindspore": {
        "flattened": [0.0, 1.0, 2.0, 3.0, 10.0, 11.0, 12.0, 13.0],
        "dense, weights as they are": 272.0,
        "dense, weights reordered": 272.0,
    },
}
