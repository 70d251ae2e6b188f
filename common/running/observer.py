"""Somebody who watches a run, a terminal for instance."""

from __future__ import annotations

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
