"""`compare.py exercise`: find a slip in a framework's code, and mend it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from common.cli.telling import console, progress, say
from common.contract.registry import find
from common.errors import Refused
from common.learning import exercises as learning
from common.locale.language import _
from common.locale.phrases import told

if TYPE_CHECKING:
    from common.ask.request import Request
    from common.shown.progress import Progress


def exercise(asked: argparse.Namespace) -> int:
    """Do what `exercise` is asked; 0, or 1 if it is not solved yet."""
    known = learning.exercises()
    if asked.name is None:
        if asked.start or asked.check or asked.hint or asked.answer:
            raise Refused(
                "--start, --check, --hint and --answer are of one exercise; give its NAME"
            )
        return listed(known)
    chosen = learning.choose(asked.name, known)
    if asked.check is not None:
        return checked(chosen, asked)
    if asked.start is not None:
        learning.start(chosen, find()[chosen.backend], asked.start)
        print(
            _(
                "{task}\nedit the files in {folder}, then:",
                task=told(chosen.slip.task),
                folder=asked.start / chosen.backend,
            )
        )
        print(f"compare.py exercise {chosen.name} --check {asked.start}")
    elif asked.hint:
        print(told(chosen.slip.hint))
    elif asked.answer:
        print(
            _(
                "{answer}\n{file}: {wrong}\nshould be: {right}",
                answer=told(chosen.slip.answer),
                file=chosen.slip.file,
                wrong=chosen.wrong,
                right=chosen.right,
            )
        )
    else:
        print(
            _(
                "{task}\ncompare.py exercise {name} --start DIR",
                task=told(chosen.slip.task),
                name=chosen.name,
            )
        )
    return 0


def listed(known: dict[str, learning.Exercise]) -> int:
    """A row for each task; its exercises by framework."""
    rows: dict[str, list[str]] = {}
    for name, one in known.items():
        rows.setdefault(one.slip.task, []).append(name)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_("exercises"), no_wrap=True)
    table.add_column(_("task"))
    for task, names in rows.items():
        table.add_row("\n".join(names), told(task))
    console(otherwise=120).print(table)
    return 0


def checked(chosen: learning.Exercise, asked: argparse.Namespace) -> int:
    """Say whether it is solved, or where it is still wrong."""
    from common.ask.exercise import look
    from common.shown.words import plain

    def watch(request: Request) -> Progress:
        return progress(request, quiet=asked.no_progress)

    found = look(chosen, asked.check, watch, say)
    console(otherwise=120).print(plain(told(found.words)), soft_wrap=True)
    return int(not found.solved)
