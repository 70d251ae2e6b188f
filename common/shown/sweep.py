"""A sweep, on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.locale.language import _, marked
from common.locale.phrases import told
from common.measure.quiet import BUSY
from common.results.record import AGREE
from common.results.sweep import Line, Number, PairAt, Point, Sweep, Values
from common.shown.grid import is_clear
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

#: What is told of every point, beside its time.
ENDS = (marked("test accuracy in the end"), marked("train loss in the end"))

#: Who -> what is said of it in each run.
Rows = Mapping[str, Mapping[Values, Text]]


def print_sweep(found: Sweep, console: Console) -> None:
    """Print what every entrant took in every run, against each other, and the lines through it."""
    title = _("seconds per {unit}, by {name}", unit=_(found.unit), name=found.vary)
    print_by_value(console, title, _("entrant"), found, by_entrant(found, time_cell))
    if pairs := by_pair(found):
        title = _("how many times as long, by {name}", name=found.vary)
        print_by_value(console, title, _("pair"), found, pairs)
    end = accuracy_cell if found.is_classified() else loss_cell
    title = _("{what}, by {name}", what=end_words(found), name=found.vary)
    print_by_value(console, title, _("entrant"), found, by_entrant(found, end))
    title = _("peak memory, by {name}", name=found.vary)
    print_by_value(console, title, _("entrant"), found, by_entrant(found, memory_cell))
    for words in line_sentences(found):
        console.print(plain(words), soft_wrap=True)
    if disturbed := disturbed_line(found.disturbed):
        console.print(plain(disturbed, style="red"), soft_wrap=True)


def print_by_value(console: Console, title: str, head: str, found: Sweep, rows: Rows) -> None:
    """Print a table with a column for each value, and a dash where nothing is.

    Args:
        console: where.
        title: of the table.
        head: what the rows are.
        found: the sweep; of two settings, the second's values stand above each other.
        rows: by what they are of.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    if found.also is not None:
        table.add_column(found.also, justify="right")
    table.add_column(head, overflow="fold")
    for value in found.values():
        table.add_column(value_words(value), justify="right")
    for also in found.others():
        before = [] if also is None else [value_words(also)]
        for who, cells in rows.items():
            of_row = (cells.get(Values(value, also), Text(DASH)) for value in found.values())
            table.add_row(*before, plain(who), *of_row)
            before = [""] * len(before)
        table.add_section()
    # A title of the table's own is broken where the table ends.
    console.print(plain(title, style="italic"))
    console.print(table)


def value_words(value: Number) -> str:
    """A value as one would write it."""
    return str(value).removesuffix(".0")


def by_entrant(found: Sweep, cell: Callable[[Point], Text]) -> Rows:
    """What a cell says of every point of everybody."""
    return {
        label: {point.values: cell(point) for point in entrant.points}
        for label, entrant in found.entrants.items()
    }


def by_pair(found: Sweep) -> Rows:
    """How many times as long the first of two takes, where that was measured."""
    rows: dict[str, dict[Values, Text]] = {}
    for pair in found.comparisons:
        if pair.ratio is not None:
            rows.setdefault(f"{pair.a} / {pair.b}", {})[pair.values] = ratio_cell(pair)
    return rows


def time_cell(point: Point) -> Text:
    """A median with its interval, or why there is none."""
    if point.verdict not in AGREE:
        return Text(told(point.verdict), style="red")
    words = Text(seconds(point.median))
    if point.low is not None and point.high is not None:
        words.append(f"\n{interval_words(seconds(point.low), seconds(point.high))}", style="dim")
    return words


def ratio_cell(pair: PairAt) -> Text:
    """A ratio with its interval, bold where one is called faster; or that it is not judged."""
    words = Text(f"{pair.ratio:.3g}", style="bold" if is_clear(pair) else "")
    if beside := ratio_words(pair):
        words.append(f"\n{beside}", style="dim")
    return words


def ratio_words(pair: PairAt) -> str:
    """What stands below a ratio."""
    if pair.verdict == BUSY:
        return _("machine busy")
    if pair.low is None or pair.high is None:
        return _("too few epochs")
    return interval_words(f"{pair.low:.3g}", f"{pair.high:.3g}")


def interval_words(low: str, high: str) -> str:
    """An interval."""
    return _("{low} to {high}", low=low, high=high)


def end_words(found: Sweep) -> str:
    """What there is of everybody in the end."""
    return _(ENDS[0] if found.is_classified() else ENDS[1])


def accuracy_cell(point: Point) -> Text:
    """On the test set, in the end."""
    return Text(percent(point.accuracy))


def loss_cell(point: Point) -> Text:
    """On what was trained on, in the end."""
    return Text(loss_digits(point.loss))


def memory_cell(point: Point) -> Text:
    """The peak of its process."""
    return Text(megabytes(point.memory))


def line_sentences(found: Sweep) -> Iterable[str]:
    """What every line says, and whose it is."""
    for label, entrant in found.entrants.items():
        for line in entrant.lines:
            who = label if line.also is None else f"{label}, {found.also} {value_words(line.also)}"
            yield joined(who, line_words(line, _(found.unit)))


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
