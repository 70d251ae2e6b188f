"""What a person sees in the terminal: progress while it runs, then the table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any, Self

import numpy as np
from rich import box
from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.agreement.checks import Check
from common.agreement.diagnose import Diagnosis
from common.agreement.drift import CRITERION
from common.agreement.expected import CRITERION as COMPONENTS_CRITERION
from common.agreement.verdict import Difference, Verdict
from common.contract.arrays import Array
from common.data.description import Dataset
from common.learning.lessons import Lesson, Outcome, shown
from common.results.diff import Change, environment
from common.results.record import AGREE, Record, Results
from common.running.sweep import Line, Point
from common.shown.code import show

DASH = "–"
#: dark to light, for a picture in characters
SHADES = " .:-=+*#%@"
#: CPU time over wall time from which on an entrant has more threads than the plan gives it.
MORE_CORES = 1.05
#: Of a panel of the curves, in characters, and the colours of the entrants there.
CURVES_WIDTH, CURVES_HEIGHT = 48, 13
CURVES_COLOURS = ("bright_blue", "bright_red", "bright_green", "bright_magenta", "bright_cyan")
#: What a table's edge and padding take from each column.
GAP = 3


class Silent:
    """An `Observer` that says nothing, for others to add to."""

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """End."""

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""

    def ready(self, record: Record) -> None:
        """As `Observer.ready`."""

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`."""

    def ended(self, record: Record) -> None:
        """As `Observer.ended`."""


