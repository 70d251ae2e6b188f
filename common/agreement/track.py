"""The referee's path with its state every few steps, and how far somebody gets from it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from common.agreement.divergence import distance, overflows
from common.agreement.expectations import Expectations, expected_at
from common.agreement.referee import Referee, State, nudged
from common.agreement.schedule import Schedule
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast, spacing, ulp
from common.entrants.session import Session

#: Steps from one kept state to the next, at least.
SEGMENT = 32

#: Memory that the kept states may take; longer segments are the way out.
KEPT_BYTES = 2**28

#: An entrant may end a segment this many times as far off as the run's own arithmetic does.
FACTOR = 8

ULPS = 16

NUDGES = 4

#: That arithmetic is tried on every so many segments.
SAMPLED = 4


@dataclass(frozen=True)
class Off:
    """How far somebody gets from the referee.

    Attributes:
        loss: largest |loss - referee's|; infinite if steps were left out.
        tensors: root mean square of the differences at the end, for each tensor: one example
            on the edge of a ReLU moves few of its elements.
    """

    loss: float
    tensors: dict[str, float]

    def __or__(self, other: Off) -> Off:
        """The larger one, number by number."""
        tensors = {n: max(e, other.tensors.get(n, 0.0)) for n, e in self.tensors.items()}
        return Off(max(self.loss, other.loss), {**other.tensors, **tensors})


NOT_OFF = Off(0.0, {})


class Track:
    """The referee's path with its state every few steps.

    Args:
        referee: of the run.
        schedule: which examples every step takes.
        seconds: that the walk may take; its first segments are always walked.

    Attributes:
        parts: (first, stop) of the steps between two kept states.
        total: how many steps there are, or how many before the referee itself overflows, or is
            late.
        diverges: the step at which it does; None if at none.
    """

    def __init__(self, referee: Referee, schedule: Schedule, seconds: float = np.inf) -> None:
        self.referee, self.schedule = referee, schedule
        self.dtype = referee.plan.dtype
        referee.exact.load(cast(referee.data["initial"], "float64"))
        kept = referee.state(schedule, 1)
        size = sum(array.nbytes for array in (*kept.params.values(), *kept.state.values()))
        length = max(SEGMENT, -(-schedule.total * size // KEPT_BYTES))
        starts = [
            start + step
            for start in range(1, schedule.total + 1, schedule.per_epoch)
            for step in range(0, schedule.per_epoch, length)
        ]
        # The first step by itself: that is where most errors show.
        wanted = {1, 2, *starts} if schedule.total > 1 else {1}
        self.states: dict[int, State] = {}
        self.parts: list[tuple[int, int]] = []
        self.diverges: int | None = None
        losses, ends = [np.zeros(0)], time.monotonic() + seconds
        referee.exact.load(cast(referee.data["initial"], "float64"))
        for first, end in schedule.parts(wanted):
            self.states[first] = referee.state(schedule, first)
            losses.append(self._train(first, end))
            stop = first + len(losses[-1])
            if stop > first:
                self.parts.append((first, stop))
            if stop < end:
                self.diverges = stop
                break
            if time.monotonic() > ends:
                break
        self.losses: Array = np.concatenate(losses)
        self.total = max(1, len(self.losses))
        self.end = {**referee.exact.params(), **referee.exact.state()}
        self.own = NOT_OFF
        for first, stop in self.parts[1::SAMPLED]:
            self.own |= self.off(referee.plain, first, stop, self.states[first].params)
        self.fingerprint = referee.plain.fingerprint(schedule.orders[0])
        self._expected: dict[int, Expectations] = {}

    def _train(self, first: int, stop: int) -> Array:
        """The referee's losses in some steps; of those before it overflows, if it does."""
        exact, schedule = self.referee.exact, self.schedule
        start = exact.params(), exact.state()
        with np.errstate(over="ignore", invalid="ignore"):
            losses: Array = exact.train(schedule.part(first, stop)).losses
            if not self._overflows(losses):
                return losses
            exact.load(*start)
            single = [np.zeros(0)]
            for step in range(first, stop):
                before = exact.params(), exact.state()
                loss = exact.train(schedule.batch(step)).losses
                if self._overflows(loss):
                    exact.load(*before)
                    break
                single.append(loss)
        return np.concatenate(single)

    def _overflows(self, losses: Array) -> bool:
        exact = self.referee.exact
        arrays = (losses, *exact.params().values(), *exact.state().values())
        return overflows(arrays, self.dtype)

    def follow(self, session: Session, first: int, stop: int, params: Arrays) -> Array:
        """Put a session on the referee's state, train it along some steps; the step losses."""
        dtype = next(iter(params.values())).dtype.name
        session.load(params, cast(self.states[first].state, dtype))
        losses: Array = session.train(self.schedule.part(first, stop)).losses
        return losses

    def off(self, session: Session, first: int, stop: int, params: Arrays) -> Off:
        """How far a session gets from the referee in some steps."""
        losses = self.follow(session, first, stop, params)
        if len(losses) != stop - first:
            return Off(float("inf"), {})
        wanted = self.end
        if stop in self.states:
            wanted = {**self.states[stop].params, **self.states[stop].state}
        right = self.losses[first - 1 : stop - 1]
        return off_by(losses, {**session.params(), **session.state()}, right, wanted)

    def explained_by_nudges(self, first: int, stop: int, off: Off) -> bool:
        """Whether one unit in the last place at the start explains what is off at the end.

        Or, besides, functions that are known to err: their errors add up.
        """
        own, params = self.own, self.states[first].params
        for seed in range(NUDGES):
            own |= self.off(self.referee.plain, first, stop, nudged(params, self.dtype, seed))
        if self.referee.errors:
            own |= self.off(self.referee.erring, first, stop, cast(params, "float64"))
        return self.within(off, own)

    def within(self, off: Off, own: Off | None = None) -> bool:
        """Whether somebody is about as far off as the run's own arithmetic."""
        own = own or self.own
        limit = FACTOR * own.loss + ULPS * float(spacing(self.losses, self.dtype).max())
        if not off.loss <= limit < np.inf:  # within no limit is within none
            return False
        for name, error in off.tensors.items():
            largest = float(np.max(np.abs(self.end[name]), initial=0.0))
            limit = FACTOR * own.tensors.get(name, 0.0) + ULPS * ulp(largest, self.dtype)
            if not error <= limit < np.inf:
                return False
        return True

    def walk(self, first: int, stop: int) -> Iterator[State]:
        """The referee's state before each of some steps."""
        exact, kept = self.referee.exact, self.states[first]
        params, state = cast(kept.params, "float64"), cast(kept.state, "float64")
        for step in range(first, stop):
            exact.load(params, state)
            yield self.referee.state(self.schedule, step)
            exact.load(params, state)
            exact.train(self.schedule.batch(step))
            params, state = exact.params(), exact.state()

    def expected(self, step: int) -> Expectations:
        """What the referee expects at any step; kept, for the next entrant will ask for it."""
        if step not in self._expected:
            self._expected[step] = expected_at(self.referee, self.at(step))
        return self._expected[step]

    def at(self, step: int) -> State:
        """The referee's state before any step."""
        first = max(one for one in self.states if one <= step)
        kept, exact = self.states[first], self.referee.exact
        if step == first:
            return kept
        exact.load(cast(kept.params, "float64"), cast(kept.state, "float64"))
        exact.train(self.schedule.part(first, step))
        return self.referee.state(self.schedule, step)


def off_by(losses: Array, found: Arrays, right: Array, wanted: Arrays) -> Off:
    """How far losses and tensors are from the referee's; infinitely if they are not there."""
    tensors = {name: root_mean_square(found.get(name), array) for name, array in wanted.items()}
    return Off(float(np.max(distance(losses, right))), tensors)


def root_mean_square(found: Array | None, right: Array) -> float:
    """Of the differences of two tensors."""
    if found is None or found.shape != right.shape:
        return float("inf")
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(distance(found, right) ** 2)))
