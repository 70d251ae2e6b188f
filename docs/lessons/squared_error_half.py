"""An error of 2 costs 4 in torch's and MindSpore's MSELoss, but 2 in optax.l2_loss: it has a 1/2.

optax.squared_error has none, MindSpore's ops.L2Loss has it, and torch has no loss of that name.
The Huber loss of a small error has it in all three.
"""

TOPIC = "loss"
WHY = "With the 1/2 the gradient is half as large, so the same learning rate goes half as far."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MSELoss.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.L2Loss.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch import nn

    error, zero = torch.tensor([2.0]), torch.tensor([0.0])

    def squared(answer):
        return nn.MSELoss()(answer, zero)

    named_l2 = getattr(nn, "L2Loss", None)
    half = named_l2 and named_l2()(error).item()
    return {
        "squared error": squared(error).item(),
        "its gradient": torch.func.grad(squared)(error).item(),
        "the loss named L2": half,
        "Huber loss of 0.5": nn.HuberLoss()(error / 4, zero).item(),
    }


def jax():
    import jax
    import jax.numpy as jnp
    import optax

    error, zero = jnp.array([2.0]), jnp.array([0.0])

    def squared(answer):
        return optax.squared_error(answer, zero).mean()

    named_l2 = getattr(optax, "l2_loss", None)
    half = named_l2 and named_l2(error).item()
    return {
        "squared error": squared(error).item(),
        "its gradient": jax.grad(squared)(error).item(),
        "the loss named L2": half,
        "Huber loss of 0.5": optax.huber_loss(error / 4, zero).item(),
    }


def mindspore():
    import mindspore
    from mindspore import nn, ops

    error, zero = mindspore.Tensor([2.0]), mindspore.Tensor([0.0])

    def squared(answer):
        return nn.MSELoss()(answer, zero)

    named_l2 = getattr(ops, "L2Loss", None)
    half = named_l2 and named_l2()(error).item()
    return {
        "squared error": squared(error).item(),
        "its gradient": mindspore.grad(squared)(error).item(),
        "the loss named L2": half,
        "Huber loss of 0.5": nn.HuberLoss()(error / 4, zero).item(),
    }


CLAIM = {
    "torch": {
        "squared error": 4.0,
        "its gradient": 4.0,
        "the loss named L2": None,
        "Huber loss of 0.5": 0.125,
    },
    "jax": {
        "squared error": 4.0,
        "its gradient": 4.0,
        "the loss named L2": 2.0,
        "Huber loss of 0.5": 0.125,
    },
    "mindspore": {
        "squared error": 4.0,
        "its gradient": 4.0,
        "the loss named L2": 2.0,
        "Huber loss of 0.5": 0.125,
    },
}
