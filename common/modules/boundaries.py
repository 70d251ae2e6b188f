"""Layers that begin or end elsewhere in the port: `Dense(8, activation="relu")` holds its ReLU.

Such a layer answers otherwise than its counterpart, and what surrounds it makes up for that. It
is told from a wrong one by leaving it to the wiring: then what leads to the next layer is right,
and nothing is wrong that was not before.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from common.modules import holding
from common.modules.expected import UnaskedError
from common.modules.held import Held, Place
from common.modules.judging import Judge
from common.modules.parts import is_under


def merging(judge: Judge) -> tuple[Judge, list[Held]]:
    """Judge, each layer that begins or ends elsewhere together with the wiring around it.

    Returns:
        who judged in the end, and everything that was held.
    """
    held = judge.judged()
    try:
        while (wider := _wider(judge, held)) is not None:
            judge, held = wider, wider.judged()
    except UnaskedError:  # a kit was asked for every layer alone, and for the whole
        return _by_the_whole(judge, held)
    return judge, held


def _by_the_whole(judge: Judge, held: list[Held]) -> tuple[Judge, list[Held]]:
    """The loss and the whole, if they are right: then the layer but begins or ends elsewhere."""
    whole = judge.whole()
    if not whole or not all(one.right for one in whole):
        return judge, held
    first = next(one.place for one in held if not one.right)
    right = [one for one in held if one.right]
    return _merged(judge, first.layer), [*right, *whole]


def _wider(judge: Judge, held: list[Held]) -> Judge | None:
    """The judge that leaves the first wrong layer to the wiring, if that makes up for it.

    What leads to the next layer may be wrong for the same reason: then that one is left, too.
    """
    first = next((one.place for one in held if not one.right), None)
    if first is None or first.stage != "forward" or first.unit not in ("layer", "wiring"):
        return None
    calls = [mine for mine, _ in judge.matched.keys]
    if (first.layer, first.number) not in calls or judge.wiring.failed is not None:
        return None
    before, wider = _judged(judge), judge
    behind = dict.fromkeys(path for path, _ in calls[calls.index((first.layer, first.number)) :])
    for path, following in pairwise([*behind, ""]):
        wider = _merged(wider, path)
        if wider.wiring.failed is not None or not _keep_count(wider):
            return None
        found = _judged(wider)
        if any(not right and before.get(place, True) for place, right in found.items()):
            return None
        led = [right for place, right in found.items() if place.layer == following]
        if led and all(led):
            return wider
    return None


def _merged(judge: Judge, path: str) -> Judge:
    """The judge that leaves a layer to the wiring."""
    matched = judge.matched
    pairs = [pair for pair in matched.pairs if pair.reference != path]
    return replace(judge, matched=replace(matched, pairs=pairs, merged=(*matched.merged, path)))


def _judged(judge: Judge) -> dict[Place, bool]:
    """Whether each tensor is right that the wiring computes; a mask may have another value."""
    place, wiring = Place("", "", "forward", "wiring", ""), judge.wiring
    found = [*holding.outputs(wiring, place, judge.matched.returned)]
    for mine, theirs in judge.matched.keys:
        at = replace(place, layer=mine[0], port_layer=theirs[0], number=mine[1])
        found += [
            one
            for i, one in holding.arrived(wiring, at, mine, theirs).items()
            if one.right or not wiring.expected.is_constant(("arrived", mine, i))
        ]
    return {one.place: one.right for one in found}


def _keep_count(judge: Judge) -> bool:
    """Whether the layers that are left to the wiring have the right buffers afterwards."""
    matched = judge.matched
    inside = {
        entry.port
        for entry in matched.mapping.entries
        for name in entry.source.reference
        for owner in matched.reference.leaves[name].owners
        if any(is_under(owner, path) for path in matched.merged)
    }
    place = Place("", "", "forward", "wiring", "")
    found = holding.buffers(judge.wiring, place) if matched.train else ()
    return all(one.right for one in found if one.place.tensor in inside)
