"""Where an entrant parts: a step not made, a check that failed, a batch of other bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.agreement.checks import ROW, STEP, Check, Outcome, batch_checks
from common.agreement.drift import beyond, free_limit
from common.agreement.expectations import Expectations, expected_at
from common.agreement.inputs import inputs_at
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.slips.causes import EXP_ERROR, likely_cause
from common.agreement.verdict import Difference
from common.contract.arrays import Array
from common.entrants.parallel import Apart
from common.entrants.session import Session

NAN = float("nan")

#: Rows are few if there are so many times as many.
FEW = 8


def miscount(
    losses: Sequence[Array], schedule: Schedule, right: Array, dtype: str
) -> Difference | None:
    """The first step of a free run that was not made, or was made twice; None if all are right.

    Args:
        losses: its step losses, epoch by epoch.
        schedule: which steps there are.
        right: the referee's losses: where an epoch with a step too many leaves them, there it is.
        dtype: of the run.
    """
    per_epoch = schedule.per_epoch
    for epoch, found in enumerate(losses):
        before = epoch * per_epoch
        if len(found) < per_epoch:
            return left_out(before + len(found) + 1, schedule)
        if len(found) > per_epoch:
            return made_twice(before + repeated(found, right[before : before + per_epoch], dtype))
    return None


def repeated(losses: Array, right: Array, dtype: str) -> int:
    """Which of some steps, counted from 1, was made twice: after it the losses leave the referee's.

    Args:
        losses: of one step more than there are, at least.
        right: the referee's.
        dtype: of the run.
    """
    apart = beyond(losses[: len(right)], right, free_limit(right, dtype), dtype)
    return max(1, int(apart.argmax())) if apart.any() else len(right)


def left_out(step: int, schedule: Schedule) -> Difference:
    """A step that was not made."""
    size, cause = len(schedule.batch(step)), None
    if step % schedule.per_epoch == 0 and size < schedule.batch_size:
        cause = (
            f"likely the short last batch, {size} examples, is dropped; to confirm, "
            "look for drop_last or drop_remainder, or run with --drop-last"
        )
    return Difference(step, "data", "batch", (), NAN, NAN, cause, "whole step")


def made_twice(step: int) -> Difference:
    """A step that was made once more."""
    words = (
        f"likely the batch of step {step} is trained on twice; to confirm, count the steps of an "
        "epoch"
    )
    return Difference(step, "data", "batch", (), NAN, NAN, words, "whole step")


def ranks_apart(apart: Apart, first: Difference | None) -> Difference:
    """What the devices of an entrant had not alike; the step is that of the check that failed."""
    words = f"{apart.words}; to confirm, {apart.confirm}"
    where = apart.index, apart.value, apart.first
    step = first.step if first else 1
    return Difference(step, apart.stage, apart.tensor, *where, words, "between ranks")


def difference(expectations: Expectations, outcome: Outcome, ranks: int = 1) -> Difference:
    """What a failed check says, and what may be the cause."""
    check = outcome.check
    slip = likely_cause(expectations, outcome, ranks)
    words, stage, length = None, check.stage, False
    if check.fault is not None:
        words = f"{check.tensor} {check.fault}"
    elif slip is not None:
        words = f"likely {slip.words}; to confirm, {slip.confirm}"
        stage, length = slip.stage or stage, slip.length
    elif not np.isfinite(check.value) and np.isfinite(check.referee):
        words = no_number(check)
    elif check.stage == "gradient" and (rows := rows_off(outcome)) is not None:
        words = rows
    elif check.unit == ROW:
        words = (
            "likely only the call that holds several steps is wrong, for a single step is right; "
            "to confirm, run the same in mode jit"
        )
    unit = f"{check.unit}, compiled" if check.compiled else check.unit
    return Difference(
        check.step,
        stage,
        check.tensor,
        check.index,
        check.value,
        check.referee,
        words,
        unit,
        length,
    )


def no_number(check: Check) -> str:
    """What is said of NaN or an infinity where the referee has a number."""
    words = f"{check.tensor} is {check.value}"
    if check.stage != "gradient" or check.unit == STEP:
        return words
    return (
        f"{words} though what is before it is right: a slope is infinite there, or a branch that "
        "where() does not choose is differentiated all the same; to confirm, look for a root, a "
        "logarithm or a quotient of what may be zero"
    )


def rows_off(outcome: Outcome) -> str | None:
    """Say so if few rows or columns of a gradient are off, and the rest is right."""
    name = outcome.check.tensor
    value, wanted = outcome.values[name], outcome.expected[name]
    right = wanted.right
    if value.ndim != 2:
        return None
    # Beyond what rounding may do: where that is not known, nothing is called off.
    off = np.abs(value - right) > wanted.allowed + EXP_ERROR * np.asarray(wanted.exp_reach)
    if off.sum() < 2:
        return None
    for axis, kind in enumerate(("row", "column")):
        lines = np.flatnonzero(off.any(axis=1 - axis))
        share = np.take(off, lines, axis=axis).mean()
        if len(lines) * FEW > off.shape[axis] or share < 1 / 2:
            continue
        listed = ", ".join(map(str, lines))
        one = len(lines) == 1
        words = f"only {kind}{'' if one else 's'} {listed} of {name} differ{'s' if one else ''}"
        if not np.take(right, lines, axis=axis).any():
            words += f": the referee's {'is' if one else 'are'} zero"
        if not np.take(value, lines, axis=axis).any():
            words += f": {'it is' if one else 'they are'} zero"
        return words
    return None


def batches_differ(
    session: Session, referee: Referee, schedule: Schedule, ranks: int = 1
) -> Difference:
    """Find the first batch of epoch 1 whose bytes are not the referee's."""
    for step in range(1, schedule.per_epoch + 1):
        at = referee.state(schedule, step)
        for outcome in batch_checks(session, inputs_at(referee, at)):
            if not outcome.check.right:
                return difference(expected_at(referee, at), outcome, ranks)
    words = (
        "likely the batches come in another order or size: each by itself is right; to confirm, "
        "compare the order that is asked for with the one the loader uses"
    )
    return Difference(1, "data", "batch", (), NAN, NAN, words)
