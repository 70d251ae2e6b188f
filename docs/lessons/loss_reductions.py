"""Unless asked, torch's losses return a mean, optax's one number each; MindSpore has both kinds.

"none" is one number for each example or element. In MindSpore ops.cross_entropy and nn.MSELoss take
the mean; nn.SoftmaxCrossEntropyWithLogits and nn.SmoothL1Loss do not.
"""

TOPIC = "loss"
WHY = "A sum taken for a mean multiplies the gradient, and so each step, by the batch's size."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cross_entropy.html",
    "https://optax.readthedocs.io/en/latest/api/losses.html",
    "https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html",
    "https://www.mindspore.cn/docs/en/master/api_python/nn/"
    "mindspore.nn.SoftmaxCrossEntropyWithLogits.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import torch
    from torch.nn import functional

    logits = torch.tensor([[0.0, 1.0], [3.0, 0.0]])
    one_hot = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([0, 0])

    def reduction(loss, right):
        once = loss(logits, right)
        if once.ndim > 0:
            return "none"
        # Only a mean stays the same when the batch comes twice.
        twice = loss(torch.cat([logits, logits]), torch.cat([right, right]))
        return "mean" if abs(twice - once) < 1e-5 else "sum"

    return {
        "labels": reduction(functional.cross_entropy, labels),
        "one-hot rows": reduction(functional.cross_entropy, one_hot),
        "squared error": reduction(functional.mse_loss, one_hot),
        "smooth L1": reduction(functional.smooth_l1_loss, one_hot),
    }


def jax():
    import jax.numpy as jnp
    import optax

    logits = jnp.array([[0.0, 1.0], [3.0, 0.0]])
    one_hot = jnp.array([[1.0, 0.0], [1.0, 0.0]])
    labels = jnp.array([0, 0])

    def reduction(loss, right):
        once = loss(logits, right)
        if once.ndim > 0:
            return "none"
        # Only a mean stays the same when the batch comes twice.
        twice = loss(jnp.concat([logits, logits]), jnp.concat([right, right]))
        return "mean" if abs(twice - once) < 1e-5 else "sum"

    numbers = optax.softmax_cross_entropy_with_integer_labels
    return {
        "labels": reduction(numbers, labels),
        "one-hot rows": reduction(optax.softmax_cross_entropy, one_hot),
        "squared error": reduction(optax.squared_error, one_hot),
        "smooth L1": reduction(optax.huber_loss, one_hot),
    }


def mindspore():
    import mindspore
    from mindspore import nn, ops

    logits = mindspore.Tensor([[0.0, 1.0], [3.0, 0.0]])
    one_hot = mindspore.Tensor([[1.0, 0.0], [1.0, 0.0]])
    labels = mindspore.Tensor([0, 0])

    def reduction(loss, right):
        once = loss(logits, right)
        if once.ndim > 0:
            return "none"
        # Only a mean stays the same when the batch comes twice.
        twice = loss(ops.cat([logits, logits]), ops.cat([right, right]))
        return "mean" if abs(twice - once) < 1e-5 else "sum"

    per_row = nn.SoftmaxCrossEntropyWithLogits()
    return {
        "labels": reduction(ops.cross_entropy, labels),
        "one-hot rows": reduction(per_row, one_hot),
        "squared error": reduction(nn.MSELoss(), one_hot),
        "smooth L1": reduction(nn.SmoothL1Loss(), one_hot),
    }


CLAIM = {
    "torch": {
        "labels": "mean",
        "one-hot rows": "mean",
        "squared error": "mean",
        "smooth L1": "mean",
    },
    "jax": {
        "labels": "none",
        "one-hot rows": "none",
        "squared error": "none",
        "smooth L1": "none",
    },
    "mindspore": {
        "labels": "mean",
        "one-hot rows": "none",
        "squared error": "mean",
        "smooth L1": "none",
    },
}
