"""Where two networks part between what is named: by every operation of both, on two batches."""

from __future__ import annotations

import logging

from common.agreement.parting import Parting, Run, parting
from common.contract.arrays import Arrays
from common.contract.net import Net, Tensors
from common.contract.precision import cast
from common.modules.causes.asking import anew
from common.modules.matched import Matched, rounded

#: What a trace raises means that nothing is said, and is no part of the report.
LOG = logging.getLogger(__name__)


def parting_of(
    reference: tuple[Net, Arrays],
    port: tuple[Net, Arrays],
    batches: tuple[tuple[Tensors, Tensors], tuple[Tensors, Tensors]],
    *,
    train: bool = False,
) -> Parting | None:
    """Where two networks part, in float64; None where that cannot be said for certain.

    Args:
        reference, port: the networks, each with the values of its leaves.
        batches: two, each as the reference takes it and as the port does.
        train: whether in training mode.
    """
    runs = []
    try:
        for side, (net, values) in enumerate((reference, port)):
            exact = cast(values, "float64")
            first, second = (
                net.trace(exact, rounded(batch[side], "float64"), train) for batch in batches
            )
            runs.append(Run((first, second)))
        return parting(*runs)
    except Exception:
        # Somebody's functions were run otherwise than they are used to.
        LOG.debug("no trace", exc_info=True)
        return None


def parting_of_modules(matched: Matched) -> Parting | None:
    """Where two modules part, on the recorded inputs and on others."""
    reference = cast(matched.reference.values, "float64")
    made = matched.mapping.apply(reference, "float64")
    sides = [(one.reference.inputs, one.port.inputs) for one in (matched, anew(matched, None))]
    return parting_of(
        (matched.reference.net, reference),
        (matched.port.net, {**matched.port.values, **made}),
        (sides[0], sides[1]),
        train=matched.train,
    )