class Progress(Silent):
    """Tells of a run while it goes on: a live table on a terminal, else a line an epoch.

    Args:
        console: standard error.
        records: the entrants.
        epochs: how many each one trains.
        rounds: how often.
        quiet: say nothing.
        before: words before every line, where this is one run of several.
    """

    def __init__(
        self,
        console: Console,
        records: Sequence[Record],
        epochs: int,
        rounds: int,
        quiet: bool,
        before: str = "",
    ) -> None:
        self._before = before
        self._console, self._records = console, records
        self._epochs, self._rounds, self._quiet = epochs, rounds, quiet
        self._words = ""
        self._curves: Text | None = None
        self._live: Live | None = None
        if console.is_terminal and not quiet:
            self._live = Live(console=console, transient=True, get_renderable=self._picture)

    def __enter__(self) -> Self:
        """Start the live table, if there is one."""
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the live table away."""
        if self._live:
            self._live.stop()

    def phase(self, words: str) -> None:
        """As `Observer.phase`."""
        self._words = words
        self._say(f"{words} ...")

    def ready(self, record: Record) -> None:
        """As `Observer.ready`."""
        self._say(f"{record.entrant.label}: first step {seconds(record.first_step_seconds)}")

    def epoch(self, record: Record, round_: int) -> None:
        """As `Observer.epoch`."""
        if self._live and round_ == 0 and turn_is_over(self._records):
            # Here, between two epochs, and not whenever the table is drawn: nothing is timed now.
            self._curves = curves(self._records, self._epochs, self._console.width)
        done, row = len(record.rounds[round_]), record.epochs[-1]
        where = f"epoch {done}/{self._epochs}"
        if self._rounds > 1:
            where = f"round {round_ + 1}/{self._rounds} {where}"
        losses = f"train loss {row['train_loss']:.4f}  " if round_ == 0 else ""
        self._say(f"{record.entrant.label}: {where}  {losses}{seconds(record.rounds[round_][-1])}")

    def ended(self, record: Record) -> None:
        """As `Observer.ended`."""
        self._say(f"{record.entrant.label}: {record.status}: {record.reason}")

    def _say(self, line: str) -> None:
        if not self._live and not self._quiet:
            self._console.print(plain(self._before + line), soft_wrap=True)

    def _picture(self) -> Group:
        """The table, and below it the curves where there is room."""
        room = self._console.height > len(self._records) + CURVES_HEIGHT + 5
        return Group(self._table(), *([self._curves] if self._curves and room else []))

    def _table(self) -> Table:
        table = Table(
            title=self._before + self._words, title_justify="left", box=None, pad_edge=False
        )
        for name in ("", "epoch", "train loss", "train acc", "test acc", "s/epoch"):
            table.add_column(name, justify="left" if not name else "right")
        for record in self._records:
            table.add_row(plain(record.entrant.label), *self._cells(record))
        return table

    def _cells(self, record: Record) -> list[str]:
        if record.status != "ok":
            return [f"[red]{record.status}[/]"]
        if not record.epochs:
            return ["ready" if record.first_step_seconds else "starting"]
        row = record.epochs[-1]
        done = sum(map(len, record.rounds))
        return [
            f"{done}/{self._epochs * self._rounds}",
            f"{row['train_loss']:.4f}",
            percent(row["train_accuracy"]),
            percent(row["test_accuracy"]),
            f"{record.rounds[-1][-1] if record.rounds[-1] else record.rounds[-2][-1]:.3f}",
        ]


def curves(records: Sequence[Record], epochs: int, width: int) -> Text | None:
    """Train loss, train and test accuracy so far, side by side as far as they fit.

    Entrants that agree lie upon one another; what is drawn last is seen.

    Args:
        records: the entrants; None is drawn before two of their epochs.
        epochs: how many there will be.
        width: of the console.
    """
    import plotille

    named = {"train loss": "train_loss", "test acc": "test_accuracy", "train acc": "train_accuracy"}
    panels = []
    for title, measure in list(named.items())[: max(1, width // CURVES_WIDTH)]:
        lines = [
            [row[measure] for row in record.epochs if finite(row[measure])] for record in records
        ]
        if max(map(len, lines), default=0) < 2:
            continue
        figure = plotille.Figure()
        figure.width, figure.height = CURVES_WIDTH - 25, CURVES_HEIGHT - 4
        figure.x_label, figure.y_label = "epoch", title
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


def finite(value: float | None) -> bool:
    """Whether there is a number to draw."""
    return value is not None and bool(np.isfinite(value))


def turn_is_over(records: Sequence[Record]) -> bool:
    """Whether everybody who is still there has trained as many epochs."""
    return len({len(record.epochs) for record in records if record.status == "ok"}) == 1


def tick(value: float, chars: int, delta: float, left: bool = False) -> str:
    """A number at an axis: whole, or with three digits after the point."""
    words = f"{value:.3f}" if delta < 1 else f"{value:.0f}"
    return words.ljust(chars) if left else words.rjust(chars)


def seconds(value: float | None) -> str:
    """Three significant digits and a unit."""
    if value is None:
        return DASH
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def plain(words: str, style: str = "") -> Text:
    """Somebody's words as they are: no markup, and no control character reaches the terminal."""
    shown = (c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)
    return Text("".join(shown), style=style)


def percent(value: float | None) -> str:
    """One digit after the point."""
    return DASH if value is None else f"{100 * value:.1f} %"


def megabytes(value: int | None) -> str:
    """Whole megabytes (10^6 bytes)."""
    return DASH if value is None else f"{value / 1e6:.0f} MB"


def print_results(
    results: Results, folder: str, console: Console, dataset: Dataset | None = None
) -> None:
    """Print the verdict in a sentence, the table, times compared, notes, where it all is."""
    console.print(plain(sentence(results), style="bold"), soft_wrap=True)
    console.print(entrants_table(results, console.width))
    if any(record.import_seconds is not None for record in results.records):
        console.print(times_table(results, console.width))
    if results.data.get("true"):
        console.print(learnt_table(results))
    if dataset is not None:
        print_agreement(results, dataset, console)
    lines = [*comparison_lines(results), *machine_lines(results)]
    for line in [*lines, *remark_lines(results), *check_lines(results)]:
        console.print(plain(line), soft_wrap=True)
    if any(verdict.verdict != "not checked" for verdict in results.verdicts.values()):
        console.print(plain(f"agreement means: {CRITERION}", style="dim"))
    console.print(plain(f"results in {folder}, drawn in report.html"), soft_wrap=True)


