"""Data: arrays in, batches out, in NumPy."""

from common.labels import check_labels

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
    """Make a data set resident: float32(pixel) / float32(255), then dtype.

    Args:
        images: (N, features), uint8 pixels, or numbers that are ready to use.
        labels: (N,) classes, or (N, 1) targets.
        dtype: what `take` hands out, "float32" or "float64".
        device: "cpu".

    Returns:
        data, for `take`.

    Raises:
        BadLabel: labels no loss could take, in the same words everywhere.

    Differs: a table of the 256 quotients; indexing it is quicker than
    dividing. Pixels stay float32 until `take` widens a batch: half the memory.
    """
    check_labels(images, labels)
    if images.dtype == np.uint8:
        return PIXELS[images], labels.astype(np.int32), dtype
    return np.array(images), np.array(labels), images.dtype


def take(data, index):
    """Gather one batch.

    Args:
        data: from `place`.
        index: (n,) positions.

    Returns:
        images (n, features) in the run's dtype, labels (n,) or (n, 1).
    """
    images, labels, dtype = data
    return images[index].astype(dtype, copy=False), labels[index]
