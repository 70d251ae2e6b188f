"""sweep.json: what came of one setting that was varied, or of two."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from msgspec import Struct

from common.contract.models import MODELS
from common.errors import Refused
from common.results.document import (
    Count,
    NotNegative,
    Pair,
    Positive,
    Share,
    Words,
)
from common.results.folder import Head
from common.results.grid import read_struct
from common.results.record import AGREE

SWEEP, SCHEMA_VERSION = "sweep.json", 1

Number = int | float


class Values(NamedTuple):
    """Of one run: the value of what varies, and that of what varies also, where something does."""

    value: Number
    also: Number | None = None


class Point(Struct, frozen=True):
    """One entrant in one run.

    Attributes:
        value, also: of what was varied.
        operations: of a step, or of an epoch.
        rounds: seconds of it, one for each steady epoch of each round.
        verdict: one that agrees, or why its times do not count.
        low, high: 95 % interval of their median; None under three epochs.
        memory: peak of its process, bytes.
        loss, accuracy: on what was trained on, and on the test set, in the end.
    """

    value: Number
    also: Number | None
    operations: Positive
    rounds: tuple[tuple[NotNegative, ...], ...]
    verdict: Words
    low: NotNegative | None = None
    high: NotNegative | None = None
    memory: Count | None = None
    loss: float | None = None
    accuracy: Share | None = None

    @property
    def values(self) -> Values:
        """Where it stands."""
        return Values(self.value, self.also)

    @property
    def seconds(self) -> list[float]:
        """Of all rounds, in a row."""
        return [second for seconds in self.rounds for second in seconds]

    @property
    def median(self) -> float:
        """The middle of its times."""
        return median(self.seconds)


class Line(Struct, frozen=True):
    """seconds = overhead + operations / rate, with 95 % bootstrap intervals.

    The intervals need three epochs at every value; two values say nothing of how straight it is.

    Attributes:
        overhead, overhead_low, overhead_high: seconds.
        rate, rate_low, rate_high: operations a second; None where more work took no longer.
        off: largest share by which a median lies off the line.
        also: value of what was varied also, at which it is.
    """

    overhead: NotNegative
    overhead_low: NotNegative | None
    overhead_high: NotNegative | None
    rate: Positive | None
    rate_low: Positive | None
    rate_high: Positive | None
    off: NotNegative | None
    also: Number | None = None


class Series(Struct, frozen=True):
    """One entrant in all runs; `lines` has one for each value of what was varied also."""

    style: Words
    points: list[Point]
    lines: list[Line]


class PairAt(Pair, frozen=True, kw_only=True):
    """Two entrants' times compared, in one run."""

    value: Number
    also: Number | None

    @property
    def values(self) -> Values:
        """Where it stands."""
        return Values(self.value, self.also)


class Run(Struct, frozen=True):
    """One run: the folder it lies in, beside this file, and what each entrant came to.

    `outcomes` are verdicts, or of who did not finish its status.
    """

    value: Number
    also: Number | None
    folder: Words
    outcomes: dict[Words, Words]

    @property
    def values(self) -> Values:
        """Where it stands."""
        return Values(self.value, self.also)


class Sweep(Struct, frozen=True, kw_only=True):
    """sweep.json.

    Attributes:
        planned: how many runs were asked for; fewer are in `runs` where it ended before.
        vary: the setting that varied, and along which lines are fitted.
        also: another that varied, each of its values with each of the former's.
        unit: what times are of.
        entrants: by label.
        comparisons: of every run.
        runs: in the order in which they were made.
        disturbed: label -> whether others used the machine during an epoch, for all of all runs.
    """

    schema_version: Literal[1] = 1
    planned: Count
    vary: Words
    also: Words | None
    unit: Literal["step", "epoch"]
    model: Words
    runs: list[Run]
    entrants: dict[Words, Series]
    comparisons: list[PairAt]
    disturbed: dict[Words, list[bool]]

    def values(self) -> list[Number]:
        """Those of what varied."""
        return list(dict.fromkeys(one.value for one in self.runs))

    def others(self) -> list[Number | None]:
        """Those of what varied also; None alone where nothing did."""
        return list(dict.fromkeys(one.also for one in self.runs))

    def is_classified(self) -> bool:
        """Whether there is an accuracy to be had."""
        return MODELS[self.model].classifies


def usable(found: Sequence[Point]) -> list[Point]:
    """Those that have times, of runs that agree."""
    return [point for point in found if point.verdict in AGREE and point.seconds]


def ended(found: Sequence[Point]) -> list[Point]:
    """Those that were trained to the end, whatever their times."""
    return [point for point in found if point.loss is not None]


def read_sweep(folder: Path) -> Sweep:
    """Read sweep.json of a sweep's folder.

    Raises:
        FileNotFoundError: there is none.
        Refused: it is not such as this version writes.
    """
    path = folder / SWEEP
    version = read_struct(path, Head).schema_version
    if version != SCHEMA_VERSION:
        found = repr(version)[:40]
        raise Refused(f"{path} has schema_version {found}; this program reads {SCHEMA_VERSION}")
    return read_struct(path, Sweep)
