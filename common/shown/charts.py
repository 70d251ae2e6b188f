"""The charts of a run, as Vega-Lite by Altair: for the page and for notebooks.

Made of results.json alone. Colours of text and axes are the page's (`currentColor`), so that
light and dark need no second chart. An entrant has one colour and one pattern everywhere, because
entrants that agree lie upon one another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from common.agreement.drift import band_limit, free_limit
from common.contract.arrays import Array
from common.contract.registry import version
from common.data.cache import cache_folder
from common.results.folder import whole
from common.running.sweep import Point, usable

#: Told apart by most eyes, on white and on black (after Okabe and Ito).
COLOURS = ("#2f8fdd", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#999999", "#aa4499")
PATTERNS = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3])
#: More steps than this are drawn as the largest value of several.
BINS = 600
#: Height of a bar, in pixels.
BAR = 28
#: Times further apart than this are drawn on a logarithmic scale.
WIDE = 8.0
#: What a bar of phases is made of, in the order in which it happens.
#: Charts of a run, in the order of the page.
NAMES = ("train_loss", "train_accuracy", "test_accuracy", "drift", "times", "phases", "distances")
PHASES = ("import", "open", "compile", "first step", "training", "evaluation")
#: Not those of the entrants.
PHASE_COLOURS = ("#8da0cb", "#66a61e", "#d9b310", "#e7857a", "#8a8f98", "#c49a6c")

Results = Mapping[str, Any]
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


def labels_of(found: Results) -> list[str]:
    """The entrants, in the order in which they were asked for."""
    return [entrant["label"] for entrant in found["entrants"]]


def _colour(labels: Sequence[str], *, legend: bool = True) -> alt.Color:
    shown = alt.Legend(title=None) if legend else None
    colours = [COLOURS[place % len(COLOURS)] for place in range(len(labels))]
    return alt.Color("entrant:N", legend=shown).scale(domain=list(labels), range=colours)


def _pattern(labels: Sequence[str]) -> alt.StrokeDash:
    patterns = [PATTERNS[place % len(PATTERNS)] for place in range(len(labels))]
    return alt.StrokeDash("entrant:N", legend=alt.Legend(title=None)).scale(
        domain=list(labels), range=patterns
    )


def curve(found: Results, measure: str, title: str, *, pointed: bool = True) -> Drawing | None:
    """One quantity of every epoch, a line an entrant; pointing at an epoch shows all of them.

    Args:
        found: results.json.
        measure: a key of its `epochs`.
        title: of the axis.

    Returns:
        None where nobody has such values.
    """
    series = {
        entrant["label"]: {
            row["epoch"]: row[measure] for row in entrant["epochs"] if row[measure] is not None
        }
        for entrant in found["entrants"]
    }
    if not any(series.values()):
        return None
    return lines(series, "epoch", title, zero=False, pointed=pointed)


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
            _colour(domain), *([_pattern(domain)] if patterns else []),
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


def drift(found: Results) -> Drawing | None:
    """Distance of every step's loss from the referee's, and, dashed, what of it rounding explains.

    On a logarithmic scale, which has no place for zero: steps that are bit-equal leave a gap.
    """
    right = np.array(found["parity"].get("referee_losses") or [], dtype=float)
    series: dict[str, dict[float, float | None]] = {}
    bands: list[dict[str, Any]] = []
    for entrant in found["entrants"]:
        losses = np.array(entrant["step_losses"], dtype=float)  # null, infinite once, is NaN
        steps = min(len(losses), len(right))
        off = binned(np.abs(losses[:steps] - right[:steps]))
        if not any(off.values()):
            continue
        label = entrant["label"]
        series[label] = off
        verdict = found["parity"]["entrants"][label]
        band = free_limit(right[:steps], found["plan"]["dtype"]) + verdict.get("exp_error", 0.0)
        if verdict["noise_band"] is not None:
            band = band_limit(right[:steps], found["plan"]["dtype"], verdict["noise_band"])
            band = band + verdict.get("exp_error", 0.0)
        bands += [
            {"entrant": label, "at": at, "value": value} for at, value in binned(band).items()
        ]
    if not series:
        return None
    band_lines = (
        alt.Chart({"values": bands})
        .mark_line(strokeWidth=1.5, strokeDash=[4, 4], opacity=0.8)
        .encode(alt.X("at:Q"), alt.Y("value:Q"), _colour(labels_of(found)))
    )
    # Solid, because the dashed ones are what rounding explains.
    chart = lines(
        series, "step", "|loss − referee's|", log=True, number=".2e", patterns=False,
        domain=labels_of(found),
    )  # fmt: skip
    return (chart + band_lines).properties(width="container", height=260)


def binned(values: Any) -> dict[float, float | None]:
    """Step -> value; the largest of several where there are more than can be drawn, None for 0."""
    every = math.ceil(len(values) / BINS) or 1
    found: dict[float, float | None] = {}
    for start in range(0, len(values), every):
        part = values[start : start + every]
        part = part[np.isfinite(part)]
        shown = len(part) > 0 and part.max() > 0
        found[float(start + 1)] = float(part.max()) if shown else None
    return found


def times(found: Results) -> Drawing | None:
    """Every steady epoch of every entrant, their median, and the machine's limit."""
    rows, medians = [], []
    for entrant in found["entrants"]:
        summary = entrant["timing"]["epoch_seconds"]
        noted = summary.get("disturbed") or [False] * len(summary["all"])
        rows += [
            {
                "entrant": entrant["label"], "seconds": one,
                "meanwhile": "others used the machine" if off else "nothing else ran",
            }
            for one, off in zip(summary["all"], noted, strict=False)
        ]  # fmt: skip
        if summary["median"] is not None:
            medians.append({"entrant": entrant["label"], **{
                name: summary[name] for name in ("median", "low", "high", "min")
            }})  # fmt: skip
    if not rows:
        return None
    labels = labels_of(found)
    spread = [row["seconds"] for row in rows]
    limit = found.get("limit")
    log = max(spread) > WIDE * min(spread)
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    x = alt.X("seconds:Q", title="seconds per epoch", scale=scale)
    x = x.axis(tickCount=5, labelOverlap="greedy", format="~g")
    y = alt.Y("entrant:N", title=None, sort=labels)
    colour = _colour(labels, legend=False)
    epochs = (
        alt.Chart({"values": rows})
        .mark_tick(thickness=2, opacity=0.6, size=18)
        .encode(
            x, y, colour,
            tooltip=["entrant:N", alt.Tooltip("seconds:Q", format=".4f"), "meanwhile:N"],
        )
    )  # fmt: skip
    tips = [
        "entrant:N",
        *(
            alt.Tooltip(f"{name}:Q", format=".4f", title=title)
            for name, title in (
                ("median", "median"), ("low", "95 % from"), ("high", "to"), ("min", "least"),
            )
        ),
    ]  # fmt: skip
    summary_chart = alt.Chart({"values": medians})
    middle = summary_chart.mark_point(filled=True, size=70, shape="diamond", opacity=1).encode(
        alt.X("median:Q", scale=scale), y, colour, tooltip=tips
    )
    interval = summary_chart.mark_rule(strokeWidth=3).encode(
        alt.X("low:Q", scale=scale), alt.X2("high:Q"), y, colour, tooltip=tips
    )
    layers = [epochs, middle]
    if any(row["low"] is not None for row in medians):
        layers.insert(1, interval)
    if limit:
        layers.append(
            alt.Chart({"values": [{"limit": limit["seconds"]}]})
            .mark_rule(strokeDash=[2, 2])
            .encode(
                alt.X("limit:Q", scale=scale),
                tooltip=[alt.Tooltip("limit:Q", title="the machine's limit", format=".4f")],
            )
        )
    return alt.layer(*layers).properties(width="container", height=34 * len(labels))


