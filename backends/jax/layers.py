"""Layers that models are made of, in JAX."""

import jax.numpy as jnp

import jax


def dense(params, layer, inputs):
    """One dense layer: inputs Wᵀ + b, with W held as (out, in)."""
    weight, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    return jnp.inner(inputs, weight) + bias


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, height, width, in), edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    around = (padding, padding)
    images = jnp.pad(images, ((0, 0), around, around, (0, 0)))
    height, width, _, outputs = kernel.shape
    rows = images.shape[1] - height + 1
    columns = images.shape[2] - width + 1
    seen = [
        images[:, i : i + rows, j : j + columns]
        for i in range(height)
        for j in range(width)
    ]
    seen = jnp.stack(seen, axis=3)  # (n, rows, columns, places, in)
    seen = seen.reshape(len(images), rows, columns, -1)
    return seen @ kernel.reshape(-1, outputs) + bias


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, : 2 * rows, : 2 * columns]
    images = images.reshape(n, rows, 2, columns, 2, channels)
    return images.mean(axis=(2, 4))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + jnp.tanh(x / 2)) / 2


def convolution(params, layer, images, padding):
    """The same as `convolved`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.conv_general_dilated.html
    """
    sums = jax.lax.conv_general_dilated(
        images,
        params[f"{layer}.weight"],
        window_strides=(1, 1),
        padding=[(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return sums + params[f"{layer}.bias"]


def means(images):
    """The same as `pooled`, by `lax`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.reduce_window.html
    """
    window = (1, 2, 2, 1)
    sums = jax.lax.reduce_window(
        images, 0.0, jax.lax.add, window, window, "VALID"
    )
    return sums / 4
