"""What a plan makes of a loss: smoothed labels, weights of classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.losses import loss_function
from common.contract.precision import held


def loss_for(
    plan: dict[str, Any],
    style: str,
    function: Callable[[str], Any],
    tensor: Callable[[Array], Any],
) -> Callable[..., Any]:
    """The loss that a plan means: (logits, labels) -> the batch's mean.

    Args:
        plan: of the run.
        style: of the function.
        function: finds the backend's by its name.
        tensor: makes one of an array.
    """
    name, told = loss_function(plan)
    found: Callable[..., Any] = function(f"{name}_{style}")
    if told is None:
        return found
    if isinstance(told, tuple):
        told = tensor(np.asarray(told, held(plan["dtype"])))
    loss: Callable[..., Any] = found(told)
    return loss
