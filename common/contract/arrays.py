"""Arrays by name, and what a dtype makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

Arrays = dict[str, Array]


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of the tensors' bytes by sorted name."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        sha.update(np.ascontiguousarray(arrays[name]).tobytes())
    return sha.hexdigest()


def cast(arrays: Mapping[str, Array], dtype: str) -> Arrays:
    """Round (or widen) every array of real numbers."""
    return {name: cast_one(array, dtype) for name, array in arrays.items()}


def cast_one(array: Array, dtype: str) -> Array:
    """Round (or widen) an array of real numbers; a count stays what it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def ulp(value: float, dtype: str) -> float:
    """Distance from |value| to the next larger number of a dtype."""
    return float(np.spacing(np.abs(np.asarray(value).astype(dtype))))
