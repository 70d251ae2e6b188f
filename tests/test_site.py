"""All lessons as pages: every link leads somewhere, and nothing is asked of a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from common.contract.info import STYLES
from common.contract.models import MODELS
from common.contract.registry import find
from common.errors import Refused
from common.learning import lessons
from common.learning.listings import Asked, listing
from common.locale.language import LANGUAGES, speaking
from common.shown.html import coloured
from common.shown.site import book_rows, glossary, page, stem, write_site
from tests.conftest import Command
from tests.test_lessons import written
from tests.test_page import Opened, browser

__all__ = ["browser"]  # a fixture

LESSONS = list(lessons.find().values())
MEGABYTE = 10**6


LISTED = [
    stem(model, style)
    for style in STYLES
    for model in MODELS
    if any(model in one.info.listings.get(style, ()) for one in find().values())
]
STEMS = [
    "index", *(lesson.name for lesson in LESSONS), "differences", "listings", *LISTED, "glossary",
]  # fmt: skip
PAGES, OTHERS = ([page(stem, language) for stem in STEMS] for language in LANGUAGES)


@pytest.mark.slow
def test_every_link_leads_somewhere(compare: Command) -> None:
    """From the first page to the last by what comes next, to every page from the index, and from
    each to itself in the other language.
    """
    done = compare("lessons", "--site", "site")
    assert done.returncode == 0, done.stderr
    folder = compare.folder / "site"
    assert f"{len(PAGES + OTHERS)} pages in site" in done.stdout
    assert sorted(path.name for path in folder.iterdir()) == sorted(PAGES + OTHERS)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20 * MEGABYTE
    for names, others in ((PAGES, OTHERS), (OTHERS, PAGES)):
        texts = {name: (folder / name).read_text(encoding="utf-8") for name in names}
        for text, other in zip(texts.values(), others, strict=True):
            hrefs = set(re.findall(r'href="([^"]*)"', text))
            within = {one for one in hrefs if not one.startswith(("https://", "data:"))}
            assert within <= {*names, other}
            assert other in within
        chain = [re.findall(r'rel="next" href="([^"]*)"', texts[name]) for name in names]
        assert chain == [[name] for name in names[1:]] + [[]]
        lessons_, rest = names[1 : len(LESSONS) + 1], names[len(LESSONS) + 2 :]
        assert set(lessons_) <= set(re.findall(r'href="([^"]*)"', texts[names[0]]))
        assert set(rest[1:-1]) <= set(re.findall(r'href="([^"]*)"', texts[rest[0]]))


@pytest.mark.slow
def test_every_page_opens_offline(browser: Any, tmp_path: Path) -> None:
    write_site(tmp_path / "site", LESSONS)
    opened = Opened(browser, tmp_path / "site" / PAGES[0], viewport={"width": 1280, "height": 720})
    for name in PAGES[1:]:
        opened.page.click("a[rel=next]")
        assert opened.page.url.endswith(f"/{name}")
    own = tmp_path.resolve().as_uri()
    assert [one for one in opened.requests if not one.startswith((own, "data:"))] == []
    assert opened.wrong == []
    opened.context.close()


def test_what_a_page_says(tmp_path: Path) -> None:
    """Code in colours, words as they are, and the value that is claimed."""
    lesson = written(tmp_path, "name = '<script>'", "3", name="a<b")
    write_site(tmp_path / "site", [lesson])
    text = (tmp_path / "site" / "a<b.html").read_text(encoding="utf-8")
    assert "<h1>Two and one are three.</h1>" in text
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert re.search(r"numpy 1\.26\.4</th>.*sum</td><td class=\"value\">3</td>", text, re.DOTALL)
    assert 'href="https://numpy.org/doc/stable/reference/generated/numpy.add.html"' in text


def test_every_listing_is_there_whole(tmp_path: Path) -> None:
    """Those of all frameworks side by side, as `script` writes them."""
    write_site(tmp_path / "site", LESSONS[:1])
    assert len(LISTED) == 7
    text = (tmp_path / "site" / "listing-mlp-scratch.html").read_text(encoding="utf-8")
    for backend in find().values():
        assert f"<h4>{backend.info.title}</h4>" in text
        assert coloured(listing(backend, "scratch", Asked("mlp")).code) in text
    for language, first in (
        ("en", "<h1>A multilayer perceptron, from scratch</h1>"),
        ("zh", "多层感知机"),
    ):
        path = tmp_path / "site" / page("listing-mlp-scratch", language)
        assert first in path.read_text(encoding="utf-8")


def test_the_books_functions_are_told_in_both_languages() -> None:
    """The same sections, names and commands, row by row."""
    with speaking("zh"):
        _, *chinese = book_rows()
    _, *english = book_rows()
    assert len(english) == len(chinese) > 25
    for one, other in zip(english, chinese, strict=True):
        code = re.compile("<code>(.*?)</code>")
        assert (one[0], one[3]) == (other[0], other[3])
        assert code.findall("".join(one)) == code.findall("".join(other))


@pytest.mark.parametrize(("language", "here"), [("en", "here"), ("zh", "这里")])
def test_the_glossary_is_whole(language: str, here: str) -> None:
    with speaking(language):
        head, *rows = glossary()
    assert head[1:] == ["English", here]
    assert len(rows) > 30
    assert all(len(row) == 3 and row[0] and row[1] for row in rows)
    assert any("<code>jit</code>" in row[2] for row in rows)


def test_nothing_of_anybody_is_overwritten(compare: Command, tmp_path: Path) -> None:
    kept = tmp_path / "mine"
    kept.mkdir()
    (kept / "index.html").write_text("mine", encoding="utf-8")
    with pytest.raises(Refused, match="not empty; name a new folder"):
        write_site(kept, LESSONS)
    with pytest.raises(Refused, match="is not there"):
        write_site(tmp_path / "no" / "site", LESSONS)
    assert [(path.name, path.read_text()) for path in kept.iterdir()] == [("index.html", "mine")]
    done = compare("lessons", "argmax_ties", "--site", tmp_path / "new")
    assert done.returncode == 2
    assert "--site has all lessons; NAME, --all, --topic, --html, --markdown" in done.stderr


def test_half_a_site_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("a disk is full")

    monkeypatch.setattr("common.shown.site.styles", broken)
    with pytest.raises(OSError, match="full"):
        write_site(tmp_path / "site", LESSONS)
    assert list(tmp_path.iterdir()) == []
