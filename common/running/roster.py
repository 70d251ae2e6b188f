"""The entrants of a run with their sessions, and what is done with each of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from common.contract.entrant import Entrant
from common.entrants.session import Session
from common.errors import EntrantError
from common.measure.machine import available_cores
from common.results.record import Record
from common.running.observer import Observer

Connect = Callable[[Record], Session]


@dataclass
class Roster:
    """Who takes part, and who still does.

    Args:
        records: one per entrant; those with a status other than `ok` are left out.
        connect: makes a session for an entrant.
        observer: is told who did not finish.
    """

    records: list[Record]
    connect: Connect
    observer: Observer
    sessions: dict[str, Session] = field(default_factory=dict)

    def alive(self) -> list[Record]:
        """Those that have not failed so far."""
        return [record for record in self.records if record.status == "ok"]

    def session(self, record: Record) -> Session:
        """The session of an entrant that was connected."""
        return self.sessions[record.entrant.label]

    def connect_all(self) -> None:
        """Start a session for everybody.

        In this thread and not in those of `each`: what an interrupt finds, it can close.
        """
        for record in self.alive():
            self.attempt(record, self._connect, record)

    def connect_anew(self) -> None:
        """End everybody's session, and start another."""
        self.close(at_once=False)
        self.connect_all()

    def _connect(self, record: Record) -> None:
        self.sessions[record.entrant.label] = self.connect(record)

    def attempt(self, record: Record, call: Callable[..., object], *arguments: Any) -> bool:
        """Do something with one entrant, whose failure is its own; whether it went well.

        Only an `EntrantError` is the entrant's. Whatever else is raised is an error of this
        project, and nobody else is blamed for it.
        """
        try:
            call(*arguments)
        except EntrantError as error:
            self.end(record, error.status, str(error))
            return False
        return True

    def end(self, record: Record, status: str, reason: str) -> None:
        """Note that an entrant did not finish, and say so."""
        record.status, record.reason = status, reason
        self.observer.ended(record)

    def each(
        self,
        call: Callable[[Record], object],
        meanwhile: Callable[[], object] | None = None,
        at_once: int | None = None,
    ) -> None:
        """Do something with every entrant, several at a time.

        Args:
            call: what; the entrant's failure is its own.
            meanwhile: is called while they are busy, and this thread would only wait.
            at_once: how many at a time; None: as many as there are cores.
        """
        pool = ThreadPoolExecutor(at_once or available_cores())
        try:
            calls = [(record, pool.submit(call, record)) for record in self.alive()]
            if meanwhile is not None:
                meanwhile()
            for record, future in calls:
                self.attempt(record, future.result)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self, *, at_once: bool) -> None:
        """Close every session, whatever closing one of them comes to."""
        with ExitStack() as stack:
            for session in self.sessions.values():
                stack.callback(partial(session.close, at_once=at_once))


def choices_of(entrant: Entrant) -> dict[str, str]:
    """What `Session.open` is told of an entrant."""
    return {"style": entrant.style, "mode": entrant.mode, "data": entrant.data}
