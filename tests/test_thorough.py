"""What the whole suite leaves to `--thorough` is there, and something stands for each of it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conftest import COLLECTED
from tests.thorough import CHOICES, Choice, cell_of, name_of

TESTS = Path(__file__).parent


def functions(file: str) -> str:
    """The text of a file of tests."""
    return (TESTS / f"{file}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHOICES)
def test_is_there_and_so_is_what_stands_for_it(name: str) -> None:
    choice = CHOICES[name]
    for one in (name, *choice.stands):
        file, _, function = one.partition("::")
        assert f"def {function}(" in functions(file), one
    assert bool(choice.stands) == bool(choice.why)
    assert [bool(choice.left), bool(choice.kept), bool(choice.stands)].count(True) == 1
    assert not [one for one in choice.stands if one in CHOICES and CHOICES[one].stands]


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        (Choice(left=("a-*",)), {"a-1", "a-2"}),
        (Choice(kept=("a-*",)), {"b-1", ""}),
        (Choice(stands=("test_x::test_y",), why="it is the same"), {"a-1", "a-2", "b-1", ""}),
    ],
    ids=["left", "kept", "whole"],
)
def test_what_is_left(choice: Choice, left: set[str]) -> None:
    assert {cell for cell in ("a-1", "a-2", "b-1", "") if choice.leaves(cell)} == left


def test_names_and_cells_as_pytest_writes_them() -> None:
    node = "tests/test_x.py::test_y[a-b[1]]"
    assert (name_of(node), cell_of(node)) == ("test_x::test_y", "a-b[1]")
    assert (name_of("tests/test_x.py::test_y"), cell_of("tests/test_x.py::test_y")) == (
        "test_x::test_y",
        "",
    )
    grouped = "tests/test_x.py::test_y[a]@workers torch"
    assert (name_of(grouped), cell_of(grouped)) == ("test_x::test_y", "a")


def test_mutations_are_caught_without_it() -> None:
    """The tests that caught the mutations in docs/mutations.md are run every time."""
    text = (TESTS.parent / "docs" / "mutations.md").read_text(encoding="utf-8")
    rows = [line.split("|")[3].strip() for line in text.splitlines() if line.startswith("| `")]
    caught = [row.partition(" (")[0].split(": ") for row in rows if row != "survives"]
    assert len(caught) > 20
    for file, test in caught:
        function, _, cell = test.partition("[")
        choice = CHOICES.get(f"{file}::{function}")
        assert choice is None or not choice.leaves(cell.removesuffix("]")), (file, test)


def test_every_pattern_meets_a_cell_and_leaves_one(request: pytest.FixtureRequest) -> None:
    """Of the tests that this run collected: a pattern that has grown old would leave nothing."""
    cells: dict[str, list[str]] = {}
    for node in request.config.stash[COLLECTED]:
        cells.setdefault(name_of(node), []).append(cell_of(node))
    for name, choice in CHOICES.items():
        if name not in cells or choice.stands:
            continue
        for pattern in (*choice.left, *choice.kept):
            assert any(fnmatchcase(cell, pattern) for cell in cells[name]), (name, pattern)
        assert not all(map(choice.leaves, cells[name])), name
