"""How far rounding may lead an update whose rule is the original's own.

No formula of ours is it, so that its own numbers say it: what moving everything it takes by six
roundings changes, one of the result, and `ERROR_FACTOR` times the error of the original's float32
run. Of Adam's kind, 1 - b^t of a constant rounded to float32 comes on top, as in `bounds`: the
original may have those as Python's numbers, and lose nothing there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from common.agreement.bounds import (
    UPDATE_ROUNDINGS,
    clip_roundings,
    rate_bound,
    unit_of,
    update_bound,
)
from common.agreement.referee import Referee
from common.contract.arrays import Arrays
from common.contract.optimizers import OPTIMIZERS
from common.contract.precision import PRECISIONS
from common.entrants.trail import UPDATES

#: Draws of signs; each doubles the chance that an element's worst case is met.
DRAWS = 6


def bound_of_update(
    referee: Referee,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
) -> dict[str, Any]:
    """How far rounding may lead an update, element by element; arguments as of `update_bound`."""
    if not referee.own_rule:
        plan = referee.plan_at(state)
        roundings = float(UPDATE_ROUNDINGS)
        trained = [name for name in params if name not in referee.described.statistics]
        if (clip := referee.exact.clip(params)) is not None:
            slopes = {name: grads[name] for name in trained}
            roundings, grads = roundings + clip_roundings(plan, slopes), clip(slopes)
        found = update_bound(plan, params, grads, state, moved, memory, roundings)
        if referee.exact.rates is not None:
            share = rate_bound(referee.plan, plan.lr, int(state["step"])) / plan.lr
            for name in trained:
                found[name] = found[name] + share * np.abs(moved[name] - params[name])
        return found
    plan, draw = referee.plan, np.random.default_rng(6)
    unit = unit_of(plan)
    right = {**moved, **memory}
    allowed = {name: np.zeros_like(array, dtype="float64") for name, array in right.items()}

    def near(arrays: Arrays) -> Arrays:
        reach = UPDATE_ROUNDINGS * unit
        return {
            n: a * (1 + reach * draw.choice([-1.0, 1.0], a.shape)) if a.dtype.kind == "f" else a
            for n, a in arrays.items()
        }

    for _ in range(DRAWS):
        there, then = referee.exact.update(near(params), near(grads), near(state))
        for name, array in {**there, **then}.items():
            allowed[name] = np.maximum(allowed[name], np.abs(array - right[name]))
    of_constants = corrections(referee, params, state, right, unit)
    least = PRECISIONS[plan.dtype].tiny
    return {
        name: allowed[name] + of_constants.get(name, 0.0) + 2 * unit * np.abs(array) + least
        if array.dtype.kind == "f"
        else 0.0
        for name, array in right.items()
    }


def corrections(
    referee: Referee, params: Arrays, state: Arrays, right: Arrays, unit: float
) -> dict[str, Any]:
    """What Adam's constants may be off by, in the step and in its means."""
    made = state.get("step", state.get(UPDATES))
    if OPTIMIZERS[referee.plan.optimizer].rule != "adam" or made is None:
        return {}
    t, betas = float(made) + 1, dict(zip("mv", referee.plan.betas, strict=True))
    of_step = sum(((2 * t + 4) * b**t / (1 - b**t) + 1) * unit for b in betas.values())
    found: dict[str, Any] = {n: of_step * np.abs(right[n] - p) for n, p in params.items()}
    for letter, b in betas.items():
        for name in (f"{n}/{letter}" for n in params if f"{n}/{letter}" in state):
            found[name] = unit * b / (1 - b) * np.abs(right[name] - b * state[name])
    return found
