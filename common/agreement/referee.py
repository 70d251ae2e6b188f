"""The referee: NumPy in float64 with gradients by hand, and what it says of a run.

It trains the whole run once (`Referee.path`) and hands out the states on its way; every
backend can be put on them, so that each is asked the same question from equal inputs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from common.agreement.coarse import CoarseSession
from common.agreement.divergence import in_dtype, overflows
from common.agreement.random_rounding import RoundingSession
from common.agreement.schedule import Schedule
from common.contract.arrays import Array, Arrays
from common.contract.info import REFEREE
from common.contract.models import MODELS, Model
from common.contract.plan import Plan
from common.contract.precision import PRECISIONS, cast, cast_one, held, neighbour
from common.contract.registry import Rules
from common.entrants.local import LocalSession
from common.entrants.session import Session

#: Steps between two looks at the clock, if there is one.
LOOKS = 8


@dataclass
class State:
    """A place on the referee's path: what every backend is put on.

    Attributes:
        step: about to be made.
        params, state: the referee's, rounded to the run's dtype: all can hold them exactly.
        index: the examples of the step's batch.
        other: those of another batch of that size.
        last: whether it is the last of them, where the evaluation is checked, too.
    """

    step: int
    params: Arrays
    state: Arrays
    index: Array
    other: Array
    last: bool = False


@dataclass
class Path:
    """The referee's run, and epoch 1's batches as the run's dtype has them.

    Attributes:
        losses: one a step; fewer than there are steps, if it would have taken too long.
        states: that the components are checked on.
        classes, margins: chosen for the test images in the end, and by how much; None without any,
            or without the end.
        fingerprint: of epoch 1's batches.
        diverges: the first step with a loss, or a wanted state, that overflows; None if none does.
        seconds: that its steps took.
    """

    losses: Array
    states: list[State]
    classes: Array | None
    margins: Array | None
    fingerprint: str
    diverges: int | None = None
    seconds: float = 0.0


@dataclass
class Referee:
    """NumPy in float64, and NumPy in the run's dtype to show what that arithmetic costs.

    Args:
        plan: of the run.
        data: as for `Session.open`.
        rules: instead of the plan's: differences that a framework declares.
        model: what is trained, if it is none of the registered models.
        make: makes its sessions, if they are not NumPy's: of what is being ported.
        make_rounding: the same of one whose operations round at random.
        draws: whether random roundings count, where nothing says that its sums are long.
        own_rule: whether its update is its own, and not the plan's.
        errors: function -> how far an entrant's own errs, where that is more than a few roundings.
    """

    plan: Plan
    data: dict[str, Any]
    rules: Rules | None = None
    model: Model | None = None
    make: Callable[[], LocalSession] | None = None
    make_rounding: Callable[[], LocalSession] | None = None
    draws: bool = False
    own_rule: bool = False
    errors: dict[str, float] = field(default_factory=dict)
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
        if self.make:
            session = self.make()
        elif PRECISIONS[dtype].own:
            session = LocalSession(REFEREE, rules=self.rules)
        else:
            session = CoarseSession(REFEREE, dtype, self.rules)
        self._set_up(session, dtype)
        return session

    def _set_up(self, session: LocalSession, dtype: str) -> None:
        """Open a session of the plan in a dtype."""
        plan = {**self.plan.asdict(), "dtype": held(dtype), "device": "cpu"}
        choices = {"style": "scratch", "mode": "eager", "data": "memory"}
        data = {**self.data, "initial": cast(self.data["initial"], dtype)}
        if "train" in data:
            data["train"] = tuple(cast_one(array, dtype) for array in data["train"])
        session.open(plan, choices, data)

    @cached_property
    def rounding(self) -> LocalSession:
        """The exact one, each operation rounding at random as in the run's dtype."""
        if self.make_rounding is not None:
            session = self.make_rounding()
        else:
            session = RoundingSession(REFEREE, self.plan.dtype, 5, self.rules, self.errors)
        self._set_up(session, "float64")
        return session

    @cached_property
    def erring(self) -> RoundingSession:
        """The exact one, but for functions that err as far as an entrant's own do."""
        session = RoundingSession(REFEREE, None, rules=self.rules, errors=self.errors)
        self._set_up(session, "float64")
        return session

    def plan_at(self, state: Arrays) -> Plan:
        """The plan with the learning rate of the step after a state."""
        rates = self.exact.rates
        if rates is None:
            return self.plan
        return replace(self.plan, lr=float(rates[min(int(state["step"]), len(rates) - 1)]))

    def claim(self) -> None:
        """Have float64 again, after somebody in this process has asked for another dtype."""
        self.exact.set_up()

    def path(self, schedule: Schedule, allowed: Callable[[Array], float] | None = None) -> Path:
        """Run the training; keep the states that the components are checked on.

        They are: before the first step, the first epoch's last batch, the last epoch's, as far
        as the training stays in the range of the run's dtype. If not all steps fit in the time
        there is, the last batch of the first epoch stands for those that were not reached.

        Args:
            schedule: of the run.
            allowed: how many seconds it may take, judged by the losses so far; None: any.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return self._path(schedule, allowed)

    def _path(self, schedule: Schedule, allowed: Callable[[Array], float] | None) -> Path:
        dtype, overflown, started = self.plan.dtype, [], time.monotonic()
        wanted = {1, schedule.per_epoch, schedule.total}
        losses: list[Array] = []
        states: list[State] = []
        cuts = range(1, schedule.total, LOOKS) if allowed else ()
        self.exact.load(cast(self.data["initial"], "float64"))
        for first, stop in schedule.parts({*wanted, *cuts}):
            took = time.monotonic() - started
            late = bool(allowed and first > LOOKS and took > allowed(np.concatenate(losses)))
            if first in wanted or late:
                state = self.state(schedule, first)
                if late and first < schedule.per_epoch:
                    state = replace(state, index=schedule.batch(schedule.per_epoch))
                state.last = state.last or late
                if overflows((*state.params.values(), *state.state.values()), dtype):
                    overflown.append(first)
                else:
                    states.append(state)
            if late:
                break
            losses.append(self.exact.train(schedule.part(first, stop)).losses)
        took = time.monotonic() - started
        classes, margins = None, None
        if self.exact.has_test_set() and not late:
            ordered = np.sort(logits := self.exact.test_logits(self.exact.params()), axis=1)
            classes, margins = logits.argmax(axis=1), ordered[:, -1] - ordered[:, -2]
        fingerprint = self.plain.fingerprint(schedule.orders[0])
        along = np.concatenate(losses)
        overflown += [int(i) + 1 for i in np.flatnonzero(~np.isfinite(in_dtype(along, dtype)))]
        diverges = min(overflown, default=None)
        return Path(along, states, classes, margins, fingerprint, diverges, took)

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


def free_run(session: Session, orders: Iterable[Array], initial: Arrays) -> Array:
    """Train from given parameters along all orders; the step losses."""
    session.load(initial)
    return np.concatenate([session.train(order).losses for order in orders])


def nudged(initial: Arrays, dtype: str, seed: int = 1) -> Arrays:
    """Move every parameter by one unit in the last place, up or down at random."""
    draw = np.random.default_rng(seed)
    return {
        name: neighbour(array, draw.random(array.shape) >= 0.5, dtype)
        for name, array in initial.items()
    }
