"""Curves on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from common.locale.language import _
from common.results.record import Record
from common.shown.words import finite

#: Of a panel of the curves, in characters, and the colours of the entrants there.
CURVES_WIDTH, CURVES_HEIGHT = 48, 13

CURVES_COLOURS = ("bright_blue", "bright_red", "bright_green", "bright_magenta", "bright_cyan")


def curves(records: Sequence[Record], epochs: int, width: int) -> Text | None:
    """Train loss, train and test accuracy so far, side by side as far as they fit.

    Entrants that agree lie upon one another; what is drawn last is seen.

    Args:
        records: the entrants; None is drawn before two of their epochs.
        epochs: how many there will be.
        width: of the console.
    """
    import plotille

    named = {
        "train_loss": _("train loss"),
        "test_accuracy": _("test acc"),
        "train_accuracy": _("train acc"),
    }
    panels = []
    for measure, title in list(named.items())[: max(1, width // CURVES_WIDTH)]:
        lines = [
            [row[measure] for row in record.epochs if finite(row[measure])] for record in records
        ]
        if max(map(len, lines), default=0) < 2:
            continue
        figure = plotille.Figure()
        figure.width, figure.height = CURVES_WIDTH - 25, CURVES_HEIGHT - 4
        figure.x_label, figure.y_label = _("epoch"), title
        figure.register_label_formatter(float, tick)
        figure.set_x_limits(1, max(2, epochs))
        for place, line in enumerate(lines):
            if len(line) > 1:
                colour = CURVES_COLOURS[place % len(CURVES_COLOURS)]
                figure.plot(range(1, len(line) + 1), line, lc=colour, interp="linear")
        panels.append(Text.from_ansi(figure.show()))
    if not panels:
        return None
    rows = []
    for parts in zip(*(panel.split("\n") for panel in panels), strict=True):
        for part in parts:
            part.truncate(CURVES_WIDTH, pad=True)
        rows.append(Text.assemble(*parts))
    return Text("\n").join(rows)


def tick(value: float, chars: int, delta: float, left: bool = False) -> str:
    """A number at an axis: whole, or with three digits after the point."""
    words = f"{value:.3f}" if delta < 1 else f"{value:.0f}"
    return words.ljust(chars) if left else words.rjust(chars)
