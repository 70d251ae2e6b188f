"""Every entrant diagnosed, while the referee walks its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from common.agreement.diagnose import Diagnosis, Patient, diagnose
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.contract.info import Declared
from common.entrants.session import Session
from common.measure.machine import available_cores
from common.results.record import Record
from common.running.runner import Connect, Observer, attempt, choices_of
from common.running.work import Work


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

    def run(self) -> dict[str, Diagnosis]:
        """Diagnose whoever can be opened; what was found, by label."""
        found: dict[str, Diagnosis] = {}
        sessions: dict[str, Session] = {}
        alive = [record for record in self.records if record.status == "ok"]
        try:
            for record in alive:
                self._try(record, lambda r: sessions.update({r.entrant.label: self.connect(r)}))
            # Importing a framework is mostly waiting; the referee need not wait for it.
            self.observer.phase("walking the referee's path")
            pool = ThreadPoolExecutor(available_cores())
            opening = {
                record.entrant.label: pool.submit(self._open, record, sessions)
                for record in alive
                if record.entrant.label in sessions
            }
            tracks: dict[Declared | None, Track] = {}
            for record in alive:
                label = record.entrant.label
                if label not in opening or record.status != "ok":
                    continue
                track = self._track(record, tracks)
                self.observer.phase(f"following {label}")
                self._try(record, lambda r: opening[r.entrant.label].result())
                if record.status == "ok":
                    self._try(record, self._diagnose, sessions, track, found)
            pool.shutdown(wait=False, cancel_futures=True)
        finally:
            for session in sessions.values():
                session.close(at_once=True)
        return found

    def _try(self, record: Record, call: Callable[..., Any], *arguments: Any) -> None:
        attempt(record, self.observer, call, record, *arguments)

    def _open(self, record: Record, sessions: Mapping[str, Session]) -> None:
        choices = choices_of(record.entrant)
        sessions[record.entrant.label].open(self.work.plan.asdict(), choices, self.work.data)

    def _track(self, record: Record, tracks: dict[Declared | None, Track]) -> Track:
        """The path of the common definitions, or of the rule that somebody declares."""
        plan, data = self.work.plan, self.work.data
        declared = record.backend.declared(record.entrant.style, plan)
        if declared not in tracks:
            rule = record.backend.rule(declared) if declared else None
            schedule = Schedule(self.work.orders, plan.batch_size)
            tracks[declared] = Track(Referee(plan, data, rule), schedule)
        return tracks[declared]

    def _diagnose(
        self,
        record: Record,
        sessions: Mapping[str, Session],
        track: Track,
        found: dict[str, Diagnosis],
    ) -> None:
        def reopen() -> None:
            self._open(record, sessions)

        session = sessions[record.entrant.label]
        patient = Patient(record.entrant, record.backend.info, session, reopen)
        found[record.entrant.label] = diagnose(patient, track)
