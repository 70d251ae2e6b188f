"""Progress on the terminal, while a run goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.results.record import Record
from common.shown.curves import CURVES_HEIGHT, curves
from common.shown.words import joined, percent, plain, seconds

#: A table that is drawn is not drawn again within so many seconds, but for another phase.
OFTEN = 0.1


class Silent:
    """An `Observer` that says nothing, for others to add to."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""

    def ready(self, record: Record) -> None:
        """As `Observer.ready`."""

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`."""

    def ended(self, record: Record) -> None:
        """As `Observer.ended`."""


class Progress(Silent):
    """Tells of a run while it goes on: a live table on a terminal, else a line an epoch.

    The table is drawn when something happens, which is between two epochs, and not by a clock: a
    thread that draws four times a second has a core of those that train.

    Args:
        console: standard error.
        records: the entrants.
        epochs: how many each one trains.
        rounds: how often.
        quiet: say nothing.
        before: words before every line, where this is one run of several.
    """

    def __init__(
        self,
        console: Console,
        records: Sequence[Record],
        epochs: int,
        rounds: int,
        quiet: bool,
        before: str = "",
    ) -> None:
        self._before = before
        self._console, self._records = console, records
        self._epochs, self._rounds, self._quiet = epochs, rounds, quiet
        self._words = ""
        self._curves: Text | None = None
        self._live: Live | None = None
        if console.is_terminal and not quiet:
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                get_renderable=self._picture,
            )
        self._drawn = 0.0

    def __enter__(self) -> Self:
        """Start the live table, if there is one."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the live table away."""
        if self._live:
            self._live.stop()

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""
        self._words, self._drawn = told(words), 0.0
        self._say(f"{self._words} ...")

    def ready(self, record: Record) -> None:
        """As `Observer.ready`."""
        self._say(
            _(
                "{label}: first step {seconds}",
                label=record.entrant.label,
                seconds=seconds(record.first_step_seconds),
            )
        )

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`."""
        if self._live and round_ == 0 and turn_is_over(self._records):
            # Here, between two epochs, and not whenever the table is drawn: nothing is timed now.
            self._curves = curves(self._records, self._epochs, self._console.width)
        done, row = len(record.rounds[round_]), record.epochs[-1]
        where = _("epoch {done}/{epochs}", done=done, epochs=self._epochs)
        if self._rounds > 1:
            where = _(
                "round {number}/{rounds} {where}",
                number=round_ + 1,
                rounds=self._rounds,
                where=where,
            )
        losses = _("train loss {loss:.4f}  ", loss=row["train_loss"]) if round_ == 0 else ""
        took = seconds(record.rounds[round_][-1])
        self._say(joined(record.entrant.label, f"{where}  {losses}{took}"))

    def ended(self, record: Record) -> None:
        """As `Observer.ended`."""
        self._say(joined(record.entrant.label, _(record.status), told(record.reason or "")))

    def _say(self, line: str) -> None:
        if self._live:
            if time.monotonic() - self._drawn >= OFTEN:
                self._live.refresh()
                self._drawn = time.monotonic()
        elif not self._quiet:
            self._console.print(plain(self._before + line), soft_wrap=True)

    def _picture(self) -> Group:
        """The table, and below it the curves where there is room."""
        room = self._console.height > len(self._records) + CURVES_HEIGHT + 5
        return Group(self._table(), *([self._curves] if self._curves and room else []))

    def _table(self) -> Table:
        table = Table(
            title=self._before + self._words, title_justify="left", box=None, pad_edge=False
        )
        heads = (_("epoch"), _("train loss"), _("train acc"), _("test acc"), _("s/epoch"))
        for name in ("", *heads):
            table.add_column(name, justify="left" if not name else "right")
        for record in self._records:
            table.add_row(plain(record.entrant.label), *self._cells(record))
        return table

    def _cells(self, record: Record) -> list[str]:
        if record.status != "ok":
            return [f"[red]{_(record.status)}[/]"]
        if not record.epochs:
            return [_("ready") if record.first_step_seconds else _("starting")]
        row = record.epochs[-1]
        done = sum(map(len, record.rounds))
        return [
            f"{done}/{self._epochs * self._rounds}",
            f"{row['train_loss']:.4f}",
            percent(row["train_accuracy"]),
            percent(row["test_accuracy"]),
            f"{record.rounds[-1][-1] if record.rounds[-1] else record.rounds[-2][-1]:.3f}",
        ]


def turn_is_over(records: Sequence[Record]) -> bool:
    """Whether everybody who is still there has trained as many epochs."""
    return len({len(record.epochs) for record in records if record.status == "ok"}) == 1
