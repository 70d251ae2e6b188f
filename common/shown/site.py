"""All lessons and listings as pages that open offline, and the glossary.

A lesson has one, a model in a style has one with all frameworks side by side. Every page is there
in each language, and has a way to itself in the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from markupsafe import Markup, escape

from common.contract.info import STYLES
from common.contract.models import MODELS
from common.contract.registry import find
from common.contract.root import ROOT
from common.learning.lessons import Lesson, paragraphs
from common.learning.listings import HOW, TITLES, Asked, listing
from common.locale.language import LANGUAGES, OWN, _, speaking, spoken
from common.results.folder import whole_folder
from common.shown.html import coloured, styles, template
from common.shown.lessons import value_words

GLOSSARY = ROOT / "docs" / "glossary.md"
#: Language -> where the book's functions are told.
LISTINGS = {"en": ROOT / "docs" / "listings.md", "zh": ROOT / "docs" / "listings.zh.md"}


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
    yield from leaves_of_listings()
    head, *words = glossary()
    yield Leaf("glossary", _("glossary"), "site-glossary.html", {"head": head, "words": words})


def leaves_of_listings() -> Iterator[Leaf]:
    """What there is and where the book's functions are, then each model in each style."""
    there = {style: [name for name in MODELS if columns(name, style)] for style in STYLES}
    head, *book = book_rows()
    given = {"there": there, "titles": TITLES, "stem": stem, "head": head, "book": book}
    yield Leaf("listings", _("listings"), "site-listings.html", given)
    for style, models in there.items():
        for model in models:
            of_model = {"title": TITLES[model], "how": HOW[style], "columns": columns(model, style)}
            yield Leaf(stem(model, style), stem(model, style), "site-listing.html", of_model)


def stem(model: str, style: str) -> str:
    """Of the page of a model's listings."""
    return f"listing-{model}-{style}"


def columns(model: str, style: str) -> list[tuple[str, str]]:
    """Every framework that has a listing of a model, and that."""
    return [
        (backend.info.title, listing(backend, style, Asked(model)).code)
        for backend in find().values()
        if model in backend.info.listings.get(style, ())
    ]


def book_rows() -> list[list[Markup]]:
    """The rows of the table of the book's functions, its head first."""
    lines = LISTINGS[spoken()].read_text(encoding="utf-8").splitlines()
    start = max(number for number, line in enumerate(lines) if line.startswith("|---"))
    return [cells(line) for line in (lines[start - 1], *lines[start + 1 :]) if "|" in line]


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
    """The rows of the glossary's table, its head first, explained in the language spoken."""
    lines = GLOSSARY.read_text(encoding="utf-8").splitlines()
    found = [cells(line) for line in lines if "|" in line]
    rows = [row for row in found if set("".join(row)) - set("-: ")]
    return [[zh, en, here if spoken() == OWN else in_zh] for zh, en, here, in_zh in rows]


def cells(line: str) -> list[Markup]:
    """The cells of a row of Markdown."""
    return [spelled(cell) for cell in line.split("|")[1:-1]]


def spelled(cell: str) -> Markup:
    """A cell of Markdown: words, and code between backticks."""
    parts = re.split(r"`([^`]*)`", cell.strip())
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )
