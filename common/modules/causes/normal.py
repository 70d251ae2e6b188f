"""A normalisation that computes its statistics otherwise: its eps, its n, its axes.

What the reference takes its statistics over is found by numbers: with inputs so large that eps
is nothing, it must return (x - mean) / deviation over some axes. Its scale and its offset follow
by asking it with leaves of zero and one, wherever they are broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.causes.leaves import asked_with
from common.modules.expected import Name, largest

#: Inputs so much larger that eps is nothing.
LARGE = 1e6

#: How near the statistics must come to the reference's.
NEAR = 1e-9


#: What is no eps but rounding.
TINY = 1e-14

#: What may be another.
PARTS = ("axes", "mean", "variance", "place of eps", "eps")


@dataclass(frozen=True)
class Statistics:
    """How the numbers are normalised.

    Attributes:
        axes: that are averaged over, of the inputs cut into groups.
        groups: of the channels, in axis 1; 0: not cut.
        centred: whether the mean is subtracted.
        spare: what n is lessened by for the variance.
        outside: whether eps is added to the deviation, not to the variance.
    """

    axes: tuple[int, ...]
    groups: int = 0
    centred: bool = True
    spare: int = 0
    outside: bool = False

    def cut(self, x: Array) -> Array:
        """The channels in groups."""
        if not self.groups:
            return x
        return x.reshape(len(x), self.groups, x.shape[1] // self.groups, *x.shape[2:])

    def of(self, x: Array) -> tuple[Array, Array]:
        """What is divided, and the variance, in the inputs' shape."""
        cut = self.cut(x)
        mean = cut.mean(axis=self.axes, keepdims=True) if self.centred else 0.0
        count = np.prod([cut.shape[axis] for axis in self.axes])
        square = ((cut - mean) ** 2).sum(axis=self.axes, keepdims=True) / (count - self.spare)
        whole = (cut - mean).reshape(x.shape)
        return whole, np.broadcast_to(square, cut.shape).reshape(x.shape)

    def eps_of(self, x: Array, normal: Array) -> float:
        """The eps that makes the numbers what they are, as it would be written."""
        part, variance = self.of(x)
        at = np.unravel_index(np.argmax(np.abs(part) / (variance + TINY)), x.shape)
        deviation = part[at] / normal[at]
        if self.outside:
            return written(deviation - np.sqrt(variance[at]))
        return written(deviation**2 - variance[at])

    def normal(self, x: Array, eps: float) -> Array:
        """The numbers normalised."""
        part, variance = self.of(x)
        deviation = np.sqrt(variance) + eps if self.outside else np.sqrt(variance + eps)
        found: Array = part / deviation
        return found

    def words(self, eps: float) -> tuple[str, str, str, str, str]:
        """Each of its choices."""
        over = f"statistics over axes {self.axes}"
        if self.groups:
            over = f"statistics over {self.groups} groups of channels"
        return (
            over,
            "the mean subtracted" if self.centred else "no mean subtracted",
            "the variance divided by n - 1" if self.spare else "the variance divided by n",
            "eps added to the deviation" if self.outside else "eps added to the variance",
            f"eps {eps:g}",
        )


def ways(shape: tuple[int, ...], every: bool) -> Iterator[Statistics]:
    """All that are tried; not `every`: the choices with which eps is nothing alike.

    Args:
        shape: of the inputs.
        every: whether also other n, and eps at another place.
    """
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    over = [(some, 0) for count in range(1, len(axes) + 1) for some in combinations(axes, count)]
    if len(shape) > 2:
        inner = tuple(range(2, len(shape) + 1))
        over += [(inner, g) for g in range(2, shape[1]) if shape[1] % g == 0]
    for some, groups in over:
        for centred in (True, False):
            yield Statistics(some, groups, centred)
            if every:
                yield Statistics(some, groups, centred, spare=1)
                yield Statistics(some, groups, centred, outside=True)
                yield Statistics(some, groups, centred, spare=1, outside=True)


def normal_guesses(case: Case) -> Iterator[Guess]:
    """Statistics that explain the port, if the reference normalises."""
    batch, tensor = case.batches[0], case.tensors[0]
    name = tensor.names[0]
    x = batch.asked.inputs[0]
    if not x.ndim or x.shape != batch.right[name].shape:
        return
    plain = plainly(case, name)
    far = plain(batch, LARGE)
    if not close(far, plain(batch, 10 * LARGE)):
        return
    mine = next((one for one in ways(x.shape, False) if close(one.normal(x, 0), far)), None)
    if mine is None:
        return
    was = mine.eps_of(x, plain(batch, 1.0))
    normal = normalised(case, name, batch, case.value(batch, tensor))
    for other in ways(x.shape, True):
        # What float32 shows of eps is a little off: the original's first.
        eps = next(
            (
                eps
                for eps in (was, other.eps_of(x, normal))
                if 0 <= eps <= 1
                and other.words(eps) != mine.words(was)
                and case.roughly(other.normal(x, eps), normal)
            ),
            None,
        )
        if eps is not None:
            parts = list(zip(PARTS, other.words(eps), mine.words(was), strict=True))
            kind, has, had = in_parts(parts)
            yield Guess(
                kind,
                f"{has} where the original has {had}",
                "compare the two layers' settings",
                predicting(case, name, other, eps),
                frozenset((noun, now) for noun, now, before in parts if now != before),
            )


