"""What the cells of a grid came to: read one results.json at a time, and kept as a few numbers.

Absolute times of different machines say nothing of each other: what is kept of a cell are ratios
within it, and each entrant's time over the least that its own machine would need.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import msgspec
from msgspec import Struct

from common.errors import Refused
from common.results.document import (
    Count,
    Natural,
    NotNegative,
    Pair,
    Positive,
    Share,
    Status,
    VerdictWord,
    Words,
)
from common.results.grid import CELL, Cell, Grid, Ran, read_struct
from common.results.record import AGREE

# ---- what is read of a results.json; the rest is passed over -----------------------------------


class _Epoch(Struct):
    test_accuracy: Share | None


class _Timing(Struct):
    times_limit: NotNegative | None = None


class _Entrant(Struct):
    label: Words
    status: Status
    reason: str | None
    epochs: list[_Epoch]
    timing: _Timing
    versions: dict[str, Words]


class _Verdict(Struct):
    verdict: VerdictWord
    reason: str | None = None


class _Parity(Struct):
    entrants: dict[str, _Verdict]


class _Limit(Struct):
    flops_per_second: Positive
    bytes_per_second: Positive


class _Environment(Struct):
    cpu: str
    cores: Count


class _Results(Struct):
    schema_version: Literal[1]
    environment: _Environment
    entrants: list[_Entrant]
    parity: _Parity
    comparisons: list[Pair]
    limit: _Limit | None = None


# ---- what is kept, and written to grid.json ----------------------------------------------------


class Host(Struct, frozen=True, kw_only=True):
    """A machine, and how many cells it ran."""

    name: Words
    cpu: str
    cores: Count
    cells: Count


class EntrantCell(Struct, frozen=True, kw_only=True):
    """One entrant in one cell; `times_limit` is its epoch over its own machine's least time."""

    label: Words
    status: Status
    verdict: VerdictWord
    reason: str | None
    test_accuracy: Share | None
    times_limit: NotNegative | None


class MergedCell(Struct, frozen=True, kw_only=True):
    """One cell that was run; the limit is its own host's."""

    index: Natural
    varied: dict[str, Any]
    folder: Words
    host: Words
    exit_code: Natural
    seconds: NotNegative
    entrants: list[EntrantCell]
    comparisons: list[Pair]
    flops_per_second: Positive | None
    bytes_per_second: Positive | None

    @property
    def outcomes(self) -> dict[str, str]:
        """Label -> the verdict, or the status of who did not finish."""
        return {e.label: e.verdict if e.status == "ok" else e.status for e in self.entrants}


class Accuracy(Struct, frozen=True, kw_only=True):
    """Test accuracy of one entrant over the seeds of otherwise equal cells."""

    varied: dict[str, Any]
    label: Words
    seeds: Count
    mean: Share
    deviation: NotNegative | None
    low: Share
    high: Share


class Apart(Struct, frozen=True, kw_only=True):
    """A cell, or a folder of one, that does not count, and why."""

    index: Natural
    why: Words


class Merged(Struct, frozen=True, kw_only=True):
    """grid.json.

    `failed` cells have an entrant that did not finish, or a result that cannot be read; `foreign`
    ones are of another plan, version or code, and are counted nowhere.
    """

    schema_version: Literal[1] = 1
    planned: Count
    vary: list[Words]
    hosts: list[Host]
    versions: dict[str, dict[str, Count]]
    cells: list[MergedCell]
    accuracies: list[Accuracy]
    missing: list[Natural]
    failed: list[Apart]
    foreign: list[Apart]
    twice: list[Apart]

    def exit_code(self) -> int:
        """0 all agree, 1 some differ, 3 some are missing, failed or foreign."""
        if self.missing or self.failed or self.foreign:
            return 3
        return max((cell.exit_code for cell in self.cells), default=0)


