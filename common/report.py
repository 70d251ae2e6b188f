"""What a person sees in the terminal: progress while it runs, then the table."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from common.parity import Verdict
from common.results import Record, Results

DASH = "–"


class Progress:
    """Tells of a run while it goes on: a live table on a terminal, else a line an epoch.

    Args:
        console: standard error.
        records: the entrants.
        epochs: how many each one trains.
        rounds: how often.
        quiet: say nothing.
    """

    def __init__(
        self, console: Console, records: Sequence[Record], epochs: int, rounds: int, quiet: bool
    ) -> None:
        self._console, self._records = console, records
        self._epochs, self._rounds, self._quiet = epochs, rounds, quiet
        self._words = ""
        self._live: Live | None = None
        if console.is_terminal and not quiet:
            self._live = Live(console=console, transient=True, get_renderable=self._table)

    def __enter__(self) -> Progress:
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
            self._console.print(plain(line), soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title=self._words, title_justify="left", box=None, pad_edge=False)
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


def print_results(results: Results, folder: str, console: Console) -> None:
    """Print the verdict in a sentence, the table, times compared, notes, where it all is."""
    console.print(plain(sentence(results), style="bold"), soft_wrap=True)
    console.print(entrants_table(results, console.width))
    if results.data.get("true"):
        console.print(learnt_table(results))
    for line in [*comparison_lines(results), *remark_lines(results)]:
        console.print(plain(line), soft_wrap=True)
    console.print(plain(f"results in {folder}"), soft_wrap=True)


def sentence(results: Results) -> str:
    """Say in one sentence what came out."""
    finished = [r for r in results.records if r.status == "ok"]
    lost = [f"{r.entrant.label} ({r.status})" for r in results.records if r.status != "ok"]
    verdicts = {r.entrant.label: results.verdicts[r.entrant.label].verdict for r in finished}
    differ = [label for label, verdict in verdicts.items() if verdict == "differs"]
    open_ = [label for label, verdict in verdicts.items() if verdict == "not checked"]
    words = []
    if results.interrupted:
        words.append("Interrupted")
    if differ:
        words.append(f"{_listed(differ)} {_verb(differ, 'differs', 'differ')} from the referee")
    if open_:
        words.append(f"{_listed(open_)}: agreement was not checked to the end")
    agree = [label for label in verdicts if label not in differ + open_]
    if agree:
        others = differ or open_ or lost or len(agree) == 1
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


def entrants_table(results: Results, width: int) -> Table:
    """One row per entrant; on a narrow terminal the less important columns go."""
    # name, side, how wide the terminal must be for it to be shown
    columns = [
        ("entrant", "left", 0),
        ("version", "left", 125),
        ("mode", "left", 125),
        ("train loss", "right", 72),
        ("train acc", "right", 72),
        ("test acc", "right", 0),
        ("s/epoch", "right", 48),
        ("95 % interval", "right", 150),
        ("first step", "right", 110),
        ("peak memory", "right", 110),
        ("max Δ loss", "right", 72),
        ("verdict", "left", 0),
    ]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side, least in columns:
        if width >= least:
            narrowest = {"entrant": 9, "verdict": 8}.get(name)
            table.add_column(
                name,
                justify=side,  # type: ignore[arg-type]
                no_wrap=least > 0,
                min_width=narrowest,
                overflow="fold",
            )
    for record in results.records:
        cells = _row(record, results)
        shown = (c for c, (_, _, least) in zip(cells, columns, strict=True) if width >= least)
        table.add_row(*shown)
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
        DASH if summary["median"] is None else f"{summary['median']:.3f}",
        interval,
        seconds(record.first_step_seconds),
        megabytes(record.peak_memory_bytes),
        DASH if loss is None else f"{loss:.1e}",
        _verdict_cell(record, verdict),
    ]


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
        lines.append(f"{a} takes {pair['ratio']:.2f}× the time of {b}{span}: {verdict}")
    return lines


def remark_lines(results: Results) -> list[str]:
    """Reasons, first differences and notes, one line each."""
    lines = []
    for record in results.records:
        label, verdict = record.entrant.label, results.verdicts[record.entrant.label]
        if record.reason:
            lines.append(f"{label}: {record.status}: {record.reason}")
        first = verdict.first_difference
        if first is not None:
            where = "".join(f"[{i}]" for i in first.index)
            lines.append(
                f"{label} differs at step {first.step}, stage {first.stage}, tensor "
                f"{first.tensor}{where}: {first.value:.9g}, the referee has {first.referee:.9g}"
            )
        elif verdict.verdict == "differs":
            lines.append(f"{label} differs: its batches are not the referee's")
        if verdict.reason and record.status == "ok":
            lines.append(f"{label}: {verdict.verdict}: {verdict.reason}")
        lines += [f"{label}: note: {note}" for note in record.notes]
    return lines
