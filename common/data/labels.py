"""Labels as bytes from 0, and the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.data.stored import Stored
from common.data.wrapping import reading
from common.errors import Refused

#: Where the names of the classes stand, a line each: ours, and CIFAR-10's own.
NAMES = ("classes.txt", "batches.meta.txt")

#: Labels are bytes.
MOST_CLASSES = 256

_MOST_NAMES_BYTES, _LONGEST_NAME = 1 << 16, 60


@dataclass(frozen=True)
class Numbering:
    """How labels are numbered.

    Attributes:
        first: the label of the first class, which is taken off.
        classes: their names.
    """

    first: int
    classes: tuple[str, ...]

    @property
    def recipe(self) -> str:
        """Tells it from every other that makes other bytes."""
        return f"labels - {self.first};" if self.first else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to them."""
        if not self.first:
            return ()
        return (
            f"the labels run from 1 to {len(self.classes)}: one was taken off each, so that they "
            "count from 0",
        )


def span(labels: Stored) -> tuple[int, int]:
    """Least and largest label, of an array of whole numbers, (n,) or (n, 1).

    Raises:
        Refused: it is of another type or shape, or cannot be read to its end.
    """
    if labels.dtype.kind not in "iu" or labels.shape[1:] not in ((), (1,)):
        raise Refused(
            f"{labels.name}: {labels.words}, where whole numbers of shape (n,) are wanted, a class "
            "each; give them so"
        )
    spans = [(int(block.min()), int(block.max())) for block in labels.blocks()]
    return min(least for least, _ in spans), max(most for _, most in spans)


def numbering(
    train: tuple[int, int], test: tuple[int, int], names: tuple[str, ...], where: tuple[str, str]
) -> Numbering:
    """Find out from where the labels count, and how many classes there are.

    Args:
        train, test: least and largest label of each.
        names: of the classes; none if nobody gave them. Without them the labels of training say
            how many there are, and where none is 0 they count from 1.
        where: the two files, for messages.

    Raises:
        Refused: labels that are no bytes, labels that training never has, too few names.
    """
    for (least, _), name in zip((train, test), where, strict=True):
        if least < 0:
            raise Refused(f"{name}: label {least}, and classes count from 0; give them so")
    lowest, most = min(train[0], test[0]), train[1]
    first = 1 if lowest == 1 and (not names or most == len(names)) else 0
    if most - first >= MOST_CLASSES:
        raise Refused(
            f"{where[0]}: label {most}, and labels are bytes: {MOST_CLASSES} classes at most"
        )
    if names and most - first >= len(names):
        raise Refused(
            f"{where[0]}: label {most}, but {len(names)} names of classes; give a name for each"
        )
    if test[1] > (len(names) - 1 + first if names else most):
        raise Refused(
            f"{where[1]}: label {test[1]}, but those for training end at {most}; "
            "give files that belong together"
        )
    numbers = tuple(str(k) for k in range(first, most + 1))
    return Numbering(first, names or numbers)


def from_zero(labels: Stored, first: int) -> Iterator[NDArray[np.uint8]]:
    """Labels as bytes, the first class's taken off."""
    for block in labels.blocks():
        values: NDArray[Any] = block.reshape(-1) - first
        yield values.astype(np.uint8)


def read_names(folder: Path) -> tuple[str, ...]:
    """The names in `NAMES`, a line each, if a folder has such a file; else none.

    Raises:
        Refused: it cannot be read, or holds no names that can be shown, or one twice.
    """
    path = next((path for name in NAMES if (path := folder / name).is_file()), None)
    if path is None:
        return ()
    with reading(path), path.open("rb") as file:
        text = file.read(_MOST_NAMES_BYTES + 1)
    try:
        names = tuple(name for line in text.decode().splitlines() if (name := line.strip()))
    except UnicodeDecodeError:
        names = ()
    wrong = [name for name in names if len(name) > _LONGEST_NAME or not name.isprintable()]
    if not names or wrong or len(text) > _MOST_NAMES_BYTES or len(names) > MOST_CLASSES:
        raise Refused(
            f"{path}: no list of names; write one a line, at most {MOST_CLASSES} of "
            f"{_LONGEST_NAME} characters, in UTF-8"
        )
    if twice := [name for name in names if names.count(name) > 1]:
        raise Refused(f"{path}: {twice[0]!r} twice; give every class a name of its own")
    return names
