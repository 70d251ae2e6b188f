"""A convolution of another stride, dilation or padding, its output of whatever size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import combinations, product
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.between import close
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.expected import Name

#: Axes of a batch of pictures, and of a kernel.
PICTURES = 4

#: What may be another, and which are tried.
CHOICES = {"stride": range(1, 5), "dilation": range(1, 5), "padding": range(6)}

#: Which axes make (n, channels, height, width) of pictures, (out, in, height, width) of kernels.
Axes = tuple[tuple[int, ...], tuple[int, ...]]

CHANNELS_FIRST: Axes = ((0, 1, 2, 3), (0, 1, 2, 3))
CHANNELS_LAST: Axes = ((0, 3, 1, 2), (3, 2, 0, 1))


@dataclass(frozen=True)
class Convolution:
    """Windows of a picture times a kernel.

    Attributes:
        stride, dilation: along both sides.
        padding: with zeros, at all four.
    """

    stride: int = 1
    dilation: int = 1
    padding: int = 0

    def of(self, x: Array, kernel: Array) -> Array:
        """The picture (n, in, height, width) convolved with (out, in of a group, height, width)."""
        pads = (0, 0), (0, 0), (self.padding,) * 2, (self.padding,) * 2
        padded = np.pad(x, pads)
        reach = tuple(self.dilation * (size - 1) + 1 for size in kernel.shape[2:])
        sides: Any = (2, 3)  # NumPy's stub knows one axis only
        windows = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=sides)
        step, dilation = self.stride, self.dilation
        windows = windows[:, :, ::step, ::step, ::dilation, ::dilation]
        groups = x.shape[1] // kernel.shape[1]
        cut = windows.reshape(len(x), groups, kernel.shape[1], *windows.shape[2:])
        kernels = kernel.reshape(groups, -1, *kernel.shape[1:])
        made: Array = np.einsum("ngchwij,gocij->ngohw", cut, kernels, optimize=True)
        return made.reshape(len(x), -1, *made.shape[3:])

    def words(self) -> tuple[str, ...]:
        """Each of its choices."""
        return tuple(f"{one.name} {getattr(self, one.name)}" for one in fields(self))


def convolution_guesses(case: Case) -> Iterator[Guess]:
    """Another convolution, where the reference's is found."""
    batch, tensor = case.batches[0], case.tensors[0]
    name = tensor.names[0]
    kernels = [n for n, one in case.leaves.items() if one.trained and one.value.ndim == PICTURES]
    if batch.asked.inputs[0].ndim != PICTURES or len(kernels) != 1:
        return
    # What it adds to every pixel is its answer without its kernel.
    bias = batch.with_leaves({kernels[0]: np.zeros_like(batch.asked.values[kernels[0]])})[name]
    value = case.value(batch, tensor)
    for axes, added in (
        (CHANNELS_FIRST, bias[:1, :, :1, :1]),
        (CHANNELS_LAST, bias[:1, :1, :1]),
    ):
        layer = Layer(kernels[0], added, axes)
        mine = next((one for one in every() if layer.is_by(one, batch, batch.right[name])), None)
        if mine is None:
            continue
        for other in others(mine):
            made = layer.by(other, batch)
            if made is not None and case.roughly(made, value):
                kind, has, had = in_parts(zip(CHOICES, other.words(), mine.words(), strict=True))
                yield Guess(
                    kind,
                    f"{has} where the original has {had}",
                    "compare the settings of both convolutions",
                    partial(predicted, layer, name, other),
                )


@dataclass(frozen=True, eq=False)
class Layer:
    """The reference's convolution but for its settings.

    Attributes:
        kernel: the leaf.
        bias: what is added to every pixel.
        axes: of pictures and of the kernel.
    """

    kernel: str
    bias: Array
    axes: Axes

    def by(self, rule: Convolution, batch: Batch) -> Array | None:
        """What it returns by other settings; None if they do not fit its input."""
        of_picture, of_kernel = self.axes
        x = batch.asked.inputs[0].transpose(of_picture)
        try:
            made = rule.of(x, batch.asked.values[self.kernel].transpose(of_kernel))
        except ValueError:  # a kernel that reaches beyond the picture, or axes of other sizes
            return None
        found: Array = made.transpose(np.argsort(of_picture)) + self.bias
        return found

    def is_by(self, rule: Convolution, batch: Batch, right: Array) -> bool:
        """Whether settings are its own."""
        made = self.by(rule, batch)
        return made is not None and close(made, right)


def predicted(layer: Layer, name: Name, rule: Convolution, batch: Batch) -> Mapping[Name, Array]:
    """What it returns by other settings."""
    made = layer.by(rule, batch)
    return {} if made is None else {name: made}


def every() -> Iterator[Convolution]:
    """All settings that are tried."""
    yield from (Convolution(*some) for some in product(*CHOICES.values()))


def others(mine: Convolution) -> Iterator[Convolution]:
    """Those with one setting another, then with two."""
    changes = [
        {part: one} for part, some in CHOICES.items() for one in some if one != getattr(mine, part)
    ]
    yield from (replace(mine, **one) for one in changes)
    for one, two in combinations(changes, 2):
        if one.keys() != two.keys():
            yield replace(mine, **one, **two)
