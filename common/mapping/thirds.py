"""Queries, keys and values that no name says: three layers by their places, or a third each.

A packed leaf that has no counterpart is thought of as three layers, one after the other. If
these are paired with three layers of one module, whatever they are called (`Dense_0` to
`Dense_2`), or with the thirds of one layer, these are the queries, keys and values; which is
which is for the numbers to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from common.mapping.layouts import Piece
from common.mapping.packed import matrices
from common.mapping.pairs import Paired
from common.mapping.units import Part, Unit

#: A unit of one side, by its path and suffix.
Name = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Cut:
    """A unit that was taken apart, and what it was taken into."""

    whole: Unit
    thirds: Sequence[Unit]


def name_of(unit: Unit) -> Name:
    """Which unit of its side it is."""
    return unit.path, unit.suffix


def thirds(unit: Unit) -> list[Unit]:
    """The layers that a packed unit, or one layer three times as high, may be; or none."""
    packed = unit.kind == "qkv" or (unit.about == "linear" and not unit.suffix)
    if unit.split or not packed or not unit.parts.keys() <= {"weight", "bias"}:
        return []
    rows = {name: _third(name, part.pieces[0]) for name, part in unit.parts.items()}
    parts = {name: Part((piece,)) for name, piece in rows.items() if piece is not None}
    if len(parts) < len(rows):
        return []
    third = replace(unit, kind="module", parts=parts, about="linear", blocks=1)
    return [
        replace(third, suffix=f"{unit.suffix}{number}", place=unit.place + 1e-7 * number)
        for number in range(3)
    ]


def _third(name: str, piece: Piece) -> Piece | None:
    """A third of a leaf, the outputs first."""
    for outputs, *inputs in matrices(piece):
        if outputs % 3 == 0:
            return replace(piece, shape=(outputs // 3, *inputs), role=name)
    return None


def cuttable(alone: Sequence[Unit], others: Sequence[Unit]) -> set[Name]:
    """Those without a counterpart that may be queries, keys and values in one leaf.

    Args:
        alone, others: what has no counterpart, of the side and of the other.
    """
    wholes = {unit.size for unit in others if unit.kind == "qkv"}
    layers = Counter(unit.size for unit in others if unit.kind == "module")
    return {
        name_of(unit)
        for unit in alone
        if thirds(unit)
        and (unit.kind == "qkv" or unit.size in wholes or layers[unit.size // 3] >= 3)
    }


def cut(side: Sequence[Unit], names: set[Name]) -> tuple[list[Unit], list[Cut]]:
    """A side's units in order of execution, those of some names taken apart; and these."""
    cuts = [Cut(unit, thirds(unit)) for unit in side if name_of(unit) in names]
    found = [unit for unit in side if name_of(unit) not in names]
    found += [third for one in cuts for third in one.thirds]
    return sorted(found, key=lambda unit: unit.place), cuts


def rejoined(
    pairs: Sequence[Paired],
    cuts: tuple[Sequence[Cut], Sequence[Cut]],
    fits: Callable[[Unit, Unit], float],
) -> tuple[list[Paired], list[set[Name]]]:
    """The pairs, those of thirds as one pair of queries, keys and values.

    Args:
        pairs: of units, thirds among them.
        cuts: what was taken apart, of the reference and of the port.
        fits: as `paired` takes it.

    Returns:
        also the names of those whose thirds have no counterparts that belong together.
    """
    origin = {id(third): one for side in cuts for one in side for third in one.thirds}
    partner = {id(pair.reference): pair.port for pair in pairs}
    partner |= {id(pair.port): pair.reference for pair in pairs}
    found: list[Paired] = []
    done: set[int] = set()
    failed: list[set[Name]] = [set(), set()]
    for number, side in enumerate(cuts):
        for one in side:
            if id(one) in done:
                continue
            others = [partner[id(third)] for third in one.thirds if id(third) in partner]
            whole, other = _packed(one.whole), _joined(others, origin)
            both = (whole, other) if number == 0 else (other, whole)
            if both[0] is None or both[1] is None or not fits(both[0], both[1]):
                failed[number].add(name_of(one.whole))
                continue
            found.append(Paired(both[0], both[1], "by order"))
            done |= {id(origin[id(unit)]) for unit in others if id(unit) in origin}
    kept = [pair for pair in pairs if not {id(pair.reference), id(pair.port)} & origin.keys()]
    return kept + found, failed


def _joined(three: Sequence[Unit], origin: dict[int, Cut]) -> Unit | None:
    """Three units as one of queries, keys and values, if they belong together."""
    wholes = {origin.get(id(one)) for one in three}
    parents = {one.path.rpartition(".")[0] for one in three}
    if len(three) < 3 or len(wholes) > 1 or len(parents) > 1:
        return None
    (whole,) = wholes
    if whole is not None:
        return _packed(whole.whole)
    if any(one.kind != "module" or one.suffix or one.whole for one in three):
        return None
    parts = {}
    for role in ("weight", "bias"):
        held = {n: one.parts[role].pieces[0] for n, one in enumerate(three) if role in one.parts}
        if held:
            parts[role] = Part(tuple(held.values()), tuple(held))
    place = min(one.place for one in three)
    return Unit(parents.pop(), "qkv", parts, "attention", "qkv", place, blocks=3)


def _packed(unit: Unit) -> Unit:
    """One layer as packed queries, keys and values of the module that it is in."""
    if unit.kind == "qkv":
        return unit
    parts = {name: Part(part.pieces, (0, 1, 2)) for name, part in unit.parts.items()}
    parent = unit.path.rpartition(".")[0]
    return replace(
        unit, path=parent, kind="qkv", parts=parts, about="attention", suffix="qkv", blocks=3
    )
