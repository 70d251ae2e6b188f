"""What the machine says of itself: clock, cores, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: From this share of the cores' time on, taken by others, an epoch counts as disturbed.
DISTURBED = 0.1

#: What the kernel's counting in hundredths of a second may hide, seconds.
FORGIVEN = 0.03


@dataclass(frozen=True)
class Reading:
    """What the machine says of itself at one moment; seconds since it was started.

    Attributes:
        at: the time.
        cores: how many are counted.
        busy: how long they have worked, all together; None where it does not tell.
        stolen: how long the host kept them for others, likewise.
        own: how long this process has worked.
    """

    at: float
    cores: int
    busy: float | None
    stolen: float | None
    own: float


def reading(cores: Sequence[int], stat: Path = Path("/proc/stat")) -> Reading:
    """Read the clock, and what the kernel says of some cores.

    Args:
        cores: their numbers.
        stat: the kernel's file, see proc_stat(5); macOS has none.
    """
    busy = stolen = None
    if stat.exists():
        tick = os.sysconf("SC_CLK_TCK")
        busy = stolen = 0.0
        for line in stat.read_text().splitlines():
            name, *words = line.split()
            if name.removeprefix("cpu").isdigit() and int(name[3:]) in cores:
                user, nice, system, _, _, irq, softirq, steal = map(int, words[:8])
                busy += (user + nice + system + irq + softirq) / tick
                stolen += steal / tick
    return Reading(time.perf_counter(), len(cores), busy, stolen, time.process_time())


def disturbed(before: Reading, after: Reading, worked: float | None) -> bool:
    """Whether others used an entrant's cores between two readings.

    That is a tenth of their time, or more, that neither the entrant nor this process
    worked, or that the host gave to somebody else. Both are counted in hundredths of a second,
    three of which are forgiven.

    Args:
        before, after: around an epoch.
        worked: CPU seconds of the entrant; None where it has more than one process.
    """
    if before.busy is None or after.busy is None:
        return False
    allowed = DISTURBED * (after.at - before.at) * after.cores + FORGIVEN
    stolen = (after.stolen or 0.0) - (before.stolen or 0.0)
    others = 0.0
    if worked is not None:
        others = after.busy - before.busy - worked - (after.own - before.own)
    return max(others, stolen) > allowed
