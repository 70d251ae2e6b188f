"""Inputs of the whole on another line, a x + b: pixels by other constants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from common.contract.arrays import Array
from common.modules.causes.between import Source, sources
from common.modules.causes.case import Batch, Case, Guess, Predicted
from common.modules.expected import Name, largest

#: So many channels' lines are listed.
MOST_LISTED = 3

#: How near to zero, or to one, a constant is it: of the largest number.
NOTHING = 1e-6


@dataclass(frozen=True, eq=False)
class Line:
    """A x + b, of all numbers alike or of each channel.

    Attributes:
        slope, start: a and b, as they are broadcast.
    """

    slope: Array
    start: Array

    def of(self, x: Array) -> Array:
        """The numbers on it."""
        found: Array = self.slope * x + self.start
        return found

    def words(self) -> str:
        """As it would be written, of the first channels."""
        pairs = list(zip(self.slope.ravel(), self.start.ravel(), strict=True))
        said = ", ".join(written(*pair) for pair in pairs[:MOST_LISTED])
        return said if len(pairs) == 1 else f"{said}{', ...' * (len(pairs) > MOST_LISTED)}"


def written(slope: float, start: float) -> str:
    """One line in words."""
    words = "x" if abs(slope - 1) < NOTHING else f"{slope:.6g} x"
    if abs(start) < NOTHING:
        return words
    return f"{words} {'-' if start < 0 else '+'} {abs(start):.6g}"


def line(x: Array, y: Array, axis: int | None) -> Line:
    """The line nearest to numbers; of each place along an axis its own."""
    over = tuple(one for one in range(x.ndim) if one != axis)
    means = x.mean(over, keepdims=True), y.mean(over, keepdims=True)
    apart = x - means[0]
    slope = (apart * y).sum(over, keepdims=True) / (apart * apart).sum(over, keepdims=True)
    return Line(slope, means[1] - slope * means[0])


def input_guesses(case: Case) -> Iterator[Guess]:
    """Other constants, where the reference takes an input on a line."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    right, value = batch.right[name], case.value(batch, tensor)
    for source in (one for one in sources(case) if one.key is None):
        x = source.of(batch)
        if x.shape != right.shape or x.dtype.kind != "f":
            continue
        for axis in (None, *range(1, x.ndim)):
            mine, theirs = line(x, right, axis), line(x, value, axis)
            if largest(mine.of(x) - right) <= 1e-9 * largest(right) and case.roughly(
                theirs.of(x), value
            ):
                yield Guess(
                    "standardised",
                    f"{source.words} as {theirs.words()} where the original has {mine.words()}",
                    "print the smallest and the largest of what the first layer is given",
                    predicted_by(source, name, theirs),
                )
                return


def predicted_by(source: Source, name: Name, line: Line) -> Predicted:
    """What arrives on another line."""

    def predicted(batch: Batch) -> Mapping[Name, Array]:
        return {name: line.of(source.of(batch))}

    return predicted
