"""Who a port of functions is held against: what is ported, or NumPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from common.agreement.probes import parted, rounds_inside
from common.agreement.referee import Referee
from common.agreement.units import gradients_of
from common.contract.models import Model
from common.contract.plan import Plan
from common.contract.precision import cast
from common.contract.registry import Rules
from common.entrants.port import CLASSIFICATION, Port, PortSession
from common.entrants.rounding_port import RoundingPortSession
from common.errors import Refused


def referee_of(plan: Plan, data: dict[str, Any], reference: Port | None, rules: Rules) -> Referee:
    """NumPy, or what is ported, in float64."""
    if reference is None:
        return Referee(plan, data, rules)
    if not isinstance(reference, Port):
        raise Refused(
            f"the reference is {reference!r:.60}; functions are held against a Port, or with "
            "model= against the referee"
        )
    described = Model(plan.model, {}, "", plan.model == CLASSIFICATION, 0, 0, 0.0)
    own_rule = reference.update is not None
    make, make_rounding = (
        partial(kind, reference, "reference") for kind in (PortSession, RoundingPortSession)
    )
    referee = Referee(
        plan, data, model=described, make=make, make_rounding=make_rounding, own_rule=own_rule
    )
    start = cast(data["initial"], "float64")
    index = np.arange(min(plan.batch_size, len(data["train"][1])), dtype=np.int32)
    images, labels = referee.exact.batch(index)
    logits = referee.exact.logits(start, images)
    if logits.dtype != np.float64:
        raise Refused(
            f"the reference computes {logits.dtype} from float64; it must keep the dtype it is "
            "given to be held against"
        )
    first, again = (gradients_of(referee.exact, start, images, labels) for _ in range(2))
    if (name := parted(first, again, {})) is not None:
        raise Refused(
            f"the reference gives two answers when called twice with the same inputs, {name} "
            "first; switch its dropout off, or give it the same random numbers each time"
        )
    if rounds_inside(referee.exact, start, images, labels):
        raise Refused(
            "the reference computes in float32 somewhere inside, though it is given float64; it "
            "must keep the dtype it is given to be held against"
        )
    return referee
