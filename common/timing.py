"""Whose turn it is, and what the clock readings say."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

#: A ratio is called a difference only if its whole interval lies beyond this.
CLEAR = 0.05
#: Fewer readings than this have no interval.
LEAST = 3
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


def turns(entrants: int, epochs: int, seed: int) -> list[list[int]]:
    """Whose turn it is in each epoch: every entrant once, in a shuffled order.

    The machine's drift then hits all alike; the shuffle is seeded, so that a run repeats.
    """
    draw = np.random.default_rng([seed, entrants, epochs])
    return [draw.permutation(entrants).tolist() for _ in range(epochs)]


def interval(readings: Sequence[float]) -> tuple[float | None, float | None]:
    """95 % percentile-bootstrap interval of the median; (None, None) under three readings.

    See: https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.bootstrap.html
    """
    if len(readings) < LEAST:
        return None, None
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        # Equal readings have an interval of no width, which scipy warns of.
        warnings.simplefilter("ignore")
        found = bootstrap(
            (np.asarray(readings),), np.median, method="percentile", n_resamples=2000, rng=0
        ).confidence_interval
    return float(found.low), float(found.high)


def summary(readings: Sequence[float]) -> dict[str, Any]:
    """`epoch_seconds` of results.json: with one epoch or none there is no steady median."""
    if not readings:
        return {"median": None, "low": None, "high": None, "min": None, "all": []}
    low, high = interval(readings)
    return {
        "median": float(np.median(readings)),
        "low": low,
        "high": high,
        "min": min(readings),
        "all": list(readings),
    }


def compare(a: Sequence[float], b: Sequence[float]) -> dict[str, Any]:
    """Compare the same epochs of two entrants: a's time over b's, and what that says."""
    ratios = np.asarray(a) / np.asarray(b)
    if not len(ratios):
        return {"ratio": None, "low": None, "high": None, "verdict": "not compared"}
    low, high = interval(ratios)
    verdict = "no clear difference"
    if low is not None and high is not None:
        if high < 1 - CLEAR:
            verdict = "a is faster"
        elif low > 1 + CLEAR:
            verdict = "b is faster"
    return {"ratio": float(np.median(ratios)), "low": low, "high": high, "verdict": verdict}
