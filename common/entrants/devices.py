"""An entrant that trains on several devices of one process.

Started as `python -P -m common.entrants.devices DESCRIPTOR THREADS BACKEND RANKS [FOLDER]`; see
`common.entrants.worker`. How the framework divides a batch among its devices stands in its
backend's `parallel.py`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from common.contract.arrays import Array, Arrays
from common.entrants.local import LocalSession
from common.entrants.parallel import ONE_ANSWERS
from common.entrants.session import Inferred, Trained
from common.entrants.worker import answer, leave
from common.errors import Failed, Unavailable


class DevicesSession(LocalSession):
    """An entrant on several devices.

    Args:
        backend: as for `LocalSession`.
        ranks: how many devices.
    """

    _parallel: Any
    _mesh: Any

    def __init__(self, backend: str, ranks: int) -> None:
        super().__init__(backend)
        self._ranks = ranks

    def set_up(self) -> dict[str, Any]:
        """As before, and lay out the devices.

        Raises:
            Unavailable: there are fewer.
        """
        said = super().set_up()
        self._parallel = self._import("parallel")
        self._mesh = self._parallel.mesh(self._ranks, self._plan["device"])
        if self._mesh.size < self._ranks:
            raise Unavailable(f"{self._ranks} devices were asked for; {self._mesh.size} are there")
        return {**said, "devices": self._ranks}

    def _differentiation(self) -> Any:
        """Gradients of a batch that is divided among the devices."""
        told = {"mesh": self._mesh, "statistics": self._statistics}
        return partial(self._parallel.gradients, **told)

    def _tensor(self, array: Array) -> Any:
        return self._parallel.replicated(super()._tensor(array), self._mesh)

    def _loaded(self, arrays: Arrays) -> Any:
        # One by one: a framework may hand a dict back in another order.
        held = super()._loaded(arrays).items()
        return {name: self._parallel.replicated(one, self._mesh) for name, one in held}

    def _new_update(self, params: Any) -> tuple[Any, Any]:
        # What counts the steps stands for no parameter, and is made on one device.
        state, update = super()._new_update(params)
        return self._parallel.replicated(state, self._mesh), update

    def _placed(self, images: Array, labels: Array) -> Any:
        return self._parallel.replicated(super()._placed(images, labels), self._mesh)

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """As `Session.load`; every device must then have the same parameters, bit by bit.

        Raises:
            Failed: one has not.
        """
        super().load(params, state)
        self._hold("the devices start from different copies of {}")

    def train(self, order: Array) -> Trained:
        """As `Session.train`, and as `load`."""
        trained = super().train(order)
        self._hold("the devices have different copies of {} after training")
        return trained

    def _hold(self, words: str) -> None:
        if names := self._parallel.unlike(self._params):
            raise Failed(words.format(", ".join(sorted(names))))

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """As `Session.infer`: not here."""
        raise Failed(ONE_ANSWERS)


def main(
    descriptor: str, threads: str, backend: str, ranks: str, folder: str | None = None
) -> None:
    """Serve one backend's devices on an inherited file descriptor."""

    def session() -> DevicesSession:
        from common.contract.registry import extend_path

        if folder:
            extend_path(folder)
        return DevicesSession(backend, int(ranks))

    answer(descriptor, threads, session)


if __name__ == "__main__":
    main(*sys.argv[1:])
    leave()
