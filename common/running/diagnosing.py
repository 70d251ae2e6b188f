"""Every entrant diagnosed, while the referee walks its path."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from common.agreement.diagnose import Diagnosis, Patient, diagnose
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.contract.info import Declared
from common.measure.machine import available_cores
from common.results.record import Record
from common.running.judging import Errors, errors_of
from common.running.observer import Observer
from common.running.roster import Connect, Roster, choices_of
from common.running.work import Work

#: That the referee may walk, of each rule; entrants follow it no further.
PATH_SECONDS = 120.0


@dataclass
class Diagnoser:
    """Opens every entrant and has each diagnosed, while the referee walks its path.

    Args:
        work, records, connect, observer: as for `Runner`.
    """

    work: Work
    records: list[Record]
    connect: Connect
    observer: Observer
    _tracks: dict[tuple[tuple[Declared, ...], Errors], Track] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.roster = Roster(self.records, self.connect, self.observer)

    def run(self) -> dict[str, Diagnosis]:
        """Diagnose whoever can be opened; what was found, by label."""
        found: dict[str, Diagnosis] = {}
        pool = ThreadPoolExecutor(available_cores())
        try:
            self.roster.connect_all()
            # Importing a framework is mostly waiting; the referee need not wait for it.
            self.observer.phase("walking the referee's path")
            opening = [(record, pool.submit(self._open, record)) for record in self.roster.alive()]
            for record, opened in opening:
                track = self._track(record)
                self.observer.phase(f"following {record.entrant.label}")
                if self.roster.attempt(record, opened.result):
                    self.roster.attempt(record, self._diagnose, record, track, found)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self.roster.close(at_once=True)
        return found

    def _open(self, record: Record) -> Any:
        session, plan = self.roster.session(record), self.work.plan
        return session.open(plan.asdict(), choices_of(record.entrant), self.work.data)

    def _track(self, record: Record) -> Track:
        """The path of the common definitions, or of the rules that somebody declares."""
        plan, data = self.work.plan, self.work.data
        declared = record.backend.declared(record.entrant.style, plan)
        errors = errors_of(record.backend, plan)
        if (declared, errors) not in self._tracks:
            rules = record.backend.rules(declared)
            schedule = Schedule(self.work.orders, plan.batch_size)
            referee = Referee(plan, data, rules, errors=dict(errors))
            self._tracks[declared, errors] = Track(referee, schedule, PATH_SECONDS)
        return self._tracks[declared, errors]

    def _diagnose(self, record: Record, track: Track, found: dict[str, Diagnosis]) -> None:
        def reopen() -> None:
            self._open(record)

        session = self.roster.session(record)
        patient = Patient(record.entrant, record.backend.info, session, reopen)
        found[record.entrant.label] = diagnose(patient, track)
