"""A mapping from names, order and shapes, before any number is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, NamedTuple

from common.contract.net import Leaf
from common.mapping.layouts import Piece, ways
from common.mapping.mapping import Entry, Source, WeightMap, taking_part
from common.mapping.names import CONVOLUTION, TRANSPOSED, path_of
from common.mapping.packed import choices, joined
from common.mapping.pairs import Paired, paired
from common.mapping.stacked import unstacked
from common.mapping.thirds import Name, cut, cuttable, rejoined
from common.mapping.transforms import Shape, transform_of
from common.mapping.units import Unit, units

#: A leaf with other axes is less likely the same.
RESHAPED = 0.8


class Found(NamedTuple):
    """What may make a piece of the port."""

    piece: Piece
    sources: list[Source]
    pair: Paired
    together: str


def propose(
    reference: Sequence[Leaf],
    port: Sequence[Leaf],
    reference_order: Mapping[str, int] | None = None,
    port_order: Mapping[str, int] | None = None,
    flattened: Mapping[str, tuple[int, int, int]] | None = None,
) -> WeightMap:
    """Map every leaf of a port that has a counterpart.

    Args:
        reference, port: their leaves, in order of definition; those of integers take no part.
        reference_order, port_order: module path -> the place of its first call; may lack paths.
        flattened: path of a linear module of the reference -> the (C, H, W) of the feature map
            that was made one axis before it. Where it is not said, a square one with the
            channels of the last convolution is thought possible.
    """
    theirs, ours, pairs = _paired(reference, port, reference_order or {}, port_order or {})
    maps = dict(flattened or {})
    for unit in theirs:
        if unit.path not in maps and (guess := _square(unit, theirs)):
            maps[unit.path] = guess
    found: list[Found] = []
    for pair in (*pairs, *_tied(theirs, ours, pairs)):
        found += _of_pair(pair, maps)
    for pair in _alone(theirs, ours, found, reference_order or {}, port_order or {}):
        found += _of_pair(pair, maps)
    shapes = taking_part(reference), taking_part(port)
    # A leaf that two modules of the port share is what the one in its name says, if it has a pair.
    found.sort(
        key=lambda one: path_of(one.piece.name).startswith(path_of(one.pair.port.path) + ".")
    )
    entries = {entry.port: entry for entry in _restacked(found, shapes[1])}
    return WeightMap(tuple(entries[name] for name in shapes[1] if name in entries), *shapes)


def _paired(
    reference: Sequence[Leaf],
    port: Sequence[Leaf],
    reference_order: Mapping[str, int],
    port_order: Mapping[str, int],
) -> tuple[list[Unit], list[Unit], list[Paired]]:
    """The units of both sides, and which is which.

    Queries, keys and values that have no counterpart are modules like others: the other side may
    call them `Dense_0` to `Dense_2`. Packed ones are taken into thirds, and stay as they are if
    these find nothing that belongs together.
    """
    apart: list[set[str]] = [set(), set()]
    packed: list[set[Name]] = [set(), set()]
    kept: list[set[Name]] = [set(), set()]
    while True:
        theirs = units(reference, reference_order, apart[0])
        ours = units(port, port_order, apart[1])
        theirs, ours = unstacked(theirs, ours, fits), unstacked(ours, theirs, fits)
        theirs, first = cut(theirs, packed[0] - kept[0])
        ours, second = cut(ours, packed[1] - kept[1])
        pairs = paired(theirs, ours, fits)
        done = {id(unit) for pair in pairs for unit in (pair.reference, pair.port)}
        alone = [[unit for unit in side if id(unit) not in done] for side in (theirs, ours)]
        if _grown(apart, [{unit.path for unit in side if unit.split} for side in alone]):
            continue
        if _grown(packed, [cuttable(*some) for some in (alone, alone[::-1])]):
            continue
        pairs, failed = rejoined(pairs, (first, second), fits)
        if not _grown(kept, failed):
            return theirs, ours, pairs


def _grown(known: Sequence[set[Any]], more: Sequence[set[Any]]) -> bool:
    """Add to what is known of both sides; whether anything was new."""
    new = any(some - old for old, some in zip(known, more, strict=True))
    for old, some in zip(known, more, strict=True):
        old |= some
    return new


def fits(reference: Unit, port: Unit) -> float:
    """The share of parts that both units have in fitting shapes; 0 if the largest does not fit."""
    if (reference.kind, reference.blocks, reference.size) != (port.kind, port.blocks, port.size):
        return 0.0
    if reference.kind != "module":
        made = choices(reference, port, most=1)
        return len(made[0]) / len({piece.name for piece in port.pieces}) if made else 0.0
    names = set(reference.parts) | set(port.parts)
    both = [
        name
        for name in set(reference.parts) & set(port.parts)
        if ways(reference.parts[name].pieces[0], port.parts[name].pieces[0])
    ]
    main = max(port.parts, key=lambda name: math.prod(port.parts[name].pieces[0].shape))
    if main not in both:
        return 0.0
    one, other = reference.parts[main].pieces[0], port.parts[main].pieces[0]
    return len(both) / len(names) * (1.0 if len(one.shape) == len(other.shape) else RESHAPED)


def _tied(reference: Sequence[Unit], port: Sequence[Unit], pairs: Sequence[Paired]) -> list[Paired]:
    """Units of the port that are left, each with an embedding that fits: it may be tied there."""
    done = {piece.name for pair in pairs for piece in pair.port.pieces}
    found = []
    for unit in port:
        if unit.main.pieces[0].name in done or unit.about != "linear":
            continue
        fitting = [one for one in reference if one.about == "embedding" and fits(one, unit)]
        if len(fitting) == 1:
            found.append(Paired(fitting[0], unit, "by shape"))
    return found


def _alone(
    reference: Sequence[Unit],
    port: Sequence[Unit],
    found: Sequence[Found],
    reference_order: Mapping[str, int],
    port_order: Mapping[str, int],
) -> list[Paired]:
    """Leaves that are left, one by one: a layer's bias may stand by itself beside its weight.

    Only if other leaves of the modules that call them are pairs: a bias that a port lacks is not
    the one that it has too many somewhere else.
    """
    used = {name for one in found for source in one.sources for name in source.reference}
    made = {one.piece.name for one in found}

    def callers(one: Unit, other: Unit) -> tuple[str, str]:
        return _called(one.path, reference_order), _called(other.path, port_order)

    related = {callers(one.pair.reference, one.pair.port) for one in found}

    def alike(one: Unit, other: Unit) -> float:
        trained = one.main.pieces[0].trained == other.main.pieces[0].trained
        return fits(one, other) if trained and callers(one, other) in related else 0.0

    return paired(_parted(reference, used), _parted(port, made), alike)


def _called(path: str, order: Mapping[str, int]) -> str:
    """The innermost module that is called and holds another, which may be a mere list."""
    while path and order and path not in order:
        path = path.rpartition(".")[0]
    return path


def _parted(side: Sequence[Unit], done: Set[str]) -> list[Unit]:
    """A unit for each leaf of a module that is not done."""
    return [
        replace(unit, parts={"weight": part}, about="", suffix=part.pieces[0].role)
        for unit in side
        if unit.kind == "module" and not unit.whole
        for part in unit.parts.values()
        if part.pieces[0].name not in done
    ]


def _square(unit: Unit, all_: Sequence[Unit]) -> tuple[int, int, int] | None:
    """(C, H, H) that may have been flattened before a linear module; C of the last convolution."""
    shape = unit.main.pieces[0].shape
    before = [u for u in all_ if u.place < unit.place and u.about in (CONVOLUTION, TRANSPOSED)]
    if unit.about != "linear" or len(shape) != 2 or not before:
        return None
    piece = before[-1].main.pieces[0]
    channels = piece.shape[piece.axes.index("out")]
    inputs = shape[unit.main.pieces[0].axes.index("in")]
    side = math.isqrt(inputs // channels)
    return (channels, side, side) if side > 1 and channels * side * side == inputs else None


def _of_pair(pair: Paired, maps: Mapping[str, Shape]) -> list[Found]:
    """What may make each leaf of the port's unit."""
    if pair.reference.kind != "module":
        made = choices(pair.reference, pair.port)
        together = f"{pair.reference.whole or pair.port.module}|{pair.port.suffix}"
        taken = _taken(pair.reference.pieces[0])
        return [
            Found(
                piece,
                [
                    Source(names, transform_of(joined([taken, words])))
                    for names, words in (one[piece.name] for one in made)
                ],
                pair,
                together,
            )
            for piece in {piece.name: piece for piece in pair.port.pieces}.values()
            if piece.name in made[0]
        ]
    found = []
    for name in pair.port.parts:
        if name not in pair.reference.parts:
            continue
        (one,), (other,) = pair.reference.parts[name].pieces, pair.port.parts[name].pieces
        sources = [
            Source((one.name,), transform_of(joined([_taken(one), way])))
            for way in ways(one, other, maps.get(pair.reference.path))
        ]
        if sources:
            together = f"{pair.reference.whole}|{name}" if pair.reference.whole else other.name
            found.append(Found(other, sources, pair, together))
    return found


