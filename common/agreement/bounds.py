"""How far rounding may lead an update, and which counts it may change."""

from __future__ import annotations

from typing import Any

import numpy as np

from common.agreement.divergence import distance
from common.contract.arrays import Array, Arrays
from common.contract.models import statistics_of
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan

UPDATE_ROUNDINGS = 6


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
) -> dict[str, Any]:
    """How far rounding may lead an update, element by element.

    Args:
        plan: of the run.
        params, grads, state: before it, float64.
        moved, memory: parameters and state after it.
    """
    # Half a unit in the last place; in a float64 run the referee rounds as much again.
    unit = float(np.finfo(plan.dtype).eps) / (1 if plan.dtype == "float64" else 2)
    # What is smaller may be zero: some frameworks have no subnormal numbers.
    least = float(np.finfo(plan.dtype).tiny)
    bound_of = {"sgd": sgd_bound, "adam": adam_bound}[OPTIMIZERS[plan.optimizer].rule]
    allowed: dict[str, Any] = {"step": 0.0}
    statistics = statistics_of(plan.model)
    allowed |= dict.fromkeys(statistics, 0.0)  # set to what they are given
    for name in (name for name in params if name not in statistics):
        allowed |= bound_of(plan, name, params, grads, state, moved, memory, unit)
    return {name: bound + least for name, bound in allowed.items()}


def sgd_bound(
    plan: Plan,
    name: str,
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    moved: Arrays,
    memory: Arrays,
    unit: float,
) -> dict[str, Array]:
    """The same for one parameter of gradient descent, and its momentum if it has one."""
    allowed: dict[str, Array] = {}
    terms = np.abs(grads[name]) + plan.weight_decay * np.abs(params[name])
    if (m := f"{name}/m") in state:
        terms = terms + plan.momentum * np.abs(state[m])
        allowed[m] = unit * (UPDATE_ROUNDINGS * terms + 2 * np.abs(memory[m]))
    allowed[name] = unit * (UPDATE_ROUNDINGS * plan.lr * terms + 2 * np.abs(moved[name]))
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
    m_error = unit * (UPDATE_ROUNDINGS * (b1 * np.abs(state[f"{name}/m"]) + (1 - b1) * slope))
    m_error += unit * (b1 * slope + 2 * m)
    v_terms = b2 * state[f"{name}/v"] + (1 - b2) * slope**2
    v_error = unit * (2 * UPDATE_ROUNDINGS * v_terms + b2 * slope**2 + 2 * v)
    # What is smaller than any normal number may be taken for zero.
    v_error = v_error + float(np.finfo(plan.dtype).tiny)
    c1, c2 = 1 - b1**t, 1 - b2**t
    c1_error = unit * ((2 * t + 4) * b1**t / c1 + 1)
    c2_error = unit * ((2 * t + 4) * b2**t / c2 + 1)
    root = np.sqrt(v / c2)
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = np.where(v > 0, v_error / (2 * np.sqrt(v)), np.inf)
    root_error = np.minimum(linear, np.sqrt(v_error)) / np.sqrt(c2) + root * c2_error / 2
    step = plan.lr * m / c1 / (root + eps)
    error = plan.lr / c1 / (root + eps) * m_error
    error += step * (c1_error + root_error / (root + eps) + (UPDATE_ROUNDINGS + 2) * unit)
    decayed = 0.0 if coupled else plan.lr * plan.weight_decay * param
    result = 2 * np.abs(moved[name]) + UPDATE_ROUNDINGS * decayed + param
    return {
        f"{name}/m": m_error,
        f"{name}/v": v_error,
        name: error + unit * result,
    }
