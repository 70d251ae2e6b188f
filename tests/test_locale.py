"""Languages: nothing is without its translation, no value is lost, and English is as it was."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from common.contract.root import ROOT
from common.locale import catalogue, phrases
from common.locale.language import LANGUAGES, OWN, _, catalogue_file, speaking, usual
from common.locale.phrases import told
from tests.conftest import Command

OTHERS = [language for language in LANGUAGES if language != OWN]
DOMAINS = ("messages", "phrases")
CHINESE = re.compile("[\u4e00-\u9fff]")
#: Of what is shown and not marked: styles, drawings, units, what goes to a program.
NO_WORDS = re.compile(
    r"[<{]\w+ [\w:-]+=|sans-serif|@media|:N$| (ms|MB|GB|s|µs|%|GFLOP/s)$|^compare.py[: ]"
    r"|^bold |^link \{|datum\.label|^confusion |^a chart, for"
)


@cache
def found() -> catalogue.Found:
    """Every text of the source."""
    return catalogue.texts()


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with speaking(OWN):
        yield


def entries(language: str, domain: str) -> dict[str, str]:
    with catalogue_file(language, domain).open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale=language) if one.id}


def places(text: str) -> set[str]:
    """The names in braces, each with its format."""
    parts = Formatter().parse(text)
    return {f"{name}!{how}:{form}" for _before, name, form, how in parts if name is not None}


def unlike(said: dict[str, list[str]], known: dict[str, str]) -> dict[str, str]:
    """What is wrong with a catalogue, by text."""
    wrong = dict.fromkeys(said.keys() - known.keys(), "not in the catalogue")
    wrong |= dict.fromkeys(known.keys() - said.keys(), "nobody says that any more")
    for text, translation in known.items():
        if not translation:
            wrong[text] = "without a translation"
        elif places(text) != places(translation):
            wrong[text] = f"other values in {translation}"
    return wrong


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("language", OTHERS)
def test_nothing_is_without_its_translation(language: str, domain: str) -> None:
    """`python -m common.locale.catalogue` brings what is new."""
    assert unlike(found()[domain], entries(language, domain)) == {}


def test_what_is_missing_would_be_seen() -> None:
    known = {"{a} of {b:.3g}": "{b:.3g}", "gone": "x", "empty": ""}
    assert set(unlike({"{a} of {b:.3g}": [], "new": [], "empty": []}, known)) == {
        "{a} of {b:.3g}", "gone", "new", "empty",
    }  # fmt: skip
    assert list(
        catalogue.said(ast.parse("raise Refused(f'{a.name}: no {len(found)} of them')"))
    ) == ["{name}: no {found} of them"]


@pytest.mark.slow
def test_what_is_shown_is_marked() -> None:
    """A text that is shown is English for ever unless it is."""
    unmarked = {}
    for path in catalogue.files(catalogue.SHOWN, ["*.py"]):
        if not catalogue.within(path, catalogue.UNMARKED):
            every = catalogue.said(ast.parse(path.read_text(encoding="utf-8")))
            raised = list(catalogue.said_in(path))
            other = {*raised, *found()["messages"]}  # raised, or a word of results.json
            unmarked[path.name] = [t for t in every if t not in other and not NO_WORDS.search(t)]
    assert {name: texts for name, texts in unmarked.items() if texts} == {}


def test_marks_are_literals() -> None:
    """What `_` is given with values stands in the source, where it can be found."""
    for path in catalogue.files(catalogue.SHOWN, ["*.py"]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and catalogue.called(node) == "_" and node.keywords:
                assert isinstance(node.args[0], ast.Constant), f"{path}: {ast.unparse(node)}"


@pytest.fixture
def afresh() -> Iterator[None]:
    """Another catalogue within; nothing of it, or of the real one, is remembered."""
    for one in (phrases.best, phrases.phrases):
        one.cache_clear()
    yield
    for one in (phrases.best, phrases.phrases):
        one.cache_clear()


@pytest.mark.usefixtures("afresh")
def test_a_phrase_is_told_with_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "the {name} is wrong": "{name}不对",
        ", or twice": "，或两次",
        "likely {words}; to confirm, {how}": "可能是{words}；要确认，{how}",
        "learning rate": "学习率",
        "print it": "打印它",
        ": ": "：",
    }
    monkeypatch.setattr(phrases, "catalogue", lambda _language, _domain: known)
    with speaking("zh"):
        assert told("likely the learning rate is wrong, or twice; to confirm, print it") == (
            "可能是学习率不对，或两次；要确认，打印它"
        )
        assert told("nobody knows this: print it") == "nobody knows this: print it"
        assert told("x: print it") == "x：打印它"
        assert told("2 learning rate") == "2 学习率"
    assert told("print it") == "print it"


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "en_GB.UTF-8", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_locale(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert usual() == language


def test_a_run_in_chinese(small_folder: Path, compare: Command) -> None:
    """Its words are Chinese, to the last line; its file is as in English; exit codes are, too."""
    asked = ["--backends", "numpy", "--epochs", "2", "--data-dir", str(small_folder)]
    asked += ["--custom-data", "--check-seconds", "60"]
    done = compare(*asked, "--lang", "zh", "--out", "zh")
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip(" ─")]
    said = [line for line in lines if not line.strip().startswith("numpy ")]
    assert [line for line in said if not CHINESE.search(line)] == []
    assert "numpy 与裁判一致：只有舍入差别。" in done.stdout
    assert compare(*asked, "--out", "en").returncode == 0
    files = [
        json.loads((compare.folder / name / "results.json").read_text()) for name in ("zh", "en")
    ]
    for file in files:
        assert not CHINESE.search(json.dumps(file["parity"], ensure_ascii=False))
        assert file["entrants"][0]["notes"] == files[0]["entrants"][0]["notes"]


def test_a_refusal_in_chinese(compare: Command) -> None:
    done = compare("--lang=zh", "--backends", "numpyy")
    assert done.returncode == 2
    assert done.stderr.startswith("compare.py: 未知的后端 'numpyy'；可选 ")
    assert done.stderr.endswith("；是不是想写 numpy？\n")
    assert compare("--lang", "fr", "list").returncode == 2
    assert "未知" not in compare("--backends", "numpyy").stderr


def test_help_in_chinese(compare: Command) -> None:
    """Every command's, and no line of it wider than the terminal."""
    for words in ([], ["run"], ["check"], ["grid", "merge"], ["diff"], ["infer"], ["lessons"]):
        text = compare(*words, "--lang", "zh", "--help").stdout
        assert text.startswith("用法：")
        helps = re.findall(r"^(?:  .*)?  +([a-z][a-z]+ [a-z]+ .*)$", text, re.MULTILINE)
        assert helps == [], words


def test_english_reads_no_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "babel.messages.pofile", raising=False)
    assert _("{number} cells", number=3) == "3 cells"
    assert told("not checked") == "not checked"
    assert "babel.messages.pofile" not in sys.modules
    assert ROOT.exists()


#: What is no word of a language in a page.
NAMES_IN_PAGES = {"GFLOP", "SHA", "GiB", "Python", "python", "compare", "lessons"}


def words_of(page: str) -> set[str]:
    """The words of a template that are said as they stand there."""
    page = re.sub(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", "", page, flags=re.DOTALL)
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    said = re.findall(r'(?:alt|aria-label|title)="([^"]*)"', page)
    said.append(re.sub(r"<[^>]*>", " ", page))
    return set(re.findall(r"[A-Za-z]{3,}", " ".join(said))) - NAMES_IN_PAGES


def test_what_pages_say_is_marked() -> None:
    pages = catalogue.files(catalogue.SHOWN, ["*.jinja"])
    said = {path.name: words_of(path.read_text(encoding="utf-8")) for path in pages}
    assert {name: words for name, words in said.items() if words} == {}
    assert words_of('<p title="{{ x }} cells">{{ _("right") }} and wrong</p>') == {
        "cells", "and", "wrong",
    }  # fmt: skip
