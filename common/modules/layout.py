"""In which order a port keeps the axes of a tensor, and of a feature map that it flattened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod

import numpy as np

from common.contract.arrays import Array

#: Sizes of a feature map's axes but for the examples'.
Map = tuple[int, int, int]

#: In which order a port may have flattened them: channels last for channels first, and back.
CHANNELS_LAST, CHANNELS_FIRST = (1, 2, 0), (2, 0, 1)

#: Channels last and first, the tokens before the examples: what is thought of first.
USUAL = ((0, 2, 3, 1), (0, 3, 1, 2), (1, 0, 2), (0, 2, 1))

MOST_AXES = 5

#: Another order than the most usual has to fit so much better.
BETTER = 0.5


@dataclass(frozen=True)
class Flattened:
    """A feature map that was made one axis.

    Attributes:
        sizes: of its axes, as the reference has them.
        order: in which the port has them: `CHANNELS_LAST` or `CHANNELS_FIRST`.
    """

    sizes: Map
    order: tuple[int, int, int]

    @property
    def columns(self) -> Array:
        """Where each of the port's columns is in the reference."""
        return np.arange(prod(self.sizes)).reshape(self.sizes).transpose(self.order).ravel()

    @property
    def channels_first(self) -> Map:
        """The sizes as (channels, height, width)."""
        a, b, c = self.sizes
        return self.sizes if self.order == CHANNELS_LAST else (c, a, b)


@dataclass(frozen=True)
class Layout:
    """How a port has a tensor of the reference.

    Attributes:
        axes: for each axis of the port's, which of the reference's it is.
        flattened: what both flattened into the last axis, in another order.
    """

    axes: tuple[int, ...]
    flattened: Flattened | None = None

    def there(self, array: Array) -> Array:
        """The reference's tensor as the port has it."""
        if self.flattened is not None:
            array = array[..., self.flattened.columns]
        return np.ascontiguousarray(array.transpose(self.axes)) if array.ndim else array

    def back(self, array: Array) -> Array:
        """The port's tensor as the reference has it."""
        if array.ndim:
            array = array.transpose(np.argsort(self.axes))
        if self.flattened is not None:
            array = array[..., np.argsort(self.flattened.columns)]
        return np.ascontiguousarray(array) if array.ndim else array

    def __str__(self) -> str:
        """In words; nothing of what stays as it is."""
        if self.flattened is not None:
            return f"flattened in the order {self.flattened.order} of {self.flattened.sizes}"
        return "" if self.axes == tuple(range(len(self.axes))) else f"axes {self.axes}"


def flattenings(features: int, maps: Iterable[Map]) -> Iterator[Flattened]:
    """The feature maps that an axis may have been, by those that were seen before it.

    Pooling may have come between: then the channels are kept, and the ratio of the sides.
    """
    for a, b, c in maps:
        for channels, high, wide in ((a, b, c), (c, a, b)):
            pixels, rest = divmod(features, channels)
            scale = (pixels / (high * wide)) ** 0.5
            sides = round(high * scale), round(wide * scale)
            if rest or prod(sides) != pixels or pixels == 1:
                continue
            if (channels, high, wide) == (a, b, c):
                yield Flattened((channels, *sides), CHANNELS_LAST)
            else:
                yield Flattened((*sides, channels), CHANNELS_FIRST)


def layouts(
    reference: tuple[int, ...], port: tuple[int, ...], maps: Iterable[Map] = ()
) -> Iterator[Layout]:
    """Every layout that makes one shape of the other, the most usual first.

    Args:
        reference, port: the shapes.
        maps: feature maps that may have been flattened before.
    """
    axes = tuple(range(len(reference)))
    if sorted(reference) != sorted(port) or len(axes) > MOST_AXES:
        return
    orders = [axes, *(o for o in USUAL if len(o) == len(axes)), *permutations(axes)]
    for order in dict.fromkeys(orders):
        if tuple(reference[i] for i in order) == port:
            yield Layout(order)
    if reference == port and axes:
        for one in dict.fromkeys(flattenings(reference[-1], maps)):
            yield Layout(axes, one)


def nearest(candidates: Iterable[Layout], reference: Array, port: Array) -> Layout | None:
    """The layout in which a port's tensor is nearest to the reference's; None without any.

    A mask tells nothing about its axes, be it of truths or of infinities: inverted it is nearly
    its own transpose. Of it the most usual layout is taken.
    """
    candidates = list(candidates)
    if len(candidates) < 2 or "b" in (reference.dtype.kind, port.dtype.kind):
        return next(iter(candidates), None)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = [float(np.linalg.norm((port - one.there(reference)).ravel())) for one in candidates]
    apart = [np.inf if np.isnan(a) else a for a in apart]
    best = int(np.argmin(apart))
    return candidates[best if apart[best] < BETTER * apart[0] else 0]
