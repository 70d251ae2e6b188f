"""torch and MindSpore average over labels that count; a loss times a mask, over all of them.

Of two rows one has the label -100, which both leave out of the sum and of the number. optax ignores
none: it makes NaN of it, and NaN times a mask of 0 is NaN. So labels are replaced, and then masked.
"""

TOPIC = "loss"
WHY = "Averaged over all, batches with much padding weigh less, as if at a lower learning rate."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import math

    import torch
    from torch.nn.functional import cross_entropy

    logits, labels = torch.zeros(2, 4), torch.tensor([0, -100])
    counts = labels >= 0
    each = cross_entropy(logits, labels * counts, reduction="none") * counts

    def mean(total, number=1):
        value = (total / number).item()
        return "NaN" if math.isnan(value) else value

    return {
        "its own mean": mean(cross_entropy(logits, labels)),
        "masked, over all": mean(each.sum(), len(each)),
        "masked, over those that count": mean(each.sum(), counts.sum()),
        "none counts": mean(cross_entropy(logits[1:], labels[1:])),
    }


def jax():
    import math

    import jax.numpy as jnp
    from optax import softmax_cross_entropy_with_integer_labels as cross_entropy

    logits, labels = jnp.zeros((2, 4)), jnp.array([0, -100])
    counts = labels >= 0
    each = cross_entropy(logits, labels * counts) * counts

    def mean(total, number=1):
        value = (total / number).item()
        return "NaN" if math.isnan(value) else value

    return {
        "its own mean": mean(cross_entropy(logits, labels).mean()),
        "masked, over all": mean(each.sum(), len(each)),
        "masked, over those that count": mean(each.sum(), counts.sum()),
        "none counts": mean(each[1:].sum(), counts[1:].sum()),
    }


def mindspore():
    import math

    import mindspore
    from mindspore import Tensor, ops

    logits, labels = ops.zeros((2, 4)), Tensor([0, -100], mindspore.int32)
    counts = labels >= 0
    each = ops.cross_entropy(logits, labels * counts, reduction="none") * counts

    def mean(total, number=1):
        value = (total / number).item()
        return "NaN" if math.isnan(value) else value

    return {
        "its own mean": mean(ops.cross_entropy(logits, labels)),
        "masked, over all": mean(each.sum(), len(each)),
        "masked, over those that count": mean(each.sum(), counts.sum()),
        "none counts": mean(ops.cross_entropy(logits[1:], labels[1:])),
    }


CLAIM = {
    "torch": {
        "its own mean": 1.38629,
        "masked, over all": 0.69315,
        "masked, over those that count": 1.38629,
        "none counts": "NaN",
    },
    "jax": {
        "its own mean": "NaN",
        "masked, over all": 0.69315,
        "masked, over those that count": 1.38629,
        "none counts": "NaN",
    },
    "mindspore": {
        "its own mean": 1.38629,
        "masked, over all": 0.69315,
        "masked, over those that count": 1.38629,
        "none counts": "NaN",
    },
}
