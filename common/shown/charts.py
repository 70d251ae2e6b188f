"""The charts of a run, as Vega-Lite by Altair: for the page and for notebooks.

Made of results.json alone; how they look is in `common.shown.drawing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from common.agreement.drift import band_limit, free_limit
from common.contract.arrays import Array
from common.locale.language import _, marked
from common.results.document import Document, EpochSeconds, Limit
from common.shown.drawing import (
    COLOURS,
    PAPER,
    Drawing,
    Look,
    Looks,
    colour,
    entrants_axis,
    lines,
    looks_by,
    svg,
)

#: More steps than this are drawn as the largest value of several.
BINS = 600
#: Classes up to which a confusion has a number in each square.
LEGIBLE = 30
#: Height of a bar, in pixels.
BAR = 28
#: Times further apart than this are drawn on a logarithmic scale.
WIDE = 8.0
#: A loss that falls further than this is, too.
FAR = 100.0
#: What is drawn of every epoch -> the title of its axis.
CURVES = {
    "train_loss": marked("train loss"),
    "train_accuracy": marked("train accuracy"),
    "test_accuracy": marked("test accuracy"),
}
#: Charts of a run, in the order of the page.
NAMES = (*CURVES, "drift", "times", "phases", "distances")
#: What a bar of phases is made of, in the order in which it happens.
PHASES = (
    marked("import"), marked("open"), marked("compile"), marked("first step"), marked("training"),
    marked("evaluation"),
)  # fmt: skip
#: Not those of the entrants.
PHASE_COLOURS = ("#8da0cb", "#66a61e", "#d9b310", "#e7857a", "#8a8f98", "#c49a6c")

#: Entrant -> epoch -> one of its numbers.
Curves = Mapping[str, Mapping[float, float | None]]


def looks_of(found: Document) -> dict[str, Look]:
    """How the entrants are drawn, in the order in which they were asked for."""
    return looks_by({entrant.label: entrant.style for entrant in found.entrants})


def of_epochs(found: Document, measure: str) -> Curves:
    """One quantity of every epoch, a field of `Epoch`."""
    return {
        entrant.label: {row.epoch: getattr(row, measure) for row in entrant.epochs}
        for entrant in found.entrants
    }


def curve(series: Curves, looks: Looks, measure: str, *, pointed: bool = True) -> Drawing | None:
    """A line an entrant; pointing at an epoch shows all of them; None where nobody has values.

    A loss that falls far has a logarithmic scale, or its last epochs could not be told apart.
    """
    known = {
        label: {at: value for at, value in points.items() if value is not None}
        for label, points in series.items()
    }
    values = [value for points in known.values() for value in points.values()]
    if not values:
        return None
    share = measure.endswith("accuracy")
    log = not share and min(values) > 0 and max(values) > FAR * min(values)
    return lines(
        known, looks, _("epoch"), _(CURVES[measure]), zero=False, log=log, share=share,
        pointed=pointed, number=".4g" if log else ".4f",
    )  # fmt: skip


def drift(found: Document) -> Drawing | None:
    """Distance of every step's loss from the referee's, and, dotted, what of it rounding explains.

    On a logarithmic scale, which has no place for zero: steps that are bit-equal leave a gap.
    """
    series: dict[str, dict[float, float | None]] = {}
    bands: list[dict[str, Any]] = []
    for entrant in found.entrants:
        right = np.array(found.referee_losses(entrant), dtype=float)
        losses = np.array(entrant.step_losses, dtype=float)  # null, infinite once, is NaN
        steps = min(len(losses), len(right))
        off = binned(np.abs(losses[:steps] - right[:steps]))
        if not any(off.values()):
            continue
        label, verdict = entrant.label, found.verdict(entrant)
        series[label] = off
        band = free_limit(right[:steps], found.plan.dtype)
        if verdict.noise_band is not None:
            band = band_limit(right[:steps], found.plan.dtype, verdict.noise_band)
        bands += [
            {"entrant": label, "at": at, "value": value}
            for at, value in binned((band + verdict.exp_error)[: verdict.held_steps]).items()
        ]
    if not series:
        return None
    band_lines = (
        alt.Chart({"values": bands})
        .mark_line(strokeWidth=1.5, strokeDash=[1, 3], opacity=0.8)
        .encode(alt.X("at:Q"), alt.Y("value:Q"), colour(looks_of(found)))
    )
    drifts = lines(
        series, looks_of(found), _("step"), _("|loss − referee's|"), log=True, number=".2e"
    )
    return (drifts + band_lines).properties(width="container", height=260)


def binned(values: Any) -> dict[float, float | None]:
    """Step -> value; the largest of several where there are more than can be drawn, None for 0."""
    every = math.ceil(len(values) / BINS) or 1
    found: dict[float, float | None] = {}
    for start in range(0, len(values), every):
        part = values[start : start + every]
        part = part[np.isfinite(part)]
        shown = len(part) > 0 and part.max() > 0
        # Three digits, which are all that is shown: a page holds many of them.
        found[float(start + 1)] = float(f"{part.max():.3g}") if shown else None
    return found


def times(found: Document) -> Drawing | None:
    """Every steady epoch of every entrant, their median, and the machine's limit."""
    seconds = {entrant.label: entrant.timing.epoch_seconds for entrant in found.entrants}
    spread = [one for summary in seconds.values() for one in summary.all]
    if not spread:
        return None
    log = max(spread) > WIDE * min(spread)
    scale = alt.Scale(type="log") if log else alt.Scale(zero=True)
    shared = {
        "y": entrants_axis(list(seconds)),
        "color": colour(looks_of(found), named=False),
    }
    layers = [epoch_ticks(seconds, scale, shared), *medians(seconds, scale, shared)]
    if found.limit:
        layers.append(limit_rule(found.limit, scale))
    return alt.layer(*layers).properties(width="container", height=34 * len(seconds))


