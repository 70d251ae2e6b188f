"""A port that answers at random: dropout that is on."""

from __future__ import annotations

import numpy as np

from common.agreement.cause import Cause
from common.modules.causes.case import Case

#: How far the share of zeros may be from the rate.
SHARE = 0.25

#: How near the rest must be to one multiple.
NEAR = {"float64": 1e-9, "float32": 1e-5}


def dropout_cause(case: Case) -> Cause | None:
    """Its rate, if two answers differ, in zeros and one multiple of what is right."""
    rates = []
    for batch in case.batches:
        again = batch.ask_port(batch.unit.of_port, case.dtype)
        for tensor in case.wrong:
            value, right = case.value(batch, tensor), batch.right[tensor.names[0]]
            if np.array_equal(batch.port[tensor.own], again[tensor.own]):
                return None
            asked = right != 0
            zero = (value == 0) & asked
            factors = value[asked & ~zero] / right[asked & ~zero]
            factor = float(np.median(factors))
            rate = 1 - 1 / factor
            if np.abs(factors / factor - 1).max() > NEAR[case.dtype]:
                return None
            if not 0 < rate < 1 or abs(zero.sum() / asked.sum() - rate) > SHARE:
                return None
            rates.append(rate)
    if not rates or np.ptp(rates) > NEAR[case.dtype]:
        return None
    return Cause(
        "dropout",
        f"dropout with rate {rates[0]:.4g} where the original has none",
        "call the port twice with the same inputs",
    )
