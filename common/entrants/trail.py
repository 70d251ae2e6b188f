"""States that two sides name otherwise: each has its own, and both are asked at the same step.

Nobody can put one side on the other's state then. Instead every side makes its own updates from
its own first state along one trail, the referee's parameters and gradients, as far as the step in
question. What crosses between them is how many updates that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.axes import Axes
from common.contract.precision import cast

#: What a state that does not cross is called: the number of updates made. No tensor of somebody's
#: own has such a name.
UPDATES = "# updates"


class Leader(Protocol):
    """Whose parameters and gradients the trail is made of: the referee in float64."""

    def batch(self, index: Array) -> tuple[Array, Array]:
        """As `Session.batch`."""

    def gradients(self, params: Arrays, images: Array, labels: Array) -> tuple[Any, Any, Arrays]:
        """As `Session.gradients`."""

    def update(self, params: Arrays, grads: Arrays, state: Arrays) -> tuple[Arrays, Arrays]:
        """As `Session.update`."""


class Trail:
    """The referee's parameters and gradients step by step, as far as somebody asked.

    All of them are kept, in the run's dtype: two copies of the parameters a step.

    Args:
        initial: parameters it begins with.
        batch_of: which examples a step takes, counted from 1.
        dtype: of the run.
    """

    #: Set once the referee is open, which asks the trail as everybody does.
    leader: Leader

    def __init__(self, initial: Arrays, batch_of: Callable[[int], Array], dtype: str) -> None:
        self._next, self._batch_of, self._dtype = cast(initial, "float64"), batch_of, dtype
        self._steps: list[tuple[Arrays, Arrays]] = []

    def step(self, made: int) -> tuple[Arrays, Arrays]:
        """Parameters and gradients of the update after so many."""
        while len(self._steps) <= made:
            done, params = len(self._steps), self._next
            images, labels = self.leader.batch(self._batch_of(done + 1))
            _, _, grads = self.leader.gradients(params, images, labels)
            self._steps.append((cast(params, self._dtype), cast(grads, self._dtype)))
            self._next, _ = self.leader.update(params, grads, {UPDATES: np.asarray(done)})
        return self._steps[made]


@dataclass(frozen=True)
class Held:
    """How one framework holds things.

    Attributes:
        arrays: parameters or gradients by name, as tensors.
        number: a whole number, as a tensor.
        fetch: a tensor, as an array.
    """

    arrays: Callable[[Arrays], Any]
    number: Callable[[int], Any]
    fetch: Callable[[Any], Array]


class Counted:
    """What `update.py` says of a state, for one that does not cross: it is a pair, with a count.

    Args:
        inner: says it of the state itself.
        make: of parameters and settings, a first state and its update.
        held: how the framework holds things.
        trail: along which the state is made.
    """

    def __init__(
        self, inner: Any, make: Callable[..., tuple[Any, Any]], held: Held, trail: Trail
    ) -> None:
        self._inner, self._make, self._held, self._trail = inner, make, held, trail
        self._kept: list[Arrays] = []

    def make(self, params: Any, *settings: Any) -> tuple[Any, Any]:
        """A first state and its update, counting."""
        self._settings = settings
        first, update = self._make(params, *settings)

        def counting(params: Any, grads: Any, state: Any) -> tuple[Any, Any]:
            params, memory = update(params, grads, state[0])
            return params, (memory, state[1] + 1)

        return (first, self._held.number(0)), counting

    def dump_state(self, state: Any, axes: Axes) -> Arrays:
        """How many updates were made."""
        return {UPDATES: self._held.fetch(state[1])}

    def assign_state(self, state: Any, arrays: Arrays, axes: Axes) -> Any:
        """The state that its own updates lead to, so many along the trail."""
        made = int(arrays[UPDATES])
        memory = self._inner.assign_state(state[0], self._at(made, axes), axes)
        return memory, self._held.number(made)

    def _at(self, made: int, axes: Axes) -> Arrays:
        """The state after so many updates along the trail; all on the way are kept."""
        while len(self._kept) <= made:
            params, grads = self._trail.step(max(0, len(self._kept) - 1))
            start = self._held.arrays(params)
            memory, update = self._make(start, *self._settings)
            if self._kept:
                memory = self._inner.assign_state(memory, self._kept[-1], axes)
                _, memory = update(start, self._held.arrays(grads), memory)
            self._kept.append(self._inner.dump_state(memory, axes))
        return self._kept[made]