def who() -> alt.Tooltip:
    """Whose it is, where it is pointed at."""
    return alt.Tooltip("entrant:N", title=_("entrant"))


def epoch_ticks(
    seconds: Mapping[str, EpochSeconds], scale: alt.Scale, shared: Mapping[str, Any]
) -> Drawing:
    """A tick for every steady epoch."""
    rows = []
    for label, summary in seconds.items():
        noted = summary.disturbed or [False] * len(summary.all)
        rows += [
            {
                "entrant": label, "seconds": one,
                "meanwhile": _("others used the machine") if off else _("nothing else ran"),
            }
            for one, off in zip(summary.all, noted, strict=False)
        ]  # fmt: skip
    x = alt.X("seconds:Q", title=_("seconds per epoch"), scale=scale)
    return (
        alt.Chart({"values": rows})
        .mark_tick(thickness=2, opacity=0.6, size=18)
        .encode(
            x.axis(tickCount=5, labelOverlap="greedy", format="~r"),
            **shared,
            tooltip=[
                who(),
                alt.Tooltip("seconds:Q", title=_("seconds"), format=".4f"),
                alt.Tooltip("meanwhile:N", title=_("meanwhile")),
            ],
        )
    )


def medians(
    seconds: Mapping[str, EpochSeconds], scale: alt.Scale, shared: Mapping[str, Any]
) -> list[Drawing]:
    """A diamond for every median, upon its interval where there is one."""
    titles = {"median": _("median"), "low": _("95 % from"), "high": _("to"), "min": _("least")}
    rows = [
        {"entrant": label, **{name: getattr(summary, name) for name in titles}}
        for label, summary in seconds.items()
        if summary.median is not None
    ]
    tips: list[Any] = [who()]
    tips += [alt.Tooltip(f"{name}:Q", format=".4f", title=words) for name, words in titles.items()]
    base = alt.Chart({"values": rows})
    middle = base.mark_point(filled=True, size=70, shape="diamond", opacity=1).encode(
        alt.X("median:Q", scale=scale), **shared, tooltip=tips
    )
    if all(row["low"] is None for row in rows):
        return [middle]
    interval = base.mark_rule(strokeWidth=3).encode(
        alt.X("low:Q", scale=scale), alt.X2("high:Q"), **shared, tooltip=tips
    )
    return [interval, middle]


def limit_rule(limit: Limit, scale: alt.Scale) -> Drawing:
    """Where the machine's least time lies."""
    return (
        alt.Chart({"values": [{"limit": limit.seconds}]})
        .mark_rule(strokeDash=[2, 2])
        .encode(
            alt.X("limit:Q", scale=scale),
            tooltip=[alt.Tooltip("limit:Q", title=_("the machine's limit"), format=".4f")],
        )
    )


