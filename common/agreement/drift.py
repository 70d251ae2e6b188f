"""How far a free run may drift, step by step."""

from __future__ import annotations

import numpy as np

from common.agreement.divergence import distance, in_dtype
from common.agreement.expected import CRITERION as COMPONENTS_CRITERION
from common.contract.arrays import Array
from common.contract.precision import spacing

FREE_ULPS = 16

ULPS = 4

BAND_FACTOR = 4

FLOAT64_DRIFT = 1e-12

#: Where that many times the band have grown to this share of the run's median loss, almost any
#: loss would lie within it, and nothing could be told.
BLIND = 0.1

CRITERION = (
    f"{COMPONENTS_CRITERION}; running free: drift within {FREE_ULPS} ulp of the loss (float64: "
    f"{FLOAT64_DRIFT:g}), or {BAND_FACTOR} times the noise band + {ULPS} ulp, as far as that stays "
    f"under {BLIND:.0%} of the median loss; both + the error of the framework's exp"
)


def free_limit(losses: Array, dtype: str) -> Array:
    """Drift, step by step, that needs no nudged run to be called rounding."""
    if dtype == "float64":
        return FLOAT64_DRIFT * np.maximum(1.0, np.abs(losses))
    return FREE_ULPS * spacing(losses, dtype)


def band_limit(losses: Array, dtype: str, width: float) -> Array:
    """Drift, step by step, that a noise band explains."""
    return BAND_FACTOR * width + ULPS * spacing(losses, dtype)


def drift(losses: Array, right: Array, dtype: str) -> Array:
    """How far each loss is from the referee's: 0 where a dtype has a number for neither."""
    return distance(losses, in_dtype(right, dtype))


def beyond(losses: Array, right: Array, limit: Array, dtype: str) -> Array:
    """Which steps' losses are further from the referee's than a limit."""
    apart = drift(losses, right, dtype)
    found: Array = (apart > 0) & ~(apart <= limit)
    return found
