"""Layer normalisation's epsilon is 1e-5 in PyTorch and JAX, and 1e-7 in MindSpore's nn.LayerNorm.

On values of ±1 it cannot be seen; ±0.001 becomes ±0.30 with the one and ±0.95 with the other.
"""

TOPIC = "model"
WHY = "Where activations hardly vary, the same layer's output is three times larger in MindSpore."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.standardize.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.LayerNorm.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import inspect

    import torch

    named = inspect.signature(torch.nn.LayerNorm).parameters
    layer = torch.nn.LayerNorm((2,))
    large = layer(torch.tensor([[-1.0, 1.0]]))
    small = layer(torch.tensor([[-0.001, 0.001]]))
    return {
        "default epsilon": named["eps"].default,
        "of ±1": large[0].tolist(),
        "of ±0.001": small[0].tolist(),
    }


def jax():
    import inspect

    import jax
    import jax.numpy as jnp

    named = inspect.signature(jax.nn.standardize).parameters
    layer = jax.nn.standardize
    large = layer(jnp.array([[-1.0, 1.0]]))
    small = layer(jnp.array([[-0.001, 0.001]]))
    return {
        "default epsilon": named["epsilon"].default,
        "of ±1": large[0].tolist(),
        "of ±0.001": small[0].tolist(),
    }


def mindspore():
    import inspect

    from mindspore import Tensor, nn

    named = inspect.signature(nn.LayerNorm).parameters
    layer = nn.LayerNorm((2,))
    large = layer(Tensor([[-1.0, 1.0]]))
    small = layer(Tensor([[-0.001, 0.001]]))
    return {
        "default epsilon": named["epsilon"].default,
        "of ±1": large[0].asnumpy().tolist(),
        "of ±0.001": small[0].asnumpy().tolist(),
    }


CLAIM = {
    "torch": {"default epsilon": 1e-5, "of ±1": [-1.0, 1.0], "of ±0.001": [-0.30151, 0.30151]},
    "jax": {"default epsilon": 1e-5, "of ±1": [-1.0, 1.0], "of ±0.001": [-0.30151, 0.30151]},
    "mindspore": {
        "default epsilon": 1e-7,
        "of ±1": [-1.0, 1.0],
        "of ±0.001": [-0.95346, 0.95346],
    },
}
