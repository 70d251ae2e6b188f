"""Pixels as bytes, whatever type they are stored in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.data.stored import Stored
from common.errors import Refused

CHANNELS = (1, 3)


@dataclass(frozen=True)
class Span:
    """Pixels of one array.

    Attributes:
        least, most: the extremes.
        off: how far one of them is from a whole number, at most.
        off_scaled: the same, once they are multiplied by 255.
    """

    least: float
    most: float
    off: float
    off_scaled: float


@dataclass(frozen=True)
class Scale:
    """How pixels become bytes: times `factor`, rounded by `off` at most."""

    kind: str
    factor: int
    off: float

    @property
    def recipe(self) -> str:
        """Tells it from every other that makes other bytes."""
        return "" if self.kind == "uint8" else f"pixels {self.kind} * {self.factor};"

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to them."""
        if self.kind == "uint8":
            return ()
        words = f"the pixels are {self.kind}"
        if self.factor != 1:
            words += f" from 0 to 1: they were multiplied by {self.factor}"
        rounded = f", and rounded to whole bytes, by {self.off:.2g} at most" if self.off else ""
        return (f"{words}, and are kept as bytes{rounded}",)


def image_shape(images: Stored) -> tuple[int, int, int]:
    """Height, width and channels of an array of images, (n, height, width[, channels]).

    Raises:
        Refused: it is of another type or shape, or each is too large.
    """
    shape = images.shape[1:] if len(images.shape) == 4 else (*images.shape[1:], 1)
    if images.dtype.kind not in "iuf" or len(shape) != 3 or shape[2] not in CHANNELS:
        raise Refused(
            f"{images.name}: {images.words}, where numbers of shape (n, height, width), or "
            "(n, height, width, 3) for colour, are wanted; give them so"
        )
    images.check_row()
    return shape[0], shape[1], shape[2]


def span(images: Stored) -> Span:
    """Measure the pixels of an array."""
    if images.dtype == np.uint8:
        return Span(0, 255, 0, 0)
    whole = images.dtype.kind != "f"
    found: list[Span] = []
    for block in images.blocks():
        if whole:
            found.append(Span(float(block.min()), float(block.max()), 0.0, 0.0))
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            values = block.astype(np.float64)
            off, scaled = (float(np.abs(v - np.rint(v)).max()) for v in (values, values * 255))
        # NaN becomes an extreme that no byte has.
        least, most = (float(np.nan_to_num(v, nan=np.inf)) for v in (values.min(), values.max()))
        found.append(Span(least, most, off, scaled))
    return Span(
        min(one.least for one in found),
        max(one.most for one in found),
        max(one.off for one in found),
        max(one.off_scaled for one in found),
    )


def scale(train: Stored, test: Stored, spans: tuple[Span, Span]) -> Scale:
    """Settle how the pixels of both arrays become bytes.

    Whole numbers from 0 to 255 are taken as they are. Floating-point numbers, too, rounded, unless
    none is above 1: then 1 is white, and they are multiplied by 255.

    Raises:
        Refused: pixels that no byte holds.
    """
    kind = train.dtype.name
    if test.dtype.name != kind:
        raise Refused(
            f"{test.name}: pixels of type {test.dtype.name}, but those for training are {kind}; "
            "give files that belong together"
        )
    for images, found in zip((train, test), spans, strict=True):
        if not (found.least >= 0 and found.most <= 255):
            raise Refused(
                f"{images.name}: pixels from {found.least:g} to {found.most:g}, and images are "
                "bytes; give whole numbers from 0 to 255, or fractions from 0 to 1"
            )
    darkest, brightest = sorted(spans, key=lambda one: one.most)
    if darkest.most <= 1 < brightest.most and darkest.off:
        raise Refused(
            f"{train.name} and {test.name}: pixels up to {spans[0].most:g} and up to "
            f"{spans[1].most:g}: one is in fractions from 0 to 1 and the other is not; give both "
            "the same scale"
        )
    fractions = train.dtype.kind == "f" and max(one.most for one in spans) <= 1
    off = max(one.off_scaled if fractions else one.off for one in spans)
    return Scale(kind, 255 if fractions else 1, off)


def as_bytes(images: Stored, factor: int) -> Iterator[NDArray[np.uint8]]:
    """Pixels as bytes: blocks (n, height, width, channels)."""
    shape = image_shape(images)
    for block in images.blocks():
        values: NDArray[Any] = block
        if images.dtype.kind == "f":
            values = np.rint(block.astype(np.float64) * factor)
        yield values.astype(np.uint8).reshape(-1, *shape)
