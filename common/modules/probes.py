"""Questions that need no catalogue: is it random, does it keep float64, is a number missing?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from common.agreement.probes import loses_small_moves, parted
from common.contract.arrays import Array, Arrays
from common.contract.net import Answer, Asked, Key, Net, Some, Tensors
from common.contract.precision import cast
from common.errors import Refused
from common.modules.expected import largest
from common.modules.guard import blamed
from common.modules.held import Held, Place, failure, faulty
from common.modules.matched import Matched, Side, rounded
from common.modules.units import drawn

#: What threads may make of the same sum, relative to the largest value.
SAME = {"float32": 1e-5, "float64": 1e-12}


def refuse_as_referee(side: Side, train: bool) -> None:
    """Refuse a reference that cannot say what is right.

    Args:
        side: its run in float64.
        train: whether in training mode.

    Raises:
        Refused: it answers at random, in another dtype than it is given, with no tensor or NaN,
            has slopes that are no numbers, or computes in float32 somewhere inside.
    """
    if not side.outputs:
        raise Refused("the reference returns no tensor; give one that returns tensors, or a loss")
    for one in side.outputs:
        if one.dtype.kind == "f" and one.dtype != np.float64:
            raise Refused(
                f"the reference computes {one.dtype} from float64; it must keep the dtype it is "
                "given to be held against"
            )
        if one.dtype.kind == "f" and np.isnan(one).any():
            raise Refused("the reference returns NaN for these inputs; give others, or mend it")
    again = question(side, None, train)
    answer = side.net.run(again)
    if apart(side.outputs, answer.outputs, "float64"):
        raise Refused(
            "the reference gives two answers when called twice with the same inputs; switch its "
            "dropout off, or give it the same random numbers each time"
        )
    for name, slope in answer.slopes.items():
        if not np.isfinite(slope).all():
            raise Refused(
                f"the reference's slope of {name} is NaN or infinite for these inputs; give "
                "others, or mend it"
            )
    if rounds_inside(side.net, again, answer):
        where = first_rounding(side, train)
        raise Refused(
            f"the reference computes in float32 inside{where}, though it is given float64; it "
            "must keep the dtype it is given to be held against"
        )


def first_rounding(side: Side, train: bool) -> str:
    """Which call computes in float32, in words; those within another are asked before it."""
    for key, call in side.calls.items():
        asked = question(side, key, train)
        if key[0] and rounds_inside(side.net, asked, side.net.run(asked)):
            return f" in {key[0]} ({call.kind})"
    return ""


def question(side: Side, key: Key | None, train: bool) -> Asked:
    """A part of a network, asked again in float64, backwards from random cotangents.

    Args:
        side: whose run.
        key: a call; None: the whole.
        train: whether in training mode.
    """
    call = None if key is None else side.calls[key]
    inputs = side.inputs if call is None else call.inputs
    outputs = side.outputs if call is None else call.outputs
    return Asked(
        cast(side.values, "float64"),
        rounded(inputs, "float64"),
        key,
        train=train,
        cotangents=drawn(rounded(outputs, "float64"), 5, str(key)),
    )


def rounds_inside(net: Net, asked: Asked, answer: Answer) -> bool:
    """Whether a part of a network that is given float64 computes in float32.

    The whole is asked along its parameters, if it has any: what it is given may be rounded at
    the door. A call in it is asked along its inputs, too.

    Args:
        net: the network.
        asked: as `question` does.
        answer: to that.
    """
    cotangents = asked.cotangents
    if cotangents is None or not asked.backwards:
        return False
    slopes = dict(answer.slopes)
    if asked.part is not None or not slopes:
        found = {input_name(i): one for i, one in enumerate(answer.input_slopes)}
        slopes |= {name: one for name, one in found.items() if one is not None}
    starts = {**asked.values, **{input_name(i): one for i, one in enumerate(asked.inputs)}}

    def value(at: Arrays) -> float:
        values = {name: at.get(name, one) for name, one in asked.values.items()}
        inputs = tuple(at.get(input_name(i), one) for i, one in enumerate(asked.inputs))
        there = replace(asked, values=values, inputs=inputs, cotangents=None)
        return sum(terms(net.run(there).outputs, cotangents))

    here = {name: starts[name] for name in slopes}
    size = sum(terms(answer.outputs, cotangents, np.abs))
    return loses_small_moves(value, here, sum(terms(answer.outputs, cotangents)), slopes, size)


def input_name(i: int) -> str:
    """What an input is called among the leaves."""
    return f"inputs[{i}]"


def terms(outputs: Tensors, cotangents: Some, of: np.ufunc = np.positive) -> list[float]:
    """Σ cotangent × output of each output, or of what a function makes of each product."""
    return [
        float(of(c * one).sum())
        for c, one in zip(cotangents, outputs, strict=True)
        if c is not None
    ]


def apart(first: Tensors, again: Tensors, dtype: str) -> bool:
    """Whether two answers to one question are two."""
    if [a.shape for a in first] != [b.shape for b in again]:
        return True
    one, other = (dict(enumerated(some)) for some in (first, again))
    return (
        parted(one, other, {name: SAME[dtype] * largest(x) for name, x in one.items()}) is not None
    )


def enumerated(tensors: Tensors) -> Mapping[str, Array]:
    """Tensors by their places."""
    return {str(i): one for i, one in enumerate(tensors)}


def random_in_port(matched: Matched) -> Held | None:
    """Where a port that is called twice with the same inputs gives two answers, or raises."""
    port, dtype = matched.port, matched.dtype
    try:
        calls, outputs = port.net.record(port.values, port.inputs, matched.train)
    except Exception as cause:
        # Whatever somebody's network raises.
        words = f"{blamed(cause)} when it was called again with the same inputs"
        return failure(Place("", "", "forward", "whole", "output"), words, dtype)
    again = {call.key: call for call in calls}
    of_port = {pair.port: pair.reference for pair in matched.pairs}
    words = (
        "is another each time it is called with the same inputs; switch the port's dropout off, "
        "or give it the same random numbers each time"
    )
    for key, call in port.calls.items():
        other = again.get(key)
        if other is None or apart(call.outputs, other.outputs, dtype):
            own = other is not None and not apart(call.inputs, other.inputs, dtype)
            path, unit = (key[0], "layer" if own and key[0] else "wiring")
            tensor = "output" if own else "input"
            place = Place(of_port.get(path, path), path, "forward", unit, tensor, key[1])
            return faulty(place, words, dtype, "random")
    if apart(port.outputs, outputs, dtype):
        return faulty(Place("", "", "forward", "wiring", "output"), words, dtype, "random")
    return None
