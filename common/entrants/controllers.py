"""An entrant whose processes run one program together: each has the whole, and computes a share.

Every call is every process's: one that a process does not make, the others wait in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from common.contract.arrays import Array
from common.entrants.parallel import ParallelSession, Part, T
from common.errors import Failed


class ControllersSession(ParallelSession):
    """As `ParallelSession`, of processes that say the same."""

    #: A batch with fewer examples is filled up.
    _least = 1

    def _one(self, call: Callable[[Part], T]) -> T:
        first: T = self._all(call)[0]
        return first

    def _mean(self, losses: Sequence[Array]) -> Array:
        return alike("loss", losses)

    def _sum(self, counts: Sequence[Array]) -> Array:
        return alike("number of correct", counts)

    def _rows(self, parts: Sequence[Array]) -> Array:
        return alike("batch", parts)

    def _hold_shares(self, index: Array, labels: Sequence[Array]) -> None:
        """Nobody takes a share: the program says who computes what."""


def alike(name: str, arrays: Sequence[Array]) -> Array:
    """The first of some arrays that are the same.

    Raises:
        Failed: one is not, bit by bit.
    """
    first, *others = arrays
    for rank, other in enumerate(others, 1):
        if not np.array_equal(first, other, equal_nan=True):
            raise Failed(f"its processes run one program, and rank {rank} has another {name}")
    return first
