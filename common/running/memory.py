"""What memory the checks take, and whether there is so much."""

from __future__ import annotations

from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.measure.machine import free_memory_bytes
from common.running.work import Work

#: Copies of the parameters in float64 that a referee's run and what it expects were measured to
#: hold, of a perceptron without optimiser state; and an eighth.
COPIES = {"quick": 66, "full": 97}

#: Arrays of each parameter's size in an optimiser's state: two of them add as much again.
BUFFERS = {"sgd": 0, "adam": 2, "rmsprop": 1, "adagrad": 1}


def lacking(work: Work, check: str, benches: int) -> str | None:
    """Why nothing is checked, if there is too little memory for it.

    Args:
        work: what was trained.
        check: what is checked: full, or quick.
        benches: how many runs of the referee that takes, each with what it expects.
    """
    size = sum(array.size for array in work.initial.values())
    needed = 8.0 * COPIES[check] * size * (1 + buffers(work.plan) / 2) * benches
    free = free_memory_bytes()
    if needed <= free:
        return None
    less = "; --check quick takes two thirds" if check == "full" else ""
    return (
        f"its checks would take about {needed / 1e9:.3g} GB of memory, and {free / 1e9:.3g} "
        f"are free{less}"
    )


def buffers(plan: Plan) -> int:
    """How many arrays of each parameter's size a plan's optimiser keeps."""
    rule = OPTIMIZERS[plan.optimizer].rule
    return int(bool(plan.momentum)) if rule == "sgd" else BUFFERS[rule]
