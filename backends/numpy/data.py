"""Data: arrays in, batches out, in NumPy."""

import numpy as np

PIXELS = np.arange(256, dtype=np.float32) / np.float32(255)  # the 256 values


def to_tensor(array, device):
    """Hand an array to the framework, dtype and shape unchanged.

    Differs: an ndarray is what NumPy computes with.
    """
    return np.array(array, order="C")


def to_array(tensor):
    """Fetch a tensor as a contiguous NumPy array."""
    return np.array(tensor, order="C")


def place(images, labels, dtype, device):
    """Make a data set resident: uint8 pixels stay bytes until they are used.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out, "float32" or "float64".
        device: "cpu".

    Returns:
        data, for `take`.
    """
    if images.dtype != np.uint8:
        return np.array(images), np.array(labels), None
    return np.array(images), labels.astype(np.int32), PIXELS.astype(dtype)


def take(data, index):
    """Gather one batch: float32(pixel) / float32(255), then the labels.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).

    Differs: a table of the 256 quotients; indexing it is exact and quicker
    than dividing.
    """
    images, labels, pixels = data
    images, labels = images[index], labels[index]
    if pixels is not None:
        images = pixels[images]
    return images, labels
