"""What a run came to, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import convert
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.agreement.drift import CRITERION
from common.agreement.verdict import Difference, Verdict
from common.data.description import Dataset
from common.locale.language import _
from common.locale.phrases import told
from common.results.document import Draws, Pair
from common.results.record import Record, Results
from common.shown.paying import first_line, paid_lines
from common.shown.pictures import print_agreement
from common.shown.table import Column, fitted
from common.shown.words import (
    DASH,
    OWN_STARTS,
    beside_line,
    blind_words,
    cores_lines,
    digits,
    disturbed_line,
    files_beside_arrays,
    joined,
    laws_words,
    left_out_words,
    loss_digits,
    megabytes,
    paragraph,
    percent,
    plain,
    reach_words,
    results_line,
    said,
    seconds,
    spread_words,
    starting_line,
    three_digits,
    times_words,
    winner_words,
)


def print_results(
    results: Results,
    folder: str,
    console: Console,
    dataset: Dataset | None = None,
    drawn: bool = True,
) -> None:
    """Print the verdict in a sentence, the table, times compared, notes, where it all is."""
    console.print(plain(sentence(results), style="bold"), soft_wrap=True)
    console.print(entrants_table(results, console.width))
    if any(record.import_seconds is not None for record in results.records):
        console.print(times_table(results, console.width))
    if results.data.get("true"):
        console.print(learnt_table(results))
    if results.starts:
        console.print(starts_table(results))
    if dataset is not None:
        print_agreement(results, dataset, console)
    lines = [*comparison_lines(results), *machine_lines(results)]
    for line in [*lines, *remark_lines(results), *check_lines(results)]:
        console.print(plain(line), soft_wrap=True)
    if any(verdict.verdict != "not checked" for verdict in results.verdicts.values()):
        words = _("agreement means: {criterion}", criterion=told(CRITERION))
        console.print(paragraph(words, console.width, style="dim"))
    console.print(results_line(folder, "report.html" if drawn else ""), soft_wrap=True)


def check_lines(results: Results) -> list[str]:
    """What the checks cost."""
    spent = {what: took for what, took in results.check_seconds.items() if took}
    if not spent:
        return []
    parts = _(", ").join(f"{told(what)} {seconds(took)}" for what, took in spent.items())
    alone = [one.referee_losses for one in results.verdicts.values()]
    paths = [path for path in (results.referee_losses, *alone) if path is not None]
    held = min(map(len, paths), default=0)
    steps = max((len(record.step_losses) for record in results.records), default=0)
    lines = [
        _("the checks took {seconds}: {parts}", seconds=seconds(sum(spent.values())), parts=parts),
        reach_words(held, steps),
    ]
    lines.append(left_out_words(results.left_out, results.options.check))
    lines += [_(OWN_STARTS)] if results.starts else []
    lines += blind_words({label: one.held_steps for label, one in results.verdicts.items()}, steps)
    return [line for line in lines if line]


def sentence(results: Results) -> str:
    """Say in one sentence what came out."""
    statuses = {record.entrant.label: record.status for record in results.records}
    verdicts = {label: verdict.verdict for label, verdict in results.verdicts.items()}
    losses = {record.entrant.label: record.step_losses.tolist() for record in results.records}
    return said(statuses, verdicts, losses, interrupted=results.interrupted)


@dataclass(frozen=True)
class Row:
    """An entrant with what the cells of its row are made of."""

    record: Record
    results: Results

    @property
    def label(self) -> Text:
        """As it was asked for."""
        return plain(self.record.entrant.label)

    @property
    def verdict(self) -> Verdict:
        """What is said of it."""
        return self.results.verdicts[self.record.entrant.label]

    @property
    def last(self) -> Mapping[str, Any]:
        """Its last epoch; empty if there was none."""
        return self.record.epochs[-1] if self.record.epochs else {}

    @property
    def epoch(self) -> Mapping[str, Any]:
        """Its steady epochs' summary."""
        return self.results.epoch_seconds(self.record)

    def median(self, name: str) -> str:
        """The middle of one of the seconds of its epochs."""
        known = [row[name] for row in self.record.epochs if row[name] is not None]
        return seconds(float(np.median(known)) if known else None)


