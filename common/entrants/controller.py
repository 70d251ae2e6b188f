"""One of several processes that run one program together, each with a device of its own.

Started as `python -P -m common.entrants.controller DESCRIPTOR THREADS BACKEND RANK RANKS PORT
[FOLDER]`; see `common.entrants.worker`. The program is the one of `common.entrants.devices`: what
it says of a batch, a loss and a count is said of the whole, in every process.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from common.entrants.devices import DevicesSession
from common.entrants.rank import serve_part
from common.entrants.worker import leave


class ControllerSession(DevicesSession):
    """An entrant's part in this process.

    Args:
        backend: as for `LocalSession`.
        rank: which of the processes this is, from 0.
        ranks: how many there are.
        port: of this machine, where they meet.
    """

    _joined = False
    #: As often as the others: a call that one of them does not make, they wait in for ever.
    warm_up_seconds = math.inf

    def __init__(self, backend: str, rank: int, ranks: int, port: int) -> None:
        super().__init__(backend, ranks)
        self._rank, self._port = rank, port

    def set_up(self) -> dict[str, Any]:
        """Meet the others, once, and lay out the devices of all."""
        if not self._joined:
            self._import("parallel").join(self._rank, self._ranks, self._port)
            self._joined = True
        return {**super().set_up(), "processes": self._ranks}


if __name__ == "__main__":
    serve_part(ControllerSession, *sys.argv[1:])
    leave()
