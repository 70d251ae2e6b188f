"""The machine around what is timed: who else uses it, and whether its own rate moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from common.measure.limit import NotMeasured
from common.measure.machine import usable_cores
from common.measure.quiet import busy_while, moved, wait
from common.running.observer import Observer

#: Said before anything is timed, if others use the machine.
OTHERS = "others use the machine now: it may be too busy for times; --wait-quiet SECONDS waits"

RATE = "flops_per_second"


@dataclass
class Machine:
    """Measured while everybody is open and waits, right before times are taken and right after.

    Args:
        threads: how many cores an entrant has.
        observer: is told of it.
        measure: what the machine can do, see `common.measure.limit`; None where that says nothing.
        wait_quiet: how many seconds to wait at most for a quiet machine.
    """

    threads: int
    observer: Observer
    measure: Callable[[], dict[str, float] | None] | None = None
    wait_quiet: float = 0.0
    #: what was measured
    found: dict[str, float] | None = field(default=None, init=False)
    #: whether others used it meanwhile; None where that was not seen
    busy: bool | None = field(default=None, init=False)

    @property
    def moved(self) -> bool:
        """Whether its rate did between the two."""
        found = self.found or {}
        return moved(found.get(RATE), found.get(f"{RATE}_after"))

    def before(self) -> None:
        """Wait until it is quiet, if that was asked for, and measure it."""
        cores = usable_cores()[: self.threads]
        if self.wait_quiet:
            self.observer.phase("waiting for a quiet machine")
            if not wait(cores, self.wait_quiet):
                waited = f"{round(self.wait_quiet, 1):g} s"
                self.observer.phase(f"others still use the machine after {waited}")
        if self.measure is not None:
            self.observer.phase("measuring the machine")
            self.busy = busy_while(self._keep, cores)
            if self.found is None:  # it took too short to see anybody
                self.busy = None
            if self.busy:
                self.observer.phase(OTHERS)

    def after(self) -> None:
        """Measure its rate again: where it moved, no times are judged."""
        if (before := self.found) is None:
            return
        self.observer.phase("measuring the machine again")
        if rate := (self._measured() or {}).get(RATE):
            before[f"{RATE}_after"] = rate

    def _keep(self) -> None:
        self.found = self._measured()

    def _measured(self) -> dict[str, float] | None:
        assert self.measure is not None
        try:
            return self.measure()
        except NotMeasured as error:
            self.observer.phase(f"the machine was not measured: {error}")
            return None
