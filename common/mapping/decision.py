"""A mapping's candidates, decided by what the port's modules make of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from common.contract.arrays import Array, Arrays
from common.mapping.mapping import Entry, WeightMap

#: So many combinations of candidates are asked for one module.
MOST = 64

#: A less plausible combination must be better by this factor; less is rounding, or a wrong layer.
BETTER = 0.5

#: (all of the port's leaves that have an entry, the port's module) -> how far its outputs are
#: from its counterpart's on equal inputs, relative to these; infinity if it cannot run.
Residual = Callable[[Arrays, str], float]


def decide(
    mapping: WeightMap,
    values: Mapping[str, Array],
    residual: Residual,
    enough: float = 1e-12,
    most: int = MOST,
) -> WeightMap:
    """Take the candidates with which each of the port's modules is nearest to the reference's.

    A module inside another is decided before it. Of those that make no difference the most
    plausible stays: they are the same function, or nothing was asked that tells them apart.

    Args:
        mapping: a proposal.
        values: of the reference's leaves; random ones without symmetry, or nothing is told.
        residual: asked for every combination of a module's candidates.
        enough: a residual that is rounding; the first combination within it ends the search.
        most: combinations for each module.
    """
    chosen = {entry.port: entry for entry in mapping.entries}
    dtype = next((array.dtype.name for array in values.values() if array.dtype.kind == "f"), "")
    base = mapping.apply(values, dtype)
    for module, entries in _by_module(mapping.entries):
        tried: list[tuple[float, list[Entry]]] = []
        for combined in islice(combinations(entries), most):
            made = mapping.with_entries(combined).apply(values, dtype)
            distance = residual({**base, **made}, module)
            tried.append((math.inf if math.isnan(distance) else distance, combined))
            if distance <= enough:
                break
        best = nearest(tried)
        told = tried[best][0] <= enough or any(
            tried[best][0] < BETTER * distance for distance, _ in tried
        )
        for before, entry in zip(entries, tried[best][1], strict=True):
            doubted = told and before.candidates
            chosen[entry.port] = replace(entry, decided="by numbers") if doubted else before
        base |= mapping.with_entries(chosen[e.port] for e in entries).apply(values, dtype)
    return mapping.with_entries(chosen.values())


def nearest(tried: Sequence[tuple[float, list[Entry]]]) -> int:
    """The least, the first of those that are about as little."""
    least = min(distance for distance, _ in tried)
    return next(n for n, (distance, _) in enumerate(tried) if BETTER * distance <= least)


def _by_module(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """The modules that have a choice, the innermost first, and their entries."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.module].append(entry)
    for module in sorted(found, key=lambda path: -len(path.split(".")) if path else 0):
        if any(entry.candidates for entry in found[module]):
            yield module, found[module]


def combinations(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Every choice of candidates, the most plausible first; those `together` move together."""
    groups = list(dict.fromkeys(entry.together for entry in entries))
    many = {entry.together: 1 + len(entry.candidates) for entry in entries}
    for total in range(sum(many.values()) - len(many) + 1):
        for numbers in _summing([many[group] for group in groups], total):
            at = dict(zip(groups, numbers, strict=True))
            yield [_taken(entry, at[entry.together]) for entry in entries]


def _summing(sizes: Sequence[int], total: int) -> Iterator[tuple[int, ...]]:
    """All tuples of numbers below these sizes that add up to a total."""
    if not sizes:
        if total == 0:
            yield ()
        return
    for first in range(min(sizes[0], total + 1)):
        for rest in _summing(sizes[1:], total - first):
            yield (first, *rest)


def _taken(entry: Entry, number: int) -> Entry:
    """An entry with one of its candidates as the source, the source among the candidates."""
    every = (entry.source, *entry.candidates)
    others = every[:number] + every[number + 1 :]
    return replace(entry, source=every[number], candidates=others)
