"""Losses and their gradients with respect to the logits, in MindSpore."""

import mindspore
from mindspore import ops


def squared_error_scratch(logits, labels):
    """Half the squared error, averaged: 1/n Σ (ŷ - y)² / 2.

    Args:
        logits: (n, 1) predictions.
        labels: (n, 1) targets.

    Returns:
        the mean, a scalar.

    See: Dive into Deep Learning, 3.1.1.3.
    """
    return ((logits - labels) ** 2 / 2).mean()


def squared_error_concise(logits, labels):
    """Half the squared error, averaged, by `mse_loss`.

    Differs: MindSpore's has no 1/2; it is multiplied in here. It averages
    in float32 whatever it is given, so float64 is averaged by `mean`.

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.mse_loss.html
    """
    if logits.dtype == mindspore.float64:
        return ops.square(logits - labels).mean() / 2
    return ops.mse_loss(logits, labels, reduction="mean") / 2


def cross_entropy_scratch(logits, labels):
    """Cross-entropy of softmax(logits), averaged: 1/n Σ -log softmax(o)_y.

    Stable: log softmax(o) = s - log Σ exp(s) with s = o - max(o).

    Args:
        logits: (n, classes).
        labels: (n,) integers, 0 <= label < classes.

    Returns:
        the mean, a scalar.

    See: Dive into Deep Learning, 3.4.6 and 3.7.2.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)  # (n, classes)
    log_sum = ops.log(ops.exp(shifted).sum(axis=1))  # (n,)
    picked = ops.gather_elements(shifted, 1, labels.reshape(-1, 1))[:, 0]
    return (log_sum - picked).mean()


def cross_entropy_concise(logits, labels):
    """Cross-entropy of softmax(logits), averaged, by `log_softmax`.

    Differs: `ops.cross_entropy` is this, and a quarter of the compiled step
    slower (2.10.0), because it also weighs classes and leaves out labels of
    -100. `nn.SoftmaxCrossEntropyWithLogits` is quicker than either, and
    infinite once logits lie 87 apart. `log_softmax` computes in float32
    whatever it is given, so float64 is left to `ops.cross_entropy`.

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.log_softmax.html
    """
    if logits.dtype == mindspore.float64:
        return ops.cross_entropy(logits, labels, reduction="mean")
    log_chances = ops.log_softmax(logits, 1)  # (n, classes)
    picked = ops.gather_elements(log_chances, 1, labels.reshape(-1, 1))
    return -picked.mean()


def gradient(loss):
    """Return the loss together with its gradient in the logits.

    Args:
        loss: one of the functions above.

    Returns:
        (logits, labels) -> value, dlogits.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.value_and_grad.html
    """
    return mindspore.value_and_grad(loss, grad_position=0)
