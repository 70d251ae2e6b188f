"""One entrant's components held against what the referee expects, from equal inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from common.agreement.divergence import distance
from common.agreement.expectations import Expectations
from common.agreement.expected import Expected
from common.agreement.expected_row import Row
from common.agreement.inputs import Inputs
from common.agreement.units import evaluation_of, gradients_of, one_step, several_steps
from common.contract.arrays import Array, Arrays
from common.contract.info import Info
from common.contract.precision import has_all, held, ulp
from common.entrants.session import Session
from common.entrants.trail import UPDATES


@dataclass(frozen=True)
class Check:
    """One tensor of one entrant held against the referee's.

    Attributes:
        step: counted from 1.
        stage: data, forward, loss, accuracy, gradient, update or evaluation.
        unit: what was run: a component alone, model and loss as one, the whole step.
        compiled: whether that was compiled.
        tensor: its name.
        error: largest |entrant - referee|.
        own: largest error of the run's own arithmetic.
        largest: the referee's largest magnitude.
        unit_in_last_place: of that magnitude.
        index, value, referee: the worst element; beyond what is allowed, unless `right`.
        right: whether all elements are within what is allowed.
        fault: in words, what is wrong with it other than its numbers.
        unclear: elements that could not be compared: they overflow, or are NaN, in both.
    """

    step: int
    stage: str
    unit: str
    compiled: bool
    tensor: str
    error: float
    own: float
    largest: float
    unit_in_last_place: float
    index: tuple[int, ...]
    value: float
    referee: float
    right: bool
    fault: str | None = None
    unclear: int = 0

    @property
    def ulps(self) -> float:
        """The error in units in the last place of the largest value."""
        return self.error / self.unit_in_last_place

    @property
    def own_ulps(self) -> float:
        """The error of the run's own arithmetic, likewise."""
        return self.own / self.unit_in_last_place

    @property
    def relative(self) -> float | None:
        """The error over the largest value; None where that is zero."""
        return self.error / self.largest if self.largest else None

    def asdict(self) -> dict[str, Any]:
        """As in results.json."""
        return {
            "step": self.step,
            "stage": self.stage,
            "unit": self.unit,
            "compiled": self.compiled,
            "tensor": self.tensor,
            "error": self.error,
            "ulps": self.ulps,
            "relative": self.relative,
            "own_error": self.own,
            "own_ulps": self.own_ulps,
            "right": self.right,
        }


@dataclass(frozen=True)
class Probe:
    """The same question asked from other parameters.

    Attributes:
        start: those.
        values: every tensor of the answer.
        expected: the same of the referee.
    """

    start: Arrays
    values: Arrays
    expected: Mapping[str, Expected]


@dataclass(frozen=True)
class Outcome:
    """A check together with all that its unit returned.

    Attributes:
        check: of one tensor.
        values: every tensor of the unit, as the entrant has it.
        expected: the same of the referee.
        start: of model or update alone, the parameters it started from.
        other: of the update alone, what it answered from others.
    """

    check: Check
    values: Arrays
    expected: Mapping[str, Expected]
    start: Arrays | None = None
    other: Probe | None = None


def checks(
    session: Session, expectations: Expectations, info: Info, *, compiled: bool, whole: bool = True
) -> Iterator[Outcome]:
    """Check everything at one state, in the order in which a step needs it.

    Args:
        session: the entrant; left on another state than it had.
        expectations: what is expected.
        info: of its backend.
        compiled: whether each component is checked compiled, too.
        whole: whether the step as it runs and the evaluation are checked, too.
    """
    at = expectations.at
    exp_error = info.exp_error if expectations.dtype == "float32" else 0.0
    compare = partial(compared, expectations, exp_error)
    yield from batch_checks(session, expectations)
    for c in (False, True) if compiled else (False,):
        for params, expected in expectations.forwards:
            values = {"logits": session.logits(params, expectations.images, c)}
            yield from compare("forward", ALONE, c, values, expected, params)
        value, dlogits = session.gradient(expectations.logits, expectations.labels, c)
        values = {"loss": np.asarray(value), "dlogits": dlogits}
        yield from compare("loss", ALONE, c, values, expectations.loss)
        values = {
            "correct": np.asarray(session.correct(expectations.logits, expectations.labels, c))
        }
        if expectations.ties is not None:
            values["ties"] = np.asarray(session.correct(expectations.ties, expectations.labels, c))
        yield from compare("accuracy", ALONE, c, values, expectations.accuracy)
        values = session.backward(at.params, expectations.images, expectations.dlogits, c)
        yield from compare("gradient", ALONE, c, values, expectations.gradient)
        values = gradients_of(session, at.params, expectations.images, expectations.labels, c)
        yield from compare("", TOGETHER, c, values, expectations.gradients)
        probes = []
        for params, expected in expectations.updates:
            moved, memory = session.update(params, expectations.grads, at.state, c)
            probes.append(Probe(params, {**moved, **memory}, expected))
        for probe, other in zip(probes, reversed(probes), strict=True):
            unit = FROM_ZERO if probe.start is expectations.zeros else ALONE
            asked = probe.values, probe.expected, probe.start, other
            yield from compare("update", unit, c, *asked)
    if not whole:
        return
    # One step and the evaluation as they run, in the entrant's own mode. Another step goes
    # before: what an entrant keeps of it outside parameters and state must not show.
    session.load(at.params, at.state)
    session.train(at.other)
    values = one_step(session, at.params, at.state, at.index)
    yield from compare("", STEP, False, values, expectations.step)
    if expectations.evaluation:
        values = evaluation_of(session, at.params)
        yield from compare("evaluation", EVALUATION, False, values, expectations.evaluation)


