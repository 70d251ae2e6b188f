"""Medians, their intervals, and who is faster."""

from __future__ import annotations

import warnings
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
        statistic: of as many arrays of readings.

    See: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application, 1997, 3.8;
         https://docs.scipy.org/doc/scipy/reference/generated/scipy.stats.bootstrap.html
    """
    samples = [[one for one in rounds if len(one)] for rounds in samples]
    if min(sum(map(len, rounds)) for rounds in samples) < LEAST:
        return None, None
    if all(len(rounds) == 1 for rounds in samples):
        return _of_one_round([rounds[0] for rounds in samples], statistic)
    draw = np.random.default_rng(0)
    drawn = [statistic(*(redrawn(one, draw) for one in samples)) for _ in range(RESAMPLES)]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def redrawn(rounds: Rounds, draw: np.random.Generator) -> Any:
    """As many rounds, drawn with replacement, and so the readings of each."""
    chosen = draw.integers(len(rounds), size=len(rounds))
    return np.concatenate([draw.choice(rounds[one], len(rounds[one])) for one in chosen])


def _of_one_round(
    samples: Sequence[Sequence[float]], statistic: Callable[..., Any]
) -> tuple[float, float]:
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


def interval(rounds: Rounds) -> tuple[float | None, float | None]:
    """95 % interval of the median; (None, None) under three readings."""
    return bootstrapped([rounds], np.median)


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
