"""The catalogues, kept by the source: every text in each, each with its translation.

    python -m common.locale.catalogue

writes them again: new texts come in without a translation, and those that nobody says any more go.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po

from common.locale.language import FOLDER, LANGUAGES, OWN, catalogue_file
from common.locale.phrases import JOINTS, PLACE, WORDS

ROOT = FOLDER.parent.parent
#: Where texts are marked, and by which names; what is raised there is not.
SHOWN = ("common/shown", "common/cli")
UNMARKED = ("common/cli/option.py", "common/cli/options.py")
EXERCISES = ROOT / "docs" / "exercises.toml"
MARKS = ("_", "marked", "Column")
#: Where sentences are made that come finished to whoever shows them.
SAID = ("backends", "common")
#: Files there without any: this package, and tables of a framework's names.
NOT_SAID = (
    "common/locale/catalogue.py", "common/locale/phrases.py", "backends/jax/eager.py",
    "backends/jax/noise.py", "backends/torch/noise.py",
)  # fmt: skip
#: What makes a text a sentence, or a part of one: two words, or one that goes on from something.
PROSE = re.compile(
    "[A-Za-z]{2}[,;:.]? [a-z(]|[a-z] [A-Za-z]{2}|^[,;:.)]? [a-z]{2}|[a-z]{2}[,;:]? $|[a-z]{2}[,;:] "
)
WORD = re.compile(r"[A-Za-z]{2,}")

#: Domain -> text -> the files that say it.
Found = dict[str, dict[str, list[str]]]


def texts() -> Found:
    """Every text that has a translation, or should have one."""
    here = "common/locale/phrases.py"
    found: Found = {"messages": {}, "phrases": {word: [here] for word in (*JOINTS, *WORDS)}}
    for domain, texts_of, paths in (
        ("phrases", tasks_in, [EXERCISES]),
        ("messages", marked_in, files(SHOWN, ("*.py", "*.jinja"))),
        (
            "phrases",
            said_in,
            [p for p in files(SAID, ("*.py",)) if not within(p, NOT_SAID)],
        ),
    ):
        for path in paths:
            for text in texts_of(path):
                named = found[domain].setdefault(text, [])
                named += [str(path.relative_to(ROOT))] * (str(path.relative_to(ROOT)) not in named)
    return found


def files(folders: Sequence[str], patterns: Sequence[str]) -> list[Path]:
    """Files below folders."""
    return sorted(p for one in folders for pattern in patterns for p in (ROOT / one).rglob(pattern))


def within(path: Path, places: Sequence[str]) -> bool:
    """Whether a file is one of these, or below one."""
    return any(path.is_relative_to(ROOT / place) for place in places)


def marked_in(path: Path) -> Iterator[str]:
    """What a file marks."""
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and called(node) in MARKS:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value)
        return
    with path.open("rb") as file:
        for _, text, _, _ in extract("jinja2.ext:babel_extract", file, {"_": None}):
            yield text if isinstance(text, str) else text[0]


def tasks_in(path: Path) -> Iterator[str]:
    """What the exercises say."""
    for one in tomllib.loads(path.read_text(encoding="utf-8")).values():
        yield from (one[name] for name in ("task", "hint", "answer"))


def said_in(path: Path) -> Iterator[str]:
    """The sentences of a file, and the parts of which it makes some; docstrings are none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not within(path, SHOWN) or within(path, UNMARKED):
        yield from said(tree)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise):
            yield from said(node)


def said(tree: ast.AST) -> Iterator[str]:
    """The sentences of a source that are not marked; what an f-string puts into them has braces."""
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        if isinstance(node, ast.Call) and node.args and called(node) in MARKS:
            skipped.add(id(node.args[0]))
        if isinstance(node, ast.Attribute) and node.attr == "split":  # a list of names
            skipped.add(id(node.value))
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            skipped |= {
                id(part.format_spec) for part in node.values if isinstance(part, ast.FormattedValue)
            }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from sentences(named(node.value))
        elif isinstance(node, ast.JoinedStr):
            for text in templates(node):
                yield from sentences(text)


