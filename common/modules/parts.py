"""What a network is made of: layers, which hold parameters, and the wiring between them.

A layer is the innermost module that was seen called and holds a leaf. A module that has leaves
of its own beside such modules (a position embedding of a whole transformer) is none: those
leaves are the wiring's, as is everything without leaves: activations, pooling, sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from common.contract.net import TAP, Call, Leaf

#: Leaf -> the layers that hold it; none: the wiring.
Layers = Mapping[str, frozenset[str]]

#: A port's leaf and the reference's leaves that it is made of.
Link = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Pair:
    """A layer of the reference and the port's that stands for it.

    Attributes:
        reference, port: their paths.
        calls: how often each is called.
    """

    reference: str
    port: str
    calls: int


def is_under(path: str, outer: str) -> bool:
    """Whether a module is another, or in it."""
    return not outer or path == outer or path.startswith(f"{outer}.")


def above(path: str) -> str:
    """The module that a module is in."""
    return path.rpartition(".")[0]


def layers_of(leaves: Iterable[Leaf], calls: Iterable[Call]) -> dict[str, frozenset[str]]:
    """The layers of a network that ran, by leaf."""
    seen = {call.path for call in calls if call.kind != TAP} - {""}

    def innermost(path: str) -> str:
        while path and path not in seen:
            path = above(path)
        return path

    found = {leaf.name: {innermost(owner) for owner in leaf.owners} for leaf in leaves}
    every = set().union(*found.values()) - {""} if found else set()
    outer = {one for one in every for other in every if other != one and is_under(other, one)}
    return {name: frozenset(paths - outer - {""}) for name, paths in found.items()}


def pairs(
    links: Iterable[Link],
    layers: tuple[Layers, Layers],
    calls: tuple[Sequence[Call], Sequence[Call]],
) -> list[Pair]:
    """The layers that stand for each other, in the order in which the reference calls them.

    Where one layer stands for several (packed weights for split ones), the smallest module
    around the several is the layer. What has no counterpart, or is called another number of
    times, is left to the wiring.

    Args:
        links: which leaf is made of which.
        layers, calls: of the reference and of the port.
    """
    links = list(links)
    of_reference, of_port = (dict(one) for one in layers)
    seen = [{call.path for call in one} for one in calls]
    while True:
        groups = joined(links, of_reference, of_port)
        wide = next(((r, p) for r, p in groups if r and p and len(r) + len(p) > 2), None)
        if wide is None:
            break
        for group, held, paths in zip(wide, (of_reference, of_port), seen, strict=True):
            if len(group) > 1:
                gather(held, group, paths)
    counts = [Counter(call.path for call in one) for one in calls]
    found = {
        r: Pair(r, p, counts[0][r])
        for (r,), (p,) in ((g, h) for g, h in groups if len(g) == len(h) == 1)
        if counts[0][r] == counts[1][p]
    }
    order = dict.fromkeys(call.path for call in calls[0])
    return [found[path] for path in order if path in found]


def taps(calls: tuple[Sequence[Call], Sequence[Call]], taken: Iterable[Pair]) -> list[Pair]:
    """What one side names, and the other names or calls under the same name: its outputs.

    Args:
        calls: of the reference and of the port.
        taken: the layers that stand for each other.
    """
    pairs = list(taken)
    layers = [{pair.reference for pair in pairs}, {pair.port for pair in pairs}]
    counts = [Counter(call.path for call in one) for one in calls]
    named = {call.path for one in calls for call in one if call.kind == TAP}
    return [
        Pair(path, path, count)
        for path, count in counts[0].items()
        if path in named
        and counts[1][path] == count
        and path not in layers[0]
        and path not in layers[1]
    ]


def joined(
    links: Iterable[Link], of_reference: Layers, of_port: Layers
) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Layers of both sides that share leaves; those that share one with a wiring are left out."""
    groups: list[tuple[set[str], set[str]]] = []
    loose: tuple[set[str], set[str]] = set(), set()
    for port, names in links:
        mine = set(of_port[port])
        theirs = set().union(*(of_reference[name] for name in names))
        if not mine or not theirs or any(not of_reference[name] for name in names):
            loose[0].update(theirs)
            loose[1].update(mine)
        near = [g for g in groups if g[0] & theirs or g[1] & mine]
        groups = [g for g in groups if g not in near]
        groups.append((theirs.union(*(g[0] for g in near)), mine.union(*(g[1] for g in near))))
    return [
        (frozenset(r), frozenset(p))
        for r, p in groups
        if not (r & loose[0] or p & loose[1]) and r and p
    ]


def gather(held: dict[str, frozenset[str]], group: Iterable[str], seen: Iterable[str]) -> None:
    """Let the smallest module that was seen called around some layers be the layer."""
    first, *rest = group
    while first and not (first in seen and all(is_under(one, first) for one in rest)):
        first = above(first)
    inside = {name for name, paths in held.items() if any(is_under(p, first) for p in paths)}
    held.update({name: frozenset({first} - {""}) for name in inside})
