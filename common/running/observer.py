"""Somebody who watches a run, a terminal for instance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from common.results.record import Record


class Observer(Protocol):
    """Is told of everything as it happens; nothing that it does is part of a time."""

    def phase(self, words: str) -> None:
        """Say what happens now."""

    def ready(self, record: Record) -> None:
        """Hear that an entrant is open and warm."""

    def epoch(self, record: Record, round_: int) -> None:
        """Hear that an entrant finished an epoch; its last row is in the record."""

    def ended(self, record: Record) -> None:
        """Hear that an entrant did not finish; status and reason are in the record."""


class Sheltered:
    """An `Observer` whose failure ends nothing: it is told no more, and the run goes on.

    Args:
        observer: who is told.

    Attributes:
        error: what it raised; None as long as it did not.
    """

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self.error: Exception | None = None

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""
        self._tell(self.observer.phase, words)

    def ready(self, record: Record) -> None:
        """As `Observer.ready`."""
        self._tell(self.observer.ready, record)

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`."""
        self._tell(self.observer.epoch, record, round_)

    def ended(self, record: Record) -> None:
        """As `Observer.ended`."""
        self._tell(self.observer.ended, record)

    def _tell(self, call: Callable[..., None], *what: object) -> None:
        if self.error is None:
            try:
                call(*what)
            except Exception as error:  # whoever draws; it is raised when all is saved
                self.error = error
