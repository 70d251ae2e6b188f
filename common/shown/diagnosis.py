"""Where entrants part from the referee, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.agreement.checks import Check
from common.agreement.diagnose import Diagnosis
from common.agreement.expected import CRITERION as COMPONENTS_CRITERION
from common.locale.language import _
from common.locale.phrases import told
from common.shown.results import difference_lines
from common.shown.words import DASH, paragraph, plain, seconds


def print_diagnoses(found: Mapping[str, Diagnosis], console: Console) -> None:
    """Print what `diagnose` found of every entrant, then how far each component is off."""
    for label, diagnosis in found.items():
        print_diagnosis(label, diagnosis, console)
    if any(diagnosis.checks for diagnosis in found.values()):
        title = _(
            "off by, in units in the last place of the tensor's largest value, from equal inputs:"
        )
        console.print(plain(title), soft_wrap=True)
        console.print(checks_table(found))
        words = _("right means: {criterion}", criterion=told(COMPONENTS_CRITERION))
        console.print(paragraph(words, console.width, style="dim"))


def print_diagnosis(label: str, found: Diagnosis, console: Console) -> None:
    """Print where one entrant parts from the referee, why, and how that grows."""
    first = found.difference
    steps = _("1 step") if found.steps == 1 else _("{steps} steps", steps=found.steps)
    if found.state_apart:
        line = _(
            "{label}: state: not compared, the two name it otherwise; each made its own along "
            "the referee's gradients, and only what it does to the parameters was compared",
            label=label,
        )
        console.print(plain(line, style="yellow"), soft_wrap=True)
    if first is None:
        if found.steps < found.planned:
            steps = _(
                "the first {steps} of {planned}, all that the referee's walk had time for",
                steps=steps,
                planned=found.planned,
            )
        line = _(
            "{label}: only rounding differs, in {steps}; that took {seconds}",
            label=label,
            steps=steps,
            seconds=seconds(found.seconds),
        )
        if found.unchecked:
            line = _(
                "{label}: not checked to the end: {why}",
                label=label,
                why=told(found.unchecked),
            )
        console.print(plain(line, style="yellow" if found.unchecked else "green"), soft_wrap=True)
        for begin, end in found.unexplained:
            line = _(
                "{label}: steps {begin} to {end} together end further off than nudges explain, "
                "though each by itself is right: a ReLU on its edge, as a rule; the noise band of "
                "a run decides",
                label=label,
                begin=begin,
                end=end,
            )
            console.print(plain(line, style="yellow"), soft_wrap=True)
        return
    head, *rest = difference_lines(label, first)
    console.print(plain(head, style="red"), soft_wrap=True)
    for line in rest:
        console.print(plain(line), soft_wrap=True)
    if found.growth:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column(_("from there on by itself, steps later"))
        table.add_column(_("|loss - referee's|"), justify="right")
        for later, drift in found.growth:
            table.add_row(str(later), f"{drift:.1e}")
        console.print(table)
    console.print(
        plain(_("{label}: that took {seconds}", label=label, seconds=seconds(found.seconds))),
        soft_wrap=True,
    )


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
    for name in (_("stage"), _("what is run"), _("tensor")):
        table.add_column(name, no_wrap=True)
    table.add_column(_("own arithmetic"), justify="right")
    for label, compiled in columns:
        table.add_column(
            plain(_("{label}, compiled", label=label) if compiled else label), justify="right"
        )
    for (stage, unit, tensor), row in rows.items():
        if stage == "data":
            continue
        own = next(iter(row.values())).own_ulps
        cells = [_ulps_cell(row.get(column)) for column in columns]
        table.add_row(_(stage), told(unit), tensor, f"{own:.1f}", *cells)
    return table


def _ulps_cell(check: Check | None) -> Text:
    if check is None:
        return Text(DASH)
    words = f"{check.ulps:.1f}" if check.ulps < 1e4 else f"{check.ulps:.0e}"
    return plain(told(check.fault or words), style="" if check.right else "red")
