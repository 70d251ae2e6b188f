"""Leaky ReLU's default slope below 0 is 0.01 in PyTorch and JAX, and 0.2 in MindSpore."""

TOPIC = "model"
WHY = "The same line of a network lets through twenty times more of what is negative."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.leaky_relu.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LeakyReLU.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    x = torch.tensor([-1.0, 1.0])
    return {
        "of -1 and 1": nn.functional.leaky_relu(x).tolist(),
        "with slope 0.1": nn.functional.leaky_relu(x, 0.1).tolist(),
    }


def jax():
    import jax
    import jax.numpy as jnp

    x = jnp.array([-1.0, 1.0])
    return {
        "of -1 and 1": jax.nn.leaky_relu(x).tolist(),
        "with slope 0.1": jax.nn.leaky_relu(x, 0.1).tolist(),
    }


def mindspore():
    import mindspore
    from mindspore import nn

    x = mindspore.Tensor([-1.0, 1.0])
    return {
        "of -1 and 1": nn.LeakyReLU()(x).asnumpy().tolist(),
        "with slope 0.1": nn.LeakyReLU(0.1)(x).asnumpy().tolist(),
    }


CLAIM = {
    "torch": {"of -1 and 1": [-0.01, 1.0], "with slope 0.1": [-0.1, 1.0]},
    "jax": {"of -1 and 1": [-0.01, 1.0], "with slope 0.1": [-0.1, 1.0]},
    "mindspore": {"of -1 and 1": [-0.2, 1.0], "with slope 0.1": [-0.1, 1.0]},
}
