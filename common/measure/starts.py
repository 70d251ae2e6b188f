"""Whether initial values that frameworks drew themselves are of one law: no bits are compared."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays

#: What stands beside the frameworks' own laws.
BOOK = "the book's"

#: Two draws are not of one law where less probable than that.
RARE = 0.001


def distributions(starts: Mapping[str, Arrays]) -> list[dict[str, Any]]:
    """How every tensor is distributed in whoever drew it.

    Args:
        starts: label -> the initial parameters, the same names in all.

    Returns:
        of every tensor its name, `entrants`: label -> mean, deviation, low, high; and `pairs`: of
        any two, a and b, how probable it is that draws of one law are so far apart, p (Kolmogorov
        and Smirnov, two samples).
    """
    names = list(next(iter(starts.values()), {}))
    return [
        {
            "name": name,
            "entrants": {label: _summary(arrays[name]) for label, arrays in starts.items()},
            "pairs": [
                {"a": a, "b": b, "p": _chance(one[name], other[name])}
                for (a, one), (b, other) in combinations(starts.items(), 2)
            ],
        }
        for name in names
    ]


def _summary(values: Array) -> dict[str, float]:
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "deviation": float(values.std(dtype=np.float64)),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _chance(one: Array, other: Array) -> float:
    """How probable it is that two draws of one law are so far apart."""
    if one.min() == one.max() or other.min() == other.max():  # no draws: a constant
        return float(np.array_equal(one, other))
    from scipy.stats import ks_2samp  # half a second, for `--init framework` alone

    return float(ks_2samp(one.ravel(), other.ravel()).pvalue)
