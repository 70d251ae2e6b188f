"""In bfloat16, adding ones one by one stops at 256 in all three; sum() does not in torch and JAX.

It has eight significant bits: 257 is rounded to 256. torch's and JAX's sum() add in float32 and
round at the end; MindSpore has none for bfloat16 on a CPU. In float16, which stops at 2048, its
cumsum adds in float16, those of the others do not.
"""

TOPIC = "types"
WHY = "Losses and counts that are added up in a half precision stand still after a few hundred."
SEE = (
    "https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.dtype",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.sum.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.sum.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    ones = torch.ones(300, dtype=torch.bfloat16)
    total, one = torch.zeros((), dtype=torch.bfloat16), ones[0]
    for _ in range(300):
        total = total + one
    try:
        summed = ones.sum().item()
    except RuntimeError as error:
        summed = type(error).__name__
    half = torch.ones(3000, dtype=torch.float16).cumsum(0)
    return {
        "300 ones, one by one": total.item(),
        "sum()": summed,
        "float16, cumsum of 3000": half[-1].item(),
    }


def jax():
    import jax.numpy as jnp

    ones = jnp.ones(300, jnp.bfloat16)
    total, one = jnp.zeros((), jnp.bfloat16), ones[0]
    for _ in range(300):
        total = total + one
    try:
        summed = ones.sum().item()
    except RuntimeError as error:
        summed = type(error).__name__
    half = jnp.ones(3000, jnp.float16).cumsum()
    return {
        "300 ones, one by one": total.item(),
        "sum()": summed,
        "float16, cumsum of 3000": half[-1].item(),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor, ops

    ones = ops.ones(300, mindspore.bfloat16)
    total, one = Tensor(0.0, mindspore.bfloat16), ones[0]
    for _ in range(300):
        total = total + one
    try:
        summed = ones.sum().float().item()
    except RuntimeError as error:
        summed = type(error).__name__
    half = ops.ones(3000, mindspore.float16).cumsum(0)
    total, half = total.float(), half.float()
    return {
        "300 ones, one by one": total.item(),
        "sum()": summed,
        "float16, cumsum of 3000": half[-1].item(),
    }


CLAIM = {
    "torch": {"300 ones, one by one": 256.0, "sum()": 300.0, "float16, cumsum of 3000": 3000.0},
    "jax": {"300 ones, one by one": 256.0, "sum()": 300.0, "float16, cumsum of 3000": 3000.0},
    "mindspore": {
        "300 ones, one by one": 256.0,
        "sum()": "RuntimeError",
        "float16, cumsum of 3000": 2048.0,
    },
}
