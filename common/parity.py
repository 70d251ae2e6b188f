"""Do the entrants agree? Two questions, because either alone is blind.

* *From equal inputs*, is each component within the error of the run's own arithmetic
  (`common.agreement.checks`)? At the first step, at the short batch and at the last step, on the
  referee's parameters and optimiser state; each compiled alone, too, where the entrant
  compiles; one whole step as it runs, and the evaluation.
* *Running free*, does it stay with the referee? Within 16 units in the last place of the
  loss that needs no more proof. Beyond, the drift is held against a noise band: what plain
  arithmetic of that dtype drifts, and what one unit in the last place at the start grows into,
  because a network may amplify rounding to any size. A framework whose float32 exp is known
  to be off by more than rounding (`Info.exp_error`) may be off by that in every loss, besides.

docs/agreement.md has the figures behind both.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.agreement.checks import ROW, Check, Outcome, batch_checks, checks, row_checks
from common.agreement.expected import CRITERION as COMPONENTS_CRITERION
from common.agreement.expected import Yardstick
from common.agreement.referee import Path, Referee, free_run, nudged
from common.agreement.schedule import Schedule
from common.causes import likely_cause
from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant
from common.contract.info import Info
from common.entrants.session import Session

FREE_ULPS = 16
#: Of a call that holds a whole epoch, so many steps are checked as one.
MOST_IN_A_ROW = 8
ULPS = 4
BAND_FACTOR = 4
FLOAT64_DRIFT = 1e-12

CRITERION = (
    f"{COMPONENTS_CRITERION}; running free: drift within {FREE_ULPS} ulp of the loss (float64: "
    f"{FLOAT64_DRIFT:g}), or {BAND_FACTOR} times the noise band + {ULPS} ulp; both + the error of "
    "the framework's exp"
)


@dataclass(frozen=True)
class Difference:
    """The first value that no rounding explains; `results.json` has its fields."""

    step: int
    stage: str
    tensor: str
    index: tuple[int, ...]
    value: float
    referee: float
    likely_cause: str | None = None
    unit: str | None = None

    def asdict(self) -> dict[str, Any]:
        """As in results.json; what is not a number is null."""
        plain = {**vars(self), "index": list(self.index)}
        for name in ("value", "referee"):
            if not np.isfinite(plain[name]):
                plain[name] = None
        return plain


@dataclass
class Verdict:
    """What is said of one entrant; `results.json` has its fields.

    Attributes:
        verdict: identical, rounding, declared, differs or not checked.
        identical_to: an earlier entrant with the same bits.
        max_abs_loss_difference: of the step losses from the referee's.
        noise_band: what nudged runs drift, where that was needed.
        exp_error: how far the framework's own exp alone may lead every loss.
        float64_drift: of a run in float64, where one was asked for.
        criterion: in words.
        prediction_agreement: share of test images given the referee's class.
        first_difference: where it parts.
        reason: in words, of a verdict that needs one.
        components: every check made.
        seconds: what the checks took.
    """

    verdict: str = "not checked"
    identical_to: str | None = None
    max_abs_loss_difference: float | None = None
    noise_band: float | None = None
    exp_error: float = 0.0
    float64_drift: float | None = None
    criterion: str = CRITERION
    prediction_agreement: float | None = None
    first_difference: Difference | None = None
    reason: str | None = None
    components: list[Check] = field(default_factory=list)
    seconds: float = 0.0

    def asdict(self) -> dict[str, Any]:
        """As in results.json."""
        first = self.first_difference
        return {
            **vars(self),
            "first_difference": first.asdict() if first else None,
            "components": [check.asdict() for check in self.components],
        }

    def differs(self, first: Difference) -> None:
        """Settle it: this is where it parts."""
        self.verdict, self.first_difference = "differs", first


class Bench:
    """The referee's run and what it expects at the states it kept: made once for all entrants.

    Several threads may judge by it; what still asks the referee does so under `asking`.

    Args:
        referee: of the run.
        schedule: which examples every step takes.
    """

    def __init__(self, referee: Referee, schedule: Schedule) -> None:
        self.referee, self.schedule = referee, schedule
        self.path: Path = referee.path(schedule)
        self.yards = [Yardstick(referee, state) for state in self.path.states]
        self.dtype = referee.plan.dtype
        self.asking = threading.Lock()
        for yard in self.yards:
            yard.prepare()


def judge(
    session: Session,
    entrant: Entrant,
    info: Info,
    losses: Sequence[Array],
    fingerprint: str,
    bench: Bench,
    steps_per_call: int = 1,
) -> Verdict:
    """Hold one entrant against the referee, as far as that goes without nudged runs.

    Args:
        session, entrant, info: who; the session is left on another state than it had.
        losses: the step losses of its free run, epoch by epoch.
        fingerprint: of epoch 1's batches as the framework held them.
        bench: the yardsticks.
        steps_per_call: how many steps one compiled call holds.

    Returns:
        a verdict; `not checked`, with the reason, where the drift needs the noise band.
    """
    started = time.perf_counter()
    verdict = Verdict(exp_error=loss_error(info, bench))
    verdict.reason = "every component agrees; its drift was not held against nudged runs"
    missing = missing_step(losses, bench.schedule)
    if missing is None:
        drifts = np.abs(np.concatenate(losses) - bench.path.losses)
        verdict.max_abs_loss_difference = float(drifts.max())
    first: Difference | None
    if fingerprint != bench.path.fingerprint:
        with bench.asking:
            first = batches_differ(session, bench.referee, bench.schedule)
    elif missing is not None:
        first = missing
    else:
        first = first_component_difference(
            session, entrant, info, bench, steps_per_call, verdict.components
        )
    if first is not None:
        verdict.differs(first)
    elif (drifts <= free_limit(bench.path.losses, bench.dtype) + verdict.exp_error).all():
        verdict.verdict = "rounding"
    if not undecided(verdict):
        verdict.reason = None
    verdict.seconds = time.perf_counter() - started
    return verdict


def missing_step(losses: Sequence[Array], schedule: Schedule) -> Difference | None:
    """The first step that was not made, or that was one too many."""
    nan = float("nan")
    for epoch, found in enumerate(losses):
        if len(found) > schedule.per_epoch:
            words = f"likely a batch is trained on twice: {len(found)} steps in an epoch of "
            words += f"{schedule.per_epoch}; to confirm, count them"
            step = (epoch + 1) * schedule.per_epoch
            return Difference(step, "data", "batch", (), nan, nan, words, "whole step")
        if len(found) < schedule.per_epoch:
            step = epoch * schedule.per_epoch + len(found) + 1
            size = len(schedule.batch(step))
            cause = None
            if len(found) == schedule.per_epoch - 1 and size < schedule.batch_size:
                cause = (
                    f"likely the short last batch, {size} examples, is dropped; to confirm, "
                    "look for drop_last or drop_remainder, or run with --drop-last"
                )
            return Difference(step, "data", "batch", (), nan, nan, cause, "whole step")
    return None


def first_component_difference(
    session: Session,
    entrant: Entrant,
    info: Info,
    bench: Bench,
    steps_per_call: int,
    found: list[Check],
) -> Difference | None:
    """Check the components at every state that was kept; every check is added to `found`."""
    for yard in bench.yards:
        # Compiled alone only once: each shape of batch would be compiled anew.
        compiled = entrant.mode != "eager" and yard is bench.yards[0]
        outcomes = checks(session, yard, info, compiled=compiled)
        if steps_per_call > 1 and yard is bench.yards[0]:
            full = len(bench.schedule.orders[0]) // bench.schedule.batch_size
            whole = steps_per_call >= full
            with bench.asking:
                row = yard.row(min(steps_per_call, MOST_IN_A_ROW) if whole else steps_per_call)
            outcomes = itertools.chain(outcomes, row_checks(session, yard, info, row))
        for outcome in outcomes:
            found.append(outcome.check)
            if not outcome.check.right:
                with bench.asking:
                    return difference(yard, outcome)
    return None


def difference(yard: Yardstick, outcome: Outcome) -> Difference:
    """What a failed check says, and what may be the cause."""
    check = outcome.check
    slip = likely_cause(yard, check, outcome.values, outcome.start)
    words, stage = None, check.stage
    if slip is not None:
        words = f"likely {slip.words}; to confirm, {slip.confirm}"
        stage = slip.stage or stage
    elif check.unit == ROW:
        words = (
            "likely only the call that holds several steps is wrong, for a single step is right; "
            "to confirm, run the same in mode jit"
        )
    unit = f"{check.unit}, compiled" if check.compiled else check.unit
    return Difference(
        check.step, stage, check.tensor, check.index, check.value, check.referee, words, unit
    )


def batches_differ(session: Session, referee: Referee, schedule: Schedule) -> Difference:
    """Find the first batch of epoch 1 whose bytes are not the referee's."""
    for step in range(1, schedule.per_epoch + 1):
        yard = Yardstick(referee, referee.state(schedule, step))
        for outcome in batch_checks(session, yard):
            if not outcome.check.right:
                return difference(yard, outcome)
    nan = float("nan")
    words = (
        "likely the batches come in another order or size: each by itself is right; to confirm, "
        "compare the order that is asked for with the one the loader uses"
    )
    return Difference(1, "data", "batch", (), nan, nan, words)


