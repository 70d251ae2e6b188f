"""Losses and their gradients with respect to the logits, in JAX."""

import jax.numpy as jnp
import optax

import jax


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
    """Half the squared error, averaged, by `optax.l2_loss`.

    Differs: optax's has the 1/2, one value per example.

    See: https://optax.readthedocs.io/en/latest/api/losses.html
    """
    return optax.l2_loss(logits, labels).mean()


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
    log_sum = jnp.log(jnp.exp(shifted).sum(axis=1))  # (n,)
    picked = shifted[jnp.arange(len(labels)), labels]  # (n,)
    return (log_sum - picked).mean()


def cross_entropy_concise(logits, labels):
    """Cross-entropy of softmax(logits), averaged, by optax.

    Differs: optax returns one value per example.

    See: https://optax.readthedocs.io/en/latest/api/losses.html
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses.mean()


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
        shifted = logits - logits.max(axis=1, keepdims=True)  # (n, classes)
        log_sum = jnp.log(jnp.exp(shifted).sum(axis=1))  # (n,)
        picked = shifted[jnp.arange(len(labels)), labels]  # (n,)
        of_all = shifted.mean(axis=1)  # (n,)
        kept = (1 - smoothing) * picked + smoothing * of_all
        return (log_sum - kept).mean()

    return loss


def smoothed_cross_entropy_concise(smoothing):
    """Cross-entropy with smoothed labels, averaged, by optax.

    Differs: optax smooths labels that are one-hot already.

    See: https://optax.readthedocs.io/en/latest/api/losses.html
    """

    def loss(logits, labels):
        one_hot = jax.nn.one_hot(labels, logits.shape[1], dtype=logits.dtype)
        smoothed = optax.smooth_labels(one_hot, smoothing)
        return optax.softmax_cross_entropy(logits, smoothed).mean()

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
        log_sum = jnp.log(jnp.exp(shifted).sum(axis=1))  # (n,)
        picked = shifted[jnp.arange(len(labels)), labels]  # (n,)
        counted = weights[labels]  # (n,)
        return (counted * (log_sum - picked)).sum() / counted.sum()

    return loss


def weighted_cross_entropy_concise(weights):
    """Cross-entropy of examples that count as their class, by optax.

    Differs: optax weighs no classes; `jnp.average` divides by the weights.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.numpy.average.html
    """

    def loss(logits, labels):
        losses = optax.softmax_cross_entropy_with_integer_labels(
            logits, labels
        )
        return jnp.average(losses, weights=weights[labels])

    return loss


def gradient(loss):
    """Return the loss together with its gradient in the logits.

    Args:
        loss: one of the functions above.

    Returns:
        (logits, labels) -> value, dlogits.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.value_and_grad.html
    """
    return jax.value_and_grad(loss)
