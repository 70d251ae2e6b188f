"""Arrays by name."""

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
