"""Numbers that are none any more: what NaN and infinity leave to compare.

Where neither of two is a finite number they are no difference, but no agreement either: that is
said. Where one of them is, they are infinitely far apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from common.contract.arrays import Array
from common.contract.precision import PRECISIONS


def distance(found: Array, right: Array) -> Array:
    """|found - right|, element by element: 0 where neither is finite, infinite where one is."""
    numbers, wanted = np.isfinite(found), np.isfinite(right)
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(found.astype("float64") - right)
    both: Array = np.where(numbers & wanted, apart, np.where(numbers == wanted, 0.0, np.inf))
    return both


def in_dtype(array: Array, dtype: str) -> Array:
    """Numbers as a dtype has them, in float64: infinite what is too large for it."""
    largest = PRECISIONS[dtype].max
    held: Array = np.where(np.abs(array) > largest, np.copysign(np.inf, array), array)
    return held


def overflows(arrays: Iterable[Array], dtype: str) -> bool:
    """Whether some number is NaN, or so large that its square overflows."""
    most = math.sqrt(PRECISIONS[dtype].max)
    return not all((np.abs(array) <= most).all() for array in arrays)
