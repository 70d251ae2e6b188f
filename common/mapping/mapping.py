"""Which leaves of a reference make each leaf of a port, and how: applied, given back, written.

`propose` (common/mapping/proposal.py) makes one from names, order and shapes; `decide`
(common/mapping/decision.py) asks the numbers. What is in it is in the file, too, and a file that
somebody edited is taken if it fits the leaves.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.net import Leaf
from common.contract.precision import cast_one
from common.errors import Refused
from common.mapping.transforms import Shape, Transform, transform_of

SCHEMA_VERSION = 1

#: How an entry may have been decided; the last is somebody's who wrote the file.
DECIDED = ("by name", "by shape", "by order", "by numbers", "by hand")


@dataclass(frozen=True)
class Source:
    """What a port's leaf is made of: the names of reference leaves, and what is done to them."""

    reference: tuple[str, ...]
    transform: Transform = field(default_factory=Transform)


@dataclass(frozen=True)
class Entry:
    """One leaf of the port.

    Attributes:
        port: its name.
        source: what it is made of.
        candidates: what else would fit, the most plausible first.
        decided: one of `DECIDED`.
        module: the port's module that tells by its outputs whether it is right.
        counterpart: the reference's module that it is held against.
        together: entries with the same word here take candidates of the same number.
    """

    port: str
    source: Source
    candidates: tuple[Source, ...] = ()
    decided: str = "by hand"
    module: str = ""
    counterpart: str = ""
    together: str = ""


@dataclass(frozen=True, eq=False)
class WeightMap:
    """Every leaf of a port, of a reference's.

    Attributes:
        entries: in the port's order.
        reference, port: the leaves that take part, by name, and their shapes.
    """

    entries: tuple[Entry, ...]
    reference: Mapping[str, Shape]
    port: Mapping[str, Shape]

    def apply(self, values: Mapping[str, Array], dtype: str) -> Arrays:
        """The port's leaves that have an entry, of the reference's values.

        Computed in the values' dtype, rounded once.
        """
        return {
            e.port: cast_one(
                np.array(e.source.transform([values[n] for n in e.source.reference])), dtype
            )
            for e in self.entries
        }

    def pull(self, slopes: Mapping[str, Array]) -> Arrays:
        """The slopes that the port's leaves must have, given the reference's.

        Of the port's leaves that share a leaf of the reference (`tied`), only the first is in
        it: their slopes add up to it, and `gather` adds them. Where the reference has no slope
        (a buffer), there is none.
        """
        spare = {name for names in self.tied for name in names[1:]}
        return {
            e.port: np.array(e.source.transform.slope([slopes[n] for n in e.source.reference]))
            for e in self.entries
            if e.port not in spare and all(n in slopes for n in e.source.reference)
        }

    def gather(self, slopes: Mapping[str, Array]) -> Arrays:
        """The port's own slopes, so that they can be held against `pull`: tied ones added."""
        found = dict(slopes)
        entry_of = {e.port: e for e in self.entries}
        for names in self.tied:
            present = [entry_of[name] for name in names if name in found]
            if len(present) < len(names):
                continue
            origin = self.reference[present[0].source.reference[0]]
            total = np.zeros(int(np.prod(origin)), found[names[0]].dtype)
            for e in present:
                places = e.source.transform.places([origin], 0)
                np.add.at(total, places.ravel() - 1, found.pop(e.port).ravel())
            found[names[0]] = np.array(present[0].source.transform([total.reshape(origin)]))
        return found

    @property
    def counterparts(self) -> dict[str, str]:
        """The port's modules that tell whether entries are right -> the reference's.

        "" is the whole; a module that holds a cell's gates, or queries, keys and values, stands
        for those inside it.
        """
        return {e.module: e.counterpart for e in reversed(self.entries)}

    @cached_property
    def tied(self) -> tuple[tuple[str, ...], ...]:
        """The port's leaves that hold all of the same one leaf of the reference."""
        holders: dict[str, list[str]] = defaultdict(list)
        for e in self.entries:
            if len(e.source.reference) == 1 and e.source.transform.keeps_all:
                holders[e.source.reference[0]].append(e.port)
        return tuple(tuple(names) for names in holders.values() if len(names) > 1)

    @cached_property
    def used(self) -> dict[str, int | Array]:
        """How often each element of each reference leaf is in the port; an int, if all alike."""
        counts: dict[str, int | Array] = dict.fromkeys(self.reference, 0)
        for e in self.entries:
            shapes = [self.reference[name] for name in e.source.reference]
            for number, (name, shape) in enumerate(zip(e.source.reference, shapes, strict=True)):
                if len(shapes) == 1 and e.source.transform.keeps_all:
                    counts[name] = counts[name] + 1
                    continue
                places = e.source.transform.places(shapes, number).ravel()
                times = np.bincount(places, minlength=1 + int(np.prod(shape)))[1:]
                counts[name] = counts[name] + times.reshape(shape)
        return counts

    @cached_property
    def left_over(self) -> dict[str, dict[str, str]]:
        """What has no counterpart, in words: {"reference": {name: ...}, "port": {name: ...}}."""
        made = {e.port for e in self.entries}
        unused = {}
        for name, times in self.used.items():
            missing = np.argwhere(np.broadcast_to(times, self.reference[name]) == 0)
            if np.ndim(times) == 0 and times == 0:
                unused[name] = (
                    f"{_said(name)} {self.reference[name]} has no counterpart in the port"
                )
            elif len(missing):
                unused[name] = (
                    f"{len(missing)} of {np.size(times)} elements of {name} have no counterpart "
                    f"in the port, the first at {missing[0].tolist()}"
                )
        return {
            "reference": unused,
            "port": {
                name: f"{_said(name)} {shape} has no counterpart in the reference"
                for name, shape in self.port.items()
                if name not in made
            },
        }

    @property
    def notes(self) -> list[str]:
        """All that is left over, a line each."""
        return [words for side in self.left_over.values() for words in side.values()]

    @property
    def complete(self) -> bool:
        """Whether nothing is left over."""
        return not self.notes

    def slope_words(self, entry: Entry) -> str:
        """How an entry's slope differs from its transform; nothing, if it does not."""
        for names in self.tied:
            if entry.port in names:
                return f"the slopes of {' and '.join(names)}, added"
        return entry.source.transform.slope_words

    def rows(self) -> list[tuple[str, str, str, str, str, str]]:
        """A table: the port's leaf, its shape, the reference's, their shapes, how, decided by."""
        return [
            (
                e.port,
                str(self.port[e.port]),
                ", ".join(e.source.reference),
                ", ".join(str(self.reference[n]) for n in e.source.reference),
                str(e.source.transform),
                e.decided,
            )
            for e in self.entries
        ]

    def save(self, path: Path) -> None:
        """Write it as JSON, an entry a line; `load` reads it."""
        entries = []
        for e in self.entries:
            line: dict[str, Any] = {
                "port": e.port,
                "reference": list(e.source.reference),
                "transform": str(e.source.transform),
                "decided": e.decided,
            }
            if words := self.slope_words(e):
                line["slope"] = words
            entries.append(json.dumps(line, ensure_ascii=False))
        left = json.dumps(self.left_over, ensure_ascii=False, indent=2).replace("\n", "\n  ")
        body = ",\n    ".join(entries)
        path.write_text(
            f'{{\n  "schema_version": {SCHEMA_VERSION},\n'
            f'  "entries": [\n    {body}\n  ],\n  "left_over": {left}\n}}\n',
            encoding="utf-8",
        )

    def with_entries(self, entries: Iterable[Entry]) -> WeightMap:
        """The same leaves, mapped otherwise."""
        return replace(self, entries=tuple(entries))