#: What came out.
OUTCOME: list[Column[Row]] = [
    Column("entrant", "left", 0, lambda row: row.label),
    Column(
        "version", "left", 6, lambda row: plain(next(iter(row.record.versions.values()), DASH))
    ),
    Column(
        "mode", "left", 1, lambda row: f"{row.record.entrant.mode} {row.record.entrant.style}"
    ),
    Column("train loss", "right", 3, lambda row: loss_digits(row.last.get("train_loss"))),
    Column("train acc", "right", 5, lambda row: percent(row.last.get("train_accuracy"))),
    Column("test acc", "right", 0, lambda row: percent(row.last.get("test_accuracy"))),
    Column("s/epoch", "right", 2, lambda row: three_digits(row.epoch["median"])),
    Column(
        "95 % interval", "right", 7,
        lambda row: DASH
        if row.epoch["low"] is None
        else f"{three_digits(row.epoch['low'])}–{three_digits(row.epoch['high'])}",
    ),
    Column(
        "max Δ loss", "right", 4,
        lambda row: digits(row.verdict.max_abs_loss_difference, ".1e"),
    ),
    Column("verdict", "left", 0, lambda row: _verdict_cell(row.record, row.verdict)),
]  # fmt: skip

#: What it took: each phase by itself.
TIMES: list[Column[Row]] = [
    Column("entrant", "left", 0, lambda row: row.label),
    Column("import", "right", 6, lambda row: seconds(row.record.import_seconds)),
    Column("open", "right", 8, lambda row: seconds(row.record.open_seconds)),
    Column("compile", "right", 4, lambda row: seconds(row.record.compile_seconds)),
    Column("first step", "right", 5, lambda row: seconds(row.record.first_step_seconds)),
    Column("s/epoch", "right", 0, lambda row: three_digits(row.epoch["median"])),
    Column("least", "right", 3, lambda row: three_digits(row.epoch["min"])),
    Column("× limit", "right", 1, lambda row: digits(row.results.times_limit(row.record), ".1f")),
    Column("waiting for data", "right", 11, lambda row: row.median("data_seconds")),
    Column("evaluation", "right", 9, lambda row: row.median("eval_seconds")),
    Column("cores used", "right", 7, lambda row: digits(row.record.cores_used, ".2f")),
    Column("peak memory", "right", 2, lambda row: megabytes(row.record.peak_memory_bytes)),
    Column(
        "framework's", "right", 10, lambda row: megabytes(row.record.framework_memory_bytes)
    ),
]  # fmt: skip


def entrants_table(results: Results, width: int) -> Table:
    """What came out: one row per entrant."""
    return fitted(OUTCOME, [Row(record, results) for record in results.records], width)


def times_table(results: Results, width: int) -> Table:
    """What it took: one row per entrant that got as far as importing."""
    records = [record for record in results.records if record.import_seconds is not None]
    return fitted(TIMES, [Row(record, results) for record in records], width)


def _verdict_cell(record: Record, verdict: Verdict) -> Text:
    if record.status != "ok":
        return Text(_(record.status), style="red")
    colour = {"differs": "red", "not checked": "yellow"}.get(verdict.verdict, "green")
    text = Text(_(verdict.verdict), style=colour)
    if verdict.verdict == "identical":
        text.append_text(plain(_(" to {label}", label=verdict.identical_to)))
    return text


def learnt_table(results: Results) -> Table:
    """What `linear` learnt, beside what is true and the exact least-squares solution."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    true, exact = results.data["true"], results.data["least_squares"]
    names = [f"w{position + 1}" for position in range(len(true["weight"]))]
    for name in [*names, "b"]:
        table.add_column(name, justify="right")
    rows = [(_("true"), true), (_("least squares"), exact)]
    rows += [(r.entrant.label, r.learnt) for r in results.records if r.learnt]
    for label, values in rows:
        numbers = [*values["weight"], values["bias"]]
        table.add_row(plain(label), *(f"{number:.6f}" for number in numbers))
    return table


def starts_table(results: Results) -> Table:
    """How the initial values of every entrant's own are distributed, and whether by one law."""
    title = _("initial values: standard deviation, least to largest")
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    labels = list(results.starts[0]["entrants"])
    for label in labels:
        table.add_column(plain(label), justify="right")
    table.add_column(_("may be of one law"))
    for start in results.starts:
        cells = [spread_words(**start["entrants"][label]) for label in labels]
        pairs = convert(start["pairs"], list[Draws])
        table.add_row(plain(start["name"]), *cells, laws_words(pairs))
    return table