def loss_error(info: Info, bench: Bench) -> float:
    """How far a framework's float32 exp alone leads a loss: log Σ exp moves as exp does."""
    has_exp = bench.referee.described.classifies and bench.dtype == "float32"
    return info.exp_error if has_exp else 0.0


def free_limit(losses: Array, dtype: str) -> Array:
    """Drift, step by step, that needs no nudged run to be called rounding."""
    if dtype == "float64":
        return FLOAT64_DRIFT * np.maximum(1.0, np.abs(losses))
    return FREE_ULPS * spacing(losses, dtype)


def band_limit(losses: Array, dtype: str, width: float) -> Array:
    """Drift, step by step, that a noise band explains."""
    return BAND_FACTOR * width + ULPS * spacing(losses, dtype)


def spacing(losses: Array, dtype: str) -> Array:
    """One unit in the last place of each loss."""
    units: Array = np.spacing(np.abs(losses).astype(dtype)).astype("float64")
    return units


def undecided(verdict: Verdict) -> bool:
    """Whether nothing is wrong so far, but for a drift that only the noise band can explain."""
    return verdict.verdict == "not checked" and verdict.first_difference is None


class Band:
    """How far runs drift that differ by rounding alone; measured only as far as somebody needs it.

    Its shares: the plain referee's drift from the exact one, as it is and nudged; an entrant's
    from its own free run, nudged. An entrant is not held against the referee here, and one whose
    run ends elsewhere when it is simply repeated has no share, or an error of its own would widen
    the band that is to show it.

    Args:
        bench: the referee's run.
        orders: of all epochs.
        start: the initial parameters.
    """

    def __init__(self, bench: Bench, orders: Sequence[Array], start: Arrays) -> None:
        self._bench, self._orders, self._start = bench, orders, start
        self._moved = nudged(start)
        plain, right = bench.referee.plain, bench.path.losses
        self.width = max(self._drift(plain, params, right) for params in (start, self._moved))

    def _drift(self, session: Session, params: Arrays, losses: Array) -> float:
        apart = np.abs(free_run(session, self._orders, params) - losses)
        return float(np.nanmax(apart, initial=0.0))  # two that diverge are no distance apart

    def widen(self, session: Session, losses: Array) -> bool:
        """Add the share of an entrant with these step losses, if it repeats itself."""
        again = free_run(session, self._orders, self._start)
        repeats = bool((np.abs(again - losses) <= free_limit(losses, self._bench.dtype)).all())
        if repeats:
            self.width = max(self.width, self._drift(session, self._moved, losses))
        return repeats

    def settles(self, verdict: Verdict, losses: Array) -> bool:
        """Whether an entrant's step losses lie within it."""
        return not self._beyond(verdict, losses).any()

    def _beyond(self, verdict: Verdict, losses: Array) -> Array:
        right = self._bench.path.losses
        limit = band_limit(right, self._bench.dtype, self.width) + verdict.exp_error
        within = np.abs(losses - right) <= limit  # never true of NaN
        beyond: Array = ~within & np.isfinite(right)
        return beyond

    def settle(self, verdict: Verdict, losses: Array, *, repeats: bool = True) -> None:
        """Decide what `judge` left open."""
        if not np.isfinite(self.width):
            verdict.reason = "the run's own arithmetic overflows: there is no noise band"
            return
        verdict.noise_band, verdict.reason = self.width, None
        if self.settles(verdict, losses):
            verdict.verdict = "rounding"
            return
        words = "likely something is carried from step to step outside parameters and state, or "
        words += "only some steps are wrong: every component agrees where it was checked"
        if not repeats:
            words += ", but the same run made again in the same process ends elsewhere"
        words += "; to confirm, run diagnose, which looks at all steps"
        step = int(self._beyond(verdict, losses).argmax())
        value, right = float(losses[step]), float(self._bench.path.losses[step])
        verdict.differs(
            Difference(step + 1, "free run", "loss", (), value, right, words, "free run")
        )


def mark_identical(
    verdicts: Mapping[str, Verdict],
    losses: Mapping[str, Array],
    params: Mapping[str, Arrays],
) -> None:
    """Name, for each entrant, the first earlier one whose losses and parameters are bit-equal."""
    labels = list(verdicts)
    for position, label in enumerate(labels):
        for earlier in labels[:position]:
            same = losses[label].tobytes() == losses[earlier].tobytes() and all(
                array.tobytes() == params[earlier][name].tobytes()
                for name, array in params[label].items()
            )
            if same:
                verdicts[label].identical_to = earlier
                # Two that are wrong alike, or of which one is, do not agree.
                pair = {verdicts[label].verdict, verdicts[earlier].verdict}
                if pair <= {"rounding", "identical"}:
                    verdicts[label].verdict = "identical"
                break
