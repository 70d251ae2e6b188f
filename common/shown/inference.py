"""How long a forward pass takes, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.measure.quiet import moved
from common.results.document import Pair, VerdictResult
from common.results.inference import Calls, Inference, Inferrer, Size
from common.shown.table import Column, fitted
from common.shown.words import (
    DASH,
    agreeing,
    disturbed_line,
    joined,
    listed,
    paragraph,
    plain,
    seconds,
    times_words,
    winner_words,
)


@dataclass(frozen=True)
class Row:
    """An entrant with batches of one size."""

    entrant: Inferrer
    size: Size

    def calls(self, name: str) -> str:
        """One of the numbers of its calls, in words."""
        return seconds(getattr(self.size.seconds, name) if self.size.seconds else None)

    @property
    def verdict(self) -> Text:
        """What is said of its logits, or why there is nothing to say."""
        if self.entrant.status != "ok":
            return Text(_(self.entrant.status), style="red")
        word = self.size.verdict.verdict
        colour = {"differs": "red", "not checked": "yellow"}.get(word, "green")
        return Text(_(word), style=colour)


COLUMNS: list[Column[Row]] = [
    Column("entrant", "left", 0, lambda row: plain(row.entrant.label)),
    Column("mode", "left", 7, lambda row: f"{row.entrant.mode} {row.entrant.style}"),
    Column("first call", "right", 3, lambda row: seconds(row.size.first_call_seconds)),
    Column("median", "right", 0, lambda row: row.calls("median")),
    Column("95 % interval", "right", 6, lambda row: span(row.size.seconds)),
    Column("95th", "right", 1, lambda row: row.calls("p95")),
    Column("99th", "right", 2, lambda row: row.calls("p99")),
    Column("examples/s", "right", 4, lambda row: rate(row.size.examples_per_second)),
    Column(
        "calls", "right", 5,
        lambda row: str(row.size.seconds.calls) if row.size.seconds else DASH,
    ),
    Column("verdict", "left", 0, lambda row: row.verdict),
]  # fmt: skip


def span(calls: Calls | None) -> str:
    """The interval of a median."""
    if calls is None or calls.low is None or calls.high is None:
        return DASH
    return f"{seconds(calls.low)}–{seconds(calls.high)}"


def rate(examples: float | None) -> str:
    """Examples a second, three digits of them."""
    return DASH if examples is None else f"{float(f'{examples:.3g}'):,.0f}".replace(",", " ")


def print_inference(found: Inference, console: Console) -> None:
    """Print who is right, a table for each batch size, times compared, and notes."""
    console.print(plain(sentence(found), style="bold"), soft_wrap=True)
    for position, size in enumerate(found.asked.batch_sizes):
        console.print(plain("\n" + _("batches of {size}", size=size)))
        rows = [Row(entrant, entrant.sizes[position]) for entrant in found.entrants]
        console.print(fitted(COLUMNS, rows, console.width))
        for line in comparison_lines(found, size):
            console.print(plain(line), soft_wrap=True)
        if words := disturbed_words(found, position):
            console.print(plain(words), soft_wrap=True)
    for line in remark_lines(found):
        console.print(plain(line), soft_wrap=True)
    words = _("right means: {criterion}", criterion=told(found.criterion))
    console.print(paragraph(words, console.width, style="dim"))


def sentence(found: Inference) -> str:
    """Say in one sentence whose logits are right."""
    finished = [one for one in found.entrants if one.status == "ok"]
    lost = [f"{one.label} ({_(one.status)})" for one in found.entrants if one.status != "ok"]

    def those(word: str) -> list[str]:
        return [
            one.label for one in finished
            if any(size.verdict.verdict == word for size in one.sizes)
        ]  # fmt: skip

    wrong, open_ = those("differs"), those("not checked")
    right = [one.label for one in finished if one.label not in wrong + open_]
    words = []
    if wrong:
        words.append(
            agreeing(
                wrong,
                _("{who} differs from the referee, and is not compared"),
                _("{who} differ, and are not compared"),
            ).format(who=listed(wrong))
        )
    if open_:
        words.append(_("{who}: agreement was not checked to the end", who=listed(open_)))
    if right:
        who = _("All entrants") if right == [one.label for one in found.entrants] else listed(right)
        words.append(_("{who}: logits right, only rounding differs", who=who))
    if lost:
        words.append(_("{who} did not finish", who=listed(lost)))
    return _(". ").join(words) + _(".")


def comparison_lines(found: Inference, size: int) -> Iterator[str]:
    """A line for each pair whose times with one batch size were compared."""
    for pair in found.comparisons:
        if pair.batch_size != size or pair.ratio is None:
            continue
        between = ""
        if pair.low is not None and pair.high is not None:
            between = _(
                " (95 %: {low} to {high})", low=times_words(pair.low), high=times_words(pair.high)
            )
        as_of_run = Pair(
            a=pair.a, b=pair.b, ratio=pair.ratio, low=pair.low, high=pair.high,
            prediction_agreement=None, verdict=pair.verdict,
        )  # fmt: skip
        words = winner_words(as_of_run, found.asked.rounds)
        yield _(
            "{a} takes {ratio}× the time of {b}{between}: {words}",
            a=pair.a,
            ratio=times_words(pair.ratio),
            b=pair.b,
            between=between,
            words=words,
        )


def remark_lines(found: Inference) -> Iterator[str]:
    """What was timed, what disturbed it, and what is to be said of single entrants."""
    asked = found.asked
    processes = (
        _("one process") if asked.rounds == 1 else _("{rounds} processes", rounds=asked.rounds)
    )
    yield (
        _(
            "a call goes from an array of images to an array of logits; each entrant in "
            "{processes}, {turns} turns of {seconds} or so, after up to {warm_up_calls} calls "
            "that do not count; first call: with what is compiled",
            processes=processes,
            turns=asked.turns,
            seconds=seconds(asked.seconds / asked.turns),
            warm_up_calls=found.warm_up_calls,
        )
    )
    if moved(found.rate, found.rate_after):
        yield (
            _(
                "the machine did {before:.3g} GFLOP/s before the timing and {after:.3g} after it: "
                "no times are judged",
                before=(found.rate or 0) / 1e9,
                after=(found.rate_after or 0) / 1e9,
            )
        )
    for entrant in found.entrants:
        if entrant.reason:
            yield joined(entrant.label, _(entrant.status), told(entrant.reason))
        for size in entrant.sizes:
            yield from verdict_lines(
                _(
                    "{label}, batches of {batch_size}",
                    label=entrant.label,
                    batch_size=size.batch_size,
                ),
                size.verdict,
            )
        for note in entrant.notes:
            yield _("{label}: note: {note}", label=entrant.label, note=told(note))


def disturbed_words(found: Inference, position: int) -> str:
    """Whose turns with batches of one size others disturbed; empty if nobody's."""
    noted = {
        entrant.label: [turn for of_round in calls.disturbed for turn in of_round]
        for entrant in found.entrants
        if (calls := entrant.sizes[position].seconds)
    }
    return disturbed_line(noted, "turns")


def verdict_lines(where: str, verdict: VerdictResult) -> Iterator[str]:
    """Where logits part from the referee's, or why they were not held against them."""
    if first := verdict.first_difference:
        index = "".join(f"[{i}]" for i in first.index)
        words = _(
            "{where}: {tensor}{index} differs ({unit})",
            where=where,
            tensor=first.tensor,
            index=index,
            unit=told(first.unit or ""),
        )
        if first.value is not None and first.referee is not None:
            words += _(
                ": {value:.9g}, the referee has {referee:.9g}",
                value=first.value,
                referee=first.referee,
            )
        yield words
        if first.likely_cause:
            yield joined(where, told(first.likely_cause))
    elif verdict.reason:
        yield joined(where, told(verdict.reason))
