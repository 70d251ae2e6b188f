"""Running statistics that move otherwise: their momentum, their n, or not at all.

They are a line in what they were, old (1 - m) + m s, so that two questions tell m and s: one
with zero and one with one in their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.case import Batch, Case, Guess, Tensor, in_parts
from common.modules.expected import Name, largest

#: A momentum is a number of so many digits.
DIGITS = 5


#: How near two factors are that are one.
SAME = 1e-6

#: Of each thing a noun, what the port has and what the original has.
Words = tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Rule:
    """How a port moves one buffer.

    Attributes:
        words: what differs.
        name: of the buffer.
        was, momentum: the reference's share of what is new, and the port's.
        times: the port's statistics of a batch, of the reference's.
    """

    words: Words
    name: Name
    was: float
    momentum: float
    times: float


@dataclass(frozen=True, eq=False)
class Moved:
    """How a buffer moves.

    Attributes:
        momentum: the share of what is new.
        new: the statistics of the batch.
    """

    momentum: float
    new: Array


def buffer_guesses(case: Case) -> Iterator[Guess]:
    """What explains every buffer that is wrong, together."""
    batch = case.batches[0]
    found: list[Rule] = []
    for tensor in case.wrong:
        kind, leaf = tensor.names[0]
        if kind != "buffer" or len(tensor.names) > 1:
            return
        count = batch.asked.inputs[0].size / batch.asked.values[str(leaf)].size
        mine, theirs = of_reference(batch, str(leaf)), of_port(case, batch, tensor)
        if not theirs.momentum:
            still: Words = (("not moved", "running statistics left as they are", "them moved"),)
            found.append(Rule(still, tensor.names[0], mine.momentum, 0.0, 1.0))
            continue
        times = ratio(theirs.new, mine.new)
        words = told(mine.momentum, theirs.momentum, times, count)
        found.append(Rule(words, tensor.names[0], mine.momentum, theirs.momentum, times))
    if not found or not all(one.words for one in found):
        return

    def predicted(batch: Batch) -> Mapping[Name, Array]:
        made = {}
        for one in found:
            old = batch.asked.values[str(one.name[1])]
            new = (batch.right[one.name] - (1 - one.was) * old) / one.was
            made[one.name] = (1 - one.momentum) * old + one.momentum * one.times * new
        return made

    kind, has, had = in_parts(dict.fromkeys(part for one in found for part in one.words))
    said = f"{has} where the original has {had}"
    yield Guess(kind, said, "print the buffers before and after", predicted)


def told(was: float, momentum: float, times: float, count: float) -> Words:
    """What differs of one buffer, in words; nothing if it is no such thing."""
    found = []
    if momentum != was:
        complement = " (the complement)" if abs(momentum + was - 1) < 1e-9 else ""
        found.append(("momentum", f"momentum {momentum:g}{complement}", f"{was:g} of the new"))
    if abs(times - 1) < SAME:
        return tuple(found)
    for words, other, one in (
        ("a running variance divided by n", "it by n - 1", (count - 1) / count),
        ("a running variance divided by n - 1", "it by n", count / (count - 1)),
    ):
        if abs(times / one - 1) < SAME:
            return (*found, ("running variance", words, other))
    return ()


def of_reference(batch: Batch, leaf: str) -> Moved:
    """How the reference moves it."""
    old = batch.asked.values[leaf]
    ends = [batch.with_leaves({leaf: np.full_like(old, end)})["buffer", leaf] for end in (0, 1)]
    return moved(*ends)


def of_port(case: Case, batch: Batch, tensor: Tensor) -> Moved:
    """How the port moves it."""
    leaf = str(tensor.own[1])
    asked = batch.unit.of_port
    old = asked.values[leaf]
    ends = [
        batch.ask_port(
            replace(asked, values={**asked.values, leaf: np.full_like(old, end)}), case.dtype
        )
        for end in (0, 1)
    ]
    return moved(*(one[tensor.own] for one in ends))


def moved(zero: Array, one: Array) -> Moved:
    """How a buffer moves of what becomes of zero and of one."""
    kept = (one.astype("float64") - zero).ravel()
    momentum = round(1 - float(np.median(kept)), DIGITS)
    return Moved(momentum, zero / (momentum or 1.0))


def ratio(one: Array, other: Array) -> float:
    """The factor between two, by the largest element."""
    at = np.unravel_index(np.argmax(np.abs(other)), other.shape)
    return float(one[at] / other[at]) if largest(other) else float("nan")
