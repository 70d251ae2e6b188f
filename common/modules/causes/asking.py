"""Ask both sides about the unit that is wrong, on the recorded batch and on another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Asked, Asking, Call, Key, Tensors
from common.contract.registry import find
from common.modules.causes.case import Batch, Case, Tensor
from common.modules.expected import Expectation, Name, as_dtype, tensors_of
from common.modules.held import Held
from common.modules.holding import one_there
from common.modules.judging import Judge
from common.modules.links import Link, Links, there
from common.modules.losses import both_units
from common.modules.matched import Matched, rounded
from common.modules.units import Unit, drawn, layer_unit, whole_unit

#: Of so few different values a tensor is a mask or a constant, and stays as it is.
FEW = 2

#: As many values tell whether there are so few.
SAMPLE = 4096


def case_of(judge: Judge, first: Held) -> Case | None:
    """The unit that is wrong, asked on two batches; None of the whole, which is no one thing."""
    unit = first.place.unit
    if unit == "whole" or first.fault is not None:
        return None
    mine = first.place.layer, first.place.number
    theirs = first.place.port_layer, first.place.number
    matched = judge.matched
    other = anew(matched, None if unit == "wiring" else mine)
    if unit == "loss":
        return loss_case(judge, first, other)
    backwards = first.place.stage == "backward"

    def made(one: Matched) -> Unit:
        if unit == "layer":
            found = layer_unit(one, mine, theirs, judge.seed)
        else:
            outputs = rounded(one.reference.outputs, one.dtype)
            cotangents = drawn(outputs, judge.seed, "outputs")
            found = whole_unit(one, cotangents, wired=True, seed=judge.seed)
        return found if backwards else forwards(found)

    dtype = "float64" if matched.port.net.doubles else matched.dtype
    asked = partial(ask, matched.port.net, matched)
    batches = [
        batch(one, made(one), matched.reference.net, partial(asked, dtype=dtype))
        for one in (matched, other)
    ]
    held = tensors(matched, first, (mine, theirs), batches[0].right)
    return Case(first, held, (batches[0], batches[1]), dtype, asked)


def forwards(unit: Unit) -> Unit:
    """The same without slopes."""
    asked, of_port = (
        replace(one, cotangents=None, arrived_cotangents={}) for one in (unit.asked, unit.of_port)
    )
    return replace(unit, asked=asked, of_port=of_port)


def ask(net: Asking, matched: Matched, asked: Asked, dtype: str) -> Mapping[Name, Array]:
    """Every tensor of the port's answer in a dtype; slopes of tied leaves added."""
    answer = net.run(as_dtype(asked, dtype))
    return tensors_of(replace(answer, slopes=matched.mapping.gather(answer.slopes)))


def batch(
    matched: Matched,
    unit: Unit,
    reference: Asking,
    asked: Callable[[Asked], Mapping[Name, Array]],
) -> Batch:
    """Both answers to a unit."""
    exp_error = find()[matched.port.net.framework].info.exp_error
    expected = Expectation(reference, unit.asked, matched.dtype, exp_error)
    return Batch(matched, unit, expected, asked(unit.of_port))


def loss_case(judge: Judge, first: Held, other: Matched) -> Case | None:
    """The loss, of the outputs and of others."""
    if judge.labels is None:
        return None
    matched = judge.matched
    reference, port = both_units(matched, judge.labels, judge.losses)
    dtype = "float64" if matched.port.net.doubles else matched.dtype
    batches = []
    asked = partial(ask, port, matched)
    for one in (matched, other):
        outputs = rounded(one.reference.outputs, matched.dtype)
        mine = Asked(one.reference.values, outputs, cotangents=(np.ones((), matched.dtype),))
        taken = tuple(o for o in there(matched.returned, outputs) if o is not None)
        unit = Unit("loss", mine, replace(mine, values=one.port.values, inputs=taken))
        batches.append(batch(one, unit, reference, partial(asked, dtype=dtype)))
    held = [
        Tensor((("output", 0),), ("output", 0), lambda arrays: arrays[0], lambda array: array),
        *linked_tensors("input slope", matched.returned),
    ]
    return Case(first, held, (batches[0], batches[1]), dtype, asked)


def tensors(
    matched: Matched, first: Held, keys: tuple[Key, Key], right: Mapping[Name, Array]
) -> list[Tensor]:
    """All that are held together with the first wrong one."""
    place, (mine, theirs) = first.place, keys
    whole = place.layer == ""
    if place.stage == "forward":
        if place.unit == "layer":
            outputs = linked_tensors("output", matched.outputs[mine])
            return outputs + (leaf_tensors(matched, "buffer", right) if matched.train else [])
        if whole:
            return linked_tensors("output", matched.returned)
        return linked_tensors("arrived", matched.inputs[mine], (mine,), (theirs,))
    if place.unit == "wiring" and not whole:
        return linked_tensors("given slope", matched.outputs[mine], (mine,), (theirs,))
    inputs = (
        tuple(Link(at, layout) for at, layout in enumerate(matched.layouts))
        if whole
        else matched.inputs[mine]
    )
    return [*leaf_tensors(matched, "slope", right), *linked_tensors("input slope", inputs)]


def linked_tensors(
    kind: str, links: Links, mine: tuple[object, ...] = (), theirs: tuple[object, ...] = ()
) -> list[Tensor]:
    """Tensors that are linked one to one.

    Args:
        kind: "output", "arrived", "given slope" or "input slope".
        links: of the port's.
        mine, theirs: the keys in the names of the reference's and of the port's.
    """
    return [
        Tensor(
            ((kind, *mine, link.at),),
            (kind, *theirs, at),
            partial(one_there, link.layout),
            link.layout.back,
        )
        for at, link in enumerate(links)
        if link is not None
    ]


def leaf_tensors(matched: Matched, kind: str, right: Iterable[Name]) -> list[Tensor]:
    """Slopes or buffers, as the mapping makes them."""
    here = set(right)
    spare = {name for names in matched.mapping.tied for name in names[1:] if kind == "slope"}
    return [
        Tensor(
            tuple((kind, name) for name in entry.source.reference),
            (kind, entry.port),
            entry.source.transform.slope if kind == "slope" else entry.source.transform,
        )
        for entry in matched.mapping.entries
        if entry.port not in spare and all((kind, name) in here for name in entry.source.reference)
    ]


def anew(matched: Matched, only: Key | None) -> Matched:
    """The same networks, other tensors in one call, or in all: drawn from their own values.

    What was positive stays so, tokens stay tokens, and a mask stays as it is.
    """
    draw = np.random.default_rng(0)
    side = matched.reference

    def redrawn(array: Array) -> Array:
        values = array.ravel()
        if array.dtype.kind == "b" or len(np.unique(values[:SAMPLE])) <= FEW:
            return array
        found = draw.choice(values, array.shape)
        if array.dtype.kind == "f":
            found = found * draw.uniform(0.7, 1.3, array.shape)
        return found.astype(array.dtype)

    def each(tensors: Tensors) -> Tensors:
        return tuple(map(redrawn, tensors))

    def one(call: Call) -> Call:
        return replace(call, inputs=each(call.inputs), outputs=each(call.outputs))

    inputs = each(side.inputs)
    calls = {key: one(call) for key, call in side.calls.items() if only in (None, key)}
    return replace(
        matched,
        reference=replace(
            side, inputs=inputs, calls={**side.calls, **calls}, outputs=each(side.outputs)
        ),
        port=replace(
            matched.port,
            inputs=tuple(w.there(x) for w, x in zip(matched.layouts, inputs, strict=True)),
        ),
    )
