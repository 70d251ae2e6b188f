"""What may be done to a reference's leaves to give a port's leaf, in words that can be written.

A transform is a line of steps, each done to all arrays in hand: "permute 1 0; reshape 8 2 4".

    identity               nothing
    permute 2 3 1 0        the axes in this order, as `numpy.transpose`
    flip 0 1               these axes backwards (a convolution for a correlation)
    reshape 8 2 4          the same elements in the same order, in another shape
    regroup 1 16x5x5 1 2 0 axis 1 seen as several, those permuted: columns of (C, H, W) as (H, W, C)
    blocks 0 2 of 4 on 1   blocks 0 and 2 of axis 1 (0, if not said) cut into 4 equal ones
    take 3                 the 3rd of the first axis, which goes; "take 0 1": of the first array
                           the 0th, of the second the 1st
    join 0, stack 0        the arrays one after another, along an axis or a new one
    sum                    the arrays added; "sum 0 1 of 3": these blocks, the others of the first
    zeros                  zeros; "zeros 0 1 of 3": in these blocks

Slopes take the same way, but for two: the slope of a sum is that of each term, so the first
one's; where zeros stand for a term that the port has beside the reference's, its slope is that
term's, which is what is in hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from common.contract.arrays import Array
from common.errors import Refused

Shape = tuple[int, ...]

_N = r"( \d+)+"
_PATTERNS = {
    "permute": _N,
    "flip": _N,
    "reshape": _N,
    "regroup": r" \d+ \d+(x\d+)+" + _N,
    "blocks": _N + r" of \d+( on \d+)?",
    "take": _N,
    "join": r" \d+",
    "stack": r" \d+",
    "sum": f"({_N} of \\d+)?",
    "zeros": f"({_N} of \\d+)?",
}


@dataclass(frozen=True)
class Step:
    """One word and its numbers.

    Attributes:
        word: one of those above.
        numbers: that follow it.
        dims: the axes that one is seen as.
        of, on: how many blocks, and along which axis.
    """

    word: str
    numbers: tuple[int, ...] = ()
    dims: tuple[int, ...] = ()
    of: int = 0
    on: int = 0

    def __str__(self) -> str:
        numbers = " ".join(map(str, self.numbers))
        if self.word == "regroup":
            numbers = f"{self.on} {'x'.join(map(str, self.dims))} {numbers}"
        elif self.of:
            numbers += f" of {self.of}" + (f" on {self.on}" if self.on else "")
        return f"{self.word} {numbers}".strip()


def step_of(text: str) -> Step:
    """Read one step.

    Raises:
        Refused: there is no such word, or its numbers are not as they must be.
    """
    word, _, rest = text.partition(" ")
    if word not in _PATTERNS:
        known = ", ".join(("identity", *_PATTERNS))
        raise Refused(f"no transform is called {text!r}; the words are: {known}")
    if not re.fullmatch(_PATTERNS[word], " " + rest if rest else ""):
        raise Refused(f"the numbers of {text!r} are not as in common/mapping/transforms.py")
    if word == "regroup":
        on, dims, *order = rest.split(" ")
        return Step(word, _integers(order), _integers(dims.split("x")), on=int(on))
    match = re.fullmatch(r"([\d ]*?)(?: of (\d+))?(?: on (\d+))?", rest)
    assert match
    numbers = _integers(match[1].split())
    return Step(word, numbers, of=int(match[2] or 0), on=int(match[3] or 0))


def _integers(words: Sequence[str]) -> tuple[int, ...]:
    return tuple(map(int, words))


@dataclass(frozen=True)
class Transform:
    """A line of steps."""

    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps)) or "identity"

    def __call__(self, arrays: Sequence[Array]) -> Array:
        """The port's leaf of the reference's leaves.

        Raises:
            Refused: the shapes do not fit, or several arrays are left.
        """
        return self._done(arrays, False)

    def slope(self, slopes: Sequence[Array]) -> Array:
        """The slope of the port's leaf, of the slopes of the reference's."""
        return self._done(slopes, True)

    def _done(self, arrays: Sequence[Array], slopes: bool) -> Array:
        held = list(arrays)
        for step in self.steps:
            try:
                held = _DOING[step.word](step, held, slopes)
            except (ValueError, IndexError, ArithmeticError) as error:
                shapes = " and ".join(str(array.shape) for array in held)
                raise Refused(f"{str(step)!r} does not fit {shapes}: {error}") from error
        if len(held) != 1:
            raise Refused(f"{str(self)!r} leaves {len(held)} arrays; join, stack or sum them")
        return held[0]

    def shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape that it gives.

        Raises:
            Refused: it cannot be done to these.
        """
        return self([np.broadcast_to(np.int8(0), shape) for shape in shapes]).shape

    def places(self, shapes: Sequence[Shape], which: int) -> Array:
        """Where each element comes from: 1 + its place in one of the arrays, 0: not from there.

        Returns:
            int64, as the port's leaf.
        """
        return self(
            [
                np.arange(1, 1 + int(np.prod(shape)), dtype=np.int64).reshape(shape)
                if number == which
                else np.zeros(shape, np.int64)
                for number, shape in enumerate(shapes)
            ]
        )

    @property
    def keeps_all(self) -> bool:
        """Whether every element of one array is in what it gives, once."""
        return all(step.word in {"permute", "flip", "reshape", "regroup"} for step in self.steps)

    @property
    def regroups(self) -> bool:
        """Whether it takes a flattened axis apart and puts it together in another order."""
        return any(step.word == "regroup" for step in self.steps)

    @property
    def slope_words(self) -> str:
        """How slopes differ from values; nothing if they take the same way."""
        done = {step.word for step in self.steps}
        if "zeros" in done:
            return "the slope of the term beside it, although zeros are held"
        return "that of either term" if "sum" in done else ""


