"""What changed between two runs, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from common.results.diff import Change, environment
from common.results.record import AGREE
from common.shown.table import fitted
from common.shown.words import DASH, megabytes, percent, plain, three_digits


def print_diff(
    found: Sequence[Change],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    reasons: Sequence[str],
    worse: Sequence[str],
    console: Console,
) -> None:
    """Print what changed between two runs, entrant by entrant."""
    if reasons:
        words = f"not the same work on the same machine: {'; '.join(reasons)}"
        console.print(plain(words, style="yellow"), soft_wrap=True)
    columns = [
        ("entrant", "left", 0),
        ("s/epoch", "right", 2),
        ("new / old", "right", 1),
        ("test acc", "right", 3),
        ("peak memory", "right", 4),
        ("verdict", "left", 0),
    ]
    rows = [_change_row(one) for one in found]
    console.print(fitted(columns, rows, console.width, [one.label for one in found]))
    for name, (then, now) in environment(old, new).items():
        console.print(plain(f"{name} {then or DASH} → {now or DASH}"), soft_wrap=True)
    for one in found:
        for name, (then, now) in one.changed.items():
            line = f"{one.label}: {name} {then or DASH} → {now or DASH}"
            console.print(plain(line), soft_wrap=True)
        line = f"{one.label}: {speed_words(one)}"
        if one.accuracy != "not compared":
            line += f"; accuracy: {one.accuracy}"
        console.print(plain(line), soft_wrap=True)
    then, now = ((run.get("limit") or {}).get("flops_per_second") for run in (old, new))
    if then and now:
        words = f"the machine did {then / 1e9:.3g} GFLOP/s then and {now / 1e9:.3g} now"
        console.print(plain(words), soft_wrap=True)
    gone = {e["label"] for e in old["entrants"]} ^ {e["label"] for e in new["entrants"]}
    if gone:
        console.print(plain(f"only in one of them: {', '.join(sorted(gone))}"), soft_wrap=True)
    for line in worse:
        console.print(plain(line, style="red"), soft_wrap=True)


def _change_row(one: Change) -> list[str | Text]:
    ratio = DASH if one.ratio is None else f"{one.ratio:.2f}"
    if one.low is not None:
        ratio += f" ({one.low:.2f} to {one.high:.2f})"
    return [
        plain(one.label),
        moved(three_digits(one.old_seconds), three_digits(one.new_seconds)),
        ratio,
        moved(percent(one.old_accuracy), percent(one.new_accuracy)),
        moved(megabytes(one.old_memory), megabytes(one.new_memory)),
        moved(
            one.old_verdict if one.old_status == "ok" else one.old_status,
            one.new_verdict if one.new_status == "ok" else one.new_status,
        ),
    ]


def moved(old: str, new: str) -> Text:
    """What changed, or what did not."""
    return plain(old if old == new else f"{old} → {new}")


def speed_words(one: Change) -> str:
    """A change of speed in words."""
    if one.ratio is not None:
        return "too few epochs to tell its speed" if one.low is None else one.speed
    why = "it has no steady epoch in both"
    if {one.old_status, one.new_status} != {"ok"}:
        why = "it did not finish in both"
    elif not {one.old_verdict, one.new_verdict} <= set(AGREE):
        why = "it does not agree with the referee in both"
    return f"its times are not compared: {why}"
