"""A grid, on the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.locale.language import _
from common.locale.phrases import told
from common.measure.quiet import BUSY
from common.results.document import Pair
from common.results.grid import Grid, value_words, words_of
from common.results.grid_merged import Accuracy, Apart, Merged, MergedCell
from common.results.record import Results
from common.shown.outcomes import agrees, counted, kind, outcome_words
from common.shown.results import sentence as sentence_of
from common.shown.table import Column, fitted
from common.shown.words import DASH, digits, joined, plain

#: Of more cells than that, the terminal shows those that do not agree.
MANY = 40

#: So many of a kind are named.
NAMED = 10


def print_plan(grid: Grid, left_out: Sequence[str], folder: str, console: Console) -> None:
    """Print how many cells there are, what varies, what was left out and what they need."""
    for line in left_out:
        console.print(plain(told(line), style="yellow"), soft_wrap=True)
    needs = Counter(needs_words(grid, place) for place in range(len(grid.cells)))
    for words, number in needs.items():
        console.print(plain(joined(cells(number), words)), soft_wrap=True)
    console.print(
        plain(_("planned in {folder}; compare.py grid run {folder}", folder=folder)), soft_wrap=True
    )


def needs_words(grid: Grid, place: int) -> str:
    """What a cell needs of a machine."""
    needs = grid.cells[place].needs
    parts = [_("a machine of its own") if needs.exclusive else _("a shared machine")]
    if needs.cores is not None:
        parts.append(cores(needs.cores))
    if needs.memory_gb is not None:
        parts.append(f"{needs.memory_gb:g} GB")
    if needs.gpus:
        parts.append(gpus(needs.gpus))
    if needs.minutes is not None:
        parts.append(minutes(needs.minutes))
    return _(", ").join(parts)


def ended_words(results: Results | None, code: int) -> str:
    """What a cell's run came to; no results of one that was done before."""
    if results is None:
        return _("done before, with exit code {code}", code=code)
    more = {3: _("; --cell tries it again"), 130: _("; it can be taken up")}
    return sentence_of(results) + more.get(code, "")


def print_merged(merged: Merged, folder: str, console: Console) -> None:
    """Print the cells, the accuracies over seeds, and what is missing, failed or foreign."""
    console.print(plain(sentence(merged)), soft_wrap=True)
    shown = merged.cells
    if len(shown) > MANY:
        shown = [cell for cell in shown if not agrees(cell.outcomes)]
        if shown:
            console.print(plain(_("those that do not agree:")))
    if shown:
        console.print(fitted(columns(merged, shown), shown, console.width))
    if merged.accuracies:
        console.print(_("test accuracy over seeds, mean ± standard deviation:"))
        console.print(accuracy_table(merged, console.width))
    for line in [*problems(merged), *several_versions(merged)]:
        console.print(plain(line, style="yellow"), soft_wrap=True)
    console.print(plain(_("grid.json and grid.html in {folder}", folder=folder)), soft_wrap=True)


def sentence(merged: Merged) -> str:
    """How many cells there are of each kind, in one sentence."""
    failed = {one.index for one in merged.failed}
    kinds = Counter(kind(cell.outcomes) for cell in merged.cells if cell.index not in failed)
    words = counted(kinds | {"failed": len(failed)}, cells(merged.planned))
    words += [
        f"{number} {word}"
        for word, number in (
            (_("missing"), len(merged.missing)),
            (_("foreign"), len({one.index for one in merged.foreign})),
        )
        if number
    ]
    return _(", ").join(words) + _("; on {machines}", machines=machines(len(merged.hosts)))


def columns(merged: Merged, cells: Sequence[MergedCell]) -> list[Column[MergedCell]]:
    """The table's columns: which cell, where, its verdict, its ratios."""
    found = [Column[MergedCell]("cell", "right", 0, lambda cell: str(cell.index))]
    for name in merged.vary:
        found.append(varied_column(name))
    found.append(
        Column(
            "verdict", "left", 0,
            lambda cell: plain(
                outcome_words(cell.outcomes), style="" if agrees(cell.outcomes) else "red"
            ),
        )
    )  # fmt: skip
    if len(merged.hosts) > 1:
        found.append(Column("machine", "left", 40, lambda cell: plain(cell.host)))
    pairs = dict.fromkeys((one.a, one.b) for cell in cells for one in cell.comparisons)
    found += [ratio_column(a, b, 2 + place) for place, (a, b) in enumerate(pairs)]
    found.append(Column("× limit", "left", 50, limits))
    return found


def varied_column(name: str) -> Column[MergedCell]:
    """A column of what varies."""
    head = name.replace("_", "-")
    return Column(head, "right", 1, lambda cell: plain(value_words(cell.varied[name])))


def ratio_column(a: str, b: str, rank: int) -> Column[MergedCell]:
    """A column of two entrants' times, one over the other, within each cell."""
    return Column(f"{a} / {b}", "right", rank, lambda cell: ratio_cell(pair_of(cell, a, b)))


