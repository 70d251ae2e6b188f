"""The charts of a sweep: times, and what was learnt, against what varied."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import altair as alt

from common.locale.language import _
from common.results.sweep import Point, Sweep, ended, usable
from common.running.sweep import NO_WORK
from common.shown.drawing import Drawing, broad, colour, looks_by, pattern
from common.shown.sweep import end_words, value_words

#: In pixels: of one chart, and of each of several.
ALONE, BESIDE = (560, 360), (300, 220)


def times(found: Sweep) -> Drawing | None:
    """Seconds against the setting, both axes logarithmic; None where nobody has any to show."""
    if found.vary in NO_WORK:
        return None
    title = _("seconds per {unit}", unit=_(found.unit))
    axis = alt.Y("drawn:Q").scale(type="log").title(title)
    return by_value(found, usable, lambda point: point.median, axis)


def ends(found: Sweep) -> Drawing | None:
    """The test accuracy in the end against the setting; the loss where nothing is classified."""
    axis = alt.Y("drawn:Q").title(end_words(found))
    if found.is_classified():
        percent = axis.scale(zero=False).axis(format="%")
        return by_value(found, ended, lambda point: point.accuracy, percent)
    return by_value(found, ended, lambda point: point.loss, axis.scale(type="log"))


def by_value(
    found: Sweep,
    some: Callable[[Sequence[Point]], Sequence[Point]],
    number: Callable[[Point], float | None],
    axis: alt.Y,
) -> Drawing | None:
    """A line an entrant; of two settings, a chart for each value of the second.

    Args:
        found: the sweep.
        some: of the points of an entrant, those that are drawn.
        number: of a point.
        axis: of the numbers.
    """
    rows = [
        {
            "entrant": label,
            "place": place,
            "value": point.value,
            "also": others_words(found, point.also),
            "drawn": number(point),
        }
        for place, (label, entrant) in enumerate(found.entrants.items())
        for point in some(entrant.points)
    ]
    if not rows:
        return None
    looks = looks_by({label: entrant.style for label, entrant in found.entrants.items()})
    across = alt.X("value:Q").scale(type="log", nice=False, padding=12).title(found.vary)
    chart = (
        alt.Chart({"values": rows})
        .mark_line(point=True)
        .encode(
            across.axis(values=found.values(), format="~g"),
            axis,
            colour(looks),
            pattern(looks),
            broad(len(looks), 1.5),
        )
    )
    width, height = ALONE if found.also is None else BESIDE
    chart = chart.properties(width=width, height=height)
    if found.also is None:
        return chart
    order = [others_words(found, also) for also in found.others()]
    return chart.facet(alt.Facet("also:N").title(None).sort(order), columns=2)


def others_words(found: Sweep, also: float | None) -> str:
    """A value of what varied also, and of what it is; empty where nothing did."""
    return "" if also is None else f"{found.also} {value_words(also)}"
