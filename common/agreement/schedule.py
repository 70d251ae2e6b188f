"""Which examples every step of a run takes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from common.contract.arrays import Array


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

    def first(self, steps: int) -> Iterator[Array]:
        """The orders of the first steps, epoch by epoch, the last one maybe cut."""
        for first, stop in self.parts([steps + 1]):
            if first <= steps:
                yield self.part(first, stop)

    def parts(self, steps: Iterable[int]) -> Iterator[tuple[int, int]]:
        """Cut the run before each of some steps, and between epochs: pairs (first, stop)."""
        starts = {*range(1, self.total + 1, self.per_epoch), *steps}
        cuts = sorted({*starts, self.total + 1})
        yield from itertools.pairwise(cuts)
