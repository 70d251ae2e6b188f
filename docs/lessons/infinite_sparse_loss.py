"""MindSpore's SoftmaxCrossEntropyWithLogits(sparse=True) is infinite from a logit gap of 88 on.

With reduction="mean"; torch and optax return the gap itself. The gradient is right everywhere, so
training goes on.
"""

TOPIC = "loss"
WHY = "One confident mistake makes the curve infinite, though nothing is wrong with the weights."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/"
    "mindspore.nn.SoftmaxCrossEntropyWithLogits.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import math

    import torch
    from torch.nn.functional import cross_entropy

    def loss(logits):
        return cross_entropy(logits, torch.tensor([0]))

    number, gaps = {}, (80, 86, 88, 100, 1000)
    for gap in gaps:
        logits = torch.tensor([[0.0, gap]])
        gradient, value = torch.func.grad_and_value(loss)(logits)
        number[gap] = value.item()
    return {
        "infinite at": [gap for gap in gaps if math.isinf(number[gap])],
        "the gap itself at": [g for g in gaps if abs(number[g] - g) < 0.01],
        "gradient at 1000": gradient.tolist(),
    }


def jax():
    import math

    import jax
    import jax.numpy as jnp
    from optax import softmax_cross_entropy_with_integer_labels as each

    def loss(logits):
        return each(logits, jnp.array([0])).mean()

    number, gaps = {}, (80, 86, 88, 100, 1000)
    for gap in gaps:
        logits = jnp.array([[0.0, gap]])
        value, gradient = jax.value_and_grad(loss)(logits)
        number[gap] = value.item()
    return {
        "infinite at": [gap for gap in gaps if math.isinf(number[gap])],
        "the gap itself at": [g for g in gaps if abs(number[g] - g) < 0.01],
        "gradient at 1000": gradient.tolist(),
    }


def mindspore():
    import math

    import mindspore
    from mindspore import nn

    sparse = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")

    def loss(logits):
        return sparse(logits, mindspore.Tensor([0], mindspore.int32))

    number, gaps = {}, (80, 86, 88, 100, 1000)
    for gap in gaps:
        logits = mindspore.Tensor([[0.0, gap]])
        value, gradient = mindspore.value_and_grad(loss)(logits)
        number[gap] = value.item()
    return {
        "infinite at": [gap for gap in gaps if math.isinf(number[gap])],
        "the gap itself at": [g for g in gaps if abs(number[g] - g) < 0.01],
        "gradient at 1000": gradient.tolist(),
    }


CLAIM = {
    "torch": {
        "infinite at": [],
        "the gap itself at": [80, 86, 88, 100, 1000],
        "gradient at 1000": [[-1.0, 1.0]],
    },
    "jax": {
        "infinite at": [],
        "the gap itself at": [80, 86, 88, 100, 1000],
        "gradient at 1000": [[-1.0, 1.0]],
    },
    "mindspore": {
        "infinite at": [88, 100, 1000],
        "the gap itself at": [80, 86],
        "gradient at 1000": [[-1.0, 1.0]],
    },
}