def row_checks(
    session: Session, expectations: Expectations, info: Info, row: Row
) -> Iterator[Outcome]:
    """Check a call that holds several steps, from an expected state."""
    exp_error = info.exp_error if expectations.dtype == "float32" else 0.0
    values = several_steps(session, expectations.at.params, expectations.at.state, row.order)
    yield from compared(expectations, exp_error, "", ROW, False, values, row.expected)


def batch_checks(session: Session, inputs: Inputs) -> Iterator[Outcome]:
    """Check every bit of the batch."""
    images, labels = session.batch(inputs.at.index)
    values = {"images": images, "labels": labels}
    expected = {"images": Expected(inputs.images), "labels": Expected(inputs.labels)}
    yield from compared(inputs, 0.0, "data", ALONE, False, values, expected)


def compared(
    inputs: Inputs,
    exp_error: float,
    stage: str,
    unit: str,
    compiled: bool,
    values: Arrays,
    expected: Mapping[str, Expected],
    start: Arrays | None = None,
    other: Probe | None = None,
) -> Iterator[Outcome]:
    """Hold every tensor of a unit against the referee's, in the order they are computed.

    Whatever the referee has not comes last: it is a difference, too.
    """
    # A loss that was evaluated is a number of Python's.
    dtype = "float64" if unit == EVALUATION else inputs.dtype
    # A count that we keep ourselves cannot be wrong.
    for name in dict.fromkeys(n for n in (*expected, *values) if n != UPDATES):
        where = stage or STAGES.get(name, "gradient" if unit == TOGETHER else "update")
        place = Place(inputs.at.step, where, unit, compiled, name)
        found = check(place, values.get(name), expected.get(name), dtype, exp_error)
        yield Outcome(found, values, expected, start, other)


ALONE, FROM_ZERO, TOGETHER = "alone", "from zero", "model and loss"

STEP, ROW, EVALUATION = "whole step", "steps in one call", "test set"

#: where a tensor of a unit of several stages belongs; the rest are gradients, or updated
STAGES = {"logits": "forward", "loss": "loss", "correct": "accuracy"}


class Place(NamedTuple):
    """Where a check belongs: the first fields of `Check`."""

    step: int
    stage: str
    unit: str
    compiled: bool
    tensor: str


def check(
    place: Place, value: Array | None, expected: Expected | None, dtype: str, exp_error: float
) -> Check:
    """Hold one tensor against the referee's.

    Args:
        place: where it belongs.
        value: the entrant's; None if it has none.
        expected: the referee's; None if that has none.
        dtype: which the entrant's must have, if it is real.
        exp_error: of the entrant's exp, relative.
    """
    nan = float("nan")
    right = np.zeros(0) if expected is None else expected.right
    own = nan if expected is None else expected.own
    largest = float(np.max(np.abs(right), initial=0.0, where=np.isfinite(right)))
    space = ulp(largest, dtype)
    words = absence(value, expected)
    if words or value is None or expected is None:
        return Check(*place, nan, own, largest, space, (), nan, nan, right=False, fault=words)
    limit = np.asarray(expected.allowed + exp_error * expected.exp_reach, dtype="float64")
    # Neither has a number, or the run's own arithmetic has none where the referee's still does.
    unclear = np.isfinite(right) & ~np.isfinite(limit) | ~np.isfinite(right) & ~np.isfinite(value)
    error = np.where(unclear, 0.0, distance(value, right))
    with np.errstate(divide="ignore", invalid="ignore"):
        beyond = np.where(np.isinf(error), np.inf, error / limit)
    beyond = np.where(unclear | (error <= limit), 0.0, beyond)
    is_right = not beyond.any()
    # Of wrong numbers it is the smaller sorrow that they are of another dtype, too.
    words = another_dtype(value, right, dtype) if is_right else None
    worst = error if is_right else beyond
    index = tuple(int(i) for i in np.unravel_index(worst.argmax(), worst.shape))
    most = float(error.max(initial=0.0))
    is_right = is_right and words is None
    return Check(
        *place,
        error=most,
        own=own,
        largest=largest,
        unit_in_last_place=space,
        index=index,
        value=float(value[index]),
        referee=float(right[index]),
        right=is_right,
        fault=words,
        unclear=int(unclear.sum()),
    )


def absence(value: Array | None, expected: Expected | None) -> str | None:
    """Why there are no numbers to compare, if there are none."""
    if value is None:
        return "is missing"
    if expected is None:
        return "is not expected"
    if value.shape != expected.right.shape:
        return f"has shape {value.shape}, expected {expected.right.shape}"
    return None if value.dtype.kind in "fiu" else f"has dtype {value.dtype}, expected numbers"


def another_dtype(value: Array, right: Array, dtype: str) -> str | None:
    """What is wrong with a dtype, if anything is; whole numbers may have any size."""
    if right.dtype.kind == "f" and value.dtype != held(dtype):
        return f"has dtype {value.dtype}, expected {dtype}"
    if right.dtype.kind == "f" and not has_all(dtype, value):
        return f"has numbers that {dtype} has not, expected {dtype}"
    if right.dtype.kind in "iu" and value.dtype.kind not in "iu":
        return f"has dtype {value.dtype}, expected whole numbers"
    return None
