"""BatchNorm divides by the batch's biased variance, and in torch and MindSpore keeps the unbiased.

Of the batch [0, 4] these are 4 and 8. Written in JAX with jnp.var, which is biased, both are 4, as
in Flax, Haiku and Keras. Here the running values are those of this batch alone.
"""

TOPIC = "model"
WHY = "Evaluation differs by √(n / (n - 1)) where training agrees: 41 % for two, 0.2 % for 256."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.var.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.BatchNorm1d.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch

    batch = torch.tensor([[0.0], [4.0]])
    layer = torch.nn.BatchNorm1d(1, momentum=1.0)
    trained = layer(batch)
    kept = layer.running_var
    evaluated = layer.eval()(batch)
    return {
        "in training": trained.flatten().tolist(),
        "variance kept": kept.item(),
        "in evaluation": evaluated.flatten().tolist(),
    }


def jax():
    import jax.numpy as jnp

    batch = jnp.array([[0.0], [4.0]])

    def normalised(values, mean, variance):
        return (values - mean) / jnp.sqrt(variance + 1e-5)

    mean, kept = batch.mean(0), batch.var(0)
    trained = normalised(batch, batch.mean(0), batch.var(0))
    evaluated = normalised(batch, mean, kept)
    return {
        "in training": trained.ravel().tolist(),
        "variance kept": kept.item(),
        "in evaluation": evaluated.ravel().tolist(),
    }


def mindspore():
    from mindspore import Tensor, nn

    batch = Tensor([[0.0], [4.0]])
    layer = nn.BatchNorm1d(1, momentum=0.0).set_train()
    trained = layer(batch)
    kept = layer.moving_variance
    evaluated = layer.set_train(False)(batch)
    return {
        "in training": trained.flatten().asnumpy().tolist(),
        "variance kept": kept.asnumpy().item(),
        "in evaluation": evaluated.flatten().asnumpy().tolist(),
    }


CLAIM = {
    "torch": {
        "in training": [-1.0, 1.0],
        "variance kept": 8.0,
        "in evaluation": [-0.70711, 0.70711],
    },
    "jax": {
        "in training": [-1.0, 1.0],
        "variance kept": 4.0,
        "in evaluation": [-1.0, 1.0],
    },
    "mindspore": {
        "in training": [-1.0, 1.0],
        "variance kept": 8.0,
        "in evaluation": [-0.70711, 0.70711],
    },
}
