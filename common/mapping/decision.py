"""A mapping's candidates, decided by what the port's modules make of them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice, permutations

from common.contract.arrays import Array, Arrays
from common.mapping.mapping import Entry, WeightMap

#: So many combinations of candidates are asked for one module.
MOST = 64

#: So many modules side by side are exchanged, at most.
SIDE_BY_SIDE = 4

#: A less plausible combination must be better by this factor; less is rounding, or a wrong layer.
BETTER = 0.5

#: Modules are exchanged only if that explains the whole; something else in it may be wrong, too.
EXPLAINS = 1e-3

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

    A module inside another is decided before it, or with it if it cannot be asked alone
    (PyTorch's attention uses the weights of its `out_proj` and never calls it). Of those that
    make no difference the most plausible stays: they are the same function, or nothing was
    asked that tells them apart.
    Modules side by side that only their order told apart are exchanged, too, and the module
    around them is asked.

    Args:
        mapping: a proposal.
        values: of the reference's leaves; random ones without symmetry, or nothing is told.
        residual: asked for every combination of a module's candidates.
        enough: a residual that is rounding; the first combination within it ends the search.
        most: combinations for each module.
    """
    dtype = next((array.dtype.name for array in values.values() if array.dtype.kind == "f"), "")
    base = mapping.apply(values, dtype)

    def asked(
        module: str, choices: Iterable[list[Entry]], better: float
    ) -> tuple[list[Entry], bool | None]:
        """The nearest of some choices, and whether the numbers told it; None: it cannot run."""
        tried: list[tuple[float, list[Entry]]] = []
        for entries in islice(choices, most):
            made = mapping.with_entries(entries).apply(values, dtype)
            distance = residual({**base, **made}, module)
            tried.append((math.inf if math.isnan(distance) else distance, entries))
            if distance <= enough:
                break
        least = min(distance for distance, _ in tried)
        best, entries = next(one for one in tried if better * one[0] <= least)
        told = (
            None
            if math.isinf(least)
            else best <= enough or any(best < better * distance for distance, _ in tried)
        )
        base.update(mapping.with_entries(entries).apply(values, dtype))
        return entries, told

    chosen = {entry.port: entry for entry in mapping.entries}
    waiting = _by_module(mapping.entries)
    while waiting:
        module = max(waiting, key=lambda path: path.count(".") + bool(path))
        before = waiting.pop(module)
        if not any(entry.candidates for entry in before):
            continue
        entries, told = asked(module, combinations(before), BETTER)
        if told is None and module:
            waiting.setdefault(module.rpartition(".")[0], []).extend(before)
        for entry in entries if told else ():
            by = "by numbers" if entry.candidates else entry.decided
            chosen[entry.port] = replace(entry, decided=by)
    for around, group in interchangeable(mapping):
        members = [[chosen[entry.port] for entry in member] for member in group]
        entries, told = asked(around, exchanged(members), EXPLAINS)
        for entry in entries if told else ():
            chosen[entry.port] = replace(entry, decided="by numbers")
    return mapping.with_entries(chosen.values())


def interchangeable(mapping: WeightMap) -> Iterator[tuple[str, list[list[Entry]]]]:
    """Modules side by side that order alone told apart, and the path of the one around them."""
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in mapping.entries:
        members[entry.module].append(entry)
    groups: dict[tuple[object, ...], list[list[Entry]]] = defaultdict(list)
    for module, own in members.items():
        if module and all(entry.decided == "by order" for entry in own):
            alike = tuple(sorted((_role(e), str(e.source.transform)) for e in own))
            shapes = tuple(sorted(mapping.port[e.port] for e in own))
            groups[module.rpartition(".")[0], alike, shapes].append(own)
    for (around, *_), group in groups.items():
        if 1 < len(group) <= SIDE_BY_SIDE:
            yield str(around), group


def exchanged(members: Sequence[list[Entry]]) -> Iterator[list[Entry]]:
    """Every order of what some modules are made of, as it is first."""
    for order in permutations(range(len(members))):
        yield [
            replace(entry, source=other.source, counterpart=other.counterpart)
            for mine, number in zip(members, order, strict=True)
            for entry in mine
            for other in members[number]
            if _role(other) == _role(entry)
        ]


def _role(entry: Entry) -> str:
    return entry.port.rpartition(".")[2]


def _by_module(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The entries of each module."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        found[entry.module].append(entry)
    return dict(found)


def combinations(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """Every choice of candidates, the most plausible first; those `together` move together.

    All second ones come second: who turns one weight round often turns all, and of many modules
    that can only be asked as one the rest is never reached.
    """
    groups = list(dict.fromkeys(entry.together for entry in entries))
    many = {entry.together: 1 + len(entry.candidates) for entry in entries}
    sizes = [many[group] for group in groups]
    early = (0,) * len(sizes), tuple(min(1, size - 1) for size in sizes)
    summing = (_summing(sizes, total) for total in range(sum(sizes) - len(sizes) + 1))
    others = (one for some in summing for one in some if one not in early)
    for numbers in chain(dict.fromkeys(early), others):
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