def transform_of(text: str) -> Transform:
    """Read a transform, and write it shorter where steps undo each other.

    Raises:
        Refused: a step that does not exist.
    """
    steps: list[Step] = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        if part != "identity":
            _add(steps, step_of(part))
    return Transform(tuple(steps))


def _add(steps: list[Step], step: Step) -> None:
    """Put a step behind others, merged with the last if both move axes or shape."""
    last = steps[-1] if steps else None
    if last and last.word == step.word == "reshape":
        steps.pop()
    elif last and last.word == step.word == "permute" and len(last.numbers) == len(step.numbers):
        steps.pop()
        step = Step(
            "permute", tuple(last.numbers[n] for n in step.numbers if n < len(last.numbers))
        )
    whole = {"permute": len(step.numbers), "blocks": step.of}
    if step.word in whole and step.numbers == tuple(range(whole[step.word])):
        return
    steps.append(step)


def _permute(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    return [np.transpose(array, step.numbers) for array in arrays]


def _flip(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    return [np.flip(array, step.numbers) for array in arrays]


def _reshape(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    return [array.reshape(step.numbers) for array in arrays]


def _regroup(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    at = step.on
    order = [at + number for number in step.numbers]
    if sorted(step.numbers) != list(range(len(step.dims))):
        raise ValueError("the order is none of the axes it is seen as")
    done = []
    for array in arrays:
        seen = array.reshape(array.shape[:at] + step.dims + array.shape[at + 1 :])
        rest = range(at + len(step.dims), seen.ndim)
        done.append(seen.transpose(*range(at), *order, *rest).reshape(array.shape))
    return done


def _blocks(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    done = []
    for array in arrays:
        cut = np.split(array, step.of, axis=step.on)
        done.append(np.concatenate([cut[number] for number in step.numbers], axis=step.on))
    return done


def _take(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    each = step.numbers if len(step.numbers) > 1 else step.numbers * len(arrays)
    return [array[number] for array, number in zip(arrays, each, strict=True)]


def _join(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    return [np.concatenate(arrays, axis=step.numbers[0])]


def _stack(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    return [np.stack(arrays, axis=step.numbers[0])]


def _sum(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    total = np.array(arrays[0])
    if len({array.shape for array in arrays}) > 1:
        raise ValueError("the shapes differ")
    if slopes:
        return [total]
    for block in _named(step, total):
        for array in arrays[1:]:
            total[block] += array[block]
    return [total]


def _zeros(step: Step, arrays: list[Array], slopes: bool) -> list[Array]:
    if slopes:
        return arrays
    done = [np.array(array) for array in arrays]
    for array in done:
        for block in _named(step, array):
            array[block] = 0
    return done


def _named(step: Step, array: Array) -> list[slice]:
    """The blocks of the first axis that a step is about; all, if it says none."""
    if not step.of:
        return [slice(None)]
    size, rest = divmod(len(array), step.of)
    if rest or max(step.numbers) >= step.of:
        raise ValueError(f"there are no such blocks of {len(array)}")
    return [slice(number * size, (number + 1) * size) for number in step.numbers]


_DOING: dict[str, Callable[[Step, list[Array], bool], list[Array]]] = {
    "permute": _permute,
    "flip": _flip,
    "reshape": _reshape,
    "regroup": _regroup,
    "blocks": _blocks,
    "take": _take,
    "join": _join,
    "stack": _stack,
    "sum": _sum,
    "zeros": _zeros,
}
