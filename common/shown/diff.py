"""What changed between two runs, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.measure.quiet import BUSY
from common.results.diff import Change, Judged, environment
from common.results.document import Document
from common.results.record import AGREE
from common.shown.table import Column, fitted
from common.shown.words import DASH, joined, megabytes, percent, plain, three_digits, times_words


def print_diff(
    found: Sequence[Change],
    old: Document,
    new: Document,
    reasons: Sequence[str],
    judged: Judged,
    console: Console,
) -> None:
    """Print what changed between two runs, entrant by entrant."""
    if reasons:
        words = _(
            "not the same work on the same machine: {reasons}",
            reasons=_("; ").join(map(told, reasons)),
        )
        console.print(plain(words, style="yellow"), soft_wrap=True)
    console.print(fitted(COLUMNS, found, console.width))
    for line in change_lines(found, old, new):
        console.print(plain(line), soft_wrap=True)
    for line in judged.worse:
        console.print(plain(told(line), style="red"), soft_wrap=True)
    for line in judged.undecided:
        console.print(plain(told(line), style="yellow"), soft_wrap=True)


def change_lines(found: Sequence[Change], old: Document, new: Document) -> list[str]:
    """What else changed, around the entrants and of each."""
    lines = [
        f"{told(name)} {told(then or DASH)} → {told(now or DASH)}"
        for name, (then, now) in environment(old, new).items()
    ]
    for one in found:
        lines += [
            joined(one.label, f"{told(name)} {told(then or DASH)} → {told(now or DASH)}")
            for name, (then, now) in one.changed.items()
        ]
        accuracy = (
            ""
            if one.accuracy == "not compared"
            else _("; accuracy: {accuracy}", accuracy=_(one.accuracy))
        )
        lines.append(joined(one.label, f"{speed_words(one)}{accuracy}"))
    if old.limit and new.limit:
        rates = [run.limit.flops_per_second / 1e9 for run in (old, new) if run.limit]
        lines.append(
            _(
                "the machine did {then:.3g} GFLOP/s then and {now:.3g} now",
                then=rates[0],
                now=rates[1],
            )
        )
    if gone := old.by_label().keys() ^ new.by_label().keys():
        lines.append(_("only in one of them: {who}", who=_(", ").join(sorted(gone))))
    return lines


def ratio_cell(one: Change) -> str:
    """A ratio with its interval."""
    if one.ratio is None:
        return DASH
    if one.low is None or one.high is None:
        return times_words(one.ratio)
    span = _(" ({low} to {high})", low=times_words(one.low), high=times_words(one.high))
    return f"{times_words(one.ratio)}{span}"


def moved(old: str, new: str) -> Text:
    """What changed, or what did not."""
    return plain(old if old == new else f"{old} → {new}")


#: The table's columns.
COLUMNS: list[Column[Change]] = [
    Column("entrant", "left", 0, lambda one: plain(one.label)),
    Column(
        "s/epoch", "right", 2,
        lambda one: moved(three_digits(one.old_seconds), three_digits(one.new_seconds)),
    ),
    Column("new / old", "right", 1, ratio_cell),
    Column(
        "test acc", "right", 3,
        lambda one: moved(percent(one.old_accuracy), percent(one.new_accuracy)),
    ),
    Column(
        "peak memory", "right", 4,
        lambda one: moved(megabytes(one.old_memory), megabytes(one.new_memory)),
    ),
    Column(
        "verdict", "left", 0,
        lambda one: moved(
            _(one.old_verdict if one.old_status == "ok" else one.old_status),
            _(one.new_verdict if one.new_status == "ok" else one.new_status),
        ),
    ),
]  # fmt: skip


def speed_words(one: Change) -> str:
    """A change of speed in words."""
    if one.speed == BUSY:
        return _(BUSY)
    if one.ratio is not None:
        return _("too few epochs to tell its speed") if one.low is None else _(one.speed)
    why = _("it has no steady epoch in both")
    if {one.old_status, one.new_status} != {"ok"}:
        why = _("it did not finish in both")
    elif not {one.old_verdict, one.new_verdict} <= set(AGREE):
        why = _("it does not agree with the referee in both")
    return _("its times are not compared: {why}", why=why)
