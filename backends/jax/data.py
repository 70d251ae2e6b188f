"""Data: arrays in, batches out, in JAX."""

import jax.numpy as jnp
from common.labels import check_labels

import jax
import numpy as np

PIXELS = np.arange(256, dtype=np.float32) / np.float32(255)  # the 256 values


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    Differs: a copy, because the CPU client may keep using NumPy's memory.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.device_put.html
    """
    return jax.device_put(np.array(array, order="C"), jax.devices(device)[0])


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array."""
    return np.array(tensor, order="C")


def place(images, labels, dtype, device):
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out, "float32" or "float64".
        device: "cpu" or "cuda".

    Returns:
        data, for `take`.

    Raises:
        BadLabel: labels no loss could take, in the same words everywhere.

    Differs: pixels stay bytes until `take` looks their values up in a table
    of 256, which a compiled step does on the way: a quarter of the memory.
    """
    check_labels(images, labels)
    if images.dtype != np.uint8:
        return to_tensor(images, device), to_tensor(labels, device), None
    return (
        to_tensor(images, device),
        to_tensor(labels.astype(np.int32), device),
        to_tensor(PIXELS.astype(dtype), device),
    )


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).

    Differs: the table and not a division, because XLA turns a division by a
    constant into a product, which differs on 126 of the 256 values.
    """
    images, labels, pixels = data
    images, labels = images[index], labels[index]
    if pixels is not None:
        images = jnp.take(pixels, images, axis=0)
    return images, labels
