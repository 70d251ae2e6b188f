"""BatchNorm's epsilon, 1e-5 in torch and MindSpore, is added to the variance, under the root.

Added to the deviation instead, as a port may have it, values of ±0.001 become ±0.99, not ±0.30.
Keras has 1e-3, which makes ±0.03 of them. JAX has jax.nn.standardize, also with 1e-5.
"""

TOPIC = "model"
WHY = "Channels that hardly vary come out several times too large or too small, others all right."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.nn.standardize.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.BatchNorm1d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import inspect

    import torch

    named = inspect.signature(torch.nn.BatchNorm1d).parameters
    quiet = torch.tensor([[-0.001], [0.001]])
    usual = torch.nn.BatchNorm1d(1)(quiet)
    keras = torch.nn.BatchNorm1d(1, eps=1e-3)(quiet)
    outside = quiet / (quiet.std(0, correction=0) + 1e-5)
    return {
        "default epsilon": named["eps"].default,
        "of ±0.001": usual.flatten().tolist(),
        "with 1e-3": keras.flatten().tolist(),
        "with 1e-5, outside the root": outside.flatten().tolist(),
    }


def jax():
    import inspect

    import jax
    import jax.numpy as jnp

    named = inspect.signature(jax.nn.standardize).parameters
    quiet = jnp.array([[-0.001], [0.001]])
    usual = jax.nn.standardize(quiet, axis=0)
    keras = jax.nn.standardize(quiet, axis=0, epsilon=1e-3)
    outside = quiet / (quiet.std(0) + 1e-5)
    return {
        "default epsilon": named["epsilon"].default,
        "of ±0.001": usual.ravel().tolist(),
        "with 1e-3": keras.ravel().tolist(),
        "with 1e-5, outside the root": outside.ravel().tolist(),
    }


def mindspore():
    import inspect

    from mindspore import Tensor, nn

    # It inherits that: of the class Python 3.11.2 sees what `Cell.__new__` takes.
    named = inspect.signature(nn.BatchNorm1d.__init__).parameters
    quiet = Tensor([[-0.001], [0.001]])
    usual = nn.BatchNorm1d(1).set_train()(quiet)
    keras = nn.BatchNorm1d(1, eps=1e-3).set_train()(quiet)
    outside = quiet / (quiet.std(0) + 1e-5)
    return {
        "default epsilon": named["eps"].default,
        "of ±0.001": usual.flatten().asnumpy().tolist(),
        "with 1e-3": keras.flatten().asnumpy().tolist(),
        "with 1e-5, outside the root": outside.flatten().asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "default epsilon": 1e-5,
        "of ±0.001": [-0.30151, 0.30151],
        "with 1e-3": [-0.031607, 0.031607],
        "with 1e-5, outside the root": [-0.99010, 0.99010],
    },
    "jax": {
        "default epsilon": 1e-5,
        "of ±0.001": [-0.30151, 0.30151],
        "with 1e-3": [-0.031607, 0.031607],
        "with 1e-5, outside the root": [-0.99010, 0.99010],
    },
    "mindspore": {
        "default epsilon": 1e-5,
        "of ±0.001": [-0.30151, 0.30151],
        "with 1e-3": [-0.031607, 0.031607],
        "with 1e-5, outside the root": [-0.99010, 0.99010],
    },
}
