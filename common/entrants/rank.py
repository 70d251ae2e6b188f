"""One of the processes that train one entrant: takes its share of every batch.

Started as `python -P -m common.entrants.rank DESCRIPTOR THREADS BACKEND RANK RANKS PORT [FOLDER]`;
see `common.entrants.worker`. What the framework does so that the processes train one model stands
in its backend's `parallel.py`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.labels import check_classes, check_targets
from common.entrants.local import LocalSession
from common.entrants.worker import answer, leave


class RankSession(LocalSession):
    """An entrant's part in this process.

    Args:
        backend: as for `LocalSession`.
        rank: which of the processes this is, from 0.
        ranks: how many there are.
        port: of this machine, where they meet.
    """

    _parallel: Any
    _joined = False
    #: As often as the others: a process that makes fewer calls, by its own clock, is waited for.
    warm_up_seconds = math.inf

    def __init__(self, backend: str, rank: int, ranks: int, port: int) -> None:
        super().__init__(backend)
        self._rank, self._ranks, self._port = rank, ranks, port
        self._reducing: dict[bool, Callable[..., Any]] = {}

    def set_up(self) -> dict[str, Any]:
        """As before, and meet the others, once."""
        said = super().set_up()
        self._reducing, self._parallel = {}, self._import("parallel")
        if not self._joined:
            self._parallel.join(self._rank, self._ranks, self._port)
            self._joined = True
        return {**said, "processes": self._ranks}

    def _differentiation(self) -> Any:
        """Gradients of all processes, for parameters that are there by then."""

        def made(forward: Any, loss: Any, mode: str) -> Any:
            reduced = self._parallel.gradients(forward, loss, mode, self._params)
            names = tuple(self._params)

            def flat(params: Any, images: Any, labels: Any) -> Any:
                value, logits, grads = reduced(params, images, labels)
                return (value, logits, *[grads[n] for n in names])

            self._reducing[False] = flat
            return reduced

        return made

    def _batch_size(self) -> Any:
        """How many examples of a full batch this process takes."""
        return len(self._share(np.arange(self._plan["batch_size"])))

    def _share(self, batch: Array) -> Array:
        part: Array = self._parallel.share(batch, self._rank, self._ranks)
        return part

    def _shares(self, order: Array) -> Array:
        """This process's share of every batch of an order, in a row."""
        size = self._plan["batch_size"]
        return np.concatenate(
            [self._share(order[start : start + size]) for start in range(0, len(order), size)]
        )

    def _run(self, order: Array) -> tuple[Array, Array]:
        return super()._run(self._shares(order))

    def batch(self, index: Array) -> tuple[Array, Array]:
        """This process's share of a batch, as the framework holds it."""
        return super().batch(self._share(index))

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """As `Session.gradients`, of this share; by what trains, put on other parameters."""
        self.load(params)
        if compiled not in self._reducing:
            self._reducing[compiled] = self._train.compiled(self._reducing[False], updates=False)
        images, labels = self._share(images), self._share(labels)
        if self._classifies:
            check_classes(labels, len(images), self._classes)
        else:
            check_targets(labels, len(images), self._target)
        held = self._data.to_array(self._held[1]).dtype
        value, logits, *grads = self._reducing[compiled](
            self._params, self._tensor(images), self._tensor(labels.astype(held))
        )
        named, to_array = dict(zip(self._params, grads, strict=True)), self._data.to_array
        return to_array(value), to_array(logits), dict(self._model.dump(named, self._axes))


def serve_part(
    kind: Callable[[str, int, int, int], LocalSession],
    descriptor: str,
    threads: str,
    backend: str,
    rank: str,
    ranks: str,
    port: str,
    folder: str | None = None,
) -> None:
    """Serve one backend's part, a session of a kind, on an inherited file descriptor."""

    def session() -> LocalSession:
        from common.contract.registry import extend_path

        if folder:
            extend_path(folder)
        return kind(backend, int(rank), int(ranks), int(port))

    answer(descriptor, threads, session)


if __name__ == "__main__":
    serve_part(RankSession, *sys.argv[1:])
    leave()
