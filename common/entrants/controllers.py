"""An entrant whose processes run one program together: each has the whole, and computes a share.

Every call is every process's: one that a process does not make, the others wait in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from common.contract.arrays import Array
from common.entrants.parallel import ParallelSession, Part, T
from common.entrants.session import Evaluated
from common.errors import Failed


class ControllersSession(ParallelSession):
    """As `ParallelSession`, of processes that say the same."""

    def __init__(self, parts: Sequence[Part]) -> None:
        super().__init__(parts)
        self._least = 1  # a batch with fewer examples is filled up

    def evaluate(self) -> Evaluated:
        """As `Session.evaluate`, by every process."""
        found = self._all(lambda one: one.evaluate())
        self._alike("test loss", [np.asarray(one.loss) for one in found])
        self._alike("number of correct", [np.asarray(one.count) for one in found])
        first: Evaluated = found[0]
        return first

    def predict(self) -> Array:
        """As `Session.predict`, by every process."""
        return self._alike("prediction", self._all(lambda one: one.predict()))

    def _one(self, call: Callable[[Part], T]) -> T:
        first: T = self._all(call)[0]
        return first

    def _mean(self, losses: Sequence[Array]) -> Array:
        return self._alike("loss", losses)

    def _sum(self, counts: Sequence[Array]) -> Array:
        return self._alike("number of correct", counts)

    def _rows(self, name: str, parts: Sequence[Array]) -> Array:
        return self._alike(name, parts)

    def _hold_shares(self, index: Array, labels: Sequence[Array]) -> None:
        """Nobody takes a share: the program says who computes what."""

    def _alike(self, name: str, arrays: Sequence[Array]) -> Array:
        """The first of what all say; where they were seen to part before, what came of it is.

        Raises:
            Failed: one says something else, and nothing was seen that it would come of.
        """
        first, *others = arrays
        for rank, other in enumerate(others, 1):
            if self.apart is None and first.tobytes() != other.tobytes():
                raise Failed(f"its processes run one program, and rank {rank} has another {name}")
        return first
