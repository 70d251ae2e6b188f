"""What changed between two runs, on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from common.measure.quiet import BUSY
from common.results.diff import Change, Judged, environment
from common.results.document import Document
from common.results.record import AGREE
from common.shown.table import Column, fitted
from common.shown.words import DASH, megabytes, percent, plain, three_digits


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
        words = f"not the same work on the same machine: {'; '.join(reasons)}"
        console.print(plain(words, style="yellow"), soft_wrap=True)
    console.print(fitted(COLUMNS, found, console.width))
    for line in change_lines(found, old, new):
        console.print(plain(line), soft_wrap=True)
    for line in judged.worse:
        console.print(plain(line, style="red"), soft_wrap=True)
    for line in judged.undecided:
        console.print(plain(line, style="yellow"), soft_wrap=True)


def change_lines(found: Sequence[Change], old: Document, new: Document) -> list[str]:
    """What else changed, around the entrants and of each."""
    lines = [
        f"{name} {then or DASH} → {now or DASH}"
        for name, (then, now) in environment(old, new).items()
    ]
    for one in found:
        lines += [
            f"{one.label}: {name} {then or DASH} → {now or DASH}"
            for name, (then, now) in one.changed.items()
        ]
        accuracy = "" if one.accuracy == "not compared" else f"; accuracy: {one.accuracy}"
        lines.append(f"{one.label}: {speed_words(one)}{accuracy}")
    if old.limit and new.limit:
        rates = [run.limit.flops_per_second / 1e9 for run in (old, new) if run.limit]
        lines.append(f"the machine did {rates[0]:.3g} GFLOP/s then and {rates[1]:.3g} now")
    if gone := old.by_label().keys() ^ new.by_label().keys():
        lines.append(f"only in one of them: {', '.join(sorted(gone))}")
    return lines


def ratio_cell(one: Change) -> str:
    """A ratio with its interval."""
    if one.ratio is None:
        return DASH
    span = "" if one.low is None else f" ({one.low:.2f} to {one.high:.2f})"
    return f"{one.ratio:.2f}{span}"


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
            one.old_verdict if one.old_status == "ok" else one.old_status,
            one.new_verdict if one.new_status == "ok" else one.new_status,
        ),
    ),
]  # fmt: skip


def speed_words(one: Change) -> str:
    """A change of speed in words."""
    if one.speed == BUSY:
        return BUSY
    if one.ratio is not None:
        return "too few epochs to tell its speed" if one.low is None else one.speed
    why = "it has no steady epoch in both"
    if {one.old_status, one.new_status} != {"ok"}:
        why = "it did not finish in both"
    elif not {one.old_verdict, one.new_verdict} <= set(AGREE):
        why = "it does not agree with the referee in both"
    return f"its times are not compared: {why}"
