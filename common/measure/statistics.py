"""Medians, their intervals, and who is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

#: A ratio is called a difference only if its whole interval lies beyond this.
CLEAR = 0.05

#: Two processes of one entrant have been so far apart (docs/timing.md), of which the epochs of one
#: process know nothing: with fewer rounds than these, only what is more is called a difference.
APART, ROUNDS = 0.3, 3

#: Fewer readings than this have no interval.
LEAST = 3


#: How often readings are drawn again.
RESAMPLES = 2000

#: Readings of one thing, round by round; every round was a process of its own.
Rounds = Sequence[Sequence[float]]


def bootstrapped(
    samples: Sequence[Rounds], statistic: Callable[..., Any]
) -> tuple[float | None, float | None]:
    """95 % percentile-bootstrap interval of a statistic; (None, None) under three readings.

    Rounds are drawn again, and the readings of each that is drawn: those of one process are alike.

    Args:
        samples: of one thing, or of several, each drawn again by itself.
        statistic: of as many arrays of readings, along their last axis (`axis=-1`), in which a
            reading that is NaN was not drawn.

    See: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997, 3.8;
         https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.bootstrap.html
    """
    samples = [[one for one in rounds if len(one)] for rounds in samples]
    if min(sum(map(len, rounds)) for rounds in samples) < LEAST:
        return None, None
    draw = np.random.default_rng(0)
    drawn = statistic(*(redrawn(one, draw) for one in samples), axis=-1)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def redrawn(rounds: Rounds, draw: np.random.Generator) -> Any:
    """As many rounds, drawn with replacement, and so the readings of each: a row a resample.

    Where a round has fewer readings than the longest, NaN takes the place of the rest.
    """
    lengths = np.array([len(one) for one in rounds])
    readings = np.full((len(rounds), lengths.max()), np.nan)
    for row, one in zip(readings, rounds, strict=True):
        row[: len(one)] = one
    chosen = draw.integers(len(rounds), size=(RESAMPLES, len(rounds), 1))
    which = draw.integers(lengths[chosen], size=(*chosen.shape[:2], lengths.max()))
    drawn = readings[chosen, which]
    drawn[np.arange(lengths.max()) >= lengths[chosen]] = np.nan
    return drawn.reshape(RESAMPLES, -1)


def interval(rounds: Rounds) -> tuple[float | None, float | None]:
    """95 % interval of the median; (None, None) under three readings."""
    return bootstrapped([rounds], np.nanmedian)


def summary(rounds: Rounds) -> dict[str, Any]:
    """`epoch_seconds` of results.json: with one epoch or none there is no steady median."""
    readings = [one for each in rounds for one in each]
    if not readings:
        return {"median": None, "low": None, "high": None, "min": None, "all": [], "rounds": []}
    low, high = interval(rounds)
    return {
        "median": float(np.median(readings)),
        "low": low,
        "high": high,
        "min": min(readings),
        "all": readings,
        "rounds": [len(each) for each in rounds],
    }


def clear(rounds: int) -> float:
    """How far from 1 a ratio's whole interval must lie to be called a difference."""
    return CLEAR if rounds >= ROUNDS else APART


def compare(a: Rounds, b: Rounds) -> dict[str, Any]:
    """Compare the same epochs of two entrants: a's time over b's, and what that says."""
    ratios = [list(np.asarray(x) / np.asarray(y)) for x, y in zip(a, b, strict=True) if len(x)]
    if not ratios:
        return {"ratio": None, "low": None, "high": None, "verdict": "not compared"}
    low, high = interval(ratios)
    beyond = clear(len(ratios))
    verdict = "no clear difference"
    if low is not None and high is not None:
        if high < 1 / (1 + beyond):
            verdict = "a is faster"
        elif low > 1 + beyond:
            verdict = "b is faster"
    return {
        "ratio": float(np.median(np.concatenate(ratios))),
        "low": low,
        "high": high,
        "verdict": verdict,
    }
