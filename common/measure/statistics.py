"""Medians, their intervals, and who is faster."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: A ratio is called a difference only if its whole interval lies beyond this.
CLEAR = 0.05

#: Fewer readings than this have no interval.
LEAST = 3


#: How often readings are drawn again.
RESAMPLES = 2000


def bootstrapped(
    samples: Sequence[Sequence[float]], statistic: Callable[..., Any]
) -> tuple[float | None, float | None]:
    """95 % percentile-bootstrap interval of a statistic; (None, None) under three readings.

    Args:
        samples: readings of one thing, or of several, each drawn again by itself.
        statistic: of as many arrays; with an argument `axis`, of many draws at once.

    See: https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.bootstrap.html
    """
    if min(map(len, samples)) < LEAST:
        return None, None
    from scipy.stats import bootstrap

    with warnings.catch_warnings():
        # Equal readings have an interval of no width, which scipy warns of.
        warnings.simplefilter("ignore")
        found = bootstrap(
            [np.asarray(readings) for readings in samples],
            statistic,
            method="percentile",
            n_resamples=RESAMPLES,
            rng=0,
        ).confidence_interval
    return float(found.low), float(found.high)


def interval(readings: Sequence[float]) -> tuple[float | None, float | None]:
    """95 % interval of the median; (None, None) under three readings."""
    return bootstrapped([readings], np.median)


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
