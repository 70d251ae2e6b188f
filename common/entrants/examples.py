"""The examples that a session is told of, and what is made of numbers about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.data import idx

#: Examples per call when a whole data set is measured: bounds the memory of wide images.
EVALUATION_BATCH = 2500


def read(data: dict[str, Any]) -> tuple[Any, Any]:
    """Open what `Session.open` was told of the data: train and test pairs, test maybe None."""
    if "folder" not in data:
        return data["train"], data.get("test")
    folder, limit = Path(data["folder"]) / "FashionMNIST" / "raw", data["limit"]
    train = (
        idx.read_images(folder / idx.TRAIN_IMAGES)[:limit],
        idx.read_labels(folder / idx.TRAIN_LABELS)[:limit],
    )
    test = (idx.read_images(folder / idx.TEST_IMAGES), idx.read_labels(folder / idx.TEST_LABELS))
    return train, test


def classes_of(logits: Array) -> Array:
    """The largest of each row, in the fewest bytes that hold every class."""
    classes: Array = logits.argmax(axis=1).astype(np.min_scalar_type(logits.shape[1] - 1))
    return classes


def mean_over_examples(losses: Array, examples: int, batch_size: int) -> float:
    """Mean loss of examples from the means of their batches, the last of which may be short."""
    sizes = np.minimum(batch_size, examples - np.arange(0, examples, batch_size))
    return float(losses.astype(np.float64) @ sizes / examples)
