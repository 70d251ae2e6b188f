"""Find the first step at which an entrant leaves the referee's path, and how that grows.

The referee walks its path once and keeps its state every few steps. The entrant is put on each
of those states in turn and follows the same batches as far as the next one. Where it ends
further away than rounding leads, it is opened anew, led to that place again, and then put on
the referee's state at every step: so the first wrong step is found even if the entrant counts
its own steps. There the components say which of them it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from common.agreement.checks import STEP, Check, checks, compared
from common.agreement.differences import batches_differ, difference, missing_step
from common.agreement.expectations import Expectations, expected_at
from common.agreement.track import FACTOR, Track, off_by
from common.agreement.units import one_step
from common.agreement.verdict import Difference
from common.contract.arrays import Arrays, cast
from common.contract.entrant import Entrant
from common.contract.info import Info
from common.entrants.session import Session


@dataclass
class Diagnosis:
    """What was found of one entrant.

    Attributes:
        difference: where it parts; None if nowhere.
        checks: of the components, at the first step, or where it parts.
        growth: (steps later, |loss - referee's|) of a run that goes on from there by itself.
        unexplained: (first, last) of steps that are right one by one, carry nothing, and end
            further off together than nudges explain.
        steps: how many were looked at.
        seconds: how long that took.
    """

    difference: Difference | None = None
    checks: list[Check] = field(default_factory=list)
    growth: list[tuple[int, float]] = field(default_factory=list)
    unexplained: list[tuple[int, int]] = field(default_factory=list)
    steps: int = 0
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
    found = Diagnosis()
    found.difference = next(differences(patient, track, found), None)
    first = found.difference
    if first is not None and first.stage != "data":
        lead(patient, track, first.step)
        found.growth = growth(patient.session, track, first.step)
    found.seconds = time.perf_counter() - started
    return found


def differences(patient: Patient, track: Track, found: Diagnosis) -> Iterator[Difference]:
    """What is wrong, the earliest step first; nobody needs more than the first."""
    session, schedule = patient.session, track.schedule
    if session.fingerprint(schedule.orders[0]) != track.fingerprint:
        yield batches_differ(session, track.referee, schedule)
    yield from wrong_components(patient, track.expected(1), found.checks)
    start = track.expected(1).at
    values = one_step(session, start.params, start.state, start.index)
    yield from wrong_step(patient, track.expected(1), values, found.checks)
    for first, stop in track.parts[1:]:
        found.steps = stop - 1
        off = track.off(session, first, stop, track.states[first].params)
        if not off.tensors:
            yield lost_step(session, track, first, stop)
        if track.within(off) or track.explained_by_nudges(first, stop, off):
            continue
        params = track.states[first].params
        wrong_again = next(wrong_steps(patient, track, first, stop), None) is not None
        if wrong_again or track.within(track.off(session, first, stop, params)):
            # It may be wrong at one step only, so many steps after it was opened.
            lead(patient, track, first)
            for wrong in wrong_steps(patient, track, first, stop):
                found.steps = wrong.step
                yield wrong
        yield from carried(session, track, first, stop)
        found.unexplained.append((first, stop - 1))
    found.steps = schedule.total
    # What depends on the size of the batch, or shows only in a trained network.
    good = 1
    for step in (schedule.per_epoch, schedule.total):
        for late in wrong_components(patient, track.expected(step), []):
            yield from earliest(patient, track, good, late, found)
        good = step
    outcomes = checks(session, track.expected(schedule.total), patient.info, compiled=False)
    for outcome in outcomes:
        if not outcome.check.right:
            yield difference(track.expected(schedule.total), outcome)


def wrong_components(
    patient: Patient, expectations: Expectations, found: list[Check]
) -> Iterator[Difference]:
    """The components that are wrong at one step; nothing is trained for it."""
    compiled = patient.entrant.mode != "eager" and expectations.at.step == 1
    outcomes = checks(patient.session, expectations, patient.info, compiled=compiled, whole=False)
    for outcome in outcomes:
        found.append(outcome.check)
        if not outcome.check.right:
            yield difference(expectations, outcome)


def wrong_step(
    patient: Patient, expectations: Expectations, values: Arrays, found: list[Check]
) -> Iterator[Difference]:
    """What is wrong with one whole step from the referee's state.

    Args:
        patient: who; opened anew if anything is.
        expectations: what is expected.
        values: what the step made: made once more, it may be another.
        found: every check is added to it.
    """
    session, at = patient.session, expectations.at
    exp_error = patient.info.exp_error if expectations.dtype == "float32" else 0.0
    compare = partial(compared, expectations, exp_error, "", STEP, False)
    outcomes = list(compare(values, expectations.step))
    found += [outcome.check for outcome in outcomes]
    wrong = [outcome for outcome in outcomes if not outcome.check.right]
    if not wrong:
        return
    yield from wrong_components(patient, expectations, [])
    # Once more after a batch that is known, for the causes that remember one.
    patient.reopen()
    session.load(at.params, at.state)
    session.train(at.other)
    outcomes = list(compare(one_step(session, at.params, at.state, at.index), expectations.step))
    again = [outcome for outcome in outcomes if not outcome.check.right]
    yield difference(expectations, (again or wrong)[0])


def wrong_steps(patient: Patient, track: Track, first: int, stop: int) -> Iterator[Difference]:
    """Put an entrant on the referee's state at each of some steps; those that are wrong."""
    exact, plain = track.referee.exact, track.referee.plain
    for at in track.walk(first, stop):
        params, state = cast(at.params, "float64"), cast(at.state, "float64")
        right = one_step(exact, params, state, at.index)
        found = [one_step(s, at.params, at.state, at.index) for s in (plain, patient.session)]
        if all("loss" in step for step in found):
            wanted = {name: right[name] for name in (*at.params, *at.state)}
            own, off = (off_by(step["loss"], step, right["loss"], wanted) for step in found)
            if track.within(off, own):
                continue
        yield from wrong_step(patient, expected_at(track.referee, at), found[1], [])


def lead(patient: Patient, track: Track, first: int) -> None:
    """Open an entrant anew, and lead it along the referee's path up to a step."""
    patient.reopen()
    for start, stop in track.parts:
        if start < first:
            track.follow(patient.session, start, min(stop, first), track.states[start].params)


def carried(session: Session, track: Track, first: int, stop: int) -> Iterator[Difference]:
    """Whether several steps at once end elsewhere than the same steps one by one."""
    state = track.states[first]
    losses = track.follow(session, first, stop, state.params)
    params, memory, single = state.params, state.state, []
    for step in range(first, stop):
        session.load(params, memory)
        single.append(session.train(track.schedule.batch(step)).losses)
        params, memory = session.params(), session.state()
    apart = np.abs(losses - np.concatenate(single))
    off = np.abs(losses - track.losses[first - 1 : stop - 1])
    if apart.max() <= off.max() / FACTOR:
        return
    worst = int(apart.argmax())
    words = (
        "likely something is carried from step to step outside parameters and state, or lost: "
        "several steps in one go end elsewhere than the same steps one by one; to confirm, look "
        "for what the training loop keeps between two steps"
    )
    value, right = float(losses[worst]), float(track.losses[first - 1 + worst])
    yield Difference(first + worst, "free run", "loss", (), value, right, words, "free run")


def lost_step(session: Session, track: Track, first: int, stop: int) -> Difference:
    """The step that was not made among some."""
    made = len(track.follow(session, first, stop, track.states[first].params))
    per_epoch = track.schedule.per_epoch
    epoch, before = divmod(first - 1, per_epoch)
    counts = [*[per_epoch] * epoch, min(before + made, per_epoch - 1)]
    found = missing_step([np.zeros(count) for count in counts], track.schedule)
    assert found is not None
    return found


def earliest(
    patient: Patient, track: Track, good: int, late: Difference, found: Diagnosis
) -> Iterator[Difference]:
    """Bisect: the first step whose components are wrong, after one where they are right."""
    first, bad = late, late.step
    while bad - good > 1:
        middle = (good + bad) // 2
        wrong = next(wrong_components(patient, track.expected(middle), []), None)
        if wrong is None:
            good = middle
        else:
            first, bad = wrong, middle
    found.steps = bad
    yield first


def growth(session: Session, track: Track, step: int) -> list[tuple[int, float]]:
    """Let the entrant run on by itself from the referee's state: how far it gets, when."""
    schedule, at = track.schedule, track.expected(step).at
    session.load(at.params, at.state)
    losses = [
        session.train(schedule.part(first, stop)).losses
        for first, stop in schedule.parts({step})
        if first >= step
    ]
    drifts = np.abs(np.concatenate(losses) - track.losses[step - 1 :])
    later = {0, *(2**n for n in range(len(drifts).bit_length())), len(drifts) - 1}
    return [(n, float(drifts[n])) for n in sorted(later) if n < len(drifts)]
