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
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from common.agreement.budget import Budget
from common.agreement.checks import Check, checks, row_checks
from common.agreement.differences import batches_differ, difference, miscount, ranks_apart
from common.agreement.drift import beyond, drift, free_limit
from common.agreement.expectations import Expectations, expected_at
from common.agreement.expected_row import Row, expected_row
from common.agreement.referee import Path, Referee, State
from common.agreement.schedule import Schedule
from common.agreement.verdict import Difference, Verdict
from common.contract.arrays import Array
from common.contract.entrant import Entrant
from common.contract.info import Info
from common.entrants.parallel import ParallelSession
from common.entrants.session import Session

#: What is expected of one batch takes as long to work out as so many of the referee's steps.
STEPS_EACH = 60

#: A batch is not cut to fewer examples than that.
LEAST_EXAMPLES = 64

#: Of a call that holds a whole epoch, so many steps are checked as one.
MOST_IN_A_ROW = 8


class Bench:
    """The referee's run and what it expects at the states it kept: made once for all entrants.

    Several threads may judge by it; what still asks the referee does so under `asking`.

    Args:
        referee: of the run.
        schedule: which examples every step takes.
        allowed: how many seconds the referee's run may take, by its losses so far; what it does not
            reach is not held against it.
        path: that run, if it was made already.
        budget: of all checks; components at later states are left out where there is no time.
    """

    def __init__(
        self,
        referee: Referee,
        schedule: Schedule,
        allowed: Callable[[Array], float] | None = None,
        path: Path | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.referee, self.schedule, self.budget = referee, schedule, budget or Budget()
        self.path: Path = path or referee.path(schedule, allowed)
        self.expected: list[Expectations] = []
        took = 0.0
        for state in map(self._affordable, self.path.states):
            if self.expected and self.budget.lacks(components_words(state.step), took):
                continue
            started = time.monotonic()
            self.expected.append(expected_at(referee, state))
            took = time.monotonic() - started
        self.dtype = referee.plan.dtype
        self.asking = threading.Lock()
        self._rows: dict[int, Row] = {}

    def _affordable(self, state: State) -> State:
        """A state with a batch cut to what there is time for, where its whole would take far more.

        What is expected of a batch takes some sixty of the referee's steps to work out.
        """
        estimate = STEPS_EACH * self.path.seconds / len(self.path.losses)
        if estimate <= 2 * self.budget.seconds:
            return state
        size = len(state.index)
        cut = min(size, max(LEAST_EXAMPLES, int(size * self.budget.seconds / estimate)))
        self.budget.lacks(f"components of more than {cut} of a batch's {size} examples", np.inf)
        return replace(state, index=state.index[:cut], other=state.other[:cut])

    def row(self, steps: int) -> Row:
        """Several steps in one call, from the first state; made once."""
        with self.asking:
            if steps not in self._rows:
                self._rows[steps] = expected_row(self.expected[0], steps)
            return self._rows[steps]


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
        bench: what it is held against.
        steps_per_call: how many steps one compiled call holds.

    Returns:
        a verdict; `not checked`, with the reason, where the drift needs the noise band.
    """
    started = time.perf_counter()
    verdict = Verdict(exp_error=loss_error(info, bench))
    verdict.reason = "every component agrees; its drift was not held against nudged runs"
    missing = miscount(losses, bench.schedule, bench.path.losses, bench.dtype)
    if missing is None:
        along = np.concatenate(losses)[: len(bench.path.losses)]
        drifts = drift(along, bench.path.losses, bench.dtype)
        verdict.max_abs_loss_difference = float(drifts.max())
    first: Difference | None
    if fingerprint != bench.path.fingerprint:
        with bench.asking:
            first = batches_differ(session, bench.referee, bench.schedule, entrant.ranks)
    elif missing is not None:
        first = missing
    else:
        first = first_component_difference(
            session, entrant, info, bench, steps_per_call, verdict.components
        )
    if isinstance(session, ParallelSession) and session.apart is not None:
        first = ranks_apart(session.apart, first)  # seen, where others are inferred
    if first is not None:
        verdict.differs(first)
    else:
        limit = free_limit(bench.path.losses, bench.dtype) + verdict.exp_error
        if not beyond(along, bench.path.losses, limit, bench.dtype).any():
            verdict.agrees(verdict.components, bench.path.diverges)
    verdict.seconds = time.perf_counter() - started
    return verdict


def first_component_difference(
    session: Session,
    entrant: Entrant,
    info: Info,
    bench: Bench,
    steps_per_call: int,
    found: list[Check],
) -> Difference | None:
    """Check the components at every state that was kept; every check is added to `found`."""
    budget = bench.budget
    for expectations in bench.expected:
        start = expectations is bench.expected[0]
        if not start and budget.lacks(components_words(expectations.at.step)):
            continue
        # Compiled alone only once: each shape of batch would be compiled anew.
        compiled = entrant.mode != "eager" and start
        compiled = compiled and not budget.lacks("components compiled alone")
        outcomes = checks(session, expectations, info, compiled=compiled)
        # A batch that was cut fills no call of several.
        cut = len(expectations.at.index) < len(bench.path.states[0].index)
        seconds = np.inf if cut else 0.0
        if steps_per_call > 1 and start and not budget.lacks("several steps in one call", seconds):
            full = len(bench.schedule.orders[0]) // bench.schedule.batch_size
            whole = steps_per_call >= full
            row = bench.row(min(steps_per_call, MOST_IN_A_ROW) if whole else steps_per_call)
            outcomes = itertools.chain(outcomes, row_checks(session, expectations, info, row))
        for outcome in outcomes:
            found.append(outcome.check)
            if not outcome.check.right:
                with bench.asking:
                    return difference(expectations, outcome, entrant.ranks)
    return None


def components_words(step: int) -> str:
    """What is left out if a state's components are not checked."""
    return f"components at step {step}"


def loss_error(info: Info, bench: Bench) -> float:
    """How far a framework's float32 exp alone leads a loss: log Σ exp moves as exp does."""
    has_exp = bench.referee.described.classifies and bench.dtype == "float32"
    return info.exp_error if has_exp else 0.0