def comparison_lines(results: Results) -> list[str]:
    """One line for each pair whose times were compared."""
    lines = []
    for pair in results.comparisons:
        if pair["ratio"] is None:
            continue
        span = (
            ""
            if pair["low"] is None
            else _(
                " (95 %: {low} to {high})",
                low=times_words(pair["low"]),
                high=times_words(pair["high"]),
            )
        )
        a, b = pair["a"], pair["b"]
        verdict = winner_words(convert(pair, Pair), results.plan.rounds)
        ratio = times_words(pair["ratio"])
        apart = files_beside_arrays(a, b, pair["reads_files"], pair["waiting_share"])
        beside = _(" ({words})", words=apart) if apart else ""
        lines.append(
            _(
                "{a} takes {ratio}× the time of {b}{span}: {verdict}{beside}",
                a=a,
                ratio=ratio,
                b=b,
                span=span,
                verdict=verdict,
                beside=beside,
            )
        )
    entrants = list(map(results.entrant, results.records))
    pairs = convert(results.comparisons, list[Pair])
    lines += [first_line(entrants)] if first_line(entrants) else []
    return [*lines, *paid_lines(entrants, pairs, results.plan, results.examples)]


def machine_lines(results: Results) -> list[str]:
    """What the machine could do, and whose epochs something else disturbed."""
    lines = []
    if limit := results.limit:
        lines.append(
            _(
                "the machine's limit is {seconds} an epoch: {flops:.3g} GFLOP at "
                "{flops_per_second:.3g} GFLOP/s, {bytes:.3g} MB at {bytes_per_second:.3g} GB/s",
                seconds=seconds(limit["seconds"]),
                flops=limit["flops"] / 1e9,
                flops_per_second=limit["flops_per_second"] / 1e9,
                bytes=limit["bytes"] / 1e6,
                bytes_per_second=limit["bytes_per_second"] / 1e9,
            )
        )
    if limit and results.moved:
        lines.append(
            _(
                "the machine did {flops_per_second:.3g} GFLOP/s before training and "
                "{flops_per_second_after:.3g} after it: no times are judged",
                flops_per_second=limit["flops_per_second"] / 1e9,
                flops_per_second_after=limit["flops_per_second_after"] / 1e9,
            )
        )
    if results.beside:
        lines.append(beside_line(results.beside))
    if results.starting > 1:
        lines.append(starting_line(results.starting))
    used = {record.entrant.label: record.cores_used for record in results.records}
    lines += cores_lines(used, results.plan.threads)
    noted = {r.entrant.label: results.epoch_seconds(r)["disturbed"] for r in results.records}
    if words := disturbed_line(noted):
        lines.append(words)
    return lines


def remark_lines(results: Results) -> list[str]:
    """Reasons, first differences and notes, one line each."""
    lines = [_("data: note: {note}", note=told(note)) for note in results.data.get("notes", ())]
    for record in results.records:
        label, verdict = record.entrant.label, results.verdicts[record.entrant.label]
        if record.reason:
            lines.append(joined(label, _(record.status), told(record.reason)))
        if verdict.first_difference is not None:
            lines += difference_lines(label, verdict.first_difference)
        if verdict.reason and record.status == "ok":
            lines.append(joined(label, _(verdict.verdict), told(verdict.reason)))
        lines += [_("{label}: note: {note}", label=label, note=told(note)) for note in record.notes]
    return lines


def difference_lines(label: str, first: Difference) -> list[str]:
    """Where an entrant parts from the referee, and why that may be."""
    where = "".join(f"[{i}]" for i in first.index)
    line = _(
        "{label} differs at step {step}, stage {stage}, tensor {tensor}{where}",
        label=label,
        step=first.step,
        stage=told(first.stage),
        tensor=first.tensor,
        where=where,
    )
    if first.unit:
        line += f" ({told(first.unit)})"
    if first.value == first.value:  # a step that was not made has no value
        line += _(
            ": {value:.9g}, the referee has {referee:.9g}", value=first.value, referee=first.referee
        )
    return [line, *([joined(label, told(first.likely_cause))] if first.likely_cause else [])]
