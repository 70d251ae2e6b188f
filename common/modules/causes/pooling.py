"""Pooling between layers: the largest or the mean, its window, what it does with the padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.between import Source, close, sources
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.causes.functions import FUNCTIONS, Function
from common.modules.expected import Name

#: Axes of a batch of pictures.
PICTURES = 4

#: As wide a window as is tried, but for the whole picture.
WIDEST = 5

#: Of so many examples it is told which pooling it is; all are held against the port afterwards.
EXAMPLES = 2


@dataclass(frozen=True)
class Pooling:
    """Windows over a feature map.

    Attributes:
        kind: "largest", "mean" (over what is inside) or "padded" (its mean, over the whole window).
        size, stride, before: of the windows, along each side; padding before the first pixel.
        out: how many windows there are, along each side.
        first: of the two axes that are pooled.
    """

    kind: str
    size: tuple[int, int]
    stride: tuple[int, int]
    before: int
    out: tuple[int, int]
    first: int

    def of(self, x: Array) -> Array:
        """The picture pooled."""
        fill = -np.inf if self.kind == "largest" else 0.0
        windows = self._windows(x, fill)
        if self.kind == "largest":
            largest: Array = windows.max(axis=(-2, -1))
            return largest
        total = windows.sum(axis=(-2, -1))
        if self.kind == "padded":
            mean: Array = total / prod(self.size)
            return mean
        inside: Array = total / self._windows(np.ones_like(x), 0.0).sum(axis=(-2, -1))
        return inside

    def _windows(self, x: Array, fill: float) -> Array:
        axes: Any = (self.first, self.first + 1)  # NumPy's stub knows one axis only
        pads = [(0, 0)] * x.ndim
        for axis, size, stride, out in zip(axes, self.size, self.stride, self.out, strict=True):
            after = (out - 1) * stride + size - self.before - x.shape[axis]
            pads[axis] = self.before, max(0, after)
        padded = np.pad(x, pads, constant_values=fill)
        windows = np.lib.stride_tricks.sliding_window_view(padded, self.size, axis=axes)
        steps = [slice(None)] * x.ndim
        for axis, stride, out in zip(axes, self.stride, self.out, strict=True):
            steps[axis] = slice(0, (out - 1) * stride + 1, stride)
        found: Array = windows[tuple(steps)]
        return found

    def words(self) -> tuple[str, str]:
        """What is taken of each window, and which windows they are."""
        kind = {
            "largest": "the largest of each window",
            "mean": "the mean of each window, padding not counted",
            "padded": "the mean of each window, padding counted",
        }[self.kind]
        size, stride = ("x".join(map(str, one)) for one in (self.size, self.stride))
        return kind, f"windows of {size} every {stride}, {self.before} padded before the first"


def poolings(shape: tuple[int, ...], total: int) -> Iterator[Pooling]:
    """Those that make so many numbers of a picture.

    Args:
        shape: of the batch of pictures.
        total: of all outputs.
    """
    for first in (2, 1):
        sides = shape[first : first + 2]
        maps = prod(shape) // prod(sides)
        whole = Pooling("mean", (sides[0], sides[1]), (1, 1), 0, (1, 1), first)
        windows = [whole, replace(whole, kind="largest")]
        for size in range(2, WIDEST + 1):
            for stride in sorted({1, 2, size}):
                for before in range(size // 2 + 1):
                    windows += sized(sides, size, stride, before, first)
        yield from (one for one in windows if maps * prod(one.out) == total)


def sized(
    sides: tuple[int, ...], size: int, stride: int, before: int, first: int
) -> Iterator[Pooling]:
    """Windows of a size: as many as fit, one more, and as many as with padding at both ends."""
    counts = {
        tuple((side + extra - size) // stride + 1 for side in sides)
        for extra in (before, 2 * before, before + size - 1)
    }
    for out in sorted(counts):
        if min(out) > 0 and all(
            (n - 1) * stride - before < s for n, s in zip(out, sides, strict=True)
        ):
            for kind in ("largest", "mean", "padded"):
                yield Pooling(kind, (size, size), (stride, stride), before, (out[0], out[1]), first)


def pooling_guesses(case: Case) -> Iterator[Guess]:
    """Another pooling of a source, where the reference's is found."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    for source in sources(case):
        x = source.of(batch)
        if x.ndim != PICTURES:
            continue
        some = x[:EXAMPLES]
        right = batch.right[name][:EXAMPLES]
        every = list(poolings(some.shape, right.size))
        found = next(
            (
                (one, function)
                for one in every
                for function in FUNCTIONS.values()
                if shaped(one, function, some, right)
            ),
            None,
        )
        if found is None:
            continue
        value = case.value(batch, tensor)[:EXAMPLES]
        mine, function = found
        seen: list[Array] = []
        for other in every:
            made = other.of(function(some))
            if other.first != mine.first or made.size != value.size:
                continue
            if not case.roughly(made.reshape(value.shape), value):
                continue
            if not any(np.array_equal(made, one) for one in seen):
                seen.append(made)
                yield pooled(source, name, function, other, mine)


def shaped(one: Pooling, function: Function, x: Array, value: Array) -> bool:
    """Whether a pooling makes these numbers, flattened or not."""
    made = one.of(function(x))
    return made.size == value.size and close(made.reshape(value.shape), value)


def pooled(source: Source, name: Name, function: Function, new: Pooling, was: Pooling) -> Guess:
    """That the port pools otherwise."""
    parts = zip(("pooling", "windows"), new.words(), was.words(), strict=True)
    kind, has, had = in_parts(parts)
    if "largest" not in (new.kind, was.kind) and new.kind != was.kind:
        kind = kind.replace("pooling", "padding counted")

    def predicted(batch: Batch) -> Mapping[Name, Array]:
        made = new.of(function(source.of(batch)))
        return {name: made.reshape(batch.right[name].shape)}

    return Guess(
        kind,
        f"{has} of {source.words} where the original has {had}",
        "compare the settings of the pooling",
        predicted,
    )
