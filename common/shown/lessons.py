"""Lessons, on the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.learning.lessons import Lesson, Outcome, paragraphs, shown
from common.locale.language import _, taught
from common.locale.phrases import told
from common.shown.code import show
from common.shown.words import joined, listed, paragraph, plain

#: Columns of a paragraph at most.
READABLE = 100


def print_lessons(lessons: Sequence[Lesson], console: Console) -> None:
    """List lessons by topic: name and claim."""
    widest = max(len(lesson.name) for lesson in lessons) if console.width >= 80 else 0
    for topic, group in itertools.groupby(lessons, key=lambda lesson: lesson.topic):
        table = Table(
            title=named(topic), title_justify="left", title_style="bold", box=None,
            show_header=False, pad_edge=False,
        )  # fmt: skip
        table.add_column(
            style="cyan", no_wrap=console.width >= 80, min_width=widest, overflow="fold"
        )
        table.add_column(overflow="fold")
        for lesson in group:
            table.add_row(plain(lesson.name), plain(taught(lesson.claim)))
        console.print(table)
        console.print()


def named(topic: str) -> str:
    """A topic in the language that is spoken, and the word that `--topic` takes."""
    words = taught(topic)
    return words if words == topic else f"{words} ({topic})"


def value_words(value: Any) -> str:
    """A value in the language that is spoken."""
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(value_words, value)) + "]"
    return _("yes") if value is True else _("no") if value is False else taught(shown(value))


def print_lesson(
    lesson: Lesson, found: Mapping[str, Outcome], console: Console, *, code: bool
) -> None:
    """Print a lesson part by part: claim, why, code, what came out, how to go on.

    Without `code` the claim, and what came out.
    """
    console.print(plain(joined(lesson.name, taught(lesson.claim)), style="bold"), soft_wrap=False)
    if code:
        for words in paragraphs(lesson):
            readable(taught(words), console)
        head(_("Why it matters"), console)
        readable(taught(lesson.why), console)
        head(_("The code"), console)
        show([(name, lesson.code[name] + "\n") for name in found], console)
        head(_("What came out"), console)
    print_outcomes(lesson, found, console)
    if code:
        seen = ", ".join(f"{name} {version}" for name, version in lesson.seen.items())
        console.print(plain(_("seen in {seen}", seen=seen), style="dim"))
        head(_("Try it yourself"), console)
        words = _(
            "Change a line of docs/lessons/{file}, and run this again.", file=lesson.path.name
        )
        readable(words, console)
        for page in lesson.see:
            console.print(plain(page, style="dim"), soft_wrap=True)


def head(words: str, console: Console) -> None:
    """What a part is about."""
    console.print()
    console.print(plain(words, style="bold cyan"))


def readable(words: str, console: Console) -> None:
    """A paragraph, as wide as it can be read."""
    width = min(console.width, READABLE)
    console.print(paragraph(words, width), width=width)


def print_outcomes(lesson: Lesson, found: Mapping[str, Outcome], console: Console) -> None:
    """Print the values of each framework, and whether the claim holds there."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("")
    for name in found:
        table.add_column(name, overflow="fold")
    rows = dict.fromkeys(what for outcome in found.values() for what in outcome.values)
    for what in rows:
        cells = (
            plain(value_words(o.values[what])) if what in o.values else Text("")
            for o in found.values()
        )
        table.add_row(plain(taught(what)), *cells)
    if rows:
        console.print(table)
    for name, outcome in found.items():
        for words in outcome.wrong:
            console.print(plain("✗ " + joined(name, told(words)), style="red"), soft_wrap=True)
    if found and not any(outcome.wrong for outcome in found.values()):
        console.print(plain(_("✓ it holds in {found}", found=listed(list(found))), style="green"))
    missing = [name for name in lesson.code if name not in found]
    if missing:
        console.print(plain(_("not run here: {missing}", missing=listed(missing))))
