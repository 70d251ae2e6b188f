"""How every chart looks: colours, patterns, and lines that are read by pointing.

Colours of text and axes are the page's (`currentColor`), so that light and dark need no second
chart. An entrant has one colour and one pattern everywhere, because entrants that agree lie upon
one another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

#: Told apart by most eyes, on white and on black (after Okabe and Ito).
COLOURS = ("#2f8fdd", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#999999", "#aa4499")
PATTERNS = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3])

#: One of Altair's charts, whose methods it types as Any.
Drawing = Any


def theme() -> dict[str, Any]:
    """Colours and fonts that are the page's."""
    text = {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal"}
    return {
        "background": "transparent",
        "font": "system-ui, sans-serif",
        "view": {"stroke": "transparent"},
        "axis": {
            **text,
            "gridColor": "currentColor",
            "gridOpacity": 0.12,
            "domainColor": "currentColor",
            "tickColor": "currentColor",
            "labelLimit": 160,
        },
        "legend": {
            **text,
            "orient": "top",
            "labelLimit": 220,
            "columns": 4,
            "symbolType": "stroke",
        },
        "title": {"color": "currentColor", "fontWeight": "normal", "anchor": "start"},
        "range": {"category": list(COLOURS)},
        "rule": {"color": "currentColor"},
        "text": {"color": "currentColor"},
    }


def colour(labels: Sequence[str], *, legend: bool = True) -> alt.Color:
    """An entrant's own, whatever else is drawn."""
    shown = alt.Legend(title=None) if legend else None
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(labels))]
    return alt.Color("entrant:N", legend=shown).scale(domain=list(labels), range=colours)


def pattern(labels: Sequence[str]) -> alt.StrokeDash:
    """An entrant's own pattern of dashes."""
    patterns = [PATTERNS[place % len(PATTERNS)] for place in range(len(labels))]
    return alt.StrokeDash("entrant:N", legend=alt.Legend(title=None)).scale(
        domain=list(labels), range=patterns
    )


def lines(
    series: Mapping[str, Mapping[float, float | None]],
    across: str,
    title: str,
    *,
    zero: bool = True,
    log: bool = False,
    number: str = ".4f",
    patterns: bool = True,
    pointed: bool = True,
    domain: Sequence[str] = (),
) -> Drawing:
    """Lines that are read by pointing: a rule at the nearest place, a value for every line.

    `domain` is everybody who has a colour, drawn here or not; None of a value is a gap.
    """
    labels = list(series)
    domain = domain or labels
    long = [
        {"entrant": label, "at": at, "value": value}
        for label, points in series.items()
        for at, value in points.items()
    ]
    # A column for every entrant, by number: labels may hold any character.
    wide = [
        {
            "at": at,
            **{f"v{n}": points.get(at) for n, points in enumerate(series.values())},
        }
        for at in sorted({at for points in series.values() for at in points})
    ]
    scale = alt.Scale(type="log") if log else alt.Scale(zero=zero, nice=True)
    axis = alt.Axis(format="~e" if log else "", tickCount=5)
    x = alt.X("at:Q", title=across).axis(tickMinStep=1, grid=False)
    x = x.scale(nice=False)
    drawn = (
        alt.Chart({"values": long})
        .mark_line(point=len(wide) <= 30, strokeWidth=2 if len(wide) <= 30 else 1)
        .encode(
            x, alt.Y("value:Q", title=title, scale=scale, axis=axis),
            colour(domain), *([pattern(domain)] if patterns else []),
        )
    )  # fmt: skip
    nearest = alt.selection_point(
        nearest=True, on="pointerover", clear="pointerout", fields=["at"], empty=False,
        name="nearest",
    )  # fmt: skip
    tips = [alt.Tooltip("at:Q", title=across)]
    tips += [alt.Tooltip(f"v{n}:Q", title=label, format=number) for n, label in enumerate(labels)]
    rule = (
        alt.Chart({"values": wide})
        .mark_rule(strokeWidth=1)
        .encode(
            x, tooltip=tips,
            opacity=alt.condition(nearest, alt.value(0.5), alt.value(0)),
        )
        .add_params(nearest)
    )  # fmt: skip
    chart = drawn + rule if pointed else drawn
    return chart.properties(width="container", height=240)


def specification(chart: Any) -> dict[str, Any]:
    """A chart as Vega-Lite, in the page's colours."""
    plain: dict[str, Any] = chart.to_dict()
    plain["config"] = theme()
    plain["autosize"] = {"type": "fit-x", "contains": "padding"}
    return plain
