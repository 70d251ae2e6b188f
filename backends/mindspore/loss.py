"""Losses and their gradients with respect to the logits, in MindSpore."""

import mindspore
from mindspore import Tensor, ops


def squared_error_scratch(logits, labels):
    """Half the squared error, averaged: 1/n Σ (ŷ - y)² / 2.

    Args:
        logits: (n, 1) predictions.
        labels: (n, 1) targets.

    Returns:
        the mean, a scalar.

    See: Dive into Deep Learning, 3.1.1.2 and 3.2.5.
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


def smoothed_cross_entropy_scratch(smoothing):
    """Cross-entropy with smoothed labels, averaged.

    1/n Σ [(1 - e) (-log softmax(o)_y) + e/K Σ_k -log softmax(o)_k]

    Differs: e as a Tensor, because a Python float meets a float64 Tensor as
    float32.

    Args:
        smoothing: e, the share of a label's chance that all K classes get.

    Returns:
        loss(logits, labels) -> the mean, a scalar.

    See: https://arxiv.org/abs/1512.00567, section 7.
    """

    def loss(logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)  # (n, classes)
        log_sum = ops.log(ops.exp(shifted).sum(axis=1))  # (n,)
        picked = ops.gather_elements(shifted, 1, labels.reshape(-1, 1))[:, 0]
        of_all = shifted.mean(axis=1)  # (n,)
        share = Tensor(smoothing, logits.dtype)
        kept = (1 - share) * picked + share * of_all
        return (log_sum - kept).mean()

    return loss


def smoothed_cross_entropy_concise(smoothing):
    """Cross-entropy with smoothed labels, averaged, by `cross_entropy`.

    Differs: it multiplies by e as a Python float, in float32, so float64 is
    left to what is written out (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html
    """
    written_out = smoothed_cross_entropy_scratch(smoothing)

    def loss(logits, labels):
        if logits.dtype == mindspore.float64:
            return written_out(logits, labels)
        return ops.cross_entropy(logits, labels, label_smoothing=smoothing)

    return loss


def weighted_cross_entropy_scratch(weights):
    """Cross-entropy of examples that count as their class does: a mean.

    Σ w_y (-log softmax(o)_y) / Σ w_y

    Args:
        weights: (classes,), w.

    Returns:
        loss(logits, labels) -> the mean, a scalar.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def loss(logits, labels):
        shifted = logits - logits.max(axis=1, keepdims=True)  # (n, classes)
        log_sum = ops.log(ops.exp(shifted).sum(axis=1))  # (n,)
        picked = ops.gather_elements(shifted, 1, labels.reshape(-1, 1))[:, 0]
        counted = weights[labels]  # (n,)
        return (counted * (log_sum - picked)).sum() / counted.sum()

    return loss


def weighted_cross_entropy_concise(weights):
    """Cross-entropy of examples that count as their class, by `cross_entropy`.

    Differs: its mean is divided by the weights that are in it, as here.

    See: https://www.mindspore.cn/docs/en/master/api_python/ops/mindspore.ops.cross_entropy.html
    """

    def loss(logits, labels):
        return ops.cross_entropy(logits, labels, weight=weights)

    return loss


def gradient(loss):
    """Return the loss together with its gradient in the logits.

    Args:
        loss: one of the functions above.

    Returns:
        (logits, labels) -> value, dlogits.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.value_and_grad.html
    """
    return mindspore.value_and_grad(loss, grad_position=0)
