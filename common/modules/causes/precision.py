"""A port that computes coarser than it is asked to: its answers repeat when inputs are rounded.

What a coarser dtype cannot hold does not reach the answer, to the last bit. So inputs rounded to
that dtype must give the very same answer, although the reference's moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from common.agreement.cause import Cause
from common.contract.arrays import Array
from common.contract.net import Asked
from common.modules.causes.case import Batch, Case
from common.modules.expected import Name, as_dtype, largest

#: Dtypes and the bits of their fraction.
COARSE = (("bfloat16", 8), ("float16 (or TensorFloat-32)", 11))

#: The same if float64 was asked for.
SINGLE = ("float32", 24)

#: So many units of a coarser dtype its sums may be away.
MOST_UNITS = 64.0

#: Inputs are moved by so much: below what a coarser dtype holds, above what the asked one does.
MOVED = {"float64": 1e-12, "float32": 2.5e-7}

#: Of so few elements the rounding turns round, if what is moved is rounded on the way.
TURNED = 0.05


def precision_cause(case: Case, dtype: str) -> Cause | None:
    """The dtype that the port computes in instead.

    Args:
        case: of the unit.
        dtype: in which it was found wrong.
    """
    asked = [as_dtype(batch.unit.of_port, dtype) for batch in case.batches]
    spread = [moved(one, 1e-3, number) for number, one in enumerate(asked)]
    asking = [batch.ask_port for batch in case.batches]
    answers = [ask(one, dtype) for ask, one in zip(asking, spread, strict=True)]
    if same(case, *answers):
        return None
    for name, bits in (*COARSE, SINGLE) if dtype == "float64" else COARSE:
        if off_by(case, dtype, bits) and all(
            repeats(case, batch, one, answer, dtype, bits)
            or on_the_way(case, batch, one, answer, dtype, bits)
            for batch, one, answer in zip(case.batches, spread, answers, strict=True)
        ):
            return Cause(
                "precision",
                f"{name} inside where the original computes in {dtype}",
                "look for a cast, or a dtype, in the port's layer",
            )
    return None


def repeats(
    case: Case, batch: Batch, asked: Asked, answer: Mapping[Name, Array], dtype: str, bits: int
) -> bool:
    """Whether inputs that are rounded give the same answer."""
    other = rounded(asked, bits)
    return not equal(asked, other) and same(case, answer, batch.ask_port(other, dtype))


def on_the_way(
    case: Case, batch: Batch, asked: Asked, answer: Mapping[Name, Array], dtype: str, bits: int
) -> bool:
    """Whether the answer has so few bits, and stays if the inputs hardly move."""
    other = batch.ask_port(moved(asked, MOVED[dtype], 2), dtype)
    return all(
        np.array_equal(answer[tensor.own], to_bits(answer[tensor.own], bits))
        and np.mean(answer[tensor.own] != other[tensor.own]) <= TURNED
        for tensor in case.tensors
    )


def off_by(case: Case, dtype: str, bits: int) -> bool:
    """Whether the port is off by about what such a dtype rounds, on both batches."""
    for batch in case.batches:
        port = batch.ask_port(as_dtype(batch.unit.of_port, dtype), dtype)
        apart = []
        for tensor in case.tensors:
            right = tensor.there([batch.right[name] for name in tensor.names])
            apart.append(largest(port[tensor.own] - right) / (largest(right) or 1.0))
        if not 2.0 ** -(bits + 6) < max(apart) < MOST_UNITS * 2.0**-bits:
            return False
    return True


def equal(one: Asked, other: Asked) -> bool:
    """Whether two questions are the same."""
    return all(map(np.array_equal, one.inputs, other.inputs)) and all(
        a is None or b is None or np.array_equal(a, b)
        for key, some in one.given.items()
        for a, b in zip(some, other.given[key], strict=True)
    )


def same(case: Case, one: Mapping[Name, Array], other: Mapping[Name, Array]) -> bool:
    """Whether two answers have the same bits."""
    return all(np.array_equal(one[t.own], other[t.own]) for t in case.tensors)


def moved(asked: Asked, by: float, seed: int) -> Asked:
    """What is put in, every number moved at random by a share of itself."""
    draw = np.random.default_rng(seed)
    return each(asked, lambda x: (x * (1 + by * draw.uniform(-1, 1, x.shape))).astype(x.dtype))


def rounded(asked: Asked, bits: int) -> Asked:
    """What is put in, with so many bits."""
    return each(asked, lambda x: to_bits(x, bits))


def each(asked: Asked, change: Callable[[Array], Array]) -> Asked:
    """The question, its real inputs and what is given changed."""

    def one(array: Array) -> Array:
        return change(array) if array.dtype.kind == "f" else array

    return replace(
        asked,
        inputs=tuple(map(one, asked.inputs)),
        given={
            key: tuple(x if x is None else one(x) for x in some)
            for key, some in asked.given.items()
        },
    )


def to_bits(array: Array, bits: int) -> Array:
    """Numbers rounded to so many bits of fraction."""
    fraction, exponent = np.frexp(array)
    rounded = np.ldexp(np.rint(np.ldexp(fraction, bits)), exponent - bits)
    found: Array = rounded.astype(array.dtype)
    return found
