"""Whether the machine was quiet enough for its times to be judged."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence

from common.measure.machine import disturbed, reading

#: In the place of who is faster.
BUSY = "machine busy: not judged"

#: By so much the machine's own rate may move.
MOVED = 0.1

#: From this share of its epochs on, disturbed by others, an entrant is not judged.
MANY = 0.5

#: So long it is looked whether others use the machine.
LOOK_SECONDS = 1.0


def moved(before: float | None, after: float | None) -> bool:
    """Whether two rates of the machine are so far apart that times around them say little."""
    return bool(before and after) and abs(after / before - 1) > MOVED  # type: ignore[operator]


def many(noted: Sequence[bool]) -> bool:
    """Whether others used the machine during half of some epochs, or more."""
    return bool(noted) and sum(noted) >= MANY * len(noted)


def busy_while(call: Callable[[], object], cores: Sequence[int]) -> bool:
    """Make a call; whether meanwhile others than it and what it started used some cores."""
    before, started = reading(cores), _children()
    call()
    return disturbed(before, reading(cores), _children() - started)


def busy_now(cores: Sequence[int]) -> bool:
    """Look for a second whether others use some cores."""
    return busy_while(lambda: time.sleep(LOOK_SECONDS), cores)


def wait(cores: Sequence[int], seconds: float) -> bool:
    """Wait until nobody else uses some cores, at most so long; whether nobody does."""
    ends = time.monotonic() + seconds
    while busy_now(cores):
        if time.monotonic() >= ends:
            return False
    return True


def _children() -> float:
    """Seconds that processes which this one started, and which have ended, worked."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
