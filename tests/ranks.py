"""A rank for tests: it trains one copy of a backend after the other, and joins the others once."""

from __future__ import annotations

import sys

from common.contract.registry import extend_path
from common.entrants.local import LocalSession
from common.entrants.rank import RankSession
from common.entrants.worker import answer, leave


class Several(RankSession):
    """A rank of whatever copy it was last told of."""

    def become(self, backend: str) -> None:
        """Train this copy from the next `open` on."""
        self.backend, self._package = backend, f"backends.{backend}"

    def warm_up_within(self, seconds: float) -> None:
        """Warm up as a slower process would, which makes fewer calls in its time."""
        LocalSession.warm_up_seconds = seconds


if __name__ == "__main__":
    descriptor, threads, backend, rank, ranks, port, folder = sys.argv[1:]
    extend_path(folder)
    answer(descriptor, threads, lambda: Several(backend, int(rank), int(ranks), int(port)))
    leave()
