"""Dropout of a half doubles what it keeps, so that the mean stays; a mask alone halves it, in all.

The older form keeps values as they are in training and multiplies by the share kept in evaluation.
A port that mixes the two, a mask in training and nothing in evaluation, runs and is wrong.
"""

TOPIC = "model"
WHY = "With the mask alone, layers see twice as much in evaluation as they were trained on."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.random.bernoulli.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.Dropout.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    ones = torch.ones(100_000)
    library = torch.nn.Dropout(p=0.5)(ones)
    kept = torch.rand(100_000) < 0.5
    masked = ones * kept
    return {
        "values, its own": library.unique().tolist(),
        "values, a mask": masked.unique().tolist(),
        "mean near 1, its own": 0.97 < library.mean().item() < 1.03,
        "mean near 0.5, a mask": 0.47 < masked.mean().item() < 0.53,
    }


def jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    ones = jnp.ones(100_000)
    kept = jax.random.bernoulli(jax.random.key(0), 0.5, (100_000,))
    library = jnp.where(kept, ones / 0.5, 0)  # as libraries on top of JAX have it
    masked = ones * kept
    return {
        "values, its own": np.unique(library).tolist(),
        "values, a mask": np.unique(masked).tolist(),
        "mean near 1, its own": 0.97 < library.mean().item() < 1.03,
        "mean near 0.5, a mask": 0.47 < masked.mean().item() < 0.53,
    }


def mindspore():
    import numpy as np
    from mindspore import nn, ops

    ones = ops.ones(100_000)
    library = nn.Dropout(p=0.5).set_train()(ones)
    kept = ops.rand(100_000) < 0.5
    masked = ones * kept
    return {
        "values, its own": np.unique(library.asnumpy()).tolist(),
        "values, a mask": np.unique(masked.asnumpy()).tolist(),
        "mean near 1, its own": 0.97 < library.mean().item() < 1.03,
        "mean near 0.5, a mask": 0.47 < masked.mean().item() < 0.53,
    }


CLAIM = {
    "torch": {
        "values, its own": [0.0, 2.0],
        "values, a mask": [0.0, 1.0],
        "mean near 1, its own": True,
        "mean near 0.5, a mask": True,
    },
    "jax": {
        "values, its own": [0.0, 2.0],
        "values, a mask": [0.0, 1.0],
        "mean near 1, its own": True,
        "mean near 0.5, a mask": True,
    },
    "mindspore": {
        "values, its own": [0.0, 2.0],
        "values, a mask": [0.0, 1.0],
        "mean near 1, its own": True,
        "mean near 0.5, a mask": True,
    },
}