def check_lines(results: Results) -> list[str]:
    """What the checks cost."""
    spent = {what: took for what, took in results.check_seconds.items() if took}
    if not spent:
        return []
    parts = ", ".join(f"{what} {seconds(took)}" for what, took in spent.items())
    return [f"the checks took {seconds(sum(spent.values()))}: {parts}"]


def print_agreement(results: Results, dataset: Dataset, console: Console) -> None:
    """Say on how many test images entrants choose the same class; show some on which not."""
    chosen = {r.entrant.label: r.classes for r in results.records if r.classes is not None}
    if len(chosen) < 2:
        return
    classes = np.stack(list(chosen.values()))
    apart = np.flatnonzero((classes != classes[0]).any(axis=0))
    total = f"{classes.shape[1]:,}".replace(",", " ")
    if not len(apart):
        words = f"All choose the same class for each of the {total} test images."
        console.print(plain(words), soft_wrap=True)
        return
    for (a, first), (b, second) in itertools.combinations(chosen.items(), 2):
        if off := int((first != second).sum()):
            console.print(
                plain(f"{a} and {b} choose another class for {off} of {total} test images"),
                soft_wrap=True,
            )
    if results.margins is not None:
        # The widest first: on the narrow ones rounding decides.
        apart = apart[np.argsort(-results.margins[apart], kind="stable")]
    console.print(pictures(results, dataset, chosen, apart[: max(1, console.width // 34)]))


def pictures(
    results: Results, dataset: Dataset, chosen: Mapping[str, Array], which: Array
) -> Table:
    """Test images side by side, their true class, and what each entrant takes them for."""
    table = Table(box=None, pad_edge=False, show_header=False)
    images, labels = dataset.test()
    names = dataset.classes

    def named(number: int) -> str:
        return names[number] if number < len(names) else str(number)

    for _ in which:
        table.add_column(min_width=28, overflow="fold")
    titles, notes = [], []
    for image in which:
        titles.append(plain(f"test image {image}: {named(labels[image])}"))
        lines = [f"{label}: {named(classes[image])}" for label, classes in chosen.items()]
        if results.margins is not None:
            lines.append(f"margin of the logits {results.margins[image]:.1e}")
        notes.append(plain("\n".join(lines)))
    table.add_row(*titles)
    table.add_row(*(picture(images[image]) for image in which))
    table.add_row(*notes)
    return table


def picture(pixels: Array) -> Text:
    """A picture whose lines are cut, not folded, where they do not fit."""
    return Text(drawn(pixels), no_wrap=True, overflow="crop")


def drawn(pixels: Array) -> str:
    """A picture in characters, 28 wide at most, each as tall as two are wide."""
    side = round(len(pixels) ** 0.5)
    step = -(-side // 28)
    square = pixels.reshape(side, side)[::step, ::step].astype("float64")
    square = square[: len(square) // 2 * 2]
    pairs = (square[0::2] + square[1::2]) / 2
    shades = np.minimum(pairs / 256 * len(SHADES), len(SHADES) - 1).astype(int)
    return "\n".join("".join(SHADES[shade] for shade in row) for row in shades)


def sentence(results: Results) -> str:
    """Say in one sentence what came out."""
    statuses = {record.entrant.label: record.status for record in results.records}
    verdicts = {label: verdict.verdict for label, verdict in results.verdicts.items()}
    return said(statuses, verdicts, interrupted=results.interrupted)


def said(
    statuses: Mapping[str, str], verdicts: Mapping[str, str], *, interrupted: bool = False
) -> str:
    """Statuses and verdicts by label, in one sentence."""
    finished = {label: verdicts[label] for label, one in statuses.items() if one == "ok"}
    lost = [f"{label} ({one})" for label, one in statuses.items() if one != "ok"]

    def those(word: str) -> list[str]:
        return [label for label, verdict in finished.items() if verdict == word]

    differ, open_, declared = those("differs"), those("not checked"), those("declared")
    words = []
    if interrupted:
        words.append("Interrupted")
    if differ:
        words.append(f"{_listed(differ)} {_verb(differ, 'differs', 'differ')} from the referee")
    if open_:
        words.append(f"{_listed(open_)}: agreement was not checked to the end")
    if declared:
        whose = _verb(declared, "a rule of its own that is", "rules of their own that are")
        words.append(f"{_listed(declared)} {_verb(declared, 'follows', 'follow')} {whose} declared")
    agree = [label for label in finished if label not in differ + open_ + declared]
    if agree:
        others = differ or open_ or lost or declared or len(agree) == 1
        who = _listed(agree) if others else "All entrants"
        verb = "agrees" if len(agree) == 1 else "agree"
        words.append(f"{who} {verb} with the referee: only rounding differs")
    if lost:
        words.append(f"{_listed(lost)} did not finish")
    return ". ".join(words) + "."


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _verb(subjects: Sequence[str], one: str, many: str) -> str:
    return one if len(subjects) == 1 else many


#: A column of a table of entrants: name, side, what goes first as the terminal gets narrower
#: (0: never).
Column = tuple[str, str, int]


def entrants_table(results: Results, width: int) -> Table:
    """What came out: one row per entrant."""
    columns = [
        ("entrant", "left", 0),
        ("version", "left", 5),
        ("mode", "left", 6),
        ("train loss", "right", 2),
        ("train acc", "right", 4),
        ("test acc", "right", 0),
        ("s/epoch", "right", 1),
        ("95 % interval", "right", 7),
        ("max Δ loss", "right", 3),
        ("verdict", "left", 0),
    ]
    rows = [_row(record, results) for record in results.records]
    return fitted(columns, rows, width, [r.entrant.label for r in results.records])


def times_table(results: Results, width: int) -> Table:
    """What it took: each phase by itself, one row per entrant."""
    columns = [
        ("entrant", "left", 0),
        ("import", "right", 6),
        ("open", "right", 8),
        ("compile", "right", 4),
        ("first step", "right", 5),
        ("s/epoch", "right", 0),
        ("least", "right", 3),
        ("× limit", "right", 1),
        ("waiting for data", "right", 11),
        ("evaluation", "right", 9),
        ("cores used", "right", 7),
        ("peak memory", "right", 2),
        ("framework's", "right", 10),
    ]
    records = [record for record in results.records if record.import_seconds is not None]
    rows = [_times_row(record, results) for record in records]
    return fitted(columns, rows, width, [record.entrant.label for record in records])


def fitted(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Text]],
    width: int,
    labels: Sequence[str],
) -> Table:
    """A table of entrants; on a narrow terminal the less important columns go."""
    # Labels and verdicts may be folded; the rest is shown whole or not at all.
    folded = {"entrant": 9, "verdict": len("interrupted")}
    needed = [
        min(folded.get(name, width), max(map(cell_len, map(str, (name, *cells)))))
        for (name, *_), *cells in zip(columns, *rows, strict=True)
    ]
    shown: list[int] = []
    spare = width
    for place in sorted(range(len(columns)), key=lambda place: columns[place][2]):
        if columns[place][2] and spare < needed[place] + GAP:
            break
        shown.append(place)
        spare -= needed[place] + GAP
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in sorted(shown):
        name, side, rank = columns[place]
        wanted = needed[place] + (max(0, spare // 2) if name == "entrant" else 0)
        table.add_column(
            name,
            justify=side,  # type: ignore[arg-type]
            no_wrap=rank > 0,
            min_width=min(wanted, max(map(len, labels))) if name == "entrant" else wanted,
            overflow="fold",
        )
    for cells in rows:
        table.add_row(*(cells[place] for place in sorted(shown)))
    return table


def _row(record: Record, results: Results) -> list[str | Text]:
    entrant, verdict = record.entrant, results.verdicts[record.entrant.label]
    last = record.epochs[-1] if record.epochs else None
    summary = results.epoch_seconds(record)
    interval = DASH
    if summary["low"] is not None:
        interval = f"{summary['low']:.3f}–{summary['high']:.3f}"
    loss = verdict.max_abs_loss_difference
    return [
        plain(entrant.label),
        plain(next(iter(record.versions.values()), DASH)),
        f"{entrant.mode} {entrant.style}",
        DASH if last is None else f"{last['train_loss']:.4f}",
        percent(last["train_accuracy"] if last else None),
        percent(last["test_accuracy"] if last else None),
        three_digits(summary["median"]),
        interval,
        DASH if loss is None else f"{loss:.1e}",
        _verdict_cell(record, verdict),
    ]


def _times_row(record: Record, results: Results) -> list[str | Text]:
    summary, limit = results.epoch_seconds(record), results.times_limit(record)
    cores = record.cores_used
    return [
        plain(record.entrant.label),
        seconds(record.import_seconds),
        seconds(record.open_seconds),
        seconds(record.compile_seconds),
        seconds(record.first_step_seconds),
        three_digits(summary["median"]),
        three_digits(summary["min"]),
        DASH if limit is None else f"{limit:.1f}",
        seconds(_median([epoch["data_seconds"] for epoch in record.epochs])),
        seconds(_median([epoch["eval_seconds"] for epoch in record.epochs])),
        DASH if cores is None else f"{cores:.2f}",
        megabytes(record.peak_memory_bytes),
        megabytes(record.framework_memory_bytes),
    ]


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def three_digits(value: float | None) -> str:
    """Seconds, three digits after the point."""
    return DASH if value is None else f"{value:.3f}"


def _verdict_cell(record: Record, verdict: Verdict) -> Text:
    if record.status != "ok":
        return Text(record.status, style="red")
    colour = {"differs": "red", "not checked": "yellow"}.get(verdict.verdict, "green")
    text = Text(verdict.verdict, style=colour)
    if verdict.verdict == "identical":
        text.append_text(plain(f" to {verdict.identical_to}"))
    return text


def learnt_table(results: Results) -> Table:
    """What `linear` learnt, beside what is true and the exact least-squares solution."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    true, exact = results.data["true"], results.data["least_squares"]
    names = [f"w{position + 1}" for position in range(len(true["weight"]))]
    for name in [*names, "b"]:
        table.add_column(name, justify="right")
    rows = [("true", true), ("least squares", exact)]
    rows += [(r.entrant.label, r.learnt) for r in results.records if r.learnt]
    for label, values in rows:
        numbers = [*values["weight"], values["bias"]]
        table.add_row(plain(label), *(f"{number:.6f}" for number in numbers))
    return table


def comparison_lines(results: Results) -> list[str]:
    """One line for each pair whose times were compared."""
    lines = []
    for pair in results.comparisons:
        if pair["ratio"] is None:
            continue
        span = "" if pair["low"] is None else f" (95 %: {pair['low']:.2f} to {pair['high']:.2f})"
        a, b = pair["a"], pair["b"]
        winner = {"a is faster": a, "b is faster": b}.get(pair["verdict"])
        verdict = f"{winner} is faster" if winner else pair["verdict"]
        if pair["low"] is None:
            verdict = "too few epochs to tell"
        ratio = f"{pair['ratio']:.2f}" if pair["ratio"] >= 0.1 else f"{pair['ratio']:.1g}"
        lines.append(f"{a} takes {ratio}× the time of {b}{span}: {verdict}")
    return lines


def machine_lines(results: Results) -> list[str]:
    """What the machine could do, and whose epochs something else disturbed."""
    lines = []
    if limit := results.limit:
        lines.append(
            f"the machine's limit is {seconds(limit['seconds'])} an epoch: "
            f"{limit['flops'] / 1e9:.3g} GFLOP at {limit['flops_per_second'] / 1e9:.3g} GFLOP/s, "
            f"{limit['bytes'] / 1e6:.3g} MB at {limit['bytes_per_second'] / 1e9:.3g} GB/s"
        )
    threads = results.plan.threads
    for record in results.records:
        if record.cores_used is not None and record.cores_used > threads * MORE_CORES:
            lines.append(
                f"{record.entrant.label} kept {record.cores_used:.2f} cores busy, and was to use "
                f"{threads}: its times are not those of the plan"
            )
    noted = {r.entrant.label: results.epoch_seconds(r)["disturbed"] for r in results.records}
    if words := disturbed_line(noted):
        lines.append(words)
    return lines


def disturbed_line(noted: Mapping[str, Sequence[bool]]) -> str:
    """Whose epochs others disturbed, in words; empty if nobody's."""
    parts = [
        f"{sum(epochs)} of {len(epochs)} epochs of {label}"
        for label, epochs in noted.items()
        if any(epochs)
    ]
    if not parts:
        return ""
    words = f"others used the machine during {', '.join(parts)}; they count all the same"
    if any(2 * sum(epochs) > len(epochs) for epochs in noted.values()):
        words += ", so that these times say little: run it again when the machine is quiet"
    return words


def remark_lines(results: Results) -> list[str]:
    """Reasons, first differences and notes, one line each."""
    lines = []
    for record in results.records:
        label, verdict = record.entrant.label, results.verdicts[record.entrant.label]
        if record.reason:
            lines.append(f"{label}: {record.status}: {record.reason}")
        if verdict.first_difference is not None:
            lines += difference_lines(label, verdict.first_difference)
        if verdict.reason and record.status == "ok":
            lines.append(f"{label}: {verdict.verdict}: {verdict.reason}")
        lines += [f"{label}: note: {note}" for note in record.notes]
    return lines


def difference_lines(label: str, first: Difference) -> list[str]:
    """Where an entrant parts from the referee, and why that may be."""
    where = "".join(f"[{i}]" for i in first.index)
    line = (
        f"{label} differs at step {first.step}, stage {first.stage}, tensor {first.tensor}{where}"
    )
    if first.unit:
        line += f" ({first.unit})"
    if first.value == first.value:  # a step that was not made has no value
        line += f": {first.value:.9g}, the referee has {first.referee:.9g}"
    return [line, *([f"{label}: {first.likely_cause}"] if first.likely_cause else [])]


def print_sweep(
    found: Mapping[str, Sequence[Point]],
    lines: Mapping[str, Line | None],
    name: str,
    unit: str,
    console: Console,
) -> None:
    """Print what every entrant took at every value, and the line through that."""
    values = list(dict.fromkeys(point.value for points in found.values() for point in points))
    table = Table(
        title=f"seconds per {unit}, by {name}", title_justify="left", box=box.SIMPLE_HEAD,
        pad_edge=False,
    )  # fmt: skip
    table.add_column("entrant", overflow="fold")
    for value in values:
        table.add_column(str(value), justify="right")
    for label, points in found.items():
        cells = {point.value: sweep_cell(point) for point in points}
        table.add_row(plain(label), *(cells.get(value, Text(DASH)) for value in values))
    console.print(table)
    for label, line in lines.items():
        if line is not None:
            console.print(plain(f"{label}: {line_words(line, unit)}"), soft_wrap=True)


def sweep_cell(point: Point) -> Text:
    """A median, or why there is none."""
    if point.verdict not in AGREE:
        return Text(point.verdict, style="red")
    return Text(seconds(point.median))


def line_words(line: Line, unit: str) -> str:
    """What a line says."""
    span = ""
    if line.overhead_low is not None:
        span = f" (95 %: {seconds(line.overhead_low)} to {seconds(line.overhead_high)})"
    words = f"a {unit} costs {seconds(line.overhead)} before any work is done{span}"
    if line.rate is not None:
        words += f", and does {line.rate / 1e9:.3g} GFLOP/s beyond"
        if line.rate_low is not None and line.rate_high is not None:
            words += f" ({line.rate_low / 1e9:.3g} to {line.rate_high / 1e9:.3g})"
    else:
        words += "; more work took no longer"
    if line.off is not None:
        words += f"; the line is off by {100 * line.off:.0f} % at most"
    return words


def print_diff(
    found: Sequence[Change],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    reasons: Sequence[str],
    worse: Sequence[str],
    console: Console,
) -> None:
    """Print what changed between two runs, entrant by entrant."""
    if reasons:
        words = f"not the same work on the same machine: {'; '.join(reasons)}"
        console.print(plain(words, style="yellow"), soft_wrap=True)
    columns = [
        ("entrant", "left", 0),
        ("s/epoch", "right", 2),
        ("new / old", "right", 1),
        ("test acc", "right", 3),
        ("peak memory", "right", 4),
        ("verdict", "left", 0),
    ]
    rows = [_change_row(one) for one in found]
    console.print(fitted(columns, rows, console.width, [one.label for one in found]))
    for name, (then, now) in environment(old, new).items():
        console.print(plain(f"{name} {then or DASH} → {now or DASH}"), soft_wrap=True)
    for one in found:
        for name, (then, now) in one.changed.items():
            line = f"{one.label}: {name} {then or DASH} → {now or DASH}"
            console.print(plain(line), soft_wrap=True)
        line = f"{one.label}: {speed_words(one)}"
        if one.accuracy != "not compared":
            line += f"; accuracy: {one.accuracy}"
        console.print(plain(line), soft_wrap=True)
    then, now = ((run.get("limit") or {}).get("flops_per_second") for run in (old, new))
    if then and now:
        words = f"the machine did {then / 1e9:.3g} GFLOP/s then and {now / 1e9:.3g} now"
        console.print(plain(words), soft_wrap=True)
    gone = {e["label"] for e in old["entrants"]} ^ {e["label"] for e in new["entrants"]}
    if gone:
        console.print(plain(f"only in one of them: {', '.join(sorted(gone))}"), soft_wrap=True)
    for line in worse:
        console.print(plain(line, style="red"), soft_wrap=True)


def _change_row(one: Change) -> list[str | Text]:
    ratio = DASH if one.ratio is None else f"{one.ratio:.2f}"
    if one.low is not None:
        ratio += f" ({one.low:.2f} to {one.high:.2f})"
    return [
        plain(one.label),
        moved(three_digits(one.old_seconds), three_digits(one.new_seconds)),
        ratio,
        moved(percent(one.old_accuracy), percent(one.new_accuracy)),
        moved(megabytes(one.old_memory), megabytes(one.new_memory)),
        moved(
            one.old_verdict if one.old_status == "ok" else one.old_status,
            one.new_verdict if one.new_status == "ok" else one.new_status,
        ),
    ]


def moved(old: str, new: str) -> Text:
    """What changed, or what did not."""
    return plain(old if old == new else f"{old} → {new}")


def speed_words(one: Change) -> str:
    """A change of speed in words."""
    if one.ratio is not None:
        return "too few epochs to tell its speed" if one.low is None else one.speed
    why = "it has no steady epoch in both"
    if {one.old_status, one.new_status} != {"ok"}:
        why = "it did not finish in both"
    elif not {one.old_verdict, one.new_verdict} <= set(AGREE):
        why = "it does not agree with the referee in both"
    return f"its times are not compared: {why}"


def print_diagnoses(found: Mapping[str, Diagnosis], console: Console) -> None:
    """Print what `diagnose` found of every entrant, then how far each component is off."""
    for label, diagnosis in found.items():
        print_diagnosis(label, diagnosis, console)
    if any(diagnosis.checks for diagnosis in found.values()):
        title = (
            "off by, in units in the last place of the tensor's largest value, from equal inputs:"
        )
        console.print(plain(title), soft_wrap=True)
        console.print(checks_table(found))
        console.print(plain(f"right means: {COMPONENTS_CRITERION}", style="dim"))


def print_diagnosis(label: str, found: Diagnosis, console: Console) -> None:
    """Print where one entrant parts from the referee, why, and how that grows."""
    first = found.difference
    steps = "1 step" if found.steps == 1 else f"{found.steps} steps"
    if first is None:
        line = f"{label}: only rounding differs, in {steps}; that took {seconds(found.seconds)}"
        console.print(plain(line, style="green"), soft_wrap=True)
        for begin, end in found.unexplained:
            line = (
                f"{label}: steps {begin} to {end} together end further off than nudges explain, "
                "though each by itself is right: a ReLU on its edge, as a rule; the noise band of "
                "a run decides"
            )
            console.print(plain(line, style="yellow"), soft_wrap=True)
        return
    head, *rest = difference_lines(label, first)
    console.print(plain(head, style="red"), soft_wrap=True)
    for line in rest:
        console.print(plain(line), soft_wrap=True)
    if found.growth:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("from there on by itself, steps later")
        table.add_column("|loss - referee's|", justify="right")
        for later, drift in found.growth:
            table.add_row(str(later), f"{drift:.1e}")
        console.print(table)
    console.print(plain(f"{label}: that took {seconds(found.seconds)}"), soft_wrap=True)


def diagnosis_text(label: str, found: Diagnosis) -> str:
    """The same as plain text, for somebody who is not at a terminal."""
    console = Console(file=StringIO(), width=100)
    print_diagnoses({label: found}, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def checks_table(found: Mapping[str, Diagnosis]) -> Table:
    """How far every component is off at step 1, beside the run's own arithmetic."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    rows: dict[tuple[str, str, str], dict[tuple[str, bool], Check]] = {}
    for label, diagnosis in found.items():
        for check in diagnosis.checks:
            row = rows.setdefault((check.stage, check.unit, check.tensor), {})
            row[label, check.compiled] = check
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    for name in ("stage", "what is run", "tensor"):
        table.add_column(name, no_wrap=True)
    table.add_column("own arithmetic", justify="right")
    for label, compiled in columns:
        table.add_column(plain(f"{label}, compiled" if compiled else label), justify="right")
    for (stage, unit, tensor), row in rows.items():
        if stage == "data":
            continue
        own = next(iter(row.values())).own_ulps
        cells = [_ulps_cell(row.get(column)) for column in columns]
        table.add_row(stage, unit, tensor, f"{own:.1f}", *cells)
    return table


def _ulps_cell(check: Check | None) -> Text:
    if check is None:
        return Text(DASH)
    words = f"{check.ulps:.1f}" if check.ulps < 1e4 else f"{check.ulps:.0e}"
    return Text(
        words if check.error == check.error else "missing", style="" if check.right else "red"
    )


def print_lessons(lessons: Sequence[Lesson], console: Console) -> None:
    """List lessons by topic: name and claim."""
    widest = max(len(lesson.name) for lesson in lessons) if console.width >= 80 else 0
    for topic, group in itertools.groupby(lessons, key=lambda lesson: lesson.topic):
        table = Table(
            title=topic, title_justify="left", title_style="bold", box=None, show_header=False,
            pad_edge=False,
        )  # fmt: skip
        table.add_column(
            style="cyan", no_wrap=console.width >= 80, min_width=widest, overflow="fold"
        )
        table.add_column()
        for lesson in group:
            table.add_row(plain(lesson.name), plain(lesson.claim))
        console.print(table)
        console.print()


def print_lesson(
    lesson: Lesson, found: Mapping[str, Outcome], console: Console, *, code: bool
) -> None:
    """Print a lesson: the claim, the same lines in each framework, the values, whether it holds."""
    console.print(plain(f"{lesson.name}: {lesson.claim}", style="bold"), soft_wrap=False)
    if code:
        rest = lesson.text.partition("\n\n")[2]
        for words in [rest, lesson.why]:
            if words:
                console.print(plain(words))
        show([(name, lesson.code[name] + "\n") for name in found], console)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in found:
        table.add_column(name, overflow="fold")
    rows = dict.fromkeys(what for outcome in found.values() for what in outcome.values)
    for what in rows:
        cells = (
            plain(shown(o.values[what])) if what in o.values else Text("") for o in found.values()
        )
        table.add_row(plain(what), *cells)
    if rows:
        console.print(table)
    for name, outcome in found.items():
        for words in outcome.wrong:
            console.print(plain(f"✗ {name}: {words}", style="red"), soft_wrap=True)
    if found and not any(outcome.wrong for outcome in found.values()):
        console.print(plain(f"✓ it holds in {_listed(list(found))}", style="green"))
    missing = [name for name in lesson.code if name not in found]
    if missing:
        console.print(plain(f"not run, because not installed: {_listed(missing)}"))
    if code:
        seen = ", ".join(f"{name} {version}" for name, version in lesson.seen.items())
        console.print(plain(f"seen in {seen}", style="dim"))
        for page in lesson.see:
            console.print(plain(page, style="dim"), soft_wrap=True)
