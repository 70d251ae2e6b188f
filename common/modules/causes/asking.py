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
from common.modules.design import design_of
from common.modules.expected import Expectation, Name, as_dtype, tensors_of
from common.modules.held import Held
from common.modules.holding import one_there
from common.modules.judging import Judge
from common.modules.layout import Layout
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
    unit, matched = first.place.unit, judge.matched
    mine = first.place.layer, first.place.number
    theirs = first.place.port_layer, first.place.number
    if unit == "whole" or (first.fault is not None and not of_other_shape(matched, first)):
        return None
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
    reference = by_design(matched, mine[0]) if unit == "layer" else matched.reference.net
    batches = [batch(one, made(one), reference, asked, dtype) for one in (matched, other)]
    held = tensors(matched, first, (mine, theirs), batches[0].right)
    return Case(first, held, (batches[0], batches[1]), dtype)


def by_design(matched: Matched, layer: str) -> Asking:
    """The reference, a layer's running statistics moved as the port's framework has declared."""
    net: Asking = matched.reference.net
    for entry in matched.mapping.entries if matched.train else ():
        leaf = matched.reference.leaves[entry.source.reference[0]]
        if layer in leaf.owners and len(entry.source.reference) == 1:
            design = design_of(matched, leaf.name, entry.port)
            net = net if design is None else replace(design, net=net)
    return net


def of_other_shape(matched: Matched, first: Held) -> bool:
    """Whether the one output of a layer has another shape than the reference's."""
    links = matched.outputs.get((first.place.layer, first.place.number), ())
    return first.place.unit == "layer" and len(links) == 1 and not any(links)


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
    asked: Callable[[Asked, str], Mapping[Name, Array]],
    dtype: str,
) -> Batch:
    """Both answers to a unit."""
    exp_error = find()[matched.port.net.framework].info.exp_error
    expected = Expectation(reference, unit.asked, matched.dtype, exp_error)
    return Batch(matched, unit, expected, asked(unit.of_port, dtype), asked)


def loss_case(judge: Judge, first: Held, other: Matched) -> Case | None:
    """The loss, of the outputs and of others, whose classes are drawn anew, too."""
    if judge.labels is None:
        return None
    matched = judge.matched
    dtype = "float64" if matched.port.net.doubles else matched.dtype
    batches = []
    for one, labels in ((matched, judge.labels), (other, other_classes(judge.labels))):
        reference, port = both_units(matched, labels, judge.losses)
        outputs = rounded(one.reference.outputs, matched.dtype)
        mine = Asked(one.reference.values, outputs, cotangents=(np.ones((), matched.dtype),))
        taken = tuple(o for o in there(matched.returned, outputs) if o is not None)
        unit = Unit("loss", mine, replace(mine, values=one.port.values, inputs=taken))
        batches.append(batch(one, unit, reference, partial(ask, port, matched), dtype))
    held = [
        Tensor((("output", 0),), ("output", 0), lambda arrays: arrays[0], lambda array: array),
        *linked_tensors("input slope", matched.returned),
    ]
    return Case(first, held, (batches[0], batches[1]), dtype)


def other_classes(labels: Array) -> Array:
    """The same classes, the rarest of them most often, in another order; targets as they are.

    Every class is there again, or one that is ignored would not show; how often is another, or
    what their weights are divided by would not.
    """
    if labels.dtype.kind == "f":
        return labels
    classes, counts = np.unique(labels, return_counts=True)
    spare = labels.size - len(classes)
    kept = classes if spare else classes[:-1]
    more = np.full(labels.size - len(kept), classes[counts.argmin()])
    drawn_anew: Array = np.random.default_rng(0).permutation(np.concatenate([kept, more]))
    return drawn_anew.reshape(labels.shape)


def tensors(
    matched: Matched, first: Held, keys: tuple[Key, Key], right: Mapping[Name, Array]
) -> list[Tensor]:
    """All that are held together with the first wrong one."""
    place, (mine, theirs) = first.place, keys
    whole = place.layer == ""
    if place.stage == "forward":
        if of_other_shape(matched, first):
            return [other_shaped(matched.inputs[mine])]
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


def other_shaped(inputs: Links) -> Tensor:
    """An output of another shape, its axes in the order that the layer's first input has."""
    layout = next((link.layout for link in inputs if link is not None), Layout(()))
    name = "output", 0
    return Tensor((name,), name, partial(one_there, layout), layout.back)


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