def written(value: float) -> float:
    """A number as somebody writes it: rounded to three digits."""
    return 0.0 if abs(value) < TINY else float(f"{value:.3g}")


def close(one: Array, other: Array) -> bool:
    """Whether two are equal but for rounding."""
    return bool(np.max(np.abs(one - other), initial=0.0) <= NEAR * largest(other) * 10)


def plainly(case: Case, name: Name) -> Callable[[Batch, float], Array]:
    """The reference with scale one and no offset, on inputs times a number."""
    offset, scale = roles(case, name)

    def plain(batch: Batch, factor: float) -> Array:
        values = dict(batch.asked.values)
        leaves = {n: np.zeros_like(values[n]) for n in offset}
        leaves |= {n: np.ones_like(values[n]) for n in scale}
        inputs = batch.asked.inputs
        asked = replace(
            batch.asked, values={**values, **leaves}, inputs=(factor * inputs[0], *inputs[1:])
        )
        return batch.again(asked)[name]

    return plain


def roles(case: Case, name: Name) -> tuple[list[str], list[str]]:
    """The leaves that are added, which alone are left of inputs and means of zero; the others."""
    batch = case.batches[0]
    none = tuple(np.zeros_like(one) for one in batch.asked.inputs)
    buffers = {
        n: np.zeros_like(one.value, "float64") for n, one in case.leaves.items() if not one.trained
    }
    asked = replace(batch.asked, inputs=none, values={**batch.asked.values, **buffers})
    before = batch.again(asked)[name]
    offset: list[str] = []
    scale: list[str] = []
    for leaf in (n for n, one in case.leaves.items() if one.trained):
        moved = {**asked.values, leaf: asked.values[leaf] + 1}
        after = batch.again(replace(asked, values=moved))[name]
        (scale if close(after, before) else offset).append(leaf)
    return offset, scale


def normalised(case: Case, name: Name, batch: Batch, value: Array) -> Array:
    """Numbers without the scale and the offset of the layer."""
    scale, offset = scale_and_offset(case, name, batch)
    found: Array = (value - offset) / scale
    return found


def scale_and_offset(case: Case, name: Name, batch: Batch) -> tuple[Array, Array]:
    """Both, as they are broadcast to the outputs."""
    _, scales = roles(case, name)
    values = batch.asked.values
    offset = batch.with_leaves({n: np.zeros_like(values[n]) for n in scales})[name]
    if not scales:
        none = tuple(np.zeros_like(one) for one in batch.asked.inputs)
        offset = batch.with_inputs(none)[name]
    return (batch.right[name] - offset) / plainly(case, name)(batch, 1.0), offset


def predicting(
    case: Case, name: Name, other: Statistics, eps: float
) -> Callable[[Batch], Mapping[Name, Array]]:
    """The answer with other statistics."""

    def predicted(batch: Batch) -> Mapping[Name, Array]:
        scale, offset = scale_and_offset(case, name, batch)
        return {name: offset + scale * other.normal(batch.asked.inputs[0], eps)}

    return predicted


def running_guesses(case: Case) -> Iterator[Guess]:
    """Another eps beside a running variance, which is a leaf: the reference with that moved."""
    batch, tensor = case.batches[0], case.tensors[0]
    name = tensor.names[0]
    offsets, scales = roles(case, name)
    values = batch.asked.values
    plain = {n: np.zeros_like(values[n]) for n in offsets}
    plain |= {n: np.ones_like(values[n]) for n in scales}
    for leaf in (n for n, one in case.leaves.items() if not one.trained):

        def with_variance(value: Array, leaf: str = leaf) -> Array:
            return batch.with_leaves({**plain, leaf: value})[name]

        one = np.ones_like(values[leaf])
        without, first, third = (with_variance(number * one) for number in (0, 1, 3))
        was = float(1 / (np.median(without / first) ** 2 - 1))
        if not (TINY < was < 1) or not close(first, third * np.sqrt((3 + was) / (1 + was))):
            continue
        deviation = without * np.sqrt(was) / with_variance(values[leaf])
        squares = (without * np.sqrt(was) / normalised(case, name, batch, value_of(case))) ** 2
        eps = written(float(np.median(squares - deviation**2 + was)))
        moved = {leaf: values[leaf] + eps - was}
        yield Guess(
            "eps",
            f"eps {eps:g} where the original has eps {written(was):g}",
            "compare the two layers' settings",
            asked_with(moved),
        )


def value_of(case: Case) -> Array:
    """What the port answered, in the reference's order."""
    return case.value(case.batches[0], case.tensors[0])
