"""What the batches of an order come to, as one number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from common.contract.arrays import Array


def digest_of(batches: Iterable[tuple[Array, Array]], labels_dtype: np.dtype[Any]) -> str:
    """SHA-256 of every batch's images, then labels."""
    sha = hashlib.sha256()
    for images, labels in batches:
        # Whole numbers are held in as many bytes as a framework likes.
        kind = images.dtype.newbyteorder("<") if images.dtype.kind == "f" else np.dtype("<i8")
        sha.update(images.astype(kind, copy=False).tobytes())
        sha.update(labels.astype(labels_dtype).tobytes())
    return sha.hexdigest()
