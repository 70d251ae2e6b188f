"""What the machine says of itself: clock, cores, memory."""

from __future__ import annotations

import math
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: From this share of the cores' time on, taken by others, an epoch counts as disturbed.
DISTURBED = 0.1

#: What the kernel's counting in hundredths of a second may hide, seconds.
FORGIVEN = 0.03

#: So much of the cores' time is judged together where an epoch is too short by itself, seconds.
TOGETHER = 1.0


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
    return Watch().disturbed(before, after, worked)


@dataclass
class Watch:
    """Whether others used an entrant's cores, epoch after epoch.

    An epoch of a few hundredths of a second cannot tell by itself, as what is forgiven is as
    long; so the last of them are judged together, up to a second of the cores' time. What the
    counting may hide in n of them is n random parts of a hundredth: √n times as much is forgiven.
    """

    #: of the last short epochs: seconds of the cores' time, how many of it others took, as they
    #: were counted, below zero as often as above where nobody did, and the host
    _short: deque[tuple[float, float, float]] = field(default_factory=deque, init=False)

    def disturbed(self, before: Reading, after: Reading, worked: float | None) -> bool:
        """Whether others used the cores between two readings; see `disturbed`."""
        if before.busy is None or after.busy is None:
            return False
        there = (after.at - before.at) * after.cores
        stolen = (after.stolen or 0.0) - (before.stolen or 0.0)
        others = 0.0
        if worked is not None:
            others = after.busy - before.busy - worked - (after.own - before.own)
        if max(others, stolen) > DISTURBED * there + FORGIVEN:
            return True
        if there * DISTURBED > FORGIVEN:
            return False
        self._short.append((there, others, stolen))
        while sum(one for one, *_ in self._short) > TOGETHER:
            self._short.popleft()
        in_all, by_others, by_host = map(sum, zip(*self._short, strict=True))
        forgiven = FORGIVEN * math.sqrt(len(self._short))
        return bool(max(by_others, by_host) > DISTURBED * in_all + forgiven)


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far.

    Linux keeps it per program (VmHWM); getrusage would count the parent's size before exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def free_memory_bytes() -> float:
    """What may still be taken without swapping; infinite where the system does not tell."""
    told = Path("/proc/meminfo")
    if told.exists():
        for line in told.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024.0
    return math.inf


def limit_cores(threads: int) -> None:
    """Keep this process on as many cores as it may use threads, where the system can.

    Every framework sizes its pools by the cores it sees, some by nothing else.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, usable_cores()[:threads])


def usable_cores() -> list[int]:
    """The cores this process may use; a worker keeps to the first of them."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def available_cores() -> int:
    """How many cores this process may use."""
    return len(usable_cores())