def _taken(piece: Piece) -> str:
    """How a layer is got from the leaf that stacks it."""
    return "" if piece.layer is None else f"take {piece.layer}"


def _restacked(found: Sequence[Found], port: Mapping[str, Shape]) -> list[Entry]:
    """An entry for each leaf, those that stack layers from the pieces of all."""
    entries = []
    stacks: dict[str, list[Found]] = {}
    for one in found:
        if one.piece.layer is None:
            entries.append(_entry(one))
        else:
            stacks.setdefault(one.piece.name, []).append(one)
    for name, layers in stacks.items():
        layers.sort(key=lambda one: one.piece.layer or 0)
        whole = len(layers) == port[name][0]
        if whole and all(len(one.sources[0].reference) == 1 for one in layers):
            sources = [
                Source(
                    tuple(name for source in each for name in source.reference),
                    transform_of(joined([str(each[0].transform), "stack 0"])),
                )
                for each in zip(*(one.sources for one in layers), strict=True)
            ]
            entries.append(_entry(layers[0]._replace(sources=sources)))
    return entries


def _entry(found: Found) -> Entry:
    """The most plausible source, the others as candidates.

    Of layers that one side runs in a loop only the whole can be asked.
    """
    first, *others = found.sources
    one, other = found.pair.reference, found.pair.port
    looped = one.whole or other.whole
    return Entry(
        found.piece.name,
        first,
        tuple(others),
        found.pair.by,
        "" if looped else other.path,
        "" if looped else one.path,
        found.together,
    )
