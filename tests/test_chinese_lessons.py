"""Every lesson can be read in Chinese, and its code words and numbers are those of the English.

    python -m tests.test_chinese_lessons

writes the catalogue anew: new texts come in without a translation, and those that no lesson says
any more go.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from common.contract.root import ROOT
from common.learning import lessons
from common.learning.lessons import Lesson
from tests.test_docs import words_of_the_glossary

CATALOGUE = ROOT / "common" / "locale" / "zh" / "LC_MESSAGES" / "lessons.po"
HEADER = """\
# What the files of docs/lessons say, in Chinese, with the words of Dive into Deep Learning.
#
# A text is looked up by its exact words: a topic, a claim, WHY, each further paragraph of the
# docstring, what a value is called, and a value that is a word. Claims and paragraphs have their
# line ends and indents made into single spaces, as " ".join(text.split()) does.
# `python -m tests.test_chinese_lessons` keeps this file.
msgid ""
msgstr "Language: zh\\nContent-Type: text/plain; charset=utf-8\\n"

"""
LETTER = re.compile(r"[^\W\d_]")
#: A value that is a word of prose, or begins with one: "class 9", but neither "int8" nor "NaN".
WORD = re.compile(r"[a-z]+( .*)?")
#: No prose: in backticks or braces, or with a dot, an underscore, brackets or "=" inside.
CODE = re.compile(r"`[^`]+`|[A-Za-z]\w*(?:[._=]\w+|\((?:[^()]|\([^()]*\))*\))+(?:=\w+)?|\{\w+\}")
NUMBER = re.compile(r"(?<![A-Za-z0-9_.])\d+(?:\.\d+)?(?:e-?\d+)?")
#: The sentence ends and pauses of English, where Chinese has its own.
HALF_WIDTH = re.compile(r"[一-鿿][,.;:?!]|[,;:?!][一-鿿]")
#: A Chinese character next to a letter or a digit.
CLOSE = re.compile(r"[一-鿿][A-Za-z0-9]|[A-Za-z0-9][一-鿿]")


def texts(lesson: Lesson) -> Iterator[str]:
    """What a reader of the lesson sees that is not code, in the order in which it is seen."""
    yield lesson.topic
    yield lesson.claim
    yield from (" ".join(part.split()) for part in lesson.text.split("\n\n")[1:] if part.strip())
    yield lesson.why
    for framework, source in lesson.code.items():
        claimed = lesson.expected[framework]
        yield from (name for name in [*claimed, *returned(source)] if LETTER.search(name))
        yield from (word for value in claimed.values() for word in words(value))


def returned(source: str) -> Iterator[str]:
    """What a function calls the values that it returns, where that is written out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict):
            keys = (key.value for key in node.value.keys if isinstance(key, ast.Constant))
            yield from (key for key in keys if isinstance(key, str))


def words(value: object) -> Iterator[str]:
    """The values that are words, in lists too."""
    if isinstance(value, str) and WORD.fullmatch(value):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from words(item)


def said() -> dict[str, list[str]]:
    """Text -> the lessons that say it."""
    found: dict[str, list[str]] = {}
    for name, lesson in lessons.find().items():
        for text in dict.fromkeys(texts(lesson)):
            found.setdefault(text, []).append(name)
    return found


def translations(path: Path = CATALOGUE) -> dict[str, str]:
    """Text -> what the catalogue has for it."""
    with path.open("rb") as file:
        return {str(one.id): str(one.string) for one in read_po(file, locale="zh") if one.id}


def renewed(known: dict[str, str]) -> Catalog:
    """The catalogue of all that the lessons say."""
    made = Catalog(locale="zh")
    for text, names in said().items():
        places = [(f"docs/lessons/{name}.py", 0) for name in names]
        made.add(text, known.get(text, ""), locations=places).flags.clear()  # a "%" is a per cent
    return made


SAID, KNOWN = said(), translations() if CATALOGUE.exists() else {}


def test_every_text_has_a_translation_and_none_is_left_over() -> None:
    assert [text for text in SAID if not KNOWN.get(text)] == []
    assert [text for text in KNOWN if text not in SAID] == []


@pytest.mark.parametrize("name", lessons.find())
def test_code_and_numbers_are_those_of_the_lesson(name: str) -> None:
    for text in (one for one, names in SAID.items() if name in names):
        assert mistakes(text, KNOWN[text]) == [], f"{text}\n{KNOWN[text]}"


def test_the_words_are_those_of_the_glossary() -> None:
    """Terms of several words: one alone may mean something else ("class 9", "a single batch")."""
    for chinese, english in words_of_the_glossary():
        terms = [term for term in english if " " in term and term != "data set"]  # "data set anew"
        for text in (one for one in SAID if any(re.search(rf"\b{term}", one) for term in terms)):
            assert any(word in KNOWN[text] for word in chinese), f"{text}\n{KNOWN[text]}"


def mistakes(text: str, told: str) -> list[str]:
    """What is wrong with a translation, as far as its signs show it."""
    wrong = [f"without {word}" for word in CODE.findall(text) if word not in told]
    numbers = set(NUMBER.findall(text)) ^ set(NUMBER.findall(told))
    wrong += [f"{number} on one side only" for number in sorted(numbers)]
    wrong += [f"the sign in {found}" for found in HALF_WIDTH.findall(told)]
    return wrong + [f"no space in {found}" for found in CLOSE.findall(told)]


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        ("第 1 步用 x.y(2)。", []),
        ("第 1 步用 x.z(2)。", ["without x.y(2)"]),
        ("第 3 步用 x.y(2)。", ["1 on one side only", "3 on one side only"]),
        ("第 1 步,用 x.y(2)。", ["the sign in 步,"]),
        ("第1 步用 x.y(2)。", ["no space in 第1"]),
    ],
)
def test_a_slip_in_a_translation_is_seen(told: str, wrong: list[str]) -> None:
    assert mistakes("Step 1 takes x.y(2).", told) == wrong


if __name__ == "__main__":
    catalogue = renewed(KNOWN)
    with CATALOGUE.open("wb") as file:
        file.write(HEADER.encode())
        write_po(file, catalogue, omit_header=True, include_lineno=False, width=100)
    for message in catalogue:
        if message.id and not message.string:
            print(f"no translation: {message.id}")
