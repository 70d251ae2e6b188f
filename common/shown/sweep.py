"""A sweep, on the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.results.record import AGREE, Results
from common.running.sweep import Line, Point
from common.shown.words import DASH, disturbed_line, joined, plain, seconds


def print_sweep(
    found: Mapping[str, Sequence[Point]],
    lines: Mapping[str, Line | None],
    name: str,
    unit: str,
    disturbed: str,
    console: Console,
) -> None:
    """Print what every entrant took at every value, the line through that, and who disturbed."""
    values = list(dict.fromkeys(point.value for points in found.values() for point in points))
    table = Table(
        title=_("seconds per {unit}, by {name}", unit=_(unit), name=name), title_justify="left",
        box=box.SIMPLE_HEAD, pad_edge=False,
    )  # fmt: skip
    table.add_column(_("entrant"), overflow="fold")
    for value in values:
        table.add_column(str(value), justify="right")
    for label, points in found.items():
        cells = {point.value: sweep_cell(point) for point in points}
        table.add_row(plain(label), *(cells.get(value, Text(DASH)) for value in values))
    console.print(table)
    for label, line in lines.items():
        if line is not None:
            console.print(plain(joined(label, line_words(line, _(unit)))), soft_wrap=True)
    if disturbed:
        console.print(plain(disturbed, style="red"), soft_wrap=True)


def disturbed_words(runs: Iterable[Results]) -> str:
    """Whose epochs others disturbed, those of all runs together; empty if nobody's."""
    noted: dict[str, list[bool]] = defaultdict(list)
    for results in runs:
        for record in results.records:
            noted[record.entrant.label] += results.epoch_seconds(record)["disturbed"]
    return disturbed_line(noted)


def sweep_cell(point: Point) -> Text:
    """A median, or why there is none."""
    if point.verdict not in AGREE:
        return Text(told(point.verdict), style="red")
    return Text(seconds(point.median))


def line_words(line: Line, unit: str) -> str:
    """What a line says."""
    if line.overhead:
        span = ""
        if line.overhead_low is not None:
            span = _(
                " (95 %: {low} to {high})",
                low=seconds(line.overhead_low),
                high=seconds(line.overhead_high),
            )
        words = _(
            "a {unit} costs {overhead} before any work is done{span}",
            unit=unit,
            overhead=seconds(line.overhead),
            span=span,
        )
    else:
        most = (
            _("; 95 %: at most {high}", high=seconds(line.overhead_high))
            if line.overhead_high
            else ""
        )
        words = _(
            "a {unit} costs nothing that shows before any work is done{most}", unit=unit, most=most
        )
    if line.rate is not None:
        words += _(", and does {rate:.3g} GFLOP/s beyond", rate=line.rate / 1e9)
        if line.rate_low is not None and line.rate_high is not None:
            words += _(
                " ({low:.3g} to {high:.3g})",
                low=line.rate_low / 1e9,
                high=line.rate_high / 1e9,
            )
    else:
        words += _("; more work took no longer")
    if line.off is not None:
        words += _("; the line is off by {off:.0f} % at most", off=100 * line.off)
    return words
