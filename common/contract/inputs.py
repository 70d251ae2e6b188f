"""What one example of a data set is: its kind and its shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["image", "vector"]


@dataclass(frozen=True)
class Inputs:
    """What one example is.

    Batches hold it flattened, row by row; only who needs rows and columns asks for the shape.

    Attributes:
        kind: "image" or "vector".
        shape: (height, width, channels) of an image, (features,) of a vector.
    """

    kind: Kind
    shape: tuple[int, ...]

    @property
    def features(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)

    def asdict(self) -> dict[str, Any]:
        """Plain values, as they cross to a worker and into results.json."""
        return {"kind": self.kind, "shape": list(self.shape)}
