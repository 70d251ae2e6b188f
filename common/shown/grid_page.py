"""grid.html: what a grid came to, in one file that opens offline; no script, no request."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from markupsafe import Markup

from common.contract.entrant import words_of as words_of_label
from common.contract.info import STYLES
from common.contract.registry import find
from common.locale.language import _
from common.measure.quiet import BUSY
from common.results.document import Pair
from common.results.folder import whole
from common.results.grid import value_words, words_of
from common.results.grid_merged import Merged, MergedCell
from common.shown.drawing import looks_by
from common.shown.grid import (
    accuracy_words,
    by_settings,
    is_clear,
    limits,
    pair_of,
    problems,
    sentence,
    several_versions,
)
from common.shown.html import template
from common.shown.outcomes import kind, outcome_words
from common.shown.words import joined

PAGE = "grid.html"

#: Longer tables get a window of their own; fewer cells need no picture of all.
LONG, FEW = 40, 12

#: Ratios from 1/4 to 4 are drawn, in a picture this wide and high.
REACH, WIDTH, HEIGHT = 4.0, 120, 12


def write(merged: Merged, folder: Path) -> Path:
    """Write the page into a folder."""
    path = folder / PAGE
    text = render(merged, folder)
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render(merged: Merged, folder: Path) -> str:
    """The text of the page; reports of cells are linked as they lie from a folder."""
    labels, settings = by_settings(merged.accuracies)
    text: str = template("grid.html").render(
        merged=merged,
        sentence=sentence(merged),
        names=merged.vary,
        pairs=list(dict.fromkeys((p.a, p.b) for cell in merged.cells for p in cell.comparisons)),
        squares=squares(merged),
        problems=problems(merged) + several_versions(merged),
        labels=looks_by({label: style_of(label) for label in labels}),
        settings=settings,
        axis=accuracy_axis(merged),
        rates=rates(merged),
        report=lambda cell: os.path.relpath(Path(cell.folder) / "report.html", folder),
        interval=interval,
        kind=kind,
        outcome_words=outcome_words,
        limits=limits,
        pair_of=pair_of,
        accuracy_words=accuracy_words,
        value_words=value_words,
        is_clear=is_clear,
        busy=BUSY,
        long=LONG,
        few=FEW,
    )
    return text


def style_of(label: str) -> str:
    """As the label says, else what its backend takes for the usual one."""
    words = [word for word in words_of_label(label) if word in STYLES]
    backend = find().get(label.partition(":")[0])
    return (words or ["scratch" if backend and backend.info.styles == ("scratch",) else "concise"])[
        0
    ]


def squares(merged: Merged) -> list[tuple[int, str, str]]:
    """Every planned cell: its index, how it is drawn, and what is said of it."""
    failed = {one.index for one in merged.failed}
    foreign = {one.index for one in merged.foreign}
    there = {cell.index: cell for cell in merged.cells}
    found = []
    for index in range(merged.planned):
        cell = there.get(index)
        look = "foreign" if index in foreign else "missing"
        if index in failed:
            look = "failed"
        elif cell is not None:
            look = kind(cell.outcomes)
        words = joined(words_of(cell.varied), outcome_words(cell.outcomes)) if cell else _(look)
        found.append((index, look, words))
    return found


def accuracy_axis(merged: Merged) -> tuple[float, float]:
    """From where to where the test accuracies go."""
    values = [bound for one in merged.accuracies for bound in (one.low, one.high)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    return low, max(high, low + 1e-6)


def interval(pair: Pair) -> Markup:
    """A ratio's interval on a logarithmic scale around 1."""
    if pair.ratio is None or pair.ratio <= 0:
        return Markup("")
    low, high = pair.low or pair.ratio, pair.high or pair.ratio
    a, b, at = (place(value) for value in (low, high, pair.ratio))
    middle = HEIGHT / 2
    return Markup(
        '<svg class="interval" width="{w}" height="{h}" viewBox="0 0 {w} {h}" aria-hidden="true">'
        '<line x1="{one}" x2="{one}" y1="0" y2="{h}" class="one"/>'
        '<line x1="{a:.1f}" x2="{b:.1f}" y1="{m}" y2="{m}" class="span"/>'
        '<circle cx="{at:.1f}" cy="{m}" r="2"/></svg>'
    ).format(w=WIDTH, h=HEIGHT, one=WIDTH / 2, a=a, b=b, m=middle, at=at)


def place(ratio: float) -> float:
    """Where a ratio stands in its picture."""
    share = math.log(min(max(ratio, 1 / REACH), REACH)) / math.log(REACH)
    return WIDTH / 2 + share * (WIDTH / 2 - 4)


def rates(merged: Merged) -> dict[str, dict[str, Any]]:
    """Host -> the least and the largest of what its cells measured, GFLOP/s and GB/s."""
    found: dict[str, list[MergedCell]] = defaultdict(list)
    for cell in merged.cells:
        if cell.flops_per_second is not None:
            found[cell.host].append(cell)
    return {
        host: {
            name: span([(getattr(cell, field) or 0.0) / 1e9 for cell in cells])
            for name, field in (("flops", "flops_per_second"), ("bytes", "bytes_per_second"))
        }
        for host, cells in found.items()
    }


def span(values: list[float]) -> str:
    """The least and the largest."""
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else _("{low} to {high}", low=low, high=high)
