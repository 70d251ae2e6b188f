"""How every chart looks: colours, patterns, and lines that are read by pointing.

Colours of text and axes are the page's (`currentColor`), so that light and dark need no second
chart. A framework has one colour and a style one pattern in every chart of every page; entrants
that agree lie upon one another, so that those below are broader.
"""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import altair as alt
import vl_convert

from common.contract.registry import find

#: Told apart by most eyes, on white and on black (after Okabe and Ito).
COLOURS = ("#2f8fdd", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#999999", "#aa4499")
#: A style's dashes.
PATTERNS = {"concise": (1, 0), "scratch": (6, 3)}
#: How much lighter the second, third, ... entrant of one framework and style is.
SHADES = (0.0, 0.16, -0.16, 0.27, -0.26)
#: Of a legend's labels, in pixels: a chart may be as narrow as a telephone.
LEGEND = 330
#: Of a letter and of what stands before a label, about.
LETTER, SYMBOL = 6.5, 34

#: One of Altair's charts, whose methods it types as Any.
Drawing = Any


#: Where a chart cannot have its page's colours.
PAPER = {
    "background": "white",
    "legend": {"orient": "top", "symbolType": "stroke", "labelLimit": LEGEND - SYMBOL},
}


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
            "labelLimit": LEGEND - SYMBOL,
            "symbolType": "stroke",
            "symbolStrokeWidth": 2,
        },
        "header": {"labelColor": "currentColor"},
        "title": {"color": "currentColor", "fontWeight": "normal", "anchor": "start"},
        "range": {"category": list(COLOURS)},
        "rule": {"color": "currentColor"},
        "text": {"color": "currentColor"},
    }


@dataclass(frozen=True)
class Look:
    """How an entrant is drawn."""

    colour: str
    dashes: tuple[int, int]


#: Label -> how it is drawn, in the order in which entrants were asked for.
Looks = Mapping[str, Look]


def looks_by(styles: Mapping[str, str]) -> dict[str, Look]:
    """The colour of its framework and the dashes of its style for every entrant.

    The project's own frameworks have the same colours in every run, others those that are left;
    entrants of one framework and style have shades of its colour.

    Args:
        styles: label -> style.
    """
    places, seen = dict(own_places()), dict[tuple[str, str], int]()
    found = {}
    for label, style in styles.items():
        framework = re.split("[:#(]", label)[0]
        place = places.setdefault(framework, len(places))
        before = seen.get((framework, style), 0)
        seen[framework, style] = before + 1
        shade = SHADES[before % len(SHADES)]
        found[label] = Look(lighter(COLOURS[place % len(COLOURS)], shade), PATTERNS[style])
    return found


@cache
def own_places() -> dict[str, int]:
    """The project's own frameworks, numbered."""
    return {name: place for place, name in enumerate(find())}


def lighter(colour: str, by: float) -> str:
    """A colour of the same hue."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    hue, light, saturation = colorsys.rgb_to_hls(red, green, blue)
    parts = colorsys.hls_to_rgb(hue, min(max(light + by, 0.1), 0.9), saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def legend(labels: Sequence[str]) -> alt.Legend:
    """Labels in as many columns as fit, none of them cut."""
    widest = max(map(len, labels), default=1) * LETTER + SYMBOL
    return alt.Legend(title=None, columns=max(1, int(LEGEND / widest)))


def colour(looks: Looks, *, named: bool = True) -> alt.Color:
    """Of every entrant, whatever else is drawn."""
    return alt.Color("entrant:N", legend=legend(list(looks)) if named else None).scale(
        domain=list(looks), range=[one.colour for one in looks.values()]
    )


def pattern(looks: Looks) -> alt.StrokeDash:
    """Dashes of every entrant."""
    return alt.StrokeDash("entrant:N", legend=legend(list(looks))).scale(
        domain=list(looks), range=[list(one.dashes) for one in looks.values()]
    )


def broad(count: int, least: float) -> alt.StrokeWidth:
    """Lines that are drawn first are broader, and so are seen below others."""
    places = range(count)
    return alt.StrokeWidth("place:O", legend=None).scale(
        domain=list(places), range=[least * (1 + 0.4 * (count - 1 - place)) for place in places]
    )


def entrants_axis(labels: Sequence[str]) -> alt.Y:
    """A row an entrant; a long label, as mixed ones have, takes several lines."""
    words = "length(datum.label) > 24 ? split(datum.label, ',') : datum.label"
    return alt.Y("entrant:N", title=None, sort=list(labels)).axis(labelExpr=words)


def lines(
    series: Mapping[str, Mapping[float, float | None]],
    looks: Looks,
    across: str,
    title: str,
    *,
    zero: bool = True,
    log: bool = False,
    number: str = ".4f",
    share: bool = False,
    pointed: bool = True,
) -> Drawing:
    """Lines that are read by pointing: a rule at the nearest place, a value for every line.

    `looks` has everybody, drawn here or not; None of a value is a gap; a `share` is in percent.
    """
    labels = list(series)
    long = [
        {"entrant": label, "place": place, "at": at, "value": value}
        for place, (label, points) in enumerate(series.items())
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
    axis = alt.Axis(format="~e" if log else "~%" if share else "", tickCount=5)
    few: Any = [row["at"] for row in wide] if len(wide) <= 12 else alt.Undefined
    x = alt.X("at:Q", title=across).axis(tickMinStep=1, values=few, format="d", grid=False)
    x = x.scale(nice=False)
    drawn = (
        alt.Chart({"values": long})
        .mark_line(point=len(wide) <= 30, strokeCap="round")  # one value between gaps is a dot
        .encode(
            x, alt.Y("value:Q", title=title, scale=scale, axis=axis), colour(looks),
            pattern(looks), broad(len(labels), 2 if len(wide) <= 30 else 1),
        )
    )  # fmt: skip
    nearest = alt.selection_point(
        nearest=True, on="pointerover", clear="pointerout", fields=["at"], empty=False,
        name="nearest",
    )  # fmt: skip
    tips = [alt.Tooltip("at:Q", title=across)]
    tips += [
        alt.Tooltip(f"v{n}:Q", title=label, format=".2%" if share else number)
        for n, label in enumerate(labels)
    ]
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


def svg(chart: Drawing, config: Mapping[str, Any]) -> str:
    """A chart as SVG, in the colours of `config`: those of `PAPER` or of the page's `theme`."""
    plain = chart.to_dict()
    plain["config"] = config
    text: str = vl_convert.vegalite_to_svg(plain)
    return text
