"""The units that are judged: one layer, the wiring between all, the whole; each from equal inputs.

A unit asks the reference and the port the same question, each in its own layout, and holds
every tensor of the answer. The cotangents are drawn at random: a derivative is linear in them,
and nothing cancels.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Answer, Asked, Asking, Key, Some, Tensors
from common.contract.registry import find
from common.mapping.mapping import Entry, WeightMap
from common.modules.design import design_of
from common.modules.expected import (
    Expectation,
    Name,
    as_dtype,
    barely_moved,
    expectation,
    tensors_of,
)
from common.modules.guard import blamed
from common.modules.held import Held, Place, There, faulty, hold
from common.modules.layout import Layout
from common.modules.links import Links, only, there
from common.modules.matched import Matched, rounded

#: What float32 inside makes of a move that it cannot see is off by more than this share of it.
OTHER_MOVE = 1e-3

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


@dataclass(frozen=True, eq=False)
class Answered:
    """What the port answered to a unit, held when it is asked for.

    Attributes:
        matched: both.
        unit: what was asked.
        expected: of the reference.
        answers: the port's, in the run's dtype, and in float64 if it computes in that.
        failed: what the port raised instead, in words.
        asking: who answers for the port.
    """

    matched: Matched
    unit: Unit
    expected: Expectation
    answers: tuple[Answer | None, Answer | None] = (None, None)
    failed: str | None = None
    asking: Asking | None = None
    _inside: list[bool] = field(default_factory=list)

    def same(self, other: Answered, without: Collection[Name]) -> bool:
        """Whether the port answered two questions alike, to the bit, some tensors left out."""
        if self.failed is not None or other.failed is not None:
            return False
        for answers in zip(self.answers, other.answers, strict=True):
            one, another = ({} if a is None else tensors_of(a) for a in answers)
            names = (one.keys() | another.keys()) - set(without)
            if not all(np.array_equal(one[n], another[n], equal_nan=True) for n in names):
                return False
        return True

    @cached_property
    def _moved_port(self) -> Answer:
        """The port's in float64, likewise."""
        assert self.asking is not None
        of_port = barely_moved(in_float64(self.matched, self.unit))
        values = barely_moved(as_dtype(self.unit.asked, "float64")).values
        made = self.matched.mapping.apply(values, "float64") if values else {}
        return self.asking.run(replace(of_port, values={**of_port.values, **made}))

    def _rounds_inside(
        self, names: Sequence[Name], there: There, value_of: Callable[[Answer], Array | None]
    ) -> bool:
        """Whether a move that float32 cannot see moves the port otherwise than the reference.

        Seen in one tensor it holds for the unit: where rounded terms add up to one, a move of
        them shows in nothing, but their roundings do.
        """
        exactly, moved = self.answers[1], self.expected.moved
        if exactly is None or moved is None:
            return False
        before, after = value_of(exactly), value_of(self._moved_port)
        if before is None or after is None:
            return False
        right = there([moved[n] for n in names]) - there([self.expected.exact[n] for n in names])
        apart = float(np.linalg.norm((after - before - right).ravel()))
        if apart > OTHER_MOVE * float(np.linalg.norm(right.ravel())) > 0.0:
            self._inside.append(True)
        return bool(self._inside)

    def _hold(self, place: Place, links: Links, kind: str, *key: Key) -> dict[int, Held]:
        """Hold what is linked: outputs, what arrived, slopes of inputs or of what was given.

        Returns:
            which of the reference's -> what was found.
        """
        found = {}
        of_answer = {
            "output": "outputs",
            "arrived": "arrived",
            "given slope": "given_slopes",
            "input slope": "input_slopes",
        }[kind]
        for at, link in enumerate(links):
            if link is None:
                continue
            values = tuple(picked(answer, of_answer, key[1:], at) for answer in self.answers)
            name = (kind, *key[:1], link.at)
            if name not in self.expected.exact:
                continue
            words = place.tensor if len(links) == 1 else f"{place.tensor} {at}"
            found[link.at] = hold(
                replace(place, tensor=words),
                self.expected,
                [name],
                (values[0], values[1]),
                layout := partial(one_there, link.layout),
                partial(
                    self._rounds_inside,
                    [name],
                    layout,
                    partial(picked, field=of_answer, key=key[1:], at=at),
                ),
            )
        return found

    def outputs(self, place: Place, links: Links) -> Iterator[Held]:
        """What it returned."""
        yield from self._hold(replace(place, tensor="output"), links, "output").values()

    def arrived(self, place: Place, mine: Key, theirs: Key) -> dict[int, Held]:
        """What reached a layer whose outputs were given, by the reference's order."""
        links = self.matched.inputs[mine]
        words = replace(place, tensor="output" if place.unit == "tap" else "input")
        return self._hold(words, links, "arrived", mine, theirs)

    def given_slopes(self, place: Place, mine: Key, theirs: Key) -> Iterator[Held]:
        """The slopes of what was given."""
        links = self.matched.outputs[mine]
        words = replace(place, tensor="slope of its output")
        yield from self._hold(words, links, "given slope", mine, theirs).values()

    def input_slopes(
        self, place: Place, links: Links, constant: Callable[[int], bool] = lambda at: False
    ) -> Iterator[Held]:
        """The slopes of the inputs.

        Args:
            place: where they belong.
            links: which of the port's stands for which.
            constant: whether one of the reference's depends on nothing: nobody needs its slope,
                and who knows a mask beforehand has none.
        """
        words = replace(place, tensor="slope of its input")
        for at, held in self._hold(words, links, "input slope").items():
            if held.right or not constant(at):
                yield held

    def slopes(self, place: Place) -> Iterator[Held]:
        """The slopes of the parameters that the unit holds; of tied ones, their sum.

        Those of the wiring lie at the tap of their owner's name, if there is one.
        """
        mapping, taps = self.matched.mapping, self.matched.taps
        spare = {name for names in mapping.tied for name in names[1:]}
        values = [None if one is None else mapping.gather(one.slopes) for one in self.answers]
        for entry in mapping.entries:
            if entry.port not in spare:
                words = replace(place, tensor=f"slope of {entry.port}")
                owner = entry.port.rpartition(".")[0]
                if owner in taps and place.unit == "wiring":
                    words = replace(words, layer=owner, port_layer=owner, unit="tap")
                yield from self._leaf(words, entry, "slope", values)

    def buffers(self, place: Place) -> Iterator[Held]:
        """The buffers that the unit holds, as they are afterwards."""
        values = [None if one is None else one.buffers for one in self.answers]
        for entry in self.matched.mapping.entries:
            words = replace(place, tensor=entry.port)
            for held in self._leaf(words, entry, "buffer", values):
                yield held if held.right else self._by_design(held, entry, values)

    def _by_design(
        self, held: Held, entry: Entry, values: Sequence[Mapping[str, Array] | None]
    ) -> Held:
        """A buffer that is wrong, held by what is declared of it, if that makes it right."""
        design = design_of(self.matched, entry.source.reference[0], entry.port)
        if design is None or len(entry.source.reference) > 1:
            return held
        other = replace(self, expected=replace(self.expected, net=design, _noise=[]))
        again = next(other._leaf(held.place, entry, "buffer", values))
        return replace(again, declared=design.words) if again.right else held

    def _leaf(
        self, place: Place, entry: Entry, kind: str, values: Sequence[Mapping[str, Array] | None]
    ) -> Iterator[Held]:
        names = [(kind, name) for name in entry.source.reference]
        first, exactly = values
        assert first is not None
        if entry.port in first and names and all(name in self.expected.exact for name in names):
            transform = entry.source.transform
            made = transform.slope if kind == "slope" else transform
            value_of = partial(leaf_of, self.matched.mapping, entry.port, kind)
            yield hold(
                place,
                self.expected,
                names,
                (first[entry.port], None if exactly is None else exactly[entry.port]),
                made,
                partial(self._rounds_inside, names, made, value_of),
            )


