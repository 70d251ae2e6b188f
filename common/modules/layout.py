"""In which order a port keeps the axes of a tensor, and of a feature map that it flattened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod

import numpy as np

from common.contract.arrays import Array

#: Channels, height, width of a feature map.
Map = tuple[int, int, int]

#: Channels last and first, the tokens before the examples: what is thought of first.
USUAL = ((0, 2, 3, 1), (0, 3, 1, 2), (1, 0, 2), (0, 2, 1))

MOST_AXES = 5

#: Another order than the most usual has to fit so much better.
BETTER = 0.5


@dataclass(frozen=True)
class Layout:
    """How a port has a tensor of the reference.

    Attributes:
        axes: for each axis of the port's, which of the reference's it is.
        flattened: of a feature map (C, H, W) that the reference flattened into the last axis:
            the port flattened it as (H, W, C).
    """

    axes: tuple[int, ...]
    flattened: Map | None = None

    def there(self, array: Array) -> Array:
        """The reference's tensor as the port has it."""
        if self.flattened is not None:
            array = array[..., columns(self.flattened)]
        return np.ascontiguousarray(array.transpose(self.axes)) if array.ndim else array

    def back(self, array: Array) -> Array:
        """The port's tensor as the reference has it."""
        if array.ndim:
            array = array.transpose(np.argsort(self.axes))
        if self.flattened is not None:
            array = array[..., np.argsort(columns(self.flattened))]
        return np.ascontiguousarray(array) if array.ndim else array

    def __str__(self) -> str:
        """In words; nothing of what stays as it is."""
        if self.flattened is not None:
            return f"flattened as (H, W, C) of {self.flattened}"
        return "" if self.axes == tuple(range(len(self.axes))) else f"axes {self.axes}"


def columns(flattened: Map) -> Array:
    """Where each column of (H, W, C) is in (C, H, W)."""
    return np.arange(prod(flattened)).reshape(flattened).transpose(1, 2, 0).ravel()


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
        for one in maps:
            if prod(one) == reference[-1]:
                yield Layout(axes, one)


def nearest(candidates: Iterable[Layout], reference: Array, port: Array) -> Layout | None:
    """The layout in which a port's tensor is nearest to the reference's; None without any."""
    candidates = list(candidates)
    if len(candidates) < 2:
        return next(iter(candidates), None)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = [float(np.linalg.norm((port - one.there(reference)).ravel())) for one in candidates]
    apart = [np.inf if np.isnan(a) else a for a in apart]
    best = int(np.argmin(apart))
    return candidates[best if apart[best] < BETTER * apart[0] else 0]
