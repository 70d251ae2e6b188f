"""Clipping by the norm, torch divides by the norm + 1e-6; optax and MindSpore by the norm.

Of a gradient as usual that is the seventh digit; of one with a norm of 5e-6, clipped to 1e-6, a
sixth is lost. An infinite entry makes NaN in all three: clipping does not rescue an overflow.
"""

TOPIC = "update"
WHY = "Where gradients and their limit are tiny, torch takes shorter steps; else it is last digits."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html",
    "https://optax.readthedocs.io/en/latest/api/transformations.html#optax.clip_by_global_norm",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.clip_by_global_norm.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    def clipped(gradient, norm):
        weight = torch.nn.Parameter(torch.zeros(2))
        weight.grad = torch.tensor(gradient)
        torch.nn.utils.clip_grad_norm_([weight], norm)
        return weight.grad

    return {
        "[3, 4] to norm 1": clipped([3.0, 4.0], 1.0).tolist(),
        "[0.3, 0.4] to norm 1": clipped([0.3, 0.4], 1.0).tolist(),
        "[3e-6, 4e-6] to norm 1e-6": clipped([3e-6, 4e-6], 1e-6).tolist(),
        "[3, inf] has a NaN": bool(clipped([3.0, float("inf")], 1.0).isnan().any()),
    }


def jax():
    import jax.numpy as jnp
    import optax

    def clipped(gradient, norm):
        clip = optax.clip_by_global_norm(norm)
        return clip.update([jnp.array(gradient)], clip.init(None))[0][0]

    return {
        "[3, 4] to norm 1": clipped([3.0, 4.0], 1.0).tolist(),
        "[0.3, 0.4] to norm 1": clipped([0.3, 0.4], 1.0).tolist(),
        "[3e-6, 4e-6] to norm 1e-6": clipped([3e-6, 4e-6], 1e-6).tolist(),
        "[3, inf] has a NaN": bool(jnp.isnan(clipped([3.0, float("inf")], 1.0)).any()),
    }


def mindspore():
    from mindspore import Tensor, ops

    def clipped(gradient, norm):
        return ops.clip_by_global_norm((Tensor(gradient),), norm)[0]

    return {
        "[3, 4] to norm 1": clipped([3.0, 4.0], 1.0).asnumpy().tolist(),
        "[0.3, 0.4] to norm 1": clipped([0.3, 0.4], 1.0).asnumpy().tolist(),
        "[3e-6, 4e-6] to norm 1e-6": clipped([3e-6, 4e-6], 1e-6).asnumpy().tolist(),
        "[3, inf] has a NaN": bool(clipped([3.0, float("inf")], 1.0).isnan().any()),
    }


CLAIM = {
    "torch": {
        "[3, 4] to norm 1": [0.6, 0.8],
        "[0.3, 0.4] to norm 1": [0.3, 0.4],
        "[3e-6, 4e-6] to norm 1e-6": [5e-7, 6.6667e-7],
        "[3, inf] has a NaN": True,
    },
    "jax": {
        "[3, 4] to norm 1": [0.6, 0.8],
        "[0.3, 0.4] to norm 1": [0.3, 0.4],
        "[3e-6, 4e-6] to norm 1e-6": [6e-7, 8e-7],
        "[3, inf] has a NaN": True,
    },
    "mindspore": {
        "[3, 4] to norm 1": [0.6, 0.8],
        "[0.3, 0.4] to norm 1": [0.3, 0.4],
        "[3e-6, 4e-6] to norm 1e-6": [6e-7, 8e-7],
        "[3, inf] has a NaN": True,
    },
}
