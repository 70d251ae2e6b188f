"""The parts of a network that was held against another: rows of a table, and a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from common.contract.net import Key
from common.locale.language import _, marked
from common.locale.phrases import told
from common.modules.held import Held
from common.modules.report import Layer, ModuleReport
from common.shown.drawing import COLOURS, Drawing, svg, theme
from common.shown.words import DASH

#: Powers of ten: errors of so many bounds or fewer are drawn as that, because zero has no place.
LEAST = -4
#: So many layers have names beside them.
NAMED = 80
#: What leads to a layer, and, backwards, what follows it.
WAYS = (marked("way in"), marked("way on"))
#: Heights in pixels, of a layer and of all where they have no names.
ROW, ALL = 20, 960
#: The direction's colours.
STAGES = {"forward": COLOURS[0], "loss": COLOURS[2], "backward": COLOURS[1]}
#: What belongs to no layer, by what it is.
WHOLE = {"wiring": marked("outputs"), "loss": marked("loss"), "whole": marked("whole")}
#: What a part is called, and what came of it.
MARKED = (marked("layer"), marked("right"), marked("wrong"), marked("not run"), marked("tap"))


@dataclass(frozen=True)
class Row:
    """One part, in one direction.

    Attributes:
        name, port_name: of the layer; what belongs to none is in parentheses: "(outputs)".
        part: what of it: "layer", "way in", "way on".
        stage: "forward", "loss", "backward".
        state: "right", "wrong", "not run".
        first: whether it is the first that is wrong.
        worst: its tensor that is furthest from the reference's, if it was run.
    """

    name: str
    port_name: str
    part: str
    stage: str
    state: str
    first: bool = False
    worst: Held | None = None

    @property
    def tensor(self) -> str:
        """Which tensor."""
        return self.worst.place.tensor if self.worst else ""

    @property
    def error(self) -> str:
        """Its error."""
        return digits(self.worst.error if self.worst else None)

    @property
    def bound(self) -> str:
        """The bound of that."""
        return digits(self.worst.bound if self.worst else None)

    @property
    def share(self) -> str:
        """One by the other."""
        return digits(self.worst.share if self.worst else None, 2)

    @property
    def judged(self) -> str:
        """By what."""
        if self.worst is None:
            return ""
        return told(self.worst.fault or self.worst.judged)


def digits(value: float | None, count: int = 3) -> str:
    """A number, if there is one."""
    return f"{value:.{count}g}" if value is not None and math.isfinite(value) else DASH


def called(name: str, number: int) -> str:
    """A layer, and which call of it, if not the first."""
    return _("{name}, call {number}", name=name, number=number + 1) if number else name


def names_of(layer: Layer) -> tuple[str, str]:
    """What both sides call it."""
    if layer.name or layer.port_name:
        return called(layer.name, layer.number), called(layer.port_name, layer.number)
    backward = layer.unit == "wiring" and layer.stage == "backward"
    name = f"({_('inputs') if backward else _(WHOLE[layer.unit])})"
    return name, name


def part_of(layer: Layer) -> str:
    """What of a layer it is."""
    if layer.unit == "wiring":
        return WAYS[layer.stage == "backward"]
    return layer.unit


def rows(report: ModuleReport) -> list[Row]:
    """Every part that was judged, in that order, and the layers that were not run."""
    first = report.first.place if report.first else None
    place: dict[Key, int] = {mine: i for i, (mine, _) in enumerate(report.matched.keys)}
    forwards, rest = [], []
    for layer in report.layers:
        at = layer.worst.place
        is_first = first is not None and (at.layer, at.number, at.unit, at.stage) == (
            first.layer, first.number, first.unit, first.stage,
        )  # fmt: skip
        row = Row(
            *names_of(layer),
            part_of(layer),
            layer.stage,
            "right" if layer.right else "wrong",
            is_first,
            layer.worst,
        )
        if layer.stage == "forward" and layer.unit in ("wiring", "layer"):
            forwards.append((place.get((layer.name, layer.number), len(place)), row))
        else:
            rest.append(row)
    run = {(one.name, one.number) for one in report.layers if one.unit == "layer"}
    for mine, theirs in report.matched.keys:
        if mine not in run:
            row = Row(called(*mine), called(*theirs), "layer", "forward", "not run")
            forwards.append((place[mine], row))
    return [row for _, row in sorted(forwards, key=lambda one: one[0])] + rest


def picture(every: Sequence[Row]) -> str:
    """Error by bound of every part, on a logarithmic scale, as SVG; empty if nothing was run."""
    run = [(row, row.worst) for row in every if row.worst is not None]
    if not run:
        return ""
    shares = [worst.share for _, worst in run if math.isfinite(worst.share)]
    most = 1 + math.ceil(math.log10(max([*shares, 1.0])))
    points = [
        {
            "layer": row.name,
            "share": min(max(worst.share, 10.0**LEAST), 10.0**most),
            "direction": _(row.stage),
            "part": _("layer") if row.part == "layer" else _("way"),
            "size": 40 if worst.right else 90,
        }
        for row, worst in run
    ]
    chart = drawing(points, list(dict.fromkeys(row.name for row in every)), most)
    config = theme()
    config["legend"] |= {"columns": 3, "layout": {"top": {"margin": 14, "direction": "vertical"}}}
    return svg(chart, config)


def drawing(points: Sequence[dict[str, Any]], order: Sequence[str], most: int) -> Drawing:
    """Points of every layer in a row, forwards above backwards, and a line where the bound is.

    Args:
        points: fields layer, share, direction, part, size.
        order: of the layers.
        most: the power of ten that the scale ends at.
    """
    named = len(order) <= NAMED
    stages = [one for one in STAGES if any(point["direction"] == _(one) for point in points)]
    directions = list(map(_, stages))
    step = math.ceil((most - LEAST) / 5)
    ticks = [10.0**power for power in range(LEAST, most + 1) if power % step == 0]
    axis = alt.Axis(format="~e", values=ticks, labelFlush=False)
    ends = [10.0 ** (LEAST - 0.3), 10.0 ** (most + 0.1)]
    x = alt.X("share:Q", title=_("error / bound"), axis=axis)
    x = x.scale(type="log", domain=ends, nice=False)
    points_drawn = (
        alt.Chart({"values": list(points)})
        .mark_point(filled=True, opacity=0.85)
        .encode(
            x,
            alt.Y("layer:N", title=None)
            .axis(labels=named, ticks=named, labelLimit=120, grid=named)
            .scale(domain=list(order), paddingInner=0.45),
            alt.YOffset("direction:N").scale(domain=directions, padding=0),
            alt.Color("direction:N", legend=alt.Legend(title=None, symbolType="circle")).scale(
                domain=directions, range=[STAGES[one] for one in stages]
            ),
            alt.Shape(
                "part:N", legend=alt.Legend(title=None, symbolFillColor="currentColor")
            ).scale(domain=[_("layer"), _("way")], range=["circle", "diamond"]),
            alt.Size("size:Q", scale=None, legend=None),
        )
    )
    line = alt.Chart({"values": [{"share": 1}]}).mark_rule(strokeDash=[4, 3]).encode(x)
    height = alt.Step(ROW, **{"for": "position"}) if named else ALL
    return (line + points_drawn).properties(
        width=260, height=height, padding={"left": 20, "right": 20, "top": 5, "bottom": 5}
    )
