"""What the referee expects of several steps in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.agreement.bounds import near_ties
from common.agreement.exp_reach import gradient_reach, step_reach
from common.agreement.expectations import Expectations
from common.agreement.expected import Expected, expect, widened, with_exp_reach
from common.agreement.inputs import rounded
from common.agreement.neighbours import neighbours
from common.agreement.own_rule import bound_of_update
from common.agreement.units import gradients_of, several_steps
from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Row:
    """Several steps in one call: the order they are made in, and what is expected of them.

    Losses and counts are one number a step; parameters and state those in the end.
    """

    order: Array
    expected: dict[str, Expected]


def expected_row(start: Expectations, steps: int) -> Row:
    """Steps on the same batch, each time in another order.

    The bounds are those of one step, added up: the moved parameters move on through all of
    them, every update rounds, and momentum carries what it rounded on.
    """
    exact, plain, at = start.referee.exact, start.referee.plain, start.at
    shuffle = np.random.default_rng(4)
    batches = [shuffle.permutation(at.index) for _ in range(steps)]
    order = np.concatenate(batches)

    def rearranged(draw: np.random.Generator) -> Arrays:
        rows = np.concatenate([draw.permutation(batch) for batch in batches])
        return several_steps(plain, at.params, at.state, rows)

    def from_other(params: Arrays) -> Arrays:
        found = several_steps(exact, params, start.state, order)
        # What it was moved by at the start is not what that grew into.
        return found | {n: found[n] - (params[n] - array) for n, array in start.params.items()}

    right = several_steps(exact, start.params, start.state, order)
    own = several_steps(plain, at.params, at.state, order)
    near = neighbours(start).through(from_other)
    bounds, ties = row_bounds(start, batches)
    noise = rounded(start, lambda s: several_steps(s, start.params, start.state, order))
    expected = widened(expect(start.dtype, right, own, rearranged, near, noise), bounds)
    expected["correct"] = Expected(right["correct"], allowed=ties)
    if start.model.classifies:
        expected = with_exp_reach(expected, row_reach(start, steps))
    return Row(order, expected)


def row_reach(start: Expectations, steps: int) -> dict[str, Any]:
    """How far a relative error of exp reaches in all steps together."""
    grads = {name: start.gradients[name].right for name in start.params}
    reach = gradient_reach(start, start.loss["dlogits"].right)
    often = carried(start.plan.momentum, steps)
    found = {name: often * array for name, array in step_reach(start, grads, reach).items()}
    # Parameters that an exp has led elsewhere lead the losses after them.
    later = sum(float((np.abs(grad) * found[name]).sum()) for name, grad in grads.items())
    return {"loss": 1.0 + later, **found}


def row_bounds(start: Expectations, batches: Sequence[Array]) -> tuple[dict[str, Any], Array]:
    """What the updates of a row round, added up; rows of logits too close to call, by step."""
    exact, plan, first = start.referee.exact, start.plan, start.gradients["logits"]
    params, state = start.params, start.state
    bounds: dict[str, Any] = {}
    near = []
    for batch in batches:
        found = gradients_of(exact, params, *exact.batch(batch))
        grads = {name: found[name] for name in params}
        moved, memory = exact.update(params, grads, state)
        for name, bound in bound_of_update(
            start.referee, params, grads, state, moved, memory
        ).items():
            bounds[name] = bounds.get(name, 0.0) + bound
        # The bound of the first logits, as much larger as these are, once for each step.
        largest = np.abs(first.right).max()  # 0 where the only hidden unit is dead
        growth = max(1.0, np.abs(found["logits"]).max() / largest) if largest else 1.0
        allowed = len(batches) * growth * float(np.max(first.allowed))
        near.append(near_ties(found["logits"], allowed))
        params, state = moved, memory
    often = carried(plan.momentum, len(batches)) / len(batches)
    return {name: often * bound for name, bound in bounds.items()}, np.array(near)


def carried(momentum: float, steps: int) -> float:
    """How often the errors of single steps count in the end: momentum makes each one again."""
    return sum(momentum**ago for made in range(1, steps + 1) for ago in range(made))
