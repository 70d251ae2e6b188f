"""Two arrays for training and two to test on, become a data set's content."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.data import labels, pixels
from common.data.content import Content, Digests, Part
from common.data.idx import words
from common.data.stored import Stored
from common.errors import Refused

Pair = tuple[Stored, Stored]  # images, labels

LYING = "the pictures lie on their side in the files, columns for rows: they were set upright"


def content(
    train: Pair, test: Pair, digests: Digests, names: tuple[str, ...], *, lying: bool = False
) -> Content:
    """Check that four arrays fit together, and settle how they become bytes.

    Args:
        train, test: images and labels.
        digests: of the files they are in.
        names: of the classes; none if nobody gave them.
        lying: rows and columns of the images are exchanged.

    Raises:
        Refused: shapes, types or labels that cannot be.
    """
    shape, other = (pixels.image_shape(images) for images, _ in (train, test))
    for images, classes in (train, test):
        if images.shape[0] != len_of(classes):
            raise Refused(
                f"{images.name}: {images.shape[0]} images, but {len_of(classes)} labels in "
                f"{Path(classes.name).name}; give files that belong together"
            )
    if shape != other:
        raise Refused(
            f"{test[0].name}: images of {size_words(other)}, but those for training have "
            f"{size_words(shape)} ({Path(train[0].name).name}); give files that belong together"
        )
    numbering = labels.numbering(
        labels.span(train[1]), labels.span(test[1]), names, (train[1].name, test[1].name)
    )
    scale = pixels.scale(train[0], test[0], (pixels.span(train[0]), pixels.span(test[0])))

    def part(pair: Pair) -> Part:
        as_bytes = partial(pixels.as_bytes, pair[0], scale.factor)
        return Part(
            pair[0].shape[0],
            partial(upright, as_bytes) if lying else as_bytes,
            partial(labels.from_zero, pair[1], numbering.first),
        )

    return Content(
        shape=(shape[1], shape[0], shape[2]) if lying else shape,
        train=part(train),
        test=part(test),
        classes=numbering.classes,
        digests=digests,
        recipe=f"{scale.recipe}{numbering.recipe}{'lying;' if lying else ''}",
        notes=(*scale.notes, *numbering.notes, *((LYING,) if lying else ())),
    )


def len_of(array: Stored) -> int:
    """How many examples an array has."""
    return array.shape[0] if array.shape else 0


def size_words(shape: tuple[int, int, int]) -> str:
    """Height and width of an image in words, and whether it has colours."""
    return f"{words(shape[:2])} pixels{' in colour' if shape[2] > 1 else ''}"


def upright(as_bytes: partial[Iterator[NDArray[np.uint8]]]) -> Iterator[NDArray[np.uint8]]:
    """Exchange rows and columns."""
    for block in as_bytes():
        yield block.swapaxes(1, 2)
