"""A mask times a loss that is already a mean masks nothing: a third of the gradient is padding's.

So it is with nn.CrossEntropyLoss, which averages unless told not to: the mask then only scales one
number. It has to meet the losses of single words. Here two words of three count, and all logits are
0; the loss alone does not show it.
"""

TOPIC = "find the bug"
WHY = "A translation model learns to predict padding, the more so the more a batch has of it."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.CrossEntropyLoss.html",
    "https://zh.d2l.ai/chapter_recurrent-modern/seq2seq.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import CrossEntropyLoss

    labels, mask = torch.tensor([1, 2, 0]), torch.tensor([1.0, 1.0, 0.0])
    found = {}
    for name, reduction in (("with the slip", "mean"), ("put right", "none")):
        losses = CrossEntropyLoss(reduction=reduction)
        logits = torch.zeros(3, 4, requires_grad=True)
        loss = (losses(logits, labels) * mask).mean()
        loss.backward()
        slopes = abs(logits.grad).sum(1)
        found[f"loss, {name}"] = loss.item()
        found[f"padding's share of the gradient, {name}"] = (slopes[2] / slopes.sum()).item()
    return found


def jax():
    import jax
    import jax.numpy as jnp
    from optax import softmax_cross_entropy_with_integer_labels as losses

    labels, mask = jnp.array([1, 2, 0]), jnp.array([1.0, 1.0, 0.0])
    found = {}
    for name, reduce in (("with the slip", jnp.mean), ("put right", jnp.asarray)):

        def masked(logits, reduce=reduce):
            return (reduce(losses(logits, labels)) * mask).mean()

        loss, slopes = jax.value_and_grad(masked)(jnp.zeros((3, 4)))
        slopes = abs(slopes).sum(1)
        found[f"loss, {name}"] = loss.item()
        found[f"padding's share of the gradient, {name}"] = (slopes[2] / slopes.sum()).item()
    return found


def mindspore():
    import mindspore
    from mindspore import Tensor, ops
    from mindspore.nn import CrossEntropyLoss

    labels, mask = Tensor([1, 2, 0], mindspore.int32), Tensor([1.0, 1.0, 0.0])
    found = {}
    for name, reduction in (("with the slip", "mean"), ("put right", "none")):
        losses = CrossEntropyLoss(reduction=reduction)

        def masked(logits, losses=losses):
            return (losses(logits, labels) * mask).mean()

        loss, slopes = mindspore.value_and_grad(masked)(ops.zeros((3, 4)))
        slopes = abs(slopes).sum(1)
        found[f"loss, {name}"] = loss.item()
        found[f"padding's share of the gradient, {name}"] = (slopes[2] / slopes.sum()).item()
    return found


CLAIM = {
    "torch": {
        "loss, with the slip": 0.92420,
        "padding's share of the gradient, with the slip": 0.33333,
        "loss, put right": 0.92420,
        "padding's share of the gradient, put right": 0.0,
    },
    "jax": {
        "loss, with the slip": 0.92420,
        "padding's share of the gradient, with the slip": 0.33333,
        "loss, put right": 0.92420,
        "padding's share of the gradient, put right": 0.0,
    },
    "mindspore": {
        "loss, with the slip": 0.92420,
        "padding's share of the gradient, with the slip": 0.33333,
        "loss, put right": 0.92420,
        "padding's share of the gradient, put right": 0.0,
    },
}
