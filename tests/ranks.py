"""Ranks and devices for tests: they train one copy of a backend after the other."""

from __future__ import annotations

import sys

from common.contract.registry import extend_path
from common.entrants.controller import ControllerSession
from common.entrants.devices import DevicesSession
from common.entrants.local import LocalSession
from common.entrants.rank import RankSession
from common.entrants.worker import answer, leave


class Several(LocalSession):
    """Trains whatever copy it was last told of."""

    def become(self, backend: str) -> None:
        """Train this copy from the next `open` on."""
        self.backend, self._package = backend, f"backends.{backend}"

    def warm_up_within(self, seconds: float) -> None:
        """Warm up as a slower process would, which makes fewer calls in its time."""
        LocalSession.warm_up_seconds = seconds


class Rank(Several, RankSession):
    """A process; it joins the others once."""


class Devices(Several, DevicesSession):
    """A process that has all devices."""


class Controller(Several, ControllerSession):
    """A process; it joins the others once."""


if __name__ == "__main__":
    descriptor, threads, backend, name, *numbers, folder = sys.argv[1:]
    extend_path(folder)
    kind = {"ranks": Rank, "devices": Devices, "controllers": Controller}[name]
    answer(descriptor, threads, lambda: kind(backend, *map(int, numbers)))
    leave()