class Merging:
    """Takes up the cells of a grid one by one.

    Args:
        grid: as it was planned.
        folders: in which its cells may be; the first in which a cell is whole counts, or else the
            first that has it.
    """

    def __init__(self, grid: Grid, folders: Sequence[Path]) -> None:
        self._grid, self._folders = grid, folders
        self._cells: list[MergedCell] = []
        self._missing: list[int] = []
        self._failed: list[Apart] = []
        self._foreign: list[Apart] = []
        self._twice: list[Apart] = []
        self._hosts: dict[tuple[str, str, int], int] = defaultdict(int)
        self._versions: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def merged(self) -> Merged:
        """Read every cell, and put them together."""
        for cell in self._grid.cells:
            self._take(cell)
        hosts = [
            Host(name=name, cpu=cpu, cores=cores, cells=cells)
            for (name, cpu, cores), cells in sorted(self._hosts.items())
        ]
        return Merged(
            planned=len(self._grid.cells),
            vary=self._grid.vary,
            hosts=hosts,
            versions={package: dict(found) for package, found in sorted(self._versions.items())},
            cells=self._cells,
            accuracies=accuracies(self._cells),
            missing=self._missing,
            failed=self._failed,
            foreign=self._foreign,
            twice=self._twice,
        )

    def _take(self, cell: Cell) -> None:
        copies: list[tuple[Path, Ran, _Results]] = []
        unread: dict[Path, str] = {}
        strange = False
        for place in (folder / str(cell.index) for folder in self._folders):
            try:
                ran = read_struct(place / CELL, Ran)
                if why := foreign(self._grid, cell, ran):
                    self._foreign.append(Apart(index=cell.index, why=f"{place}: {why}"))
                    strange = True
                else:
                    copies.append((place, ran, _results(place)))
            except FileNotFoundError:
                continue
            except Refused as error:
                unread[place] = str(error)
        copies.sort(key=lambda copy: copy[1].exit_code not in (0, 1))  # those that are whole first
        if copies:
            found = copies[0][0]
            self._add(cell, *copies[0])
            for place in (*unread, *(copy[0] for copy in copies[1:])):
                words = f"{place} is left out, {found} counts"
                self._twice.append(Apart(index=cell.index, why=words))
        elif unread:
            self._failed += [Apart(index=cell.index, why=why) for why in unread.values()]
        elif not strange:
            self._missing.append(cell.index)

    def _add(self, cell: Cell, place: Path, ran: Ran, read: _Results) -> None:
        if lost := [one for one in read.entrants if one.status != "ok"]:
            words = "; ".join(f"{one.label}: {one.status}: {one.reason}" for one in lost)
            self._failed.append(Apart(index=cell.index, why=words))
        self._hosts[ran.host, read.environment.cpu, read.environment.cores] += 1
        for package, version in sorted({p for one in read.entrants for p in one.versions.items()}):
            self._versions[package][version] += 1
        limit = read.limit
        self._cells.append(
            MergedCell(
                index=cell.index,
                varied=self._grid.varied(cell),
                folder=str(place),
                host=ran.host,
                exit_code=ran.exit_code,
                seconds=ran.seconds,
                entrants=[entrant_cell(one, read.parity.entrants) for one in read.entrants],
                comparisons=read.comparisons,
                flops_per_second=limit.flops_per_second if limit else None,
                bytes_per_second=limit.bytes_per_second if limit else None,
            )
        )


def _results(place: Path) -> _Results:
    """What a cell came to.

    Raises:
        Refused: it is not there, or cannot be read.
    """
    try:
        return read_struct(place / "results.json", _Results)
    except FileNotFoundError as cause:
        raise Refused(f"{place} has no results.json") from cause


def foreign(grid: Grid, cell: Cell, ran: Ran) -> str:
    """Why a result is of another plan, code or version; empty if it is this cell's."""
    if ran.key == cell.key:
        return ""
    found = [
        f"another code of {name}" for name in ran.code if grid.code.get(name) != ran.code[name]
    ]
    found += [
        f"{package} {version}, planned with {grid.versions.get(package, 'none')}"
        for package, version in ran.versions.items()
        if grid.versions.get(package) != version
    ]
    return " and ".join(found) or "another plan, or other data"


def entrant_cell(one: _Entrant, verdicts: Mapping[str, _Verdict]) -> EntrantCell:
    """What is kept of an entrant."""
    verdict = verdicts[one.label]
    return EntrantCell(
        label=one.label,
        status=one.status,
        verdict=verdict.verdict,
        reason=one.reason or (verdict.reason if verdict.verdict not in AGREE else None),
        test_accuracy=one.epochs[-1].test_accuracy if one.epochs and one.status == "ok" else None,
        times_limit=one.timing.times_limit,
    )


def accuracies(cells: Iterable[MergedCell]) -> list[Accuracy]:
    """Mean and spread of each entrant's accuracy, over cells that differ by their seed only."""
    groups: dict[tuple[bytes, str], list[float]] = defaultdict(list)
    for cell in cells:
        alike = {name: value for name, value in cell.varied.items() if name != "seed"}
        for one in cell.entrants:
            if one.test_accuracy is not None:
                groups[msgspec.json.encode(alike), one.label].append(one.test_accuracy)
    return [
        Accuracy(
            varied=msgspec.json.decode(alike),
            label=label,
            seeds=len(found),
            mean=fmean(found),
            deviation=stdev(found) if len(found) > 1 else None,
            low=min(found),
            high=max(found),
        )
        for (alike, label), found in groups.items()
    ]
