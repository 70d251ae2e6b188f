"""Losses and their gradients with respect to the logits, in PyTorch."""

from torch.nn import functional

import torch


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

    Differs: torch's has no 1/2; it is multiplied in here.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html
    """
    return functional.mse_loss(logits, labels, reduction="mean") / 2


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
    shifted = logits - logits.amax(dim=1, keepdim=True)  # (n, classes)
    log_sum = torch.log(torch.exp(shifted).sum(dim=1))  # (n,)
    picked = shifted.gather(1, labels[:, None])[:, 0]  # (n,)
    return (log_sum - picked).mean()


def cross_entropy_concise(logits, labels):
    """Cross-entropy of softmax(logits), averaged, by `cross_entropy`.

    Differs: labels of -100 would be left out of the mean.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """
    return functional.cross_entropy(logits, labels, reduction="mean")


def smoothed_cross_entropy_scratch(smoothing):
    """Cross-entropy with smoothed labels, averaged.

    1/n Σ [(1 - e) (-log softmax(o)_y) + e/K Σ_k -log softmax(o)_k]

    Args:
        smoothing: e, the share of a label's chance that all K classes get.

    Returns:
        loss(logits, labels) -> the mean, a scalar.

    See: https://arxiv.org/abs/1512.00567, section 7.
    """

    def loss(logits, labels):
        shifted = logits - logits.amax(dim=1, keepdim=True)  # (n, classes)
        log_sum = torch.log(torch.exp(shifted).sum(dim=1))  # (n,)
        picked = shifted.gather(1, labels[:, None])[:, 0]  # (n,)
        of_all = shifted.mean(dim=1)  # (n,)
        kept = (1 - smoothing) * picked + smoothing * of_all
        return (log_sum - kept).mean()

    return loss


def smoothed_cross_entropy_concise(smoothing):
    """Cross-entropy with smoothed labels, averaged, by `cross_entropy`.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def loss(logits, labels):
        return functional.cross_entropy(
            logits, labels, label_smoothing=smoothing
        )

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
        shifted = logits - logits.amax(dim=1, keepdim=True)  # (n, classes)
        log_sum = torch.log(torch.exp(shifted).sum(dim=1))  # (n,)
        picked = shifted.gather(1, labels[:, None])[:, 0]  # (n,)
        counted = weights[labels]  # (n,)
        return (counted * (log_sum - picked)).sum() / counted.sum()

    return loss


def weighted_cross_entropy_concise(weights):
    """Cross-entropy of examples that count as their class, by `cross_entropy`.

    Differs: its mean is divided by the weights that are in it, as here.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html
    """

    def loss(logits, labels):
        return functional.cross_entropy(logits, labels, weight=weights)

    return loss


def gradient(loss):
    """Return the loss together with its gradient in the logits.

    Args:
        loss: one of the functions above.

    Returns:
        (logits, labels) -> value, dlogits.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.grad_and_value.html
    """
    differentiate = torch.func.grad_and_value(loss)

    def value_and_gradient(logits, labels):
        dlogits, value = differentiate(logits, labels)
        return value, dlogits

    return value_and_gradient
