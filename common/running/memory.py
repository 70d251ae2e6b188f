"""What memory a run takes at least, and its checks about, and whether there is so much."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.precision import PRECISIONS
from common.contract.schedules import steps_of
from common.data import draws
from common.data.description import Dataset
from common.errors import Refused
from common.measure.machine import free_memory_bytes
from common.running.work import Work, examples_of

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


def refuse_large(plan: Plan, dataset: Dataset | None, *, entrants: int, trains: bool) -> None:
    """Refuse, before it is asked for, what takes more memory than there is.

    Counted is what no run can do without. Of P parameters, the largest tensor of Q of them, in
    numbers of b bytes: 8 Q + b P while they are drawn; on a CPU b P (2 + B) for each entrant, its
    parameters, their gradients and the B arrays of its optimiser. Of each step 8 for its loss, of
    each entrant in each round. Whatever a framework takes itself, examples and checks come on top.

    Args:
        plan: of the run.
        dataset: what is trained on; None for synthetic data.
        entrants: how many there are.
        trains: whether any step is made; else there are no gradients and no losses.

    Raises:
        Refused: naming what is to be smaller.
    """
    shape = dataset.inputs.shape if dataset else draws.TRUE_WEIGHT.shape
    classes = len(dataset.classes) if dataset else 0
    sizes = MODELS[plan.model].axes(shape, plan.hidden, classes).values()
    numbers = [math.prod(axes.values()) for axes in sizes]
    width = 8 if plan.dtype == "float64" else 4 if PRECISIONS[plan.dtype].own else 2
    whole = width * sum(numbers)
    held = whole * (2 + buffers(plan) if trains else 1) * entrants if plan.device == "cpu" else 0
    parameters = max(8 * max(numbers) + whole, held)
    steps = steps_of(plan.asdict(), examples_of(plan, dataset)) if trains else 0
    losses = 8 * steps * plan.rounds * entrants
    free = free_memory_bytes()
    for what, needed, remedy in (
        (f"{sum(numbers):,} parameters".replace(",", " "), parameters, "a smaller --hidden"),
        ("the losses of its steps", losses, "fewer --epochs or --rounds"),
    ):
        if needed > free:
            raise Refused(
                f"too little memory: {what} take {needed / 1e9:.3g} GB at least, and "
                f"{free / 1e9:.3g} are free; try {remedy}"
            )


def refuse_orders(plan: Plan, examples: int, folder: Path) -> None:
    """Refuse a run whose order.npy, of 4 bytes for each example of each epoch, finds no room.

    Raises:
        Refused: its folder's disk has too little.
    """
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    disk, needed = shutil.disk_usage(there), 4 * plan.epochs * examples
    # One of no size at all, as /proc is, has no files of anybody's: making the folder says so.
    if disk.total and needed > disk.free:
        raise Refused(
            f"order.npy of {plan.epochs} epochs takes {needed / 1e9:.3g} GB, and "
            f"{disk.free / 1e9:.3g} are free in {there}; try fewer --epochs, a smaller --limit or "
            "another --out"
        )


def buffers(plan: Plan) -> int:
    """How many arrays of each parameter's size a plan's optimiser keeps."""
    rule = OPTIMIZERS[plan.optimizer].rule
    return int(bool(plan.momentum)) if rule == "sgd" else BUFFERS[rule]
