"""What a port answered to a unit, beside what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Answer, Asking
from common.contract.registry import find
from common.modules.expected import (
    NOISE_DRAWS,
    Expectation,
    Name,
    UnaskedError,
    as_dtype,
    barely_moved,
    expectation,
    furthest,
    tensors_of,
)
from common.modules.guard import blamed
from common.modules.held import There
from common.modules.matched import Matched
from common.modules.units import Unit, in_float64, layer_unit

#: What float32 inside makes of a move that it cannot see is off by more than this share of it.
OTHER_MOVE = 1e-3


@dataclass(frozen=True, eq=False)
class Answered:
    """What the port answered to a unit.

    Attributes:
        matched: both.
        unit: what was asked.
        expected: of the reference.
        answers: the port's, in the run's dtype, and in float64 if it computes in that.
        failed: what the port raised instead, in words.
        asking: who answers for the port.
    """

    matched: Matched
    unit: Unit
    expected: Expectation
    answers: tuple[Answer | None, Answer | None] = (None, None)
    failed: str | None = None
    asking: Asking | None = None
    _inside: list[bool] = field(default_factory=list)
    _noise: list[Answer] = field(default_factory=list)

    def same(self, other: Answered, without: Collection[Name]) -> bool:
        """Whether the port answered two questions alike, to the bit, some tensors left out."""
        if self.failed is not None or other.failed is not None:
            return False
        for answers in zip(self.answers, other.answers, strict=True):
            one, another = ({} if a is None else tensors_of(a) for a in answers)
            names = (one.keys() | another.keys()) - set(without)
            if not all(np.array_equal(one[n], another[n], equal_nan=True) for n in names):
                return False
        return True

    @cached_property
    def _moved_port(self) -> Answer:
        """The port's in float64, likewise."""
        assert self.asking is not None
        of_port = barely_moved(in_float64(self.matched, self.unit))
        values = barely_moved(as_dtype(self.unit.asked, "float64")).values
        made = self.matched.mapping.apply(values, "float64") if values else {}
        return self.asking.run(replace(of_port, values={**of_port.values, **made}))

    def rounds_inside(
        self, names: Sequence[Name], there: There, value_of: Callable[[Answer], Array | None]
    ) -> bool:
        """Whether a move that float32 cannot see moves the port otherwise than the reference.

        Seen in one tensor it holds for the unit: where rounded terms add up to one, a move of
        them shows in nothing, but their roundings do.
        """
        exactly, moved = self.answers[1], self.expected.moved
        if exactly is None or moved is None:
            return False
        before, after = value_of(exactly), value_of(self._moved_port)
        if before is None or after is None:
            return False
        right = there([moved[n] for n in names]) - there([self.expected.exact[n] for n in names])
        apart = float(np.linalg.norm((after - before - right).ravel()))
        if apart > OTHER_MOVE * float(np.linalg.norm(right.ravel())) > 0.0:
            self._inside.append(True)
        return bool(self._inside)

    def alone(self, owner: str) -> Iterator[Answered]:
        """Every call of a layer of the reference's, asked of the port alone, forwards.

        Each has the inputs that were recorded: after a step of training roundings lead much as far.
        """
        assert self.asking is not None
        for mine, theirs in self.matched.keys:
            if mine[0] == owner:
                unit = layer_unit(self.matched, mine, theirs, seed=0)
                forwards = (replace(asked, cotangents=None) for asked in (unit.asked, unit.of_port))
                unit = Unit(unit.name, *forwards)
                answers = (
                    self.asking.run(unit.of_port),
                    exactly_answered(self.matched, unit, self.asking),
                )
                yield replace(self, unit=unit, answers=answers, _inside=[], _noise=[])

    def own_noise(
        self, value_of: Callable[[Answer], Array | None], draws: int = NOISE_DRAWS
    ) -> float | None:
        """How far so many random roundings, or more, lead the port from its answer in float64.

        Every operation of the port's own is moved as float32 would round it: what its formulas make
        of that is its own, whatever the reference's make of it. None where it has no such noise, or
        an operation that there is no rule for.
        """
        exactly = self.answers[1] or self.answers[0]
        assert self.asking is not None
        assert exactly is not None
        if len(self._noise) < draws:
            asked = in_float64(self.matched, self.unit)
            try:
                for seed in range(len(self._noise), draws):
                    self._noise.append(self.asking.run(replace(asked, noise=seed)))
            except Exception:
                # Somebody's network, which has answered twice: the tensor stays as it was held.
                return None
        if any(one.unknown for one in self._noise):
            return None
        right = value_of(exactly)
        values = [moved for one in self._noise if (moved := value_of(one)) is not None]
        if right is None or len(values) < len(self._noise):
            return None
        return float(np.max(furthest(right, values), initial=0.0))


def answered(
    matched: Matched, unit: Unit, reference: Asking | None = None, port: Asking | None = None
) -> Answered:
    """Ask the port; the reference is asked as far as needed.

    Args:
        matched: both.
        unit: what is asked.
        reference, port: who is asked, if not the two networks.
    """
    exp_error = find()[matched.port.net.framework].info.exp_error
    who = reference or matched.reference.net
    expected = expectation(who, unit.asked, matched.dtype, exp_error)
    net = port or matched.port.net
    try:
        rounded_answer = net.run(unit.of_port)
        exactly = exactly_answered(matched, unit, net)
    except Exception as cause:
        # Whatever somebody's network raises is what is to be told of it.
        return Answered(matched, unit, expected, failed=blamed(cause))
    return Answered(matched, unit, expected, (rounded_answer, exactly), asking=net)


def exactly_answered(matched: Matched, unit: Unit, net: Asking) -> Answer | None:
    """The port's answer in float64, if it computes in that beside the run's dtype."""
    if not matched.port.net.doubles or matched.dtype == "float64":
        return None
    try:
        return net.run(in_float64(matched, unit))
    except UnaskedError:  # a kit's, whose question was another in its last places
        return None
