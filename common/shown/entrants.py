"""The tables of entrants in the page and in a notebook: each column says what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.locale.language import _
from common.results.document import Document, EntrantResult
from common.results.record import AGREE
from common.shown.paying import first_result
from common.shown.words import DASH, digits, loss_digits, megabytes, percent, seconds


class Shown:
    """An entrant of results.json with what the page needs besides."""

    def __init__(self, entrant: EntrantResult, found: Document) -> None:
        self.entrant = entrant
        self.verdict = found.verdict(entrant)
        self.timing = entrant.timing
        self.word = self.verdict.verdict if entrant.status == "ok" else entrant.status
        self.right = self.word in AGREE

    def last(self, measure: str) -> float | None:
        """A number of its last epoch, a field of `Epoch`."""
        return getattr(self.entrant.epochs[-1], measure) if self.entrant.epochs else None


@dataclass(frozen=True)
class Column:
    """A column of a table of entrants.

    Attributes:
        name: at its head.
        cell: what it says of an entrant.
        word: whether these are words, at the left, and not numbers.
        look: a class of the page's style for the cell.
    """

    name: str
    cell: Callable[[Shown], str]
    word: bool = False
    look: Callable[[Shown], str] = lambda _: ""


def telling(columns: Sequence[Column], rows: Sequence[Shown]) -> list[Column]:
    """Those that say something of anybody: who learns a line has no accuracy."""
    return [one for one in columns if any(one.cell(row) != DASH for row in rows)] or [*columns]


def mode(one: Shown) -> str:
    """How it ran."""
    loader = _(" loader") if one.entrant.data == "loader" else ""
    return f"{one.entrant.mode} {one.entrant.style}{loader}"


def verdict(one: Shown) -> str:
    """What is said of it, with a sign that needs no colour."""
    sign = "✓" if one.right else "?" if one.word == "not checked" else "✗"
    whose = _(" to {label}", label=one.verdict.identical_to) if one.word == "identical" else ""
    return f"{sign} {_(one.word)}{whose}"


def interval(one: Shown) -> str:
    """Of the median epoch."""
    found = one.timing.epoch_seconds
    if found.low is None:
        return DASH
    return _("{low} to {high}", low=digits(found.low, ".4f"), high=digits(found.high, ".4f"))


#: What came out.
OUTCOME = [
    Column("entrant", lambda one: one.entrant.label, word=True),
    Column(
        "verdict", verdict, word=True, look=lambda one: "right" if one.right else "wrong"
    ),
    Column("version", lambda one: next(iter(one.entrant.versions.values()), DASH), word=True),
    Column("mode", mode, word=True),
    Column("train loss", lambda one: loss_digits(one.last("train_loss"))),
    Column("train acc", lambda one: percent(one.last("train_accuracy"))),
    Column("test acc", lambda one: percent(one.last("test_accuracy"))),
    Column("s/epoch", lambda one: digits(one.timing.epoch_seconds.median, ".4f")),
    Column("95 % interval", interval),
    Column("max Δ loss", lambda one: digits(one.verdict.max_abs_loss_difference, ".1e")),
]  # fmt: skip

#: What it took.
TIMES = [
    Column("entrant", lambda one: one.entrant.label, word=True),
    Column("import", lambda one: seconds(one.timing.import_seconds)),
    Column("open", lambda one: seconds(one.timing.open_seconds)),
    Column("compile", lambda one: seconds(one.timing.compile_seconds)),
    Column("first step", lambda one: seconds(one.timing.first_step_seconds)),
    Column("first result", lambda one: seconds(first_result(one.timing))),
    Column("least epoch", lambda one: seconds(one.timing.epoch_seconds.min)),
    Column("× limit", lambda one: digits(one.timing.times_limit, ".1f")),
    Column("steps per call", lambda one: str(one.entrant.steps_per_call)),
    Column("cores used", lambda one: digits(one.timing.cores_used, ".2f")),
    Column("peak memory", lambda one: megabytes(one.entrant.peak_memory_bytes)),
    Column("framework's", lambda one: megabytes(one.entrant.framework_memory_bytes)),
]
