"""Everything measured of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from common.agreement.verdict import Verdict
from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant
from common.contract.info import REFEREE
from common.contract.plan import Plan
from common.contract.registry import Backend
from common.measure import statistics
from common.measure.quiet import many, moved
from common.results.document import (
    SCHEMA_VERSION,
    ComponentCheck,
    Data,
    Document,
    EntrantResult,
    Epoch,
    EpochSeconds,
    FirstDifference,
    Limit,
    Line,
    Options,
    Pair,
    Parity,
    Round,
    Start,
    Timing,
    VerdictResult,
)
from common.results.environment import environment

AGREE = ("identical", "rounding", "declared")


@dataclass
class Record:
    """Everything measured of one entrant."""

    entrant: Entrant
    backend: Backend
    status: str = "ok"
    reason: str | None = None
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    import_seconds: float | None = None
    open_seconds: float | None = None
    compile_seconds: float | None = None
    first_step_seconds: float | None = None
    epochs: list[dict[str, Any]] = field(default_factory=list)
    losses: list[Array] = field(default_factory=list)
    #: step losses of each epoch of the later rounds, a list per round
    later: list[list[Array]] = field(default_factory=list)
    #: seconds of each epoch, a list per round
    rounds: list[list[float]] = field(default_factory=list)
    #: whether something else used the machine meanwhile, likewise
    disturbed: list[list[bool]] = field(default_factory=list)
    #: seconds that all threads worked in them, likewise
    cpu_seconds: list[list[float | None]] = field(default_factory=list)
    #: which process of the run trained them, from 0: more than one if it was taken up; likewise
    processes: list[list[int]] = field(default_factory=list)
    peak_memory_bytes: int | None = None
    #: of it, what the framework takes before there is any data
    framework_memory_bytes: int | None = None
    steps_per_call: int = 1
    batches_sha256: str | None = None
    #: of the backend's files as they were when the run began
    source_sha256: str | None = None
    #: what it begins with, where that is its framework's own
    initial: Arrays | None = None
    params: Arrays | None = None
    classes: Array | None = None
    learnt: dict[str, Any] | None = None
    #: of each component by itself, see `Session.component_seconds`
    component_seconds: dict[str, float] = field(default_factory=dict)

    @property
    def step_losses(self) -> Array:
        """Loss of every step of the first round."""
        return np.concatenate(self.losses) if self.losses else np.empty(0)

    @property
    def later_losses(self) -> list[Array]:
        """Loss of every step of each later round."""
        return [np.concatenate(losses) for losses in self.later if losses]

    @property
    def steady_at(self) -> list[tuple[int, int]]:
        """Round and epoch of those that count for the times: all but the first of the first.

        Of a round that was taken up they are those of the process that trained most of it; the
        others stand apart.
        """
        found = []
        for round_, processes in enumerate(self.processes):
            counts = Counter(processes)
            most = max(counts, key=lambda process: (counts[process], -process), default=0)
            places = [(round_, e) for e, process in enumerate(processes) if process == most]
            found += places if round_ else places[1:]
        return found

    def steady_of(self, rounds: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """What belongs to the epochs that count for the times, round by round."""
        found: list[list[Any]] = [[] for _ in rounds]
        for round_, epoch in self.steady_at:
            found[round_].append(rounds[round_][epoch])
        return [one for one in found if one]

    @property
    def steady(self) -> list[float]:
        """Seconds of the epochs that count, of all rounds in a row."""
        return flat(self.steady_of(self.rounds))

    @property
    def resumed_epochs(self) -> list[int]:
        """Numbers of the epochs, of all rounds in a row, that were trained after the first stop."""
        processes = [process for epochs in self.processes for process in epochs]
        return [number for number, process in enumerate(processes, 1) if process]

    @property
    def trained(self) -> list[dict[str, Any]]:
        """What each worker process trained: one a round, and another where a run was taken up."""
        found: list[dict[str, Any]] = []
        for round_, processes in enumerate(self.processes):
            for _, some in groupby(range(len(processes)), processes.__getitem__):
                epochs = list(some)
                found.append(
                    {
                        "process": len(found),
                        "epoch_seconds": [self.rounds[round_][epoch] for epoch in epochs],
                        "disturbed": [self.disturbed[round_][epoch] for epoch in epochs],
                    }
                )
        return found

    @property
    def mostly_disturbed(self) -> bool:
        """Whether others used the machine during most of its steady epochs."""
        return many(flat(self.steady_of(self.disturbed)))

    @property
    def waiting_share(self) -> float | None:
        """Share of the time that was spent waiting for data, without the very first epoch."""
        later = [row for row in self.epochs[1:] if row["data_seconds"] is not None]
        took = sum(row["train_seconds"] for row in later)
        return min(1.0, sum(row["data_seconds"] for row in later) / took) if took else None

    @property
    def cores_used(self) -> float | None:
        """CPU time over wall time: median over the steady epochs."""
        worked = flat(self.steady_of(self.cpu_seconds))
        shares = [w / s for w, s in zip(worked, self.steady, strict=False) if w is not None]
        return float(np.median(shares)) if shares else None


def flat(rounds: Sequence[Sequence[Any]]) -> list[Any]:
    """Of all rounds, in a row."""
    return [one for each in rounds for one in each]


@dataclass
class Results:
    """A finished (or interrupted) run."""

    plan: Plan
    records: list[Record]
    verdicts: dict[str, Verdict]
    comparisons: list[dict[str, Any]]
    data: dict[str, Any]
    examples: int
    interrupted: bool = False
    #: what each kind of check took
    check_seconds: dict[str, float] = field(default_factory=dict)
    #: of the referee, for each test image: how far its largest logit is above the second
    margins: Array | None = None
    #: the referee's loss at every step
    referee_losses: Array | None = None
    #: how the initial values are distributed that entrants drew themselves
    starts: list[dict[str, Any]] = field(default_factory=list)
    #: checks that were left out, in words
    left_out: list[str] = field(default_factory=list)
    #: what the machine could do on an epoch, see `common.measure.limit`
    limit: dict[str, float] | None = None
    #: whether others used the machine right before the training; None where that was not seen
    busy: bool | None = None
    #: another run of this user's that was at work when this one began, in words
    beside: str | None = None
    #: how many entrants started at a time
    starting: int = 1
    #: of this project's own, that ended the run before its time
    error: Exception | None = None
    #: what was asked for besides the plan and the entrants
    options: Options = field(default_factory=Options)
    _seconds: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)

    def exit_code(self) -> int:
        """0 agree, 1 some differ, 3 some did not finish, 130 interrupted."""
        if self.interrupted:
            return 130
        if any(record.status != "ok" for record in self.records):
            return 3
        return 1 if any(v.verdict == "differs" for v in self.verdicts.values()) else 0

    def document(self) -> Document:
        """As results.json."""
        losses = [] if self.referee_losses is None else self.referee_losses.tolist()
        return Document(
            schema_version=SCHEMA_VERSION,
            plan=self.plan,
            environment=replace(
                environment(), busy=self.busy, beside=self.beside, starting=self.starting
            ),
            data=Data(**{**self.data, **{name: self._line(name) for name in LINES}}),
            entrants=[self.entrant(record) for record in self.records],
            parity=Parity(
                referee=f"{REFEREE} float64",
                seconds=self.check_seconds,
                referee_losses=losses,
                left_out=self.left_out,
                entrants={label: verdict_result(v) for label, v in self.verdicts.items()},
            ),
            comparisons=[Pair(**pair) for pair in self.comparisons],
            limit=Limit(**self.limit) if self.limit else None,
            interrupted=self.interrupted,
            options=self.options,
            starts=msgspec.convert(self.starts, list[Start]),
        )

    def _line(self, name: str) -> Line | None:
        return line_of(self.data.get(name))

    @property
    def moved(self) -> bool:
        """Whether the machine's own rate did while it trained."""
        limit = self.limit or {}
        return moved(limit.get("flops_per_second"), limit.get("flops_per_second_after"))

    @property
    def unquiet(self) -> bool:
        """Whether no times are judged: the machine's rate moved, or another run was at work."""
        return self.moved or self.beside is not None

    def epoch_seconds(self, record: Record) -> dict[str, Any]:
        """Median, interval, minimum of an entrant's steady epochs; made once."""
        label = record.entrant.label
        if label not in self._seconds:
            seconds = statistics.summary(record.steady_of(record.rounds))
            disturbed = flat(record.steady_of(record.disturbed))
            self._seconds[label] = {**seconds, "disturbed": disturbed}
        return self._seconds[label]

    def times_limit(self, record: Record) -> float | None:
        """How many times the machine's least time for an epoch an entrant takes."""
        median = self.epoch_seconds(record)["median"]
        return median / self.limit["seconds"] if median and self.limit else None

    def entrant(self, record: Record) -> EntrantResult:
        """One row of results.json."""
        entrant = record.entrant
        return EntrantResult(
            label=entrant.label,
            slug=entrant.slug,
            backend=entrant.backend,
            style=entrant.style,
            mode=entrant.mode,
            data=entrant.data,
            notes=record.notes,
            status=record.status,
            reason=record.reason,
            versions=record.versions,
            device=self.plan.device,
            threads=self.plan.threads,
            settings=record.settings,
            steps_per_call=record.steps_per_call,
            batches_sha256=record.batches_sha256,
            source_sha256=record.source_sha256,
            epochs=[Epoch(**row) for row in record.epochs],
            step_losses=record.step_losses.tolist(),
            timing=self._timing(record),
            peak_memory_bytes=record.peak_memory_bytes,
            framework_memory_bytes=record.framework_memory_bytes,
            resumed_epochs=record.resumed_epochs,
            rounds=[Round(**one) for one in record.trained],
            learnt=line_of(record.learnt),
            true=self._line("true"),
        )

    def _timing(self, record: Record) -> Timing:
        seconds = self.epoch_seconds(record)
        return Timing(
            import_seconds=record.import_seconds,
            open_seconds=record.open_seconds,
            compile_seconds=record.compile_seconds,
            first_step_seconds=record.first_step_seconds,
            epoch_seconds=EpochSeconds(**seconds),
            times_limit=self.times_limit(record),
            cores_used=record.cores_used,
            examples_per_second=self.examples / seconds["median"] if seconds["median"] else None,
            component_seconds=record.component_seconds,
        )


#: What `linear` has in `data`: what is true, and what the exact solution is.
LINES = ("true", "least_squares")


def line_of(found: dict[str, Any] | None) -> Line | None:
    """A weight and a bias, where there are."""
    return Line(**found) if found else None


def verdict_result(verdict: Verdict) -> VerdictResult:
    """A verdict as in results.json."""
    plain = verdict.asdict()
    first = plain["first_difference"]
    plain["first_difference"] = FirstDifference(**first) if first else None
    plain["components"] = [ComponentCheck(**check) for check in plain["components"]]
    return VerdictResult(**plain)
