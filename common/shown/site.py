"""All lessons as pages that open offline: one each, the values of all, and the glossary.

Every page is there in each language, and has a way to itself in the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from markupsafe import Markup, escape

from common.contract.root import ROOT
from common.learning.lessons import Lesson, paragraphs
from common.locale.language import LANGUAGES, OWN, _, speaking, spoken
from common.results.folder import whole_folder
from common.shown.html import coloured, styles, template
from common.shown.lessons import value_words

GLOSSARY = ROOT / "docs" / "glossary.md"


@dataclass(frozen=True)
class Leaf:
    """A page: its file without ending, what it is called, its template, what that is given."""

    stem: str
    name: str
    template: str
    given: Mapping[str, object]

    @property
    def file(self) -> str:
        """In the language that is spoken."""
        return page(self.stem)


def write_site(folder: Path, lessons: Sequence[Lesson]) -> int:
    """Write all pages, or none.

    The values are those to which the lessons hold each framework: nothing is run.

    Args:
        folder: a new one, or an empty one.
        lessons: in the order in which they are read.

    Returns:
        how many pages there are.

    Raises:
        Refused: the folder cannot be had.
    """
    count = 0
    with whole_folder(folder, "--site") as made:
        for language in LANGUAGES:
            with speaking(language):
                leaves = list(leaves_of(lessons))
                for leaf, text in zip(leaves, rendered(leaves), strict=True):
                    (made / leaf.file).write_text(text, encoding="utf-8")
                    count += 1
    return count


def page(stem: str, language: str | None = None) -> str:
    """A page's file, in a language or in the one that is spoken."""
    language = language or spoken()
    return f"{stem}.html" if language == OWN else f"{stem}.{language}.html"


def leaves_of(lessons: Sequence[Lesson]) -> Iterator[Leaf]:
    """The pages, one after the other."""
    topics = [(topic, list(some)) for topic, some in groupby(lessons, key=lambda one: one.topic)]
    yield Leaf("index", _("lessons"), "site-index.html", {"topics": topics})
    for lesson in lessons:
        yield Leaf(lesson.name, lesson.name, "site-lesson.html", {"lesson": lesson})
    given = {"lessons": lessons}
    yield Leaf("differences", _("differences"), "site-differences.html", given)
    head, *words = glossary()
    yield Leaf("glossary", _("glossary"), "site-glossary.html", {"head": head, "words": words})


def lesson_page(lesson: Lesson) -> str:
    """The page of a lesson, with no other beside it."""
    leaf = Leaf(lesson.name, lesson.name, "site-lesson.html", {"lesson": lesson})
    return next(rendered([leaf], alone=True))


def rendered(leaves: Sequence[Leaf], *, alone: bool = False) -> Iterator[str]:
    """The text of each page, with the ways to those beside it, unless it is `alone`."""
    shared = {
        "rows": rows, "paragraphs": paragraphs, "coloured": coloured, "styles": styles(),
        "alone": alone, "page": page, "languages": LANGUAGES,
    }  # fmt: skip
    for before, leaf, after in zip([None, *leaves], leaves, [*leaves[1:], None], strict=False):
        beside = {"before": before, "after": after, "leaf": leaf}
        yield template(leaf.template).render(**shared, **beside, **leaf.given)


def rows(lesson: Lesson) -> Iterator[tuple[str, list[str]]]:
    """What is claimed of each framework, a cell each, in the order in which they were seen."""
    columns = [lesson.expected[name] for name in lesson.seen if name in lesson.expected]
    for what in dict.fromkeys(what for column in columns for what in column):
        yield what, [value_words(column[what]) if what in column else "" for column in columns]


def glossary() -> list[list[Markup]]:
    """The rows of the glossary's table, its head first."""
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    found = [[spelled(cell) for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    return [row for row in found if set("".join(row)) - set("-: ")]


def spelled(cell: str) -> Markup:
    """A cell of Markdown: words, and code between backticks."""
    parts = re.split(r"`([^`]*)`", cell.strip())
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
