"""The units that are judged: one layer, the wiring between all, the whole; each from equal inputs.

A unit is the same question for the reference and the port, each in its own layout. The cotangents
are drawn at random: a derivative is linear in them, and nothing cancels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Asked, Key, Some, Tensors
from common.modules.expected import as_dtype
from common.modules.links import only, there
from common.modules.matched import Matched, rounded

#: (outputs, labels) -> the mean, in a framework's tensors.
LossFunction = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Unit:
    """The same question for both.

    Attributes:
        name: "layer", "wiring" or "whole".
        asked: of the reference, in the run's dtype.
        of_port: of the port.
    """

    name: str
    asked: Asked
    of_port: Asked


def drawn(tensors: Sequence[Array], seed: int, name: str) -> Some:
    """Cotangents of some tensors; None of integers."""
    draw = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return tuple(
        draw.normal(0, 1, one.shape).astype(one.dtype) if one.dtype.kind == "f" else None
        for one in tensors
    )


def layer_unit(matched: Matched, mine: Key, theirs: Key, seed: int) -> Unit:
    """One call of one layer, on what the reference was called with."""
    call = matched.reference.calls[mine]
    inputs = rounded(call.inputs, matched.dtype)
    links = matched.outputs[mine]
    outputs = rounded(call.outputs, matched.dtype)
    cotangents = only(links, drawn(outputs, seed, f"{mine}"))
    asked = Asked(
        matched.reference.values, inputs, mine, train=matched.train, cotangents=cotangents
    )
    port_call = matched.port.calls[theirs]
    of_port = replace(
        asked,
        values=matched.port.values,
        inputs=filled(there(matched.inputs[mine], inputs), port_call.inputs, matched.dtype),
        part=theirs,
        cotangents=there(links, cotangents),
    )
    return Unit("layer", asked, of_port)


def filled(some: Some, own: Tensors, dtype: str) -> Tensors:
    """What the reference has for a call's inputs, and what the port had where it has nothing."""
    return tuple(
        rounded([mine], dtype)[0] if one is None else one
        for one, mine in zip(some, own, strict=True)
    )


def whole_unit(matched: Matched, cotangents: Some, *, wired: bool = False, seed: int = 0) -> Unit:
    """The whole network, or its wiring: the outputs of all layers given as the reference has them.

    Args:
        matched: both.
        cotangents: of the reference's outputs.
        wired: whether the layers' outputs are given.
        seed: of the cotangents of what arrives at the layers.
    """
    given, arriving, port_given, port_arriving = {}, {}, {}, {}
    for mine, theirs in matched.keys if wired else ():
        call, links = matched.reference.calls[mine], matched.outputs[mine]
        given[mine] = only(links, rounded(call.outputs, matched.dtype))
        port_given[theirs] = there(links, given[mine])
        inputs = rounded(call.inputs, matched.dtype)
        arriving[mine] = only(matched.inputs[mine], drawn(inputs, seed, f"to {mine}"))
        port_arriving[theirs] = there(matched.inputs[mine], arriving[mine])
    cotangents = only(matched.returned, cotangents)
    taps = [(mine, theirs) for mine, theirs in matched.keys if mine[0] in matched.taps]
    asked = Asked(
        matched.reference.values,
        matched.reference.inputs,
        given=given,
        taps=tuple(mine for mine, _ in taps),
        train=matched.train,
        cotangents=cotangents,
        arrived_cotangents=arriving,
    )
    of_port = Asked(
        matched.port.values,
        matched.port.inputs,
        given=port_given,
        taps=tuple(theirs for _, theirs in taps),
        train=matched.train,
        cotangents=there(matched.returned, cotangents),
        arrived_cotangents=port_arriving,
    )
    return Unit("wiring" if wired else "whole", asked, of_port)


def in_float64(matched: Matched, unit: Unit) -> Asked:
    """What the port is asked in float64: a leaf made as a sum of leaves is not rounded first."""
    asked = as_dtype(unit.of_port, "float64")
    if not asked.values:
        return asked
    values = matched.mapping.apply(as_dtype(unit.asked, "float64").values, "float64")
    return replace(asked, values={**asked.values, **values})
