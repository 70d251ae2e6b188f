"""Data: arrays in, batches out, in NumPy."""

import numpy as np


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    Differs: an ndarray is what NumPy computes with.
    """
    return np.array(array, order="C")


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array."""
    return np.array(tensor, order="C")


def place(images, labels, dtype, device):
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out, "float32" or "float64".
        device: "cpu".

    Returns:
        data, for `take`.

    Differs: bytes stay bytes, a quarter to read, and `take` divides them.
    """
    if images.dtype == np.uint8:
        labels = labels.astype(np.int32)
    return np.array(images), np.array(labels), dtype


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).
    """
    images, labels, dtype = data
    images = images[index]
    if images.dtype == np.uint8:
        images = np.divide(images, np.float32(255), dtype=np.float32)
        images = images.astype(dtype, copy=False)
    return images, labels[index]
