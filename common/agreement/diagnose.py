"""Find the first step at which an entrant leaves the referee's path, and how that grows.

The referee walks its path once and keeps its state every few steps. The entrant is put on each
of those states in turn and follows the same batches as far as the next one. Where it ends
further away than rounding leads, it is opened anew, led to that place again, and then put on
the referee's state at every step: so the first wrong step is found even if the entrant counts
its own steps. There the components say which of them it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from common.agreement.checks import STEP, Check, checks, compared
from common.agreement.differences import (
    batches_differ,
    difference,
    left_out,
    made_twice,
    ranks_apart,
    repeated,
)
from common.agreement.divergence import distance
from common.agreement.expectations import Expectations, expected_at
from common.agreement.track import FACTOR, Track, off_by
from common.agreement.units import one_step
from common.agreement.verdict import Difference, not_compared
from common.contract.arrays import Arrays
from common.contract.entrant import Entrant
from common.contract.info import Info
from common.contract.precision import cast
from common.entrants.parallel import ParallelSession
from common.entrants.session import Session


@dataclass
class Diagnosis:
    """What was found of one entrant.

    Attributes:
        difference: where it parts; None if nowhere.
        checks: of the components, at the first step, or where it parts.
        growth: (steps later, |loss - referee's|) of a run that goes on from there by itself.
        unchecked: what could not be compared, in words; None if everything could.
        unexplained: (first, last) of steps that are right one by one, carry nothing, and end
            further off together than nudges explain.
        state_apart: whether the two name the state otherwise, so that it was not compared.
        steps: how many were looked at.
        planned: how many the run has.
        seconds: how long that took.
    """

    difference: Difference | None = None
    checks: list[Check] = field(default_factory=list)
    growth: list[tuple[int, float]] = field(default_factory=list)
    unchecked: str | None = None
    unexplained: list[tuple[int, int]] = field(default_factory=list)
    state_apart: bool = False
    steps: int = 0
    planned: int = 0
    seconds: float = 0.0

    def asdict(self) -> dict[str, Any]:
        """Plain values."""
        first = self.difference
        return {
            **vars(self),
            "difference": first.asdict() if first else None,
            "checks": [check.asdict() for check in self.checks],
        }


@dataclass
class Patient:
    """One entrant to be diagnosed.

    Attributes:
        entrant, info: who.
        session: open, and never trained.
        reopen: opens it anew, as if it had never trained.
    """

    entrant: Entrant
    info: Info
    session: Session
    reopen: Callable[[], None]


def diagnose(patient: Patient, track: Track) -> Diagnosis:
    """Look at every step of one entrant.

    Args:
        patient: who; its session is left on another state than it had.
        track: the referee's.
    """
    started = time.perf_counter()
    found = Diagnosis(planned=track.schedule.total)
    first = first_difference(patient, track, found)
    if isinstance(patient.session, ParallelSession) and patient.session.apart is not None:
        first = ranks_apart(patient.session.apart, first)
    found.difference = first
    if first is None:
        found.unchecked = not_compared(found.checks, track.diverges)
    elif first.stage != "data":
        lead(patient, track, first.step)
        found.growth = growth(patient.session, track, first.step)
    found.seconds = time.perf_counter() - started
    return found


def first_difference(patient: Patient, track: Track, found: Diagnosis) -> Difference | None:
    """What is wrong at the earliest step; what was looked at is noted in `found`."""
    session, schedule = patient.session, track.schedule
    if session.fingerprint(schedule.orders[0]) != track.fingerprint:
        return batches_differ(session, track.referee, schedule, patient.entrant.ranks)
    return (
        wrong_first_step(patient, track, found)
        or wrong_on_the_way(patient, track, found)
        or wrong_later(patient, track, found)
        or wrong_as_it_runs(patient, track.expected(track.total))
    )


def wrong_first_step(patient: Patient, track: Track, found: Diagnosis) -> Difference | None:
    """What is wrong at step 1: a component, or the step as it runs."""
    start = track.expected(1)
    if (wrong := wrong_component(patient, start, found.checks)) is not None:
        return wrong
    at = start.at
    values = one_step(patient.session, at.params, at.state, at.index)
    return wrong_step(patient, track, start, values, found.checks)


def wrong_on_the_way(patient: Patient, track: Track, found: Diagnosis) -> Difference | None:
    """What is wrong between two states of the referee's that were kept."""
    session = patient.session
    for first, stop in track.parts[1:]:
        found.steps = stop - 1
        params = track.states[first].params
        off = track.off(session, first, stop, params)
        if not off.tensors:
            return miscounted(session, track, first, stop)
        if track.within(off) or track.explained_by_nudges(first, stop, off):
            continue
        wrong_again = wrong_among(patient, track, first, stop) is not None
        if wrong_again or track.within(track.off(session, first, stop, params)):
            # It may be wrong at one step only, so many steps after it was opened.
            lead(patient, track, first)
            if (wrong := wrong_among(patient, track, first, stop)) is not None:
                found.steps = wrong.step
                return wrong
        if (wrong := carried(session, track, first, stop)) is not None:
            return wrong
        found.unexplained.append((first, stop - 1))
    found.steps = track.total
    return None


def wrong_later(patient: Patient, track: Track, found: Diagnosis) -> Difference | None:
    """What depends on the size of the batch, or shows only in a trained network."""
    good = 1
    for step in (min(track.schedule.per_epoch, track.total), track.total):
        late = wrong_component(patient, track.expected(step), [])
        if late is not None:
            first = earliest(patient, track, good, late)
            found.steps = first.step
            return first
        good = step
    return None


def wrong_as_it_runs(patient: Patient, expectations: Expectations) -> Difference | None:
    """What is wrong at one step, the step as it runs and the evaluation included."""
    for outcome in checks(patient.session, expectations, patient.info, compiled=False):
        if not outcome.check.right:
            return difference(expectations, outcome, patient.entrant.ranks)
    return None


def wrong_component(
    patient: Patient, expectations: Expectations, found: list[Check]
) -> Difference | None:
    """The first component that is wrong at one step; nothing is trained for it."""
    compiled = patient.entrant.mode != "eager" and expectations.at.step == 1
    outcomes = checks(patient.session, expectations, patient.info, compiled=compiled, whole=False)
    for outcome in outcomes:
        found.append(outcome.check)
        if not outcome.check.right:
            return difference(expectations, outcome, patient.entrant.ranks)
    return None


def wrong_step(
    patient: Patient,
    track: Track,
    expectations: Expectations,
    values: Arrays,
    found: list[Check],
) -> Difference | None:
    """What is wrong with one whole step from the referee's state.

    Args:
        patient: who; opened anew if anything is.
        track: the referee's.
        expectations: at that state.
        values: what the step made: made once more, it may be another.
        found: every check is added to it.
    """
    session, at = patient.session, expectations.at
    if values["loss"].ndim:
        return made_twice(at.step) if len(values["loss"]) else left_out(at.step, track.schedule)
    exp_error = patient.info.exp_error if expectations.dtype == "float32" else 0.0
    compare = partial(compared, expectations, exp_error, "", STEP, False)
    outcomes = list(compare(values, expectations.step))
    found += [outcome.check for outcome in outcomes]
    wrong = [outcome for outcome in outcomes if not outcome.check.right]
    if not wrong:
        return None
    if (component := wrong_component(patient, expectations, [])) is not None:
        return component
    # Once more after a batch that is known, for the causes that remember one.
    patient.reopen()
    session.load(at.params, at.state)
    session.train(at.other)
    outcomes = list(compare(one_step(session, at.params, at.state, at.index), expectations.step))
    again = [outcome for outcome in outcomes if not outcome.check.right]
    return difference(expectations, (again or wrong)[0], patient.entrant.ranks)


def wrong_among(patient: Patient, track: Track, first: int, stop: int) -> Difference | None:
    """Put an entrant on the referee's state at each of some steps; the first that is wrong."""
    exact, plain = track.referee.exact, track.referee.plain
    for at in track.walk(first, stop):
        params, state = cast(at.params, "float64"), cast(at.state, "float64")
        right = one_step(exact, params, state, at.index)
        made = [one_step(s, at.params, at.state, at.index) for s in (plain, patient.session)]
        if not made[1]["loss"].ndim:
            wanted = {name: right[name] for name in (*at.params, *at.state)}
            own, off = (off_by(step["loss"], step, right["loss"], wanted) for step in made)
            if track.within(off, own):
                continue
        wrong = wrong_step(patient, track, expected_at(track.referee, at), made[1], [])
        if wrong is not None:
            return wrong
    return None


def lead(patient: Patient, track: Track, first: int) -> None:
    """Open an entrant anew, and lead it along the referee's path up to a step."""
    patient.reopen()
    for start, stop in track.parts:
        if start < first:
            track.follow(patient.session, start, min(stop, first), track.states[start].params)


def carried(session: Session, track: Track, first: int, stop: int) -> Difference | None:
    """Whether several steps at once end elsewhere than the same steps one by one."""
    state = track.states[first]
    losses = track.follow(session, first, stop, state.params)
    params, memory, single = state.params, state.state, []
    for step in range(first, stop):
        session.load(params, memory)
        single.append(session.train(track.schedule.batch(step)).losses)
        params, memory = session.params(), session.state()
    apart = distance(losses, np.concatenate(single))
    off = distance(losses, track.losses[first - 1 : stop - 1])
    if apart.max() <= off.max() / FACTOR and np.isfinite(apart.max()):
        return None
    worst = int(apart.argmax())
    words = (
        "likely something is carried from step to step outside parameters and state, or lost: "
        "several steps in one go end elsewhere than the same steps one by one; to confirm, look "
        "for what the training loop keeps between two steps"
    )
    value, right = float(losses[worst]), float(track.losses[first - 1 + worst])
    return Difference(first + worst, "free run", "loss", (), value, right, words, "free run")


def miscounted(session: Session, track: Track, first: int, stop: int) -> Difference:
    """Which of some steps was not made, or made twice, of an entrant that made another number."""
    losses = track.follow(session, first, stop, track.states[first].params)
    if len(losses) < stop - first:
        return left_out(first + len(losses), track.schedule)
    right = track.losses[first - 1 : stop - 1]
    return made_twice(first - 1 + repeated(losses, right, track.dtype))


def earliest(patient: Patient, track: Track, good: int, late: Difference) -> Difference:
    """Bisect: the first step whose components are wrong, after one where they are right."""
    first, bad = late, late.step
    while bad - good > 1:
        middle = (good + bad) // 2
        wrong = wrong_component(patient, track.expected(middle), [])
        if wrong is None:
            good = middle
        else:
            first, bad = wrong, middle
    return first


def growth(session: Session, track: Track, step: int) -> list[tuple[int, float]]:
    """Let the entrant run on by itself from the referee's state: how far it gets, when."""
    schedule, at = track.schedule, track.expected(step).at
    session.load(at.params, at.state)
    losses = [
        session.train(schedule.part(first, stop)).losses
        for first, stop in schedule.parts({step})
        if step <= first <= track.total
    ]
    right = track.losses[step - 1 :]
    drifts = distance(np.concatenate(losses)[: len(right)], right)
    later = {0, *(2**n for n in range(len(drifts).bit_length())), len(drifts) - 1}
    return [(n, float(drifts[n])) for n in sorted(later) if 0 <= n < len(drifts)]
