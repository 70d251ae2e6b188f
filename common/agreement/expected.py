"""One tensor as the referee has it, and how far from that rounding may lead.

Each check compares one tensor and says how far it is off, in units in the last place (of the
tensor's largest value) and relative to it, beside E, the error of the run's own arithmetic:
the referee's formulas in the run's dtype, over several summation orders.

Criterion: |entrant - referee| <= 8 E + 4 ulp + S, where S, element by element, is what moving
the parameters by 16 ulp changes, and what every ReLU changes that 16 ulp of its terms would
switch: no arithmetic can tell on which side of its edge it is. The update has a bound for
every element instead: 6 roundings of each term it adds up (there are no more on any term's
way) and 2 of the result (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002,
section 3.1), so that a learning rate wrong by 1e-6 shows: from zero that is 17 roundings. A
count of correct rows may be off by the rows whose two largest logits the bound cannot tell
apart.

Sums over all places of a picture are longer than five orders can tell of: one library errs by 0.6
units in the last place where another errs by a hundred, and both are right. For models that have
them the bound is twice what random rounding makes, if that is more
(`common.agreement.random_rounding`).

In a float64 run the referee has no finer arithmetic than the entrant, so that E shows little:
there 4 ulp become 1e-13 of the tensor's largest value, and the update's roundings count twice.
What this run is for shows all the same: a constant rounded to float32 is off by 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.agreement.bounds import UPDATE_ROUNDINGS, largest_error
from common.agreement.neighbours import NOBODY, NUDGE_ULPS, Neighbours
from common.contract.arrays import Array, Arrays
from common.contract.precision import ulp

ERROR_FACTOR = 8

ULPS = 4

SUMMATION_ORDERS = 5

FLOAT64_FLOOR = 1e-13

#: How far beyond the furthest of some runs with random rounding another may lie.
NOISE_FACTOR = 2

CRITERION = (
    f"components from equal inputs: within {ERROR_FACTOR} times the error of the run's own "
    f"arithmetic (the referee's formulas in {SUMMATION_ORDERS} summation orders) + {ULPS} ulp "
    f"(float64: {FLOAT64_FLOOR:g} of the largest value) + what {NUDGE_ULPS} ulp in the parameters "
    f"change; update: {UPDATE_ROUNDINGS} roundings of each term"
)


@dataclass(frozen=True)
class Expected:
    """One tensor as the referee has it.

    Attributes:
        right: in float64.
        own: largest error of the run's own arithmetic.
        allowed: how far from it rounding may lead, for each element or for all; NaN where the
            run's own arithmetic has no number, so that there is nothing to compare.
        exp_reach: how far it moves for each unit of relative error in the entrant's exp.
    """

    right: Array
    own: float = 0.0
    allowed: Any = 0.0
    exp_reach: Any = 0.0


def expect(
    dtype: str,
    right: Arrays,
    own: Arrays,
    rearranged: Callable[[np.random.Generator], Arrays],
    near: Neighbours = NOBODY,
    rounded: Sequence[Arrays] = (),
) -> dict[str, Expected]:
    """The criterion at the head of this file, tensor by tensor.

    Args:
        dtype: of the run.
        right: the tensors in float64.
        own: the same in the run's own arithmetic.
        rearranged: makes `own` anew, summed over in another order.
        near: what the neighbours of the parameters make of the tensors.
        rounded: the tensors with random rounding, if another order may lead further.
    """
    draw = np.random.default_rng(3)
    runs = [own, *(rearranged(draw) for _ in range(SUMMATION_ORDERS - 1))]
    expected = {}
    for name, tensor in right.items():
        error = max(largest_error(run[name], tensor) for run in runs)
        numbers = np.isfinite([tensor, *(run[name] for run in runs)]).all(axis=0)
        largest = float(np.max(np.abs(tensor), initial=0.0, where=numbers))
        floor = FLOAT64_FLOOR * largest if dtype == "float64" else ULPS * ulp(largest, dtype)
        if tensor.dtype.kind in "iu":
            error, floor = 0.0, 0.0
        furthest = max((largest_error(run[name], tensor) for run in rounded), default=0.0)
        rounding = max(ERROR_FACTOR * error + floor, NOISE_FACTOR * furthest)
        allowed = rounding + near.sensitivity(name, tensor)
        allowed = np.where(numbers, allowed, np.nan)
        expected[name] = Expected(tensor, error, allowed)
    return expected


def widened(expected: Mapping[str, Expected], bounds: Mapping[str, Any]) -> dict[str, Expected]:
    """Allow some tensors a bound on top."""
    return {
        name: replace(e, allowed=e.allowed + bounds.get(name, 0.0)) for name, e in expected.items()
    }


def with_exp_reach(
    expected: Mapping[str, Expected], reach: Mapping[str, Any]
) -> dict[str, Expected]:
    """Say how far the error of an entrant's exp reaches."""
    return {name: replace(e, exp_reach=reach.get(name, 0.0)) for name, e in expected.items()}
