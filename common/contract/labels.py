"""Labels that a loss can take, checked before a framework sees them.

What a framework makes of one that is out of range is its own affair: an error, a row left
out, the wrong class, NaN, a read beyond the logits (docs/conventions.md). Here such a label
is refused, in the same words for all.

Imports only NumPy: worker processes in other interpreters use it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import BadLabel

Array = NDArray[Any]


#: A label that `check`'s usual loss leaves out of the mean.
IGNORED = -100

#: The shape of one target of the registered regression.
TARGET = (1,)


def check_labels(
    images: Array, labels: Array, classes: int, target: tuple[int, ...] = TARGET
) -> None:
    """Refuse labels that do not go with these images: classes with pixels, else either kind.

    Args:
        images: (n, features), uint8 pixels or other numbers.
        labels: (n,) classes, or, where images are no pixels, (n, *target) targets.
        classes: how many there are; of no consequence to targets.
        target: the shape of one; of no consequence to classes.

    Raises:
        BadLabel: as `check_classes` or `check_targets`.
    """
    if images.dtype != np.uint8 and labels.dtype.kind == "f":
        check_targets(labels, len(images), target)
    else:
        check_classes(labels, len(images), classes)


def check_classes(labels: Array, examples: int, classes: int) -> None:
    """Refuse labels that are not one class for each example.

    Args:
        labels: to be integers of any width, (examples,), 0 <= label < classes.
        examples: how many there are.
        classes: how many there are.

    Raises:
        BadLabel: another dtype or shape, or a class that is not there: the first such label.
    """
    allowed = f"classes are the integers 0 to {classes - 1}"
    if labels.dtype.kind not in "iu":
        raise BadLabel(f"labels of dtype {labels.dtype}: {allowed}")
    _check_shape(labels, (examples,), "classes")
    if len(labels) and (labels.min() < 0 or labels.max() >= classes):
        first = np.argmax((labels < 0) | (labels >= classes))
        raise BadLabel(f"label {labels[first]} of example {first}: {allowed}")


def check_targets(labels: Array, examples: int, target: tuple[int, ...] = TARGET) -> None:
    """Refuse labels that are not what is to be predicted for each example.

    Args:
        labels: to be finite floats, (examples, *target).
        examples: how many there are.
        target: the shape of one.

    Raises:
        BadLabel: another dtype or shape, infinite or NaN: the first such label.
    """
    allowed = "targets are finite floats"
    if labels.dtype.kind != "f":
        raise BadLabel(f"labels of dtype {labels.dtype}: {allowed}")
    _check_shape(labels, (examples, *target), "targets")
    wrong = ~np.isfinite(labels)
    if wrong.any():
        first = int(np.argwhere(wrong)[0][0])
        raise BadLabel(f"label {labels[wrong][0]} of example {first}: {allowed}")


def _check_shape(labels: Array, shape: tuple[int, ...], kind: str) -> None:
    if labels.shape != shape:
        raise BadLabel(
            f"labels of shape {labels.shape}: {kind} for {shape[0]} examples have {shape}"
        )
