"""The referee: NumPy in float64 with gradients by hand, and what it says of a run.

It trains the whole run once (`Referee.path`) and hands out the states on its way; every
backend can be put on them, so that each is asked the same question from equal inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.models import MODELS, Model
from common.contract.plan import Plan
from common.entrants.local import LocalSession
from common.entrants.session import Session

REFEREE = "numpy"


class Schedule:
    """Which examples every step of a run takes; steps are counted from 1.

    Args:
        orders: one per epoch.
        batch_size: examples in a batch; the last one of an epoch may be short.
    """

    def __init__(self, orders: Sequence[Array], batch_size: int) -> None:
        self.orders, self.batch_size = orders, batch_size
        self.per_epoch = -(-len(orders[0]) // batch_size)
        self.total = self.per_epoch * len(orders)

    def part(self, first: int, stop: int) -> Array:
        """The examples of steps first <= step < stop, all in one epoch."""
        epoch, start = divmod(first - 1, self.per_epoch)
        end = start + stop - first
        examples: Array = self.orders[epoch][start * self.batch_size : end * self.batch_size]
        return examples

    def batch(self, step: int) -> Array:
        """The examples of one step."""
        return self.part(step, step + 1)

    def other_batch(self, step: int) -> Array:
        """As many examples as a step has, but others, if there are any."""
        size, order = len(self.batch(step)), self.orders[0]
        other: Array = order[-size:] if step == 1 else order[:size]
        return other

    def parts(self, steps: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Cut the run before each of some steps, and between epochs: pairs (first, stop)."""
        starts = {*range(1, self.total + 1, self.per_epoch), *steps}
        cuts = sorted({*starts, self.total + 1})
        yield from itertools.pairwise(cuts)


@dataclass
class State:
    """A place on the referee's path: what every backend is put on.

    Attributes:
        step: about to be made.
        params, state: the referee's, rounded to the run's dtype: all can hold them exactly.
        index: the examples of the step's batch.
        other: those of another batch of that size.
        last: whether it is the run's last step, where the evaluation is checked, too.
    """

    step: int
    params: Arrays
    state: Arrays
    index: Array
    other: Array
    last: bool = False


@dataclass
class Path:
    """The referee's whole run, and epoch 1's batches as the run's dtype has them."""

    losses: Array
    states: list[State]
    classes: Array | None
    margins: Array | None
    fingerprint: str


@dataclass
class Referee:
    """NumPy in float64, and NumPy in the run's dtype to show what that arithmetic costs.

    Args:
        plan: of the run.
        data: as for `Session.open`.
        rule: an update rule instead of the plan's: a difference that a framework declares.
        model: what is trained, if it is none of the registered models.
        make: makes its sessions, if they are not NumPy's: of what is being ported.
    """

    plan: Plan
    data: dict[str, Any]
    rule: Callable[..., Any] | None = None
    model: Model | None = None
    make: Callable[[], LocalSession] | None = None
    exact: LocalSession = field(init=False)
    plain: LocalSession = field(init=False)

    def __post_init__(self) -> None:
        # The exact one last: some frameworks have float64 only while it is switched on.
        self.plain = self._open(self.plan.dtype)
        self.exact = self._open("float64")

    @property
    def described(self) -> Model:
        """The model that is trained."""
        return self.model or MODELS[self.plan.model]

    def _open(self, dtype: str) -> LocalSession:
        session = self.make() if self.make else LocalSession(REFEREE, rule=self.rule)
        plan = {**self.plan.asdict(), "dtype": dtype, "device": "cpu"}
        choices = {"style": "scratch", "mode": "eager", "data": "memory"}
        data = {**self.data, "initial": cast(self.data["initial"], dtype)}
        if "train" in data:
            data["train"] = tuple(cast_one(array, dtype) for array in data["train"])
        session.open(plan, choices, data)
        return session

    def claim(self) -> None:
        """Have float64 again, after somebody in this process has asked for another dtype."""
        self.exact.set_up()

    def path(self, schedule: Schedule) -> Path:
        """Run the whole training; keep the states that the components are checked on.

        They are: before the first step, the first epoch's last batch, the last epoch's.
        """
        wanted = {1, schedule.per_epoch, schedule.total}
        losses, states = [], []
        self.exact.load(cast(self.data["initial"], "float64"))
        for first, stop in schedule.parts(wanted):
            if first in wanted:
                states.append(self.state(schedule, first))
            losses.append(self.exact.train(schedule.part(first, stop))["losses"])
        classes, margins = None, None
        if self.exact.has_test_set():
            ordered = np.sort(logits := self.exact.test_logits(self.exact.params()), axis=1)
            classes, margins = logits.argmax(axis=1), ordered[:, -1] - ordered[:, -2]
        fingerprint = self.plain.fingerprint(schedule.orders[0])
        return Path(np.concatenate(losses), states, classes, margins, fingerprint)

    def state(self, schedule: Schedule, step: int) -> State:
        """Where it is now, about to make a step."""
        dtype = self.plan.dtype
        return State(
            step,
            cast(self.exact.params(), dtype),
            cast(self.exact.state(), dtype),
            schedule.batch(step),
            schedule.other_batch(step),
            last=step == schedule.total,
        )


def cast(arrays: Mapping[str, Array], dtype: str) -> Arrays:
    """Round (or widen) every array of real numbers."""
    return {name: cast_one(array, dtype) for name, array in arrays.items()}


def cast_one(array: Array, dtype: str) -> Array:
    """Round (or widen) an array of real numbers; a count stays what it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def free_run(session: Session, orders: Iterable[Array], initial: Arrays) -> Array:
    """Train from given parameters along all orders; the step losses."""
    session.load(initial)
    return np.concatenate([session.train(order)["losses"] for order in orders])


def nudged(initial: Arrays, seed: int = 1) -> Arrays:
    """Move every parameter by one unit in the last place, up or down at random."""
    draw = np.random.default_rng(seed)
    return {
        name: np.nextafter(
            array, np.where(draw.random(array.shape) < 0.5, -np.inf, np.inf).astype(array.dtype)
        )
        for name, array in initial.items()
    }


def ulp(value: float, dtype: str) -> float:
    """Distance from |value| to the next larger number of a dtype."""
    return float(np.spacing(np.abs(np.asarray(value).astype(dtype))))
