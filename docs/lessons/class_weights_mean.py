"""With class weights, torch and MindSpore divide by the labels' weights, not by their number.

Losses 0.693 and 2.127 with weights 1 and 3 have the mean 1.768. optax has no weights: a loss times
a weight, averaged, is 3.537, and so is the mean of torch's own weighted losses, not reduced.
"""

TOPIC = "loss"
WHY = "By hand, heavier classes raise the learning rate of every batch that has more of them."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import cross_entropy

    logits, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    weight = torch.tensor([1.0, 3.0])
    each = cross_entropy(logits, labels, weight, reduction="none")
    return {
        "its own mean": cross_entropy(logits, labels, weight).item(),
        "mean of the weighted": each.mean().item(),
        "their sum / the weights' sum": (each.sum() / weight[labels].sum()).item(),
    }


def jax():
    import jax.numpy as jnp
    from optax import softmax_cross_entropy_with_integer_labels as cross_entropy

    logits, labels = jnp.array([[0.0, 0.0], [2.0, 0.0]]), jnp.array([0, 1])
    weight = jnp.array([1.0, 3.0])
    each = cross_entropy(logits, labels) * weight[labels]
    return {
        "its own mean": None,
        "mean of the weighted": each.mean().item(),
        "their sum / the weights' sum": (each.sum() / weight[labels].sum()).item(),
    }


def mindspore():
    import mindspore
    from mindspore import Tensor, ops

    logits, labels = Tensor([[0.0, 0.0], [2.0, 0.0]]), Tensor([0, 1], mindspore.int32)
    weight = Tensor([1.0, 3.0])
    each = ops.cross_entropy(logits, labels, weight, reduction="none")
    return {
        "its own mean": ops.cross_entropy(logits, labels, weight).item(),
        "mean of the weighted": each.mean().item(),
        "their sum / the weights' sum": (each.sum() / weight[labels].sum()).item(),
    }


CLAIM = {
    "torch": {
        "its own mean": 1.7685,
        "mean of the weighted": 3.5370,
        "their sum / the weights' sum": 1.7685,
    },
    "jax": {
        "its own mean": None,
        "mean of the weighted": 3.5370,
        "their sum / the weights' sum": 1.7685,
    },
    "mindspore": {
        "its own mean": 1.7685,
        "mean of the weighted": 3.5370,
        "their sum / the weights' sum": 1.7685,
    },
}
