"""What a person reads decides nothing: no code of `common/` looks into its own prose.

A cause, a fault or a reason that is put better must not change a verdict, an exit code or an
advice; what something is stands in a field, whose values are single words or in `VALUES`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from common.contract.root import ROOT
from common.mapping.mapping import DECIDED

#: Names of what is said to a person.
PROSE = {"likely_cause", "cause", "fault", "reason", "reasons", "message", "words", "notes"}

#: Ways to look into a string.
LOOKS = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition"),
    *("find", "index", "count", "match", "search", "fullmatch"),
}

#: What the values of fields are that are more than a word.
VALUES = {
    *DECIDED,
    *("not checked", "not compared", "given slope", "input slope", "a is faster", "b is faster"),
}


def is_prose(node: ast.AST) -> bool:
    """Whether an expression is something that is said, or an error in words."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in PROSE
        case ast.Subscript(value=value):
            return is_prose(value)
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[of]):
            return is_prose(of) or ast.unparse(of).rpartition(".")[2] in {"error", "transform"}
        case ast.Call(func=ast.Attribute(value=value)):  # words.lower()
            return is_prose(value)
    return False


def looks(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Where a program looks into prose, or compares a phrase that is no value of a field."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name, value=value), args=given):
                found = name in LOOKS and any(map(is_prose, [value, *given]))
            case ast.Compare(left=left, comparators=rights):
                inside = (n for one in (left, *rights) for n in ast.walk(one))
                values = [n.value for n in inside if isinstance(n, ast.Constant)]
                texts = [value for value in values if isinstance(value, str)]
                phrase = any(" " in text.strip() and text not in VALUES for text in texts)
                found = phrase or bool(texts and any(map(is_prose, (left, *rights))))
            case _:
                found = False
        if found:
            yield node.lineno, ast.unparse(node)


def test_no_decision_hangs_on_what_is_said() -> None:
    """But in which words it is said: common/locale is about nothing else."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / "common").rglob("*.py"))
        if path.parent.name != "locale"
        for line, text in looks(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        'first.fault.startswith("raised")',
        'words.lower().endswith("none")',
        '"compiled" in verdict.reason',
        'slip.cause == "loss"',
        'likely_cause[0].removeprefix("likely ")',
        're.match("a ReLU", words)',
        '"regroup" in str(entry.source.transform)',
        'name == "a ReLU after"',
        '"timed out" in str(error)',
    ],
)
def test_a_look_is_seen(code: str) -> None:
    assert list(looks(ast.parse(code)))
