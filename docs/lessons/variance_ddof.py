"""std of [1, 2, 3, 4] is 1.29 in torch, which divides by n - 1; in JAX and MindSpore 1.12, by n.

NumPy divides by n too. So the std of one value is NaN in torch and 0 in the others.
"""

TOPIC = "types"
WHY = "Inputs normalised with one framework's std and trained in another have another scale."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.std.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.std.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.std.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import numpy as np

    values = np.array([1.0, 2.0, 3.0, 4.0])
    single = values[:1].std()
    return {
        "std": values.std().item(),
        "over n": values.std(ddof=0).item(),
        "over n - 1": values.std(ddof=1).item(),
        "std of one value is NaN": np.isnan(single).item(),
    }


def torch():
    import torch

    values = torch.tensor([1.0, 2.0, 3.0, 4.0])
    single = values[:1].std()
    return {
        "std": values.std().item(),
        "over n": values.std(correction=0).item(),
        "over n - 1": values.std(correction=1).item(),
        "std of one value is NaN": torch.isnan(single).item(),
    }


def jax():
    import jax.numpy as jnp

    values = jnp.array([1.0, 2.0, 3.0, 4.0])
    single = values[:1].std()
    return {
        "std": values.std().item(),
        "over n": values.std(ddof=0).item(),
        "over n - 1": values.std(ddof=1).item(),
        "std of one value is NaN": jnp.isnan(single).item(),
    }


def mindspore():
    import mindspore
    from mindspore import ops

    values = mindspore.Tensor([1.0, 2.0, 3.0, 4.0])
    single = values[:1].std()
    return {
        "std": values.std().item(),
        "over n": values.std(ddof=0).item(),
        "over n - 1": values.std(ddof=1).item(),
        "std of one value is NaN": ops.isnan(single).item(),
    }


CLAIM = {
    "numpy": {
        "std": 1.11803,
        "over n": 1.11803,
        "over n - 1": 1.29099,
        "std of one value is NaN": False,
    },
    "torch": {
        "std": 1.29099,
        "over n": 1.11803,
        "over n - 1": 1.29099,
        "std of one value is NaN": True,
    },
    "jax": {
        "std": 1.11803,
        "over n": 1.11803,
        "over n - 1": 1.29099,
        "std of one value is NaN": False,
    },
    "mindspore": {
        "std": 1.11803,
        "over n": 1.11803,
        "over n - 1": 1.29099,
        "std of one value is NaN": False,
    },
}