def one_there(layout: Layout, arrays: Sequence[Array]) -> Array:
    """The reference's tensor as the port has it."""
    return layout.there(arrays[0])


def leaf_of(mapping: WeightMap, port: str, kind: str, answer: Answer) -> Array | None:
    """The slope of a leaf of the port's, of tied ones the sum, or a buffer."""
    found = mapping.gather(answer.slopes) if kind == "slope" else answer.buffers
    return found.get(port)


def picked(answer: Answer | None, field: str, key: Sequence[Key], at: int) -> Array | None:
    """One tensor of an answer, if it has it."""
    some = None if answer is None else getattr(answer, field)
    if key and some is not None:
        some = some.get(key[0])
    return some[at] if some is not None and at < len(some) else None


def answered(
    matched: Matched, unit: Unit, reference: Asking | None = None, port: Asking | None = None
) -> Answered:
    """Ask the port; the reference is asked as far as needed.

    Args:
        matched: both.
        unit: what is asked.
        reference, port: who is asked, if not the two networks.
    """
    exp_error = find()[matched.port.net.framework].info.exp_error
    who = reference or matched.reference.net
    expected = expectation(who, unit.asked, matched.dtype, exp_error)
    net = port or matched.port.net
    try:
        rounded_answer = net.run(unit.of_port)
        doubles = matched.port.net.doubles and matched.dtype != "float64"
        exactly = net.run(in_float64(matched, unit)) if doubles else None
    except Exception as cause:
        # Whatever somebody's network raises is what is to be told of it.
        return Answered(matched, unit, expected, failed=blamed(cause))
    return Answered(matched, unit, expected, (rounded_answer, exactly), asking=net)


def in_float64(matched: Matched, unit: Unit) -> Asked:
    """What the port is asked in float64: a leaf made as a sum of leaves is not rounded first."""
    asked = as_dtype(unit.of_port, "float64")
    if not asked.values:
        return asked
    values = matched.mapping.apply(as_dtype(unit.asked, "float64").values, "float64")
    return replace(asked, values={**asked.values, **values})


def failure(place: Place, words: str, dtype: str) -> Held:
    """Of a unit that the port could not run."""
    return faulty(replace(place, tensor="output"), f"raised {words}", dtype)
