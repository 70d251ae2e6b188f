"""How far rounding may lead an update, and which counts it may change."""

from __future__ import annotations

from typing import Any

import numpy as np

from common.agreement.divergence import distance
from common.contract.arrays import Array, Arrays
from common.contract.models import statistics_of
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.precision import PRECISIONS

UPDATE_ROUNDINGS = 6

#: Roundings of a sum of n terms of one sign in sequence, on average: so many times sqrt(n).
LAMBDA = 0.25


def largest_error(value: Array, right: Array) -> float:
    """Largest |value - right| where both are finite."""
    apart = distance(value, right)
    return float(np.max(apart, initial=0.0, where=np.isfinite(apart)))


def near_ties(logits: Array, bound: float) -> int:
    """Rows whose two largest logits lie within twice a bound: either may be called the larger."""
    if logits.shape[1] < 2:
        return 0
    largest = np.sort(logits, axis=1)[:, -2:]
    apart = largest[:, 1] - largest[:, 0]
    return int((~(apart > 2 * bound)).sum())  # a bound that is NaN tells no two apart


def update_bound(
    plan: Plan,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
    roundings: float = UPDATE_ROUNDINGS,
) -> dict[str, Any]:
    """How far rounding may lead an update, element by element.

    Args:
        plan: of the run.
        params, grads, state: before it, float64.
        moved, memory: parameters and state after it.
        roundings: of each term that is added up.
    """
    unit = unit_of(plan)
    # What is smaller may be zero: some frameworks have no subnormal numbers.
    least = PRECISIONS[plan.dtype].tiny
    bounds = {"sgd": sgd_bound, "adam": adam_bound, "rmsprop": root_bound, "adagrad": root_bound}
    bound_of = bounds[OPTIMIZERS[plan.optimizer].rule]
    allowed: dict[str, Any] = {"step": 0.0}
    statistics = statistics_of(plan.model)
    allowed |= dict.fromkeys(statistics, 0.0)  # set to what they are given
    for name in (name for name in params if name not in statistics):
        allowed |= bound_of(plan, name, params, grads, state, moved, memory, unit, roundings)
    return {name: bound + least for name, bound in allowed.items()}


def unit_of(plan: Plan) -> float:
    """Largest relative error of a rounding; in a float64 run the referee rounds as much again."""
    precision = PRECISIONS[plan.dtype]
    return precision.eps if plan.dtype == "float64" else precision.unit


def rate_bound(plan: Plan, rate: float, made: int) -> float:
    """How far rounding may lead a schedule's rate of the step after so many updates.

    Its terms add up to lr, and where it ends near 0 they cancel. Who makes each rate of the one
    before does so in float64, by two roundings a step.
    """
    unit = unit_of(plan)
    return UPDATE_ROUNDINGS * unit * plan.lr + made * PRECISIONS["float64"].eps * rate


def clip_roundings(plan: Plan, grads: Arrays) -> float:
    """Roundings more of gradients that are clipped to a norm: half of those of its sum of squares.

    A sum of n terms of one sign errs by LAMBDA sqrt(n) of them in sequence, on average; twice.
    """
    if plan.clip_norm is None:
        return 0.0
    return LAMBDA * float(np.sqrt(sum(array.size for array in grads.values())))


def sgd_bound(
    plan: Plan,
    name: str,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
    unit: float,
    roundings: float,
) -> dict[str, Array]:
    """The same for one parameter of gradient descent, and its momentum if it has one."""
    allowed: dict[str, Array] = {}
    terms = np.abs(grads[name]) + plan.weight_decay * np.abs(params[name])
    if (m := f"{name}/m") in state:
        slope, terms = terms, terms + plan.momentum * np.abs(state[m])
        allowed[m] = unit * (roundings * terms + 2 * np.abs(memory[m]))
        if plan.nesterov:
            terms = slope + plan.momentum * terms
    allowed[name] = unit * (roundings * plan.lr * terms + 2 * np.abs(moved[name]))
    return allowed


def adam_bound(
    plan: Plan,
    name: str,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
    unit: float,
    roundings: float,
) -> dict[str, Array]:
    """The same for Adam: p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).

    1 - b is the trap: of a b2 = 0.999 that was rounded to float32 it is off by 3e-5, a thousand
    times more than one rounding, and so is 1 - b2^t in the first steps.
    """
    (b1, b2), eps, t = plan.betas, plan.eps, float(state["step"]) + 1
    coupled = OPTIMIZERS[plan.optimizer].decay == "coupled"
    param, grad = np.abs(params[name]), np.abs(grads[name])
    slope = grad + (plan.weight_decay * param if coupled else 0.0)
    m, v = np.abs(memory[f"{name}/m"]), memory[f"{name}/v"]
    m_error = unit * (roundings * (b1 * np.abs(state[f"{name}/m"]) + (1 - b1) * slope))
    m_error += unit * (b1 * slope + 2 * m)
    v_terms = b2 * state[f"{name}/v"] + (1 - b2) * slope**2
    v_error = unit * (2 * roundings * v_terms + b2 * slope**2 + 2 * v)
    # What is smaller than any normal number may be taken for zero.
    v_error = v_error + PRECISIONS[plan.dtype].tiny
    c1, c2 = 1 - b1**t, 1 - b2**t
    c1_error = unit * ((2 * t + 4) * b1**t / c1 + 1)
    c2_error = unit * ((2 * t + 4) * b2**t / c2 + 1)
    root = np.sqrt(v / c2)
    root_error = error_of_root(v, v_error) / np.sqrt(c2) + root * c2_error / 2
    step = plan.lr * m / c1 / (root + eps)
    error = plan.lr / c1 / (root + eps) * m_error
    error += step * (c1_error + root_error / (root + eps) + (roundings + 2) * unit)
    decayed = 0.0 if coupled else plan.lr * plan.weight_decay * param
    result = 2 * np.abs(moved[name]) + roundings * decayed + param
    return {
        f"{name}/m": m_error,
        f"{name}/v": v_error,
        name: error + unit * result,
    }


def root_bound(
    plan: Plan,
    name: str,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
    unit: float,
    roundings: float,
) -> dict[str, Array]:
    """The same for RMSprop and AdaGrad: p - lr g / (sqrt(v) + eps).

    1 - alpha is off by one rounding of alpha, which counts as much as it is larger.
    """
    alpha = plan.alpha if OPTIMIZERS[plan.optimizer].rule == "rmsprop" else None
    keep, new = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    param, v = np.abs(params[name]), memory[f"{name}/v"]
    slope = np.abs(grads[name]) + plan.weight_decay * param
    v_terms = keep * state[f"{name}/v"] + new * slope**2
    v_error = unit * (2 * roundings * v_terms + (alpha or 0.0) * slope**2 + 2 * v)
    v_error = v_error + PRECISIONS[plan.dtype].tiny
    root = np.sqrt(v)
    step = plan.lr * slope / (root + plan.eps)
    error = step * (2 * (roundings + 1) * unit + error_of_root(v, v_error) / (root + plan.eps))
    return {f"{name}/v": v_error, name: error + unit * (2 * np.abs(moved[name]) + param)}


def error_of_root(v: Array, error: Array) -> Array:
    """How far the root of a square is off that is off by so much."""
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = np.where(v > 0, error / (2 * np.sqrt(v)), np.inf)
    found: Array = np.minimum(linear, np.sqrt(error))
    return found
