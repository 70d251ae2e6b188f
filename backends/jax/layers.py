"""Layers that models are made of, in JAX."""

import jax.numpy as jnp

import jax


def dense(params, layer, inputs):
    """One dense layer: inputs Wᵀ + b, with W held as (out, in)."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    return jnp.inner(inputs, weight) + bias


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, height, width, in); add a bias."""
    sums = correlation(params[f"{layer}.weight"], images, padding, stride=1)
    return sums + params[f"{layer}.bias"]


def correlation(kernel, images, padding, stride):
    """Sum what a kernel sees at every place, edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    around = (padding, padding)
    images = jnp.pad(images, ((0, 0), around, around, (0, 0)))
    height, width, _, outputs = kernel.shape
    rows = (images.shape[1] - height) // stride + 1
    columns = (images.shape[2] - width) // stride + 1
    down, along = stride * (rows - 1) + 1, stride * (columns - 1) + 1
    seen = [
        images[:, i : i + down : stride, j : j + along : stride]
        for i in range(height)
        for j in range(width)
    ]
    seen = jnp.stack(seen, axis=3)  # (n, rows, columns, places, in)
    seen = seen.reshape(len(images), rows, columns, -1)
    return seen @ kernel.reshape(-1, outputs)


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, : 2 * rows, : 2 * columns]
    images = images.reshape(n, rows, 2, columns, 2, channels)
    return images.mean(axis=(2, 4))


def relu(x):
    """max(x, 0)."""
    return jnp.where(x > 0, x, 0)


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + jnp.tanh(x / 2)) / 2


def convolution(params, layer, images, padding):
    """The same as `convolved`, by `lax`."""
    sums = slid(params[f"{layer}.weight"], images, padding, stride=1)
    return sums + params[f"{layer}.bias"]


def slid(kernel, images, padding, stride):
    """The same as `correlation`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
    """
    return jax.lax.conv_general_dilated(
        images,
        kernel,
        window_strides=(stride, stride),
        padding=[(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def means(images):
    """The same as `pooled`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html
    """
    window = (1, 2, 2, 1)
    sums = jax.lax.reduce_window(
        images, 0.0, jax.lax.add, window, window, "VALID"
    )
    return sums / 4


#: Of batch normalisation: added to the variance; the share of a new batch.
EPS, SHARE = 1e-5, 0.1


def normalised(params, layer, inputs):
    """Batch normalisation in training: γ (x - μ) / sqrt(σ² + ε) + β.

    μ and σ² = Σ (x - μ)² / m are those of the batch's m numbers of a channel.

    Returns:
        outputs, and the statistics' next values: 0.9 of the old ones and 0.1
        of μ and of Σ (x - μ)² / (m - 1).

    See: Dive into Deep Learning, 7.5; https://arxiv.org/abs/1502.03167
    """
    axes = tuple(range(inputs.ndim - 1))
    m = inputs.size // inputs.shape[-1]
    mean = inputs.mean(axes)
    squares = ((inputs - mean) ** 2).sum(axes)
    statistics = moved_on(params, layer, mean, squares / (m - 1))
    return scaled(params, layer, inputs, mean, squares / m), statistics


def standardised(params, layer, inputs):
    """Batch normalisation in evaluation: by the running statistics, which stay."""
    mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
    return scaled(params, layer, inputs, mean, variance), (mean, variance)


def scaled(params, layer, inputs, mean, variance):
    """γ (x - μ) / sqrt(σ² + ε) + β."""
    standard = (inputs - mean) / jnp.sqrt(variance + EPS)
    return params[f"{layer}.scale"] * standard + params[f"{layer}.shift"]


def moved_on(params, layer, mean, variance):
    """The statistics' next values."""
    held_mean, held = params[f"{layer}.mean"], params[f"{layer}.variance"]
    next_mean = (1 - SHARE) * held_mean + SHARE * mean
    return next_mean, (1 - SHARE) * held + SHARE * variance


def normalisation(params, layer, inputs):
    """The same as `normalised`, by `jax.nn`.

    Differs: JAX has no layers and keeps no statistics; ours to move on.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.standardize.html
    """
    axes = tuple(range(inputs.ndim - 1))
    mean, variance = inputs.mean(axes), inputs.var(axes)
    statistics = moved_on(params, layer, mean, inputs.var(axes, ddof=1))
    return standard(params, layer, inputs, mean, variance), statistics


def standardisation(params, layer, inputs):
    """The same as `standardised`, by `jax.nn`."""
    mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
    return standard(params, layer, inputs, mean, variance), (mean, variance)


def standard(params, layer, inputs, mean, variance):
    """The same as `scaled`, by `jax.nn`."""
    found = jax.nn.standardize(
        inputs, mean=mean, variance=variance, epsilon=EPS
    )
    return params[f"{layer}.scale"] * found + params[f"{layer}.shift"]
