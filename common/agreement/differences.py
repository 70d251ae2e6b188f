"""Where an entrant parts: a step not made, a check that failed, a batch of other bytes."""

from __future__ import annotations

from collections.abc import Sequence

from common.agreement.checks import ROW, Outcome, batch_checks
from common.agreement.expectations import Expectations, expected_at
from common.agreement.inputs import inputs_at
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.slips.causes import likely_cause
from common.agreement.verdict import Difference
from common.contract.arrays import Array
from common.entrants.session import Session


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


def difference(expectations: Expectations, outcome: Outcome) -> Difference:
    """What a failed check says, and what may be the cause."""
    check = outcome.check
    slip = likely_cause(expectations, outcome)
    words, stage = None, check.stage
    if check.fault is not None:
        words = f"{check.tensor} {check.fault}"
    elif slip is not None:
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
        at = referee.state(schedule, step)
        for outcome in batch_checks(session, inputs_at(referee, at)):
            if not outcome.check.right:
                return difference(expected_at(referee, at), outcome)
    nan = float("nan")
    words = (
        "likely the batches come in another order or size: each by itself is right; to confirm, "
        "compare the order that is asked for with the one the loader uses"
    )
    return Difference(1, "data", "batch", (), nan, nan, words)
