"""A sweep, on the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.results.document import Pair
from common.results.record import AGREE, Results
from common.running.sweep import Line, Point
from common.shown.grid import ratio_cell
from common.shown.words import (
    DASH,
    disturbed_line,
    joined,
    loss_digits,
    megabytes,
    percent,
    plain,
    seconds,
)


def print_sweep(
    found: Mapping[str, Sequence[Point]],
    lines: Mapping[str, Line | None],
    runs: Mapping[float, Results],
    name: str,
    unit: str,
    console: Console,
) -> None:
    """Print what every entrant took at every value, against each other, and the line through it.

    Args:
        found, lines: label -> its times, and the line through them where there is one.
        runs: value -> what its run came to.
        name: of what was varied.
        unit: what the times are of, "step" or "epoch".
        console: where.
    """
    unit = _(unit)
    title = _("seconds per {unit}, by {name}", unit=unit, name=name)
    times = {label: cells(points, sweep_cell) for label, points in found.items()}
    print_by_value(console, title, runs, times)
    if pairs := ratios(runs):
        print_by_value(console, _("how many times as long, by {name}", name=name), runs, pairs)
    classified = any(point.accuracy is not None for points in found.values() for point in points)
    what = _("test accuracy in the end") if classified else _("train loss in the end")
    end = accuracy_cell if classified else loss_cell
    ends = {label: cells(points, end) for label, points in found.items()}
    print_by_value(console, _("{what}, by {name}", what=what, name=name), runs, ends)
    peaks = {label: cells(points, memory_cell) for label, points in found.items()}
    print_by_value(console, _("peak memory, by {name}", name=name), runs, peaks)
    for label, line in lines.items():
        if line is not None:
            console.print(plain(joined(label, line_words(line, unit))), soft_wrap=True)
    if disturbed := disturbed_words(runs.values()):
        console.print(plain(disturbed, style="red"), soft_wrap=True)


def print_by_value(
    console: Console,
    title: str,
    values: Iterable[float],
    rows: Mapping[str, Mapping[float, Text]],
) -> None:
    """Print a table with a column for each value, and a dash where nothing is."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_("entrant"), overflow="fold")
    for value in values:
        table.add_column(f"{value:g}" if isinstance(value, float) else str(value), justify="right")
    for label, found in rows.items():
        table.add_row(plain(label), *(found.get(value, Text(DASH)) for value in values))
    # A title of the table's own is broken where the table ends.
    console.print(plain(title, style="italic"))
    console.print(table)


def cells(points: Iterable[Point], cell: Callable[[Point], Text]) -> dict[float, Text]:
    """Value -> a cell of it."""
    return {point.value: cell(point) for point in points}


def ratios(runs: Mapping[float, Results]) -> dict[str, dict[float, Text]]:
    """Pair -> value -> how many times as long the first of it takes, where that was measured."""
    found: dict[str, dict[float, Text]] = defaultdict(dict)
    for value, results in runs.items():
        for pair in results.comparisons:
            if pair["ratio"] is not None:
                found[f"{pair['a']} / {pair['b']}"][value] = ratio_cell(Pair(**pair))
    return found


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
    words = Text(seconds(point.median))
    if point.low is not None and point.high is not None:
        span = _("{low} to {high}", low=seconds(point.low), high=seconds(point.high))
        words.append(f"\n{span}", style="dim")
    return words


def accuracy_cell(point: Point) -> Text:
    """On the test set, in the end."""
    return Text(percent(point.accuracy))


def loss_cell(point: Point) -> Text:
    """On what was trained on, in the end."""
    return Text(loss_digits(point.loss))


def memory_cell(point: Point) -> Text:
    """The peak of its process."""
    return Text(megabytes(point.memory))


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
