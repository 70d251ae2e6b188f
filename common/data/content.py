"""What a data set's files hold, whatever their form: blocks of bytes on the way to the cache."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Digests = Mapping[str, str]  # file name -> SHA-256 of the unpacked bytes

Blocks = Callable[[], Iterator[NDArray[np.uint8]]]


@dataclass(frozen=True)
class Part:
    """The training examples, or those to test on.

    Attributes:
        count: how many there are.
        images: blocks (n, height, width, channels) of pixels, uint8, in order.
        labels: blocks (n,) of classes from 0, uint8, in order.
    """

    count: int
    images: Blocks
    labels: Blocks


@dataclass(frozen=True)
class Content:
    """What a data set's files hold.

    Attributes:
        shape: (height, width, channels) of one image.
        train, test: the examples.
        classes: their names.
        digests: file -> SHA-256 of the bytes it was read from.
        recipe: what is done to them; empty if nothing is.
        notes: the same, as a person is told.
        files: file name -> path of the four IDX files, if they can be copied as they are.
    """

    shape: tuple[int, int, int]
    train: Part
    test: Part
    classes: tuple[str, ...]
    digests: Digests
    recipe: str = ""
    notes: tuple[str, ...] = ()
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Twelve digits that tell it from any other content."""
        told = "".join([*self.digests.values(), self.recipe])
        return hashlib.sha256(told.encode()).hexdigest()[:12]