def phases(found: Document) -> Drawing | None:
    """Where an entrant's seconds went, one bar each."""
    rows = []
    for entrant in found.entrants:
        took, epochs = entrant.timing, entrant.epochs
        spent = (
            took.import_seconds,
            took.open_seconds,
            took.compile_seconds,
            took.first_step_seconds,
            sum(row.train_seconds for row in epochs),
            sum(row.eval_seconds or 0.0 for row in epochs),
        )
        rows += [
            {"entrant": entrant.label, "phase": _(name), "seconds": seconds, "place": place}
            for place, (name, seconds) in enumerate(zip(PHASES, spent, strict=True))
            if seconds
        ]
    if not rows:
        return None
    names = list(map(_, PHASES))
    return (
        alt.Chart({"values": rows})
        .mark_bar()
        .encode(
            alt.X("seconds:Q", title=_("seconds")),
            entrants_axis(list(looks_of(found))),
            alt.Color(
                "phase:N",
                sort=names,
                legend=alt.Legend(title=None, symbolType="square", columns=3),
            ).scale(domain=names, range=list(PHASE_COLOURS)),
            alt.Order("place:Q"),
            tooltip=[
                who(),
                alt.Tooltip("phase:N", title=_("phase")),
                alt.Tooltip("seconds:Q", title=_("seconds"), format=".3f"),
            ],
        )
        .properties(width="container", height=BAR * len(found.entrants))
    )


def distances(found: Document) -> Drawing | None:
    """How many times the machine's least time for an epoch every entrant takes."""
    known = {e.label: e.timing.times_limit for e in found.entrants if e.timing.times_limit}
    if not known:
        return None
    rows = [{"entrant": label, "times": times} for label, times in known.items()]
    y = entrants_axis(list(looks_of(found)))
    base = alt.Chart({"values": rows})
    bars = base.mark_bar().encode(
        alt.X("times:Q", title=_("times the machine's limit"))
        .scale(domain=[0, 1.15 * max(known.values())])
        .axis(tickCount=5),
        y,
        colour(looks_of(found), named=False),
        tooltip=[who(), alt.Tooltip("times:Q", title=_("× limit"), format=".1f")],
    )
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
            "true": true, "taken": taken, "images": int(counts[i, j]),
            "share": float(counts[i, j] / max(1, counts[i].sum())),
        }
        for i, true in enumerate(names)
        for j, taken in enumerate(names)
    ]  # fmt: skip
    base = alt.Chart({"values": rows}).encode(
        alt.X(
            "taken:N",
            title=_("taken for"),
            sort=list(names),
            axis=alt.Axis(labelAngle=-45, orient="top", domain=False),
        ),
        alt.Y("true:N", title=_("true"), sort=list(names)).axis(domain=False),
        tooltip=[
            alt.Tooltip("true:N", title=_("true")),
            alt.Tooltip("taken:N", title=_("taken for")),
            alt.Tooltip("images:Q", title=_("images")),
            alt.Tooltip("share:Q", title=_("share"), format=".1%"),
        ],
    )
    squares = base.mark_rect(color=COLOURS[0]).encode(
        opacity=alt.Opacity("share:Q", legend=None).scale(domain=[0, 1], range=[0.03, 1]),
    )
    if len(names) > LEGIBLE:  # a row has no room for a number
        return squares.properties(width="container", height=300)
    words = base.mark_text(fontSize=9).encode(
        alt.Text("images:Q"),
        opacity=alt.condition(alt.datum.images > 0, alt.value(1), alt.value(0)),
    )
    return (squares + words).properties(width="container", height=300)


def named(found: Document, what: str) -> Drawing | None:
    """One of the charts by name; None where there is nothing to draw."""
    if what in CURVES:
        return curve(of_epochs(found, what), looks_of(found), what)
    return {"drift": drift, "times": times, "phases": phases, "distances": distances}[what](found)


def growing(curves: Mapping[str, Curves], looks: Looks) -> str:
    """Curves of every epoch so far, side by side, as SVG; empty before the first.

    Args:
        curves: a name of `CURVES` -> what there is of it.
        looks: how the entrants are drawn.
    """
    drawn = [curve(series, looks, what, pointed=False) for what, series in curves.items()]
    shown = [chart.properties(width=220, height=180) for chart in drawn if chart is not None]
    if not shown:
        return ""
    return svg(alt.hconcat(*shown), PAPER)


def class_names(classes: Iterable[str], count: int) -> list[str]:
    """Names of so many classes: their numbers where there are none."""
    known = list(classes)
    return [known[n] if n < len(known) else str(n) for n in range(count)]