def phases(found: Results) -> Drawing | None:
    """Where an entrant's seconds went, one bar each."""
    rows = []
    for entrant in found["entrants"]:
        took, epochs = entrant["timing"], entrant["epochs"]
        spent = {
            **{name: took[f"{name.replace(' ', '_')}_seconds"] for name in PHASES[:4]},
            "training": sum(row["train_seconds"] for row in epochs),
            "evaluation": sum(row["eval_seconds"] or 0.0 for row in epochs),
        }
        rows += [
            {"entrant": entrant["label"], "phase": name, "seconds": spent[name], "place": place}
            for place, name in enumerate(PHASES)
            if spent[name]
        ]
    if not rows:
        return None
    return (
        alt.Chart({"values": rows})
        .mark_bar()
        .encode(
            alt.X("seconds:Q", title="seconds"),
            alt.Y("entrant:N", title=None, sort=labels_of(found)),
            alt.Color(
                "phase:N", sort=list(PHASES), legend=alt.Legend(title=None, symbolType="square")
            ).scale(domain=list(PHASES), range=list(PHASE_COLOURS)),
            alt.Order("place:Q"),
            tooltip=["entrant:N", "phase:N", alt.Tooltip("seconds:Q", format=".3f")],
        )
        .properties(width="container", height=BAR * len(labels_of(found)))
    )


