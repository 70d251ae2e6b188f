"""Data: arrays in, batches out, in JAX."""

from common.labels import check_labels

import jax
import numpy as np


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

    Differs: NumPy divides, because XLA turns a division by a constant into a
    product, which differs on 126 of the 256 values. Bytes and a table of the
    quotients would be exact, too, a quarter of the memory and a fifth slower.
    """
    check_labels(images, labels)
    if images.dtype == np.uint8:
        images = np.divide(images, np.float32(255), dtype=np.float32)
        images = images.astype(dtype, copy=False)
        images = jax.device_put(images, jax.devices(device)[0])
        return images, to_tensor(labels.astype(np.int32), device)
    return to_tensor(images, device), to_tensor(labels, device)


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
    return images[index], labels[index]
