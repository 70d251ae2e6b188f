"""What a plan makes of an update: a learning rate for every step, clipped gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.optimizers import clip_of
from common.contract.precision import held
from common.contract.registry import Rules
from common.contract.schedules import steps_of

#: Makes gradients smaller.
Clip = Callable[[Any], Any]


def rates(schedules: Any, style: str, plan: dict[str, Any], examples: int) -> Array:
    """The learning rates that a plan means, one for each step: (steps,), float64.

    Args:
        schedules: a backend's `schedule.py`.
        style: of its function.
        plan: of the run.
        examples: that it is trained on.
    """
    make = getattr(schedules, f"schedule_{style}")
    steps = steps_of(plan, examples)
    return np.asarray(make(plan["lr"], plan["schedule"], plan["warm_up"], steps), "float64")


def with_rates(
    plan: dict[str, Any], rates: Array | None, tensor: Callable[[Array], Any]
) -> dict[str, Any]:
    """A plan whose learning rate is a tensor of those of all steps, where there are some."""
    return plan if rates is None else {**plan, "lr": tensor(rates.astype(held(plan["dtype"])))}


def clip_for(
    plan: dict[str, Any], style: str, rules: Rules, own: Callable[[], Any], params: Any
) -> Clip | None:
    """What makes the gradients of some parameters smaller, if a plan has it so.

    Args:
        plan: of the run.
        style: of the function.
        rules: functions that stand for the backend's own.
        own: the backend's `clip.py`, imported when it is needed.
        params: that have a gradient.
    """
    if (asked := clip_of(plan)) is None:
        return None
    name, most = asked
    make: Callable[..., Clip] = rules.get(name) or getattr(own(), f"{name}_{style}")
    return make(params, most)


def clipping(update: Callable[..., Any], clip: Clip | None) -> Callable[..., Any]:
    """An update by gradients that are clipped before; as it is without a clip."""
    if clip is None:
        return update

    def clipped(params: Any, grads: Any, state: Any) -> Any:
        return update(params, clip(grads), state)

    return clipped
