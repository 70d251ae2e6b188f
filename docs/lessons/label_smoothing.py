"""Smoothed by 0.1, the right of 4 classes is wanted at 0.925, not 0.9: a class gets its share back.

All three spread 0.1 over all classes, the right one included. Spread over the others only, as some
hand-written versions do, it would be 0.9. Here it is read off the gradient: softmax - wanted.
"""

TOPIC = "loss"
WHY = "A smoothed loss never reaches 0, and losses of the two ways to spread do not compare."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html#optax.smooth_labels",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn.functional import cross_entropy

    label = torch.tensor([0])

    def loss(logits):
        return cross_entropy(logits, label, label_smoothing=0.1)

    logits = torch.zeros(1, 4, requires_grad=True)
    loss(logits).backward()
    wanted = 0.25 - logits.grad
    return {"wanted": wanted[0].tolist(), "lowest loss": loss(torch.log(wanted)).item()}


def jax():
    import jax
    import jax.numpy as jnp
    from optax import smooth_labels, softmax_cross_entropy

    label = jnp.array([[1.0, 0.0, 0.0, 0.0]])

    def loss(logits):
        return softmax_cross_entropy(logits, smooth_labels(label, 0.1)).mean()

    logits = jnp.zeros((1, 4))
    slopes = jax.grad(loss)(logits)
    wanted = 0.25 - slopes
    return {"wanted": wanted[0].tolist(), "lowest loss": loss(jnp.log(wanted)).item()}


def mindspore():
    import mindspore
    from mindspore import Tensor, ops

    label = Tensor([0], mindspore.int32)

    def loss(logits):
        return ops.cross_entropy(logits, label, label_smoothing=0.1)

    logits = ops.zeros((1, 4))
    slopes = mindspore.grad(loss)(logits)
    wanted = 0.25 - slopes
    return {"wanted": wanted[0].asnumpy().tolist(), "lowest loss": loss(ops.log(wanted)).item()}


CLAIM = {
    "torch": {"wanted": [0.925, 0.025, 0.025, 0.025], "lowest loss": 0.34878},
    "jax": {"wanted": [0.925, 0.025, 0.025, 0.025], "lowest loss": 0.34878},
    "mindspore": {"wanted": [0.925, 0.025, 0.025, 0.025], "lowest loss": 0.34878},
}
