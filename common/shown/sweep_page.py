"""sweep.html: a sweep, in one file that opens offline; no script, no request."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from markupsafe import Markup

from common.locale.language import _
from common.results.folder import whole
from common.results.record import AGREE
from common.results.sweep import PairAt, Sweep, Values, read_sweep
from common.shown.drawing import PAPER, svg, theme
from common.shown.grid import is_clear
from common.shown.html import template
from common.shown.outcomes import counted, kind, outcome_words
from common.shown.sweep import (
    accuracy_cell,
    end_words,
    line_sentences,
    loss_cell,
    ratio_words,
    value_words,
)
from common.shown.sweep_charts import ends, times
from common.shown.words import disturbed_line

PAGE, DRAWING = "sweep.html", "sweep.svg"


def write_again(folder: Path) -> Path:
    """Write the page of a folder from its sweep.json alone.

    Raises:
        FileNotFoundError: it has none.
        Refused: it cannot be read.
    """
    return write(read_sweep(folder), folder)


def write(found: Sweep, folder: Path) -> Path:
    """Write the page and, if there is anything to draw, the drawing; where the page is."""
    drawn = times(found) or ends(found)
    if drawn is not None:
        with whole(folder / DRAWING) as temporary:
            temporary.write_text(svg(drawn, PAPER), encoding="utf-8")
    text = render(found)
    with whole(folder / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return folder / PAGE


def render(found: Sweep) -> str:
    """The text of the page; reports of runs are linked as they lie beside it."""
    charts = {"times": times(found), "ends": ends(found)}
    text: str = template("sweep.html").render(
        found=found,
        title=title(found),
        sentence=sentence(found),
        drawn={name: Markup(svg(one, theme())) for name, one in charts.items() if one is not None},
        points={
            label: {point.values: point for point in entrant.points}
            for label, entrant in found.entrants.items()
        },
        pairs=pairs_of(found),
        lines=list(line_sentences(found)),
        disturbed=disturbed_line(found.disturbed),
        end=end_words(found),
        end_of=accuracy_cell if found.is_classified() else loss_cell,
        at=Values,
        agree=AGREE,
        is_clear=is_clear,
        kind=kind,
        outcome_words=outcome_words,
        ratio_words=ratio_words,
        value_words=value_words,
    )
    return text


def title(found: Sweep) -> str:
    """What varied, of what."""
    names = found.vary
    if found.also is not None:
        names = _("{one} and {other}", one=found.vary, other=found.also)
    return _("{model}, by {names}", model=found.model, names=names)


def sentence(found: Sweep) -> str:
    """How many runs there are of each kind, in one sentence."""
    kinds = Counter(kind(run.outcomes) for run in found.runs)
    parts = counted(kinds, _("{number} runs", number=found.planned))
    if missing := found.planned - len(found.runs):
        parts.append(f"{missing} {_('missing')}")
    return _(", ").join(parts)


def pairs_of(found: Sweep) -> dict[tuple[str, str], dict[Values, PairAt]]:
    """Two entrants -> how they compare in each run in which that was measured."""
    pairs: dict[tuple[str, str], dict[Values, PairAt]] = {}
    for pair in found.comparisons:
        if pair.ratio is not None:
            pairs.setdefault((pair.a, pair.b), {})[pair.values] = pair
    return pairs
