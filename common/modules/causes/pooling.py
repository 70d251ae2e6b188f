"""Pooling between layers: the largest or the mean, its window, what it does with the padding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
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
        size, stride = ("x".join(map(str, one)) for one in (self.size, self.stride))
        windows = f"windows of {size} every {stride}, {self.before} padded before the first"
        return TAKEN[self.kind], windows


@dataclass(frozen=True)
class Adaptive:
    """So many windows over a feature map of any size: of S pixels the i-th of n has those from
    floor(i S / n) to ceil((i + 1) S / n).

    Attributes:
        kind, out, first: as `Pooling`'s; nothing is padded.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html
    """

    kind: str
    out: tuple[int, int]
    first: int

    def of(self, x: Array) -> Array:
        """The picture pooled."""
        taken = np.max if self.kind == "largest" else np.mean
        for axis, n in enumerate(self.out, self.first):
            side = x.shape[axis]
            windows = [(i * side // n, -(-(i + 1) * side // n)) for i in range(n)]
            # The windows of one axis do not depend on the other's, so neither does the order.
            parts = [taken(x.take(range(*one), axis), axis=axis) for one in windows]
            x = np.stack(parts, axis)
        return x

    def words(self) -> tuple[str, str]:
        """What is taken of each window, and which windows they are."""
        count = "x".join(map(str, self.out))
        windows = f"{count} windows, the i-th of n from floor(i S / n) to ceil((i + 1) S / n)"
        return TAKEN[self.kind], windows


#: What is taken of a window, in words.
TAKEN = {
    "largest": "the largest of each window",
    "mean": "the mean of each window, padding not counted",
    "padded": "the mean of each window, padding counted",
}


def poolings(shape: tuple[int, ...], total: int) -> Iterator[Pooling | Adaptive]:
    """Those that make so many numbers of a picture.

    Args:
        shape: of the batch of pictures.
        total: of all outputs.
    """
    for first in (2, 1):
        sides = shape[first : first + 2]
        maps = prod(shape) // prod(sides)
        whole = Pooling("mean", (sides[0], sides[1]), (1, 1), 0, (1, 1), first)
        windows: list[Pooling | Adaptive] = [whole, replace(whole, kind="largest")]
        for size in range(2, WIDEST + 1):
            for stride in sorted({1, 2, size}):
                for before in range(size // 2 + 1):
                    windows += sized(sides, size, stride, before, first)
        # Where sizes divide it is one of those above.
        for n in range(2, min(sides)):
            if any(side % n for side in sides):
                windows += (Adaptive(kind, (n, n), first) for kind in ("mean", "largest"))
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
        mine = next((one for one in every if activations(one, some, right)), None)
        if mine is None:
            continue
        value = case.value(batch, tensor)[:EXAMPLES]
        seen: list[Array] = []
        # What is the largest of wide windows does not tell whether there was a ReLU before.
        for function, other in product(activations(mine, some, right), every):
            made = other.of(function(some))
            if other.first != mine.first or made.size != value.size:
                continue
            if not case.roughly(made.reshape(value.shape), value):
                continue
            if not any(np.array_equal(made, one) for one in seen):
                seen.append(made)
                yield pooled(source, name, function, other, mine)


def activations(one: Pooling | Adaptive, x: Array, value: Array) -> list[Function]:
    """The functions with which, before it, a pooling makes these numbers."""
    return [function for function in FUNCTIONS.values() if shaped(one, function, x, value)]


def shaped(one: Pooling | Adaptive, function: Function, x: Array, value: Array) -> bool:
    """Whether a pooling makes these numbers, flattened or not."""
    made = one.of(function(x))
    return made.size == value.size and close(made.reshape(value.shape), value)


def pooled(
    source: Source,
    name: Name,
    function: Function,
    new: Pooling | Adaptive,
    was: Pooling | Adaptive,
) -> Guess:
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
