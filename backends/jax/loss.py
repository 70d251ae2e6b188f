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

    See: Dive into Deep Learning, 3.1.1.3.
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


def gradient(loss):
    """Return the loss together with its gradient in the logits.

    Args:
        loss: one of the functions above.

    Returns:
        (logits, labels) -> value, dlogits.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.value_and_grad.html
    """
    return jax.value_and_grad(loss)