def called(node: ast.Call) -> str:
    """The name by which a function is called."""
    func = node.func.value if isinstance(node.func, ast.Subscript) else node.func
    return func.id if isinstance(func, ast.Name) else ""


def sentences(text: str) -> Iterator[str]:
    """The lines of a text that is one; where there are several, without what indents them."""
    words, lines = PLACE.sub("", text), text.split("\n")
    if not (" " in words and WORD.search(words) if words != text else PROSE.search(text)):
        return
    if len(lines) > 1 and is_code(text):
        return
    for line in lines:
        line = line.strip() if len(lines) > 1 else line
        if WORD.search(PLACE.sub("", line)):
            yield line


def is_code(text: str) -> bool:
    """Whether it is Python's, for a process to run."""
    try:
        return bool(ast.parse(text).body)
    except SyntaxError:
        return False


def named(text: str) -> str:
    """A text that is told by `str.format` what stands in its braces, with a name in each."""
    used: dict[str, str] = {}
    places = iter(range(len(text)))
    return re.sub(
        r"\{(\w*)(?:[:!][^{}]*)?\}",
        lambda place: "{" + (place[1] or unique("value", str(next(places)), used)) + "}",
        text,
    )


def templates(node: ast.JoinedStr) -> Iterator[str]:
    """An f-string with names in braces; one for each word that an `x if y else z` puts into it."""
    used: dict[str, str] = {}
    choices: list[list[str]] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            choices.append([named(str(part.value))])
        elif isinstance(part, ast.FormattedValue):
            value = part.value
            words = alternatives(value)
            choices.append(words or ["{" + unique(name_of(value), ast.dump(value), used) + "}"])
    for chosen in product(*choices):
        yield "".join(chosen)


def alternatives(node: ast.expr) -> list[str]:
    """The words between which an expression chooses; none if it is another expression."""
    if isinstance(node, ast.IfExp):
        sides = [alternatives(node.body), alternatives(node.orelse)]
        return sides[0] + sides[1] if all(sides) else []
    plain = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return [node.value] if plain else []  # type: ignore[attr-defined]


def name_of(node: ast.expr) -> str:
    """A name for what an expression puts into a sentence: the one that it is about."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(args=[first, *_]) if not isinstance(first, ast.Constant):
            return name_of(first)
        case ast.Call(func=func):
            return name_of(func.value if isinstance(func, ast.Attribute) else func)
        case ast.Subscript(value=value, slice=ast.Constant(value=str(name))):
            return re.sub(r"\W", "_", name) or name_of(value)
        case ast.Subscript(value=inner) | ast.Starred(value=inner):
            return name_of(inner)
        case ast.BinOp(left=one, right=other):
            return name_of(other if isinstance(one, ast.Constant) else one)
        case ast.IfExp(body=inner) | ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner):
            return name_of(inner)
        case ast.UnaryOp(operand=inner) | ast.BoolOp(values=[inner, *_]):
            return name_of(inner)
        case ast.JoinedStr(values=values):
            inside = [one.value for one in values if isinstance(one, ast.FormattedValue)]
            return name_of(inside[0]) if inside else "value"
    return "value"


def unique(name: str, expression: str, used: dict[str, str]) -> str:
    """The name, with a number if it stands for another expression already."""
    number, tried = 1, name
    while used.setdefault(tried, expression) != expression:
        number += 1
        tried = f"{name}{number}"
    return tried


def renewed(path: Path, language: str, found: Mapping[str, Sequence[str]]) -> Catalog:
    """A catalogue of these texts, with the translations that a file has."""
    known = Catalog(locale=language)
    if path.is_file():
        with path.open("rb") as file:
            known = read_po(file, locale=language)
    made = Catalog(locale=language)
    for text, named in found.items():
        old = known.get(text)
        made.add(text, old.string if old else "", locations=[(name, 0) for name in named])
    return made


def write(path: Path, made: Catalog) -> None:
    """Write a catalogue, without what changes from day to day."""
    with path.open("wb") as file:
        write_po(file, made, omit_header=True, include_lineno=False, width=100)


if __name__ == "__main__":
    for language in LANGUAGES:
        if language != OWN:
            for domain, found in texts().items():
                path = catalogue_file(language, domain)
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, renewed(path, language, found))