def _said(name: str) -> str:
    """ "conv1.bias" as "bias of conv1"."""
    path, _, role = name.rpartition(".")
    return f"{role} of {path}" if path else role


def taking_part(leaves: Sequence[Leaf]) -> dict[str, Shape]:
    """The leaves that are mapped, and their shapes: counters are not."""
    return {leaf.name: leaf.value.shape for leaf in leaves if leaf.value.dtype.kind == "f"}


def load(path: Path, reference: Sequence[Leaf], port: Sequence[Leaf]) -> WeightMap:
    """Read a mapping that was written, and perhaps edited.

    What it says of left-overs and slopes is not read: it follows from the entries.

    Raises:
        Refused: the file cannot be read, is no such JSON, or an entry does not fit the leaves.
    """
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"the mapping {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(f"the mapping {path} is no JSON: {error}") from error
    if not isinstance(given, dict) or not isinstance(given.get("entries"), list):
        raise Refused(f"the mapping {path} has no list of entries")
    if given.get("schema_version") != SCHEMA_VERSION:
        said = given.get("schema_version")
        raise Refused(
            f"the mapping {path} has schema_version {said!r}; this reads {SCHEMA_VERSION}"
        )
    shapes = taking_part(reference), taking_part(port)
    owner = {leaf.name: leaf.owners[0] for leaf in (*reference, *port)}
    entries: dict[str, Entry] = {}
    for number, line in enumerate(given["entries"]):
        where = f"{path}, entry {number}"
        entry = _entry(line, where, *shapes)
        if entry.port in entries:
            raise Refused(f"{where}: the port's {entry.port!r} has an entry already")
        entries[entry.port] = replace(
            entry, module=owner[entry.port], counterpart=owner[entry.source.reference[0]]
        )
    return WeightMap(tuple(entries[name] for name in shapes[1] if name in entries), *shapes)


def _entry(
    line: Any, where: str, reference: Mapping[str, Shape], port: Mapping[str, Shape]
) -> Entry:
    """One entry of a file, held against the leaves."""
    if not isinstance(line, dict) or not isinstance(line.get("port"), str):
        raise Refused(f"{where}: {line!r} is no entry; one has port, reference, transform, decided")
    name, names = line["port"], line.get("reference")
    if name not in port:
        raise Refused(f"{where}: the port has no leaf {name!r}{_nearest(name, port)}")
    if not isinstance(names, list) or not names or not all(isinstance(n, str) for n in names):
        raise Refused(f"{where}: reference must be a list of names, not {names!r}")
    for one in names:
        if one not in reference:
            raise Refused(f"{where}: the reference has no leaf {one!r}{_nearest(one, reference)}")
    words, decided = line.get("transform"), line.get("decided", "by hand")
    if not isinstance(words, str):
        raise Refused(f"{where}: transform must be words, such as 'permute 1 0', not {words!r}")
    if decided not in DECIDED:
        raise Refused(f"{where}: decided is {decided!r}; it may be {', '.join(DECIDED)}")
    try:
        transform = transform_of(words)
        shape = transform.shape([reference[one] for one in names])
    except Refused as error:
        raise Refused(f"{where}: {error}") from error
    if shape != port[name]:
        raise Refused(
            f"{where}: {words!r} makes {shape} of {' and '.join(names)}, "
            f"but the port's {name} is {port[name]}"
        )
    return Entry(name, Source(tuple(names), transform), decided=decided)


def _nearest(name: str, known: Mapping[str, Shape]) -> str:
    """Which name may have been meant."""
    near = get_close_matches(name, known, 1)
    return f"; {near[0]!r}, perhaps?" if near else ""