def pair_of(cell: MergedCell, a: str, b: str) -> Pair | None:
    """Two entrants of a cell compared; None if one of them is not in it."""
    return next((one for one in cell.comparisons if (one.a, one.b) == (a, b)), None)


def ratio_cell(pair: Pair | None) -> Text:
    """A ratio with its interval; bold where that is a difference, dim where it is not judged."""
    if pair is None or pair.ratio is None:
        return Text(DASH)
    span = "" if pair.low is None else _(" ({low:.3g} to {high:.3g})", low=pair.low, high=pair.high)
    style = "bold" if is_clear(pair) else "dim" if pair.verdict == BUSY else ""
    return Text(f"{pair.ratio:.3g}{span}", style=style)


def is_clear(pair: Pair) -> bool:
    """Whether one of the two is called faster."""
    return pair.verdict in ("a is faster", "b is faster")


def limits(cell: MergedCell) -> Text:
    """Each entrant's epoch over the least time of the machine it ran on."""
    known = [one for one in cell.entrants if one.times_limit is not None]
    return plain(", ".join(f"{one.label} {one.times_limit:.1f}" for one in known) or DASH)


def accuracy_table(merged: Merged, width: int) -> Table:
    """Mean and spread of the test accuracies over seeds."""
    labels, rows = by_settings(merged.accuracies)
    names = [name for name in merged.vary if name != "seed"]
    found: list[Column[dict[str, Accuracy]]] = []
    for name in names:
        found.append(settings_column(name))
    found.append(Column("seeds", "right", 1, lambda row: str(max(a.seeds for a in row.values()))))
    found += [label_column(label, 2 + place) for place, label in enumerate(labels)]
    return fitted(found, rows, width)


def settings_column(name: str) -> Column[dict[str, Accuracy]]:
    """A column of what varies beside the seed."""
    return Column(
        name.replace("_", "-"), "right", 0,
        lambda row: plain(value_words(next(iter(row.values())).varied[name])),
    )  # fmt: skip


def label_column(label: str, rank: int) -> Column[dict[str, Accuracy]]:
    """A column of one entrant's accuracies."""
    return Column(label, "right", rank, lambda row: accuracy_words(row.get(label)))


def by_settings(found: Iterable[Accuracy]) -> tuple[list[str], list[dict[str, Accuracy]]]:
    """All labels, and for each combination but for its seed: label -> accuracy."""
    rows: dict[str, dict[str, Accuracy]] = {}
    labels: dict[str, None] = {}
    for one in found:
        rows.setdefault(words_of(one.varied), {})[one.label] = one
        labels[one.label] = None
    return list(labels), list(rows.values())


def accuracy_words(one: Accuracy | None) -> str:
    """Mean and standard deviation, in percent."""
    if one is None:
        return DASH
    spread = "" if one.deviation is None else f" ± {100 * one.deviation:.2f}"
    return f"{digits(100 * one.mean, '.2f')}{spread} %"


def problems(merged: Merged) -> list[str]:
    """What is missing, failed, foreign or there twice, by name."""
    lines = []
    if merged.missing:
        lines.append(joined(_("missing"), cells(len(merged.missing)), ranges(merged.missing)))
    lines += apart_words(_("failed"), merged.failed)
    lines += apart_words(_("foreign"), merged.foreign)
    return lines + apart_words(_("there twice"), merged.twice)


def apart_words(what: str, found: Sequence[Apart]) -> list[str]:
    """Cells of a kind, each with its reason, the first of them."""
    lines = [
        _("{kind}: cell {index}: {why}", kind=what, index=one.index, why=told(one.why))
        for one in found[:NAMED]
    ]
    if len(found) > NAMED:
        lines.append(
            _("{kind}: {number} more; all are in grid.json", kind=what, number=len(found) - NAMED)
        )
    return lines


def several_versions(merged: Merged) -> list[str]:
    """Packages of which the cells have more than one version."""
    return [
        _(
            "{package} is not the same everywhere: {versions}",
            package=package,
            versions=counts_words(found),
        )
        for package, found in merged.versions.items()
        if len(found) > 1
    ]


def counts_words(found: Mapping[str, int]) -> str:
    """Versions, and how many cells have each."""
    return _(", ").join(
        _("{version} in {cells}", version=v, cells=cells(n)) for v, n in sorted(found.items())
    )


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in rising order, as 0-3, 7."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def cells(number: int) -> str:
    """So many cells."""
    return _("1 cell") if number == 1 else _("{number} cells", number=number)


def cores(number: int) -> str:
    """So many cores."""
    return _("1 core") if number == 1 else _("{number} cores", number=number)


def gpus(number: int) -> str:
    """So many GPUs."""
    return _("1 GPU") if number == 1 else _("{number} GPUs", number=number)


def machines(number: int) -> str:
    """So many machines."""
    return _("1 machine") if number == 1 else _("{number} machines", number=number)


def minutes(number: int) -> str:
    """So many minutes at most."""
    return _("at most 1 minute") if number == 1 else _("at most {number} minutes", number=number)
