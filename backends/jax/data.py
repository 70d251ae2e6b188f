"""Data: arrays in, batches out, in JAX."""

import jax.numpy as jnp

import jax
import numpy as np

# 1/255 = 2⁻⁸ + 2⁻¹⁶ + 2⁻²⁴ + ...: a byte times HIGH is exact in float32.
HIGH = np.float32(257 / 65536)
LOW = np.float32(1 / 255 - 257 / 65536)


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    Differs: a copy, because the CPU client may keep using NumPy's memory.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.device_put.html
    """
    own = jax.local_devices(backend=device)[0]
    return jax.device_put(np.array(array, order="C"), own)


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array; NumPy has no bfloat16."""
    array = np.array(tensor, order="C")
    return array.astype(np.float32) if array.dtype == jnp.bfloat16 else array


def to_dtype(tensor, dtype):
    """Round real numbers to the run's dtype; classes and positions stay.

    Differs: no tensor has TF32, which rounds what enters a product.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.numpy.astype.html
    """
    if dtype == "tfloat32" or not jnp.issubdtype(tensor.dtype, jnp.floating):
        return tensor
    return tensor.astype(dtype)


def place(images, labels, dtype, device):
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out.
        device: "cpu" or "cuda".

    Returns:
        data, for `take`.

    Differs: in a float32 run bytes stay bytes, a quarter to read, and `take`
    divides them. Labels are int32.
    """
    if images.dtype == np.uint8:
        if dtype != "float32":
            images = np.divide(images, np.float32(255), dtype=np.float32)
        labels = labels.astype(np.int32)
    images, labels = to_tensor(images, device), to_tensor(labels, device)
    if dtype != "float32":
        images, labels = to_dtype(images, dtype), to_dtype(labels, dtype)
    return images, labels


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).

    See: https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html
    """
    images, labels = data
    images = images[index]
    if images.dtype == jnp.uint8:
        images = divided(images)
    return images, labels[index]


@jax.jit
def divided(pixels):
    """Divide bytes by 255 as float32 does, bit for bit.

    Formula: x / 255 = x · HIGH + x · LOW, the first product exact.

    Differs: XLA turns a division by a constant into a product with its
    inverse, which differs on 126 of the 256 values. A table of the quotients
    is exact, too, and a quarter slower in a fused epoch.
    """
    pixels = pixels.astype(jnp.float32)
    return pixels * HIGH + pixels * LOW
