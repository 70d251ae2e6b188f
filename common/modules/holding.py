"""The tensors of what a port answered, each held against what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial

from common.contract.arrays import Array
from common.contract.net import Answer, Key
from common.mapping.mapping import Entry, WeightMap
from common.modules.answered import Answered
from common.modules.design import design_of
from common.modules.held import Held, Place, hold
from common.modules.layout import Layout
from common.modules.links import Links

#: A kind of tensors that are linked -> where an answer has them.
FIELDS = {
    "output": "outputs",
    "arrived": "arrived",
    "given slope": "given_slopes",
    "input slope": "input_slopes",
}


def linked(answered: Answered, place: Place, links: Links, kind: str, *key: Key) -> dict[int, Held]:
    """Hold what is linked: outputs, what arrived, slopes of inputs or of what was given.

    Returns:
        which of the reference's -> what was found.
    """
    found = {}
    for at, link in enumerate(links):
        if link is None:
            continue
        value_of = partial(picked, field=FIELDS[kind], key=key[1:], at=at)
        first, exactly = (None if one is None else value_of(one) for one in answered.answers)
        name = (kind, *key[:1], link.at)
        if name not in answered.expected.exact:
            continue
        words = place.tensor if len(links) == 1 else f"{place.tensor} {at}"
        found[link.at] = hold(
            replace(place, tensor=words),
            answered.expected,
            [name],
            (first, exactly),
            layout := partial(one_there, link.layout),
            partial(answered.rounds_inside, [name], layout, value_of),
            partial(answered.own_noise, value_of),
        )
    return found


def outputs(answered: Answered, place: Place, links: Links) -> Iterator[Held]:
    """What it returned."""
    yield from linked(answered, replace(place, tensor="output"), links, "output").values()


def arrived(answered: Answered, place: Place, mine: Key, theirs: Key) -> dict[int, Held]:
    """What reached a layer whose outputs were given, by the reference's order."""
    words = replace(place, tensor="output" if place.unit == "tap" else "input")
    return linked(answered, words, answered.matched.inputs[mine], "arrived", mine, theirs)


def given_slopes(answered: Answered, place: Place, mine: Key, theirs: Key) -> Iterator[Held]:
    """The slopes of what was given."""
    words = replace(place, tensor="slope of its output")
    links = answered.matched.outputs[mine]
    yield from linked(answered, words, links, "given slope", mine, theirs).values()


def input_slopes(
    answered: Answered,
    place: Place,
    links: Links,
    constant: Callable[[int], bool] = lambda at: False,
) -> Iterator[Held]:
    """The slopes of the inputs.

    Args:
        answered: by the port.
        place: where they belong.
        links: which of the port's stands for which.
        constant: whether one of the reference's depends on nothing: nobody needs its slope,
            and who knows a mask beforehand has none.
    """
    words = replace(place, tensor="slope of its input")
    for at, held in linked(answered, words, links, "input slope").items():
        if held.right or not constant(at):
            yield held


def slopes(answered: Answered, place: Place, *, composed: bool = False) -> Iterator[Held]:
    """The slopes of the parameters that the unit holds; of tied ones, their sum.

    Those of the wiring lie at the tap of their owner's name, if there is one.

    Args:
        answered: by the port.
        place: where they belong.
        composed: whether the unit is made of parts that were found right by themselves.
    """
    mapping, taps = answered.matched.mapping, answered.matched.taps
    spare = {name for names in mapping.tied for name in names[1:]}
    values = [None if one is None else mapping.gather(one.slopes) for one in answered.answers]
    for entry in mapping.entries:
        if entry.port not in spare:
            words = replace(place, tensor=f"slope of {entry.port}")
            owner = entry.port.rpartition(".")[0]
            if owner in taps and place.unit == "wiring":
                words = replace(words, layer=owner, port_layer=owner, unit="tap")
            yield from of_leaf(answered, words, entry, "slope", values, composed=composed)


def buffers(answered: Answered, place: Place) -> Iterator[Held]:
    """The buffers that the unit holds, as they are afterwards."""
    values = [None if one is None else one.buffers for one in answered.answers]
    for entry in answered.matched.mapping.entries:
        words = replace(place, tensor=entry.port)
        for held in of_leaf(answered, words, entry, "buffer", values):
            yield held if held.right else by_design(answered, held, entry, values)


def by_design(
    answered: Answered, held: Held, entry: Entry, values: Sequence[Mapping[str, Array] | None]
) -> Held:
    """A buffer that is wrong, held by what is declared of it, if that makes it right."""
    design = design_of(answered.matched, entry.source.reference[0], entry.port)
    if design is None or len(entry.source.reference) > 1:
        return held
    other = replace(answered, expected=answered.expected.by_design(design))
    again = next(of_leaf(other, held.place, entry, "buffer", values))
    return replace(again, declared=(entry.port, design.words)) if again.right else held


def of_leaf(
    answered: Answered,
    place: Place,
    entry: Entry,
    kind: str,
    values: Sequence[Mapping[str, Array] | None],
    *,
    composed: bool = False,
) -> Iterator[Held]:
    """The slope of a leaf of the port's, or a buffer, if both have it."""
    names = [(kind, name) for name in entry.source.reference]
    first, exactly = values
    assert first is not None
    expected = answered.expected
    if entry.port in first and names and all(name in expected.exact for name in names):
        transform = entry.source.transform
        made = transform.slope if kind == "slope" else transform
        value_of = partial(leaf_of, answered.matched.mapping, entry.port, kind)
        yield hold(
            place,
            expected,
            names,
            (first[entry.port], None if exactly is None else exactly[entry.port]),
            made,
            partial(answered.rounds_inside, names, made, value_of),
            leaf_noise(answered, entry, kind, value_of),
            composed=composed,
        )


def leaf_noise(
    answered: Answered, entry: Entry, kind: str, value_of: Callable[[Answer], Array | None]
) -> Callable[[int], float | None]:
    """How far the port's own roundings lead a leaf, as `own_noise`.

    Of a buffer of the whole it is what those of its layer do, which takes no run of the whole: what
    reaches the layer is rounded as the reference's is, and allowed as that.
    """
    if kind != "buffer" or answered.unit.name != "whole":
        return partial(answered.own_noise, value_of)
    owners = answered.matched.reference.leaves[entry.source.reference[0]].owners

    @cache
    def calls() -> Sequence[Answered]:
        try:
            return list(answered.alone(owners[0]))
        except Exception:
            # Somebody's layer, by itself: the tensor stays as it was held.
            return []

    def noise(draws: int) -> float | None:
        each = [one.own_noise(value_of, draws) for one in calls()]
        known = [one for one in each if one is not None]
        return max(known) if known and len(known) == len(each) else None

    return noise


def one_there(layout: Layout, arrays: Sequence[Array]) -> Array:
    """The reference's tensor as the port has it."""
    return layout.there(arrays[0])


def leaf_of(mapping: WeightMap, port: str, kind: str, answer: Answer) -> Array | None:
    """The slope of a leaf of the port's, of tied ones the sum, or a buffer."""
    found = mapping.gather(answer.slopes) if kind == "slope" else answer.buffers
    return found.get(port)


def picked(answer: Answer, field: str, key: Sequence[Key], at: int) -> Array | None:
    """One tensor of an answer, if it has it."""
    some = getattr(answer, field)
    if key:
        some = some.get(key[0])
    return some[at] if some is not None and at < len(some) else None
