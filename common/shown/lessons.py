"""Lessons, on the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from common.learning.lessons import Lesson, Outcome, paragraphs, shown
from common.shown.code import show
from common.shown.words import listed, plain

#: Columns of a paragraph at most.
READABLE = 100


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
    """Print a lesson part by part: claim, why, code, what came out, how to go on.

    Without `code` the claim, and what came out.
    """
    console.print(plain(f"{lesson.name}: {lesson.claim}", style="bold"), soft_wrap=False)
    if code:
        for paragraph in paragraphs(lesson):
            told(paragraph, console)
        head("Why it matters", console)
        told(lesson.why, console)
        head("The code", console)
        show([(name, lesson.code[name] + "\n") for name in found], console)
        head("What came out", console)
    print_outcomes(lesson, found, console)
    if code:
        seen = ", ".join(f"{name} {version}" for name, version in lesson.seen.items())
        console.print(plain(f"seen in {seen}", style="dim"))
        head("Try it yourself", console)
        told(f"Change a line of docs/lessons/{lesson.path.name}, and run this again.", console)
        for page in lesson.see:
            console.print(plain(page, style="dim"), soft_wrap=True)


def head(words: str, console: Console) -> None:
    """What a part is about."""
    console.print()
    console.print(plain(words, style="bold cyan"))


def told(words: str, console: Console) -> None:
    """A paragraph, as wide as it can be read."""
    console.print(plain(words), width=min(console.width, READABLE))


def print_outcomes(lesson: Lesson, found: Mapping[str, Outcome], console: Console) -> None:
    """Print the values of each framework, and whether the claim holds there."""
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
        console.print(plain(f"✓ it holds in {listed(list(found))}", style="green"))
    missing = [name for name in lesson.code if name not in found]
    if missing:
        console.print(plain(f"not run here: {listed(missing)}"))
