"""A likely cause in words, where the numbers give it away.

Each known slip is a formula: what the wrong tensors would be, in float64, from the referee's
inputs. The slip whose formula explains the entrant's values, all but a thousandth of the
difference or what rounding may do, is named, with how to confirm it. That of an update has to
explain what became of other parameters, too. Where none does, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from common.agreement.checks import ROW, STEP, TOGETHER, Outcome, Probe
from common.agreement.expectations import Expectations
from common.agreement.expected import Expected
from common.agreement.slips.accuracy import accuracy_slips
from common.agreement.slips.data import data_slips
from common.agreement.slips.gradient import gradient_slips
from common.agreement.slips.loss import loss_slips
from common.agreement.slips.model import forward_slips
from common.agreement.slips.parallel import parallel_slips
from common.agreement.slips.slip import Slip, as_float64, guarded
from common.agreement.slips.statistics import statistic_slips
from common.agreement.slips.step import step_slips
from common.agreement.slips.update import update_slips
from common.contract.arrays import Array, Arrays

#: Share of the difference that an explanation may leave unexplained.
UNEXPLAINED = 1e-3

#: Largest relative error of anybody's exp in float32.
EXP_ERROR = 1e-5


def likely_cause(expectations: Expectations, outcome: Outcome, ranks: int = 1) -> Slip | None:
    """Name the slip that explains what an entrant computed.

    Of those that explain all but a thousandth, the one listed first, for the general ones
    (a factor without a name) are listed last; else the one that leaves least.

    Args:
        expectations: what the referee expects at this state.
        outcome: the check that failed, and all of its unit.
        ranks: on how many devices the entrant trains.
    """
    first, values, expected = outcome.check, outcome.values, outcome.expected
    right = {name: e.right.astype("float64") for name, e in expected.items()}
    shapes = {name: array.shape for name, array in values.items()}
    # The formulas take for granted that all tensors are there, in the shapes they should have.
    if first.fault or first.unit == ROW or shapes != {n: a.shape for n, a in right.items()}:
        return None
    if not np.isfinite(values[first.tensor]).all():
        return None  # an infinite or missing value is not explained by anything
    best, least = None, np.inf
    with np.errstate(all="ignore"):  # a formula may overflow: then it explains nothing
        for slip in guarded(slips(expectations, outcome, right, ranks)):
            left = share_left(slip, outcome)
            if left is not None and left < least:
                best, least = slip, left
            if least <= UNEXPLAINED:
                break
    return best


def share_left(slip: Slip, outcome: Outcome) -> float | None:
    """The share of the difference that a slip leaves; None if it explains nothing, or raises."""
    with suppress(Exception):
        left = unexplained(slip, outcome.check.tensor, outcome.values, outcome.expected)
        if left is not None and holds_elsewhere(slip, outcome.other):
            return left
    return None


def unexplained(
    slip: Slip, tensor: str, values: Arrays, expected: Mapping[str, Expected]
) -> float | None:
    """The share of the difference that a slip leaves; None if it explains nothing.

    What rounding may do is no share: a factor that is fitted would leave less than the slip.
    """
    if tensor not in slip.predicted:
        return None
    worst = 0.0
    for name, prediction in slip.predicted.items():
        found = left_of(prediction, values[name], expected[name])
        if found is None:
            return None
        if name == tensor:
            off = off_by(values[name], expected[name])
            if found.most > off / 4:
                return None
            worst = 0.0 if found.rounding else found.most / off
    return worst


def holds_elsewhere(slip: Slip, other: Probe | None) -> bool:
    """Whether a slip explains what became of other parameters, too, right or wrong."""
    if other is None or slip.elsewhere is None:
        return True
    right = {name: e.right.astype("float64") for name, e in other.expected.items()}
    predicted = slip.elsewhere(as_float64(other.start), right)
    return all(
        left_of(prediction, other.values[name], other.expected[name]) is not None
        for name, prediction in predicted.items()
    )


def off_by(value: Array, wanted: Expected) -> float:
    """How far a tensor is off."""
    return float(np.max(np.abs(value - wanted.right), initial=0.0))


class Left(NamedTuple):
    """What a prediction leaves of a tensor's difference: the most, and whether all is rounding."""

    most: float
    rounding: bool


def left_of(prediction: Any, value: Array, wanted: Expected) -> Left | None:
    """What a prediction leaves of a tensor's difference; None if that is more than it may."""
    if value.shape != np.shape(prediction):
        return None
    unit = float(np.spacing(np.max(np.abs(value), initial=0.0).astype(kind_of(value))))
    left = np.abs(value - prediction)
    rounding = np.maximum(wanted.allowed + EXP_ERROR * np.asarray(wanted.exp_reach), 4 * unit)
    if not (left <= np.maximum(UNEXPLAINED * off_by(value, wanted), rounding)).all():
        return None
    return Left(float(left.max(initial=0.0)), bool((left <= rounding).all()))


def kind_of(value: Array) -> Any:
    """The dtype whose units count."""
    return value.dtype if value.dtype.kind == "f" else np.dtype("float64")


def slips(
    expectations: Expectations, outcome: Outcome, right: Arrays, ranks: int
) -> Iterator[Slip]:
    """Every known slip that could show where this check failed."""
    first, values, start = outcome.check, outcome.values, outcome.start
    if ranks > 1:
        yield from guarded(parallel_slips(expectations, outcome, right, ranks))
    if first.unit == STEP:
        yield from step_slips(expectations, right, values)
    elif first.stage == "data":
        yield from data_slips(expectations, values)
    elif first.stage == "forward":
        params = as_float64(start) if start else expectations.params
        yield from forward_slips(expectations, params)
    elif first.stage == "loss":
        together = first.unit == TOGETHER
        yield from loss_slips(expectations, right, values, together=together)
    elif first.stage == "accuracy":
        yield from accuracy_slips(expectations, values)
    elif first.stage == "gradient":
        yield from statistic_slips(expectations, right)
        grads = {name: right[name] for name in expectations.trained}
        yield from gradient_slips(expectations, grads, values)
    elif first.stage == "update" and start is not None:
        yield from update_slips(expectations, start, right, values)