def distances(found: Results) -> Drawing | None:
    """How many times the machine's least time for an epoch every entrant takes."""
    rows = [
        {"entrant": entrant["label"], "times": entrant["timing"].get("times_limit")}
        for entrant in found["entrants"]
        if entrant["timing"].get("times_limit")
    ]
    if not rows:
        return None
    y = alt.Y("entrant:N", title=None, sort=labels_of(found))
    top = max(row["times"] for row in rows)
    base = alt.Chart({"values": rows})
    bars = base.mark_bar().encode(
        alt.X("times:Q", title="times the machine's limit").scale(domain=[0, 1.15 * top]), y,
        _colour(labels_of(found), legend=False),
        tooltip=["entrant:N", alt.Tooltip("times:Q", format=".1f")],
    )  # fmt: skip
    words = base.mark_text(align="left", dx=4).encode(
        alt.X("times:Q"), y, alt.Text("times:Q", format=".1f")
    )
    return (bars + words).properties(width="container", height=BAR * len(rows))


def confusion(classes: Array, labels: Array, names: Sequence[str]) -> Drawing:
    """How often each class of test images is taken for each."""
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (labels, classes), 1)
    rows = [
        {
            "true": true, "taken for": taken, "images": int(counts[i, j]),
            "share": float(counts[i, j] / max(1, counts[i].sum())),
        }
        for i, true in enumerate(names)
        for j, taken in enumerate(names)
    ]  # fmt: skip
    base = alt.Chart({"values": rows}).encode(
        alt.X(
            "taken for:N",
            sort=list(names),
            axis=alt.Axis(labelAngle=-45, orient="top", domain=False),
        ),
        alt.Y("true:N", sort=list(names)).axis(domain=False),
        tooltip=["true:N", "taken for:N", "images:Q", alt.Tooltip("share:Q", format=".1%")],
    )
    squares = base.mark_rect(color=COLOURS[0]).encode(
        opacity=alt.Opacity("share:Q", legend=None).scale(domain=[0, 1], range=[0.03, 1]),
    )
    words = base.mark_text(fontSize=9).encode(
        alt.Text("images:Q"),
        opacity=alt.condition(alt.datum.images > 0, alt.value(1), alt.value(0)),
    )
    return (squares + words).properties(width="container", height=300)


def named(found: Results, what: str) -> Any:
    """One of the charts by name; None where there is nothing to draw."""
    of_epochs = {
        "train_loss": "train loss",
        "train_accuracy": "train accuracy",
        "test_accuracy": "test accuracy",
    }
    if what in of_epochs:
        return curve(found, what, of_epochs[what])
    return {"drift": drift, "times": times, "phases": phases, "distances": distances}[what](found)


def growing(found: Results) -> str:
    """The three curves of every epoch so far, side by side, as SVG; empty before the first."""
    drawn = [
        curve(found, what, what.replace("_", " "), pointed=False)
        for what in ("train_loss", "train_accuracy", "test_accuracy")
    ]
    shown = [chart.properties(width=220, height=180) for chart in drawn if chart is not None]
    if not shown:
        return ""
    plain = alt.hconcat(*shown).to_dict()
    plain["config"] = theme()
    svg: str = vl_convert.vegalite_to_svg(plain)
    return svg


def specification(chart: Any) -> dict[str, Any]:
    """A chart as Vega-Lite, in the page's colours."""
    plain: dict[str, Any] = chart.to_dict()
    plain["config"] = theme()
    plain["autosize"] = {"type": "fit-x", "contains": "padding"}
    return plain


def vega() -> str:
    """The text of Vega, Vega-Lite and vega-embed, to be put into a page.

    Put together takes a second, so that it is kept in the cache.
    """
    folder = cache_folder()
    path = folder / f"vega-{version('vl-convert-python')}.js"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    text: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    with suppress(OSError):  # a cache that cannot be written costs a second, and no page
        folder.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return text


def class_names(classes: Iterable[str], count: int) -> list[str]:
    """Names of so many classes: their numbers where there are none."""
    known = list(classes)
    return [known[n] if n < len(known) else str(n) for n in range(count)]


def chart(found: Mapping[str, Sequence[Point]], name: str, unit: str) -> Any:
    """Seconds against the setting, a line an entrant, both axes logarithmic."""
    import altair

    rows = [
        {"entrant": label, name: point.value, "seconds": point.median}
        for label, of_label in found.items()
        for point in usable(of_label)
    ]
    return (
        altair.Chart({"values": rows}, width=560, height=360)
        .mark_line(point=True)
        .encode(
            altair.X(f"{name}:Q").scale(type="log").title(name),
            altair.Y("seconds:Q").scale(type="log").title(f"seconds per {unit}"),
            altair.Color("entrant:N").title(None),
        )
    )
