"""Every entrant's forward pass: held against the referee first, then timed in turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.agreement.predictions import Predictions
from common.agreement.referee import Referee
from common.agreement.verdict import Verdict
from common.contract.arrays import Array
from common.entrants.components import WARM_UP_CALLS
from common.entrants.local import WARM_UP_SECONDS
from common.entrants.session import Session
from common.measure import machine, statistics, turns
from common.measure.machine import usable_cores
from common.measure.quiet import BUSY, many
from common.results.record import AGREE, Record
from common.running.judging import Errors, errors_of
from common.running.machine import Machine
from common.running.observer import Observer
from common.running.roster import Connect, Roster, choices_of
from common.running.work import Work

#: How often each entrant has its turn, in every process.
TURNS = 20

#: Batches that calls are given in turn.
BATCHES = 4

#: Calls of one turn at most.
MOST_CALLS = 10_000

#: A turn that takes so many times what it should is cut short.
PATIENCE = 10


@dataclass
class Readings:
    """The calls of one entrant with batches of one size.

    Attributes:
        first_seconds: of the very first call, which compiles where that is done.
        rounds: seconds of each call, turn by turn, round by round; every round was a process.
        disturbed: whether something else used the machine during a turn, likewise.
        calls_a_turn: how many calls each turn has, so that a slow one counts as much.
        verdict: what the referee says of its logits.
        watch: of its turns.
    """

    first_seconds: float | None = None
    calls_a_turn: int = 1
    rounds: list[list[list[float]]] = field(default_factory=list)
    disturbed: list[list[bool]] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    watch: machine.Watch = field(default_factory=machine.Watch, repr=False)

    @property
    def calls(self) -> list[float]:
        """Seconds of every call, all in a row."""
        return [one for of_round in self.rounds for turn in of_round for one in turn]

    @property
    def medians(self) -> list[list[float]]:
        """The median of each turn, round by round."""
        return [[float(np.median(turn)) for turn in of_round] for of_round in self.rounds]

    @property
    def mostly_disturbed(self) -> bool:
        """Whether others used the machine during half of its turns, or more."""
        return many([turn for of_round in self.disturbed for turn in of_round])


#: label -> batch size -> its readings
Found = dict[str, dict[int, Readings]]


@dataclass
class Inferring:
    """Opens every entrant, judges its logits, and times its calls.

    Args:
        work: the examples, and the parameters.
        records, connect, observer: as for `Runner`.
        sizes: of the batches.
        seconds: for how long each entrant is timed with batches of each size, in every round.
        machine: measured before and after.
    """

    work: Work
    records: list[Record]
    connect: Connect
    observer: Observer
    sizes: list[int]
    seconds: float
    machine: Machine
    _referees: dict[Errors, Referee] = field(default_factory=dict, repr=False)
    _predictions: dict[tuple[Errors, int], Predictions] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.roster = Roster(self.records, self.connect, self.observer)
        self.found: Found = {
            record.entrant.label: {size: Readings() for size in self.sizes}
            for record in self.records
        }

    def run(self) -> Found:
        """All of it; what was found of everybody."""
        at_once = True
        try:
            for round_ in range(self.work.plan.rounds):
                self._open(round_)
                if round_ == 0:
                    self.observer.phase("holding the logits against the referee")
                    for record in self.roster.alive():
                        self.roster.attempt(record, self._judge, record)
                    if self.roster.alive():
                        self.machine.before()
                for size in self.sizes:
                    self._time(round_, size)
            if self.roster.alive():
                self.machine.after()
            at_once = False
        finally:
            self.roster.close(at_once=at_once)
        return self.found

    def _open(self, round_: int) -> None:
        """Start everybody, anew after the first round, and warm up one after the other."""
        self.observer.phase("starting anew" if round_ else "starting")
        if round_:
            self.roster.connect_anew()
        else:
            self.roster.connect_all()
        self.roster.each(self._open_one)
        self.observer.phase("warming up")
        for record in self.roster.alive():
            self.roster.attempt(record, self._warm_up, record)

    def _open_one(self, record: Record) -> None:
        session, plan = self.roster.session(record), self.work.plan
        opened = session.open(plan.asdict(), choices_of(record.entrant), self.work.data)
        if not record.versions:  # what the first process took
            record.versions = opened.versions
            record.settings = {**record.settings, **opened.settings}
            record.import_seconds = opened.import_seconds
            record.open_seconds = opened.open_seconds

    def _warm_up(self, record: Record) -> None:
        session = self.roster.session(record)
        for size, readings in self.found[record.entrant.label].items():
            what = self.work.initial, self._index(size)
            first = session.infer(*what, 1, None)
            warm = session.infer(*what, WARM_UP_CALLS, WARM_UP_SECONDS)
            if readings.first_seconds is None:  # in later rounds as many calls are made
                readings.first_seconds = float(first.seconds[0])
                calls = int(self.seconds / TURNS / np.median(warm.seconds))
                readings.calls_a_turn = max(1, min(calls, MOST_CALLS))

    def _index(self, size: int) -> Array:
        """Examples of the batches of a size."""
        order = self.work.orders[0]
        return np.resize(order, BATCHES * size).reshape(BATCHES, size)

    def _judge(self, record: Record) -> None:
        session, compiled = self.roster.session(record), record.entrant.mode != "eager"
        for size, readings in self.found[record.entrant.label].items():
            predictions = self._expected(errors_of(record.backend, self.work.plan), size)
            readings.verdict = predictions.judge(session, compiled=compiled)

    def _expected(self, errors: Errors, size: int) -> Predictions:
        if errors not in self._referees:
            plan, data = self.work.plan, self.work.data
            self._referees[errors] = Referee(plan, data, errors=dict(errors))
        if (errors, size) not in self._predictions:
            index = self._index(size)[0]
            found = Predictions(self._referees[errors], self.work.initial, index)
            self._predictions[errors, size] = found
        return self._predictions[errors, size]

    def _time(self, round_: int, size: int) -> None:
        self.observer.phase(f"timing batches of {size}")
        plan = self.work.plan
        for readings in (self.found[one.entrant.label][size] for one in self.roster.alive()):
            readings.rounds.append([])
            readings.disturbed.append([])
        for turn in turns.turns(len(self.records), TURNS, plan.seed + round_):
            for record in (self.records[position] for position in turn):
                if record.status == "ok":
                    session = self.roster.session(record)
                    self.roster.attempt(record, self._turn, record, session, size)

    def _turn(self, record: Record, session: Session, size: int) -> None:
        readings = self.found[record.entrant.label][size]
        cores = usable_cores()[: self.work.plan.threads]
        before = machine.reading(cores)
        what = self.work.initial, self._index(size)
        timed = session.infer(*what, readings.calls_a_turn, PATIENCE * self.seconds / TURNS)
        disturbed = readings.watch.disturbed(before, machine.reading(cores), timed.cpu_seconds)
        readings.rounds[-1].append(timed.seconds.tolist())
        readings.disturbed[-1].append(disturbed)


def compared(a: Readings, b: Readings, *, moved: bool) -> dict[str, Any]:
    """The same turns of two entrants: a's time over b's, if both are right."""
    right = all(one.verdict.verdict in AGREE for one in (a, b))
    found = statistics.compare(a.medians, b.medians) if right else statistics.compare([], [])
    if found["ratio"] is not None and (moved or a.mostly_disturbed or b.mostly_disturbed):
        found["verdict"] = BUSY
    return found
