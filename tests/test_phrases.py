"""Every cell of docs/phrases.md runs, and gives in each framework what the page says."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.contract.root import ROOT
from common.learning.lessons import same

#: What ends each session: what its cells gave, as far as the page says what that is.
TOLD = """
import json, numpy
def told(value):
    if isinstance(value, (list, tuple)):
        return [told(item) for item in value]
    value = value.asnumpy() if hasattr(value, "asnumpy") else value
    return numpy.asarray(value.detach() if hasattr(value, "detach") else value, float).tolist()
with open("told.json", "w") as file:
    json.dump({name: told(value) for name, value in given.items()}, file)
"""


def rows() -> list[dict[str, str]]:
    """The table, each row by the names of its columns; without what its cells are marked by."""
    text = (ROOT / "docs" / "phrases.md").read_text(encoding="utf-8")
    lines = [re.split(r" ?\| ?", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]
    names = ["english", "chinese", "torch", "jax", "mindspore", "gives"]
    assert all(len(line) == len(names) for line in lines)
    return [dict(zip(names, line, strict=True)) for line in lines[2:]]


def code(cell: str) -> str | None:
    """What is between backticks; None if a cell has only words."""
    return cell.strip("`") if cell.startswith("`") else None


def session(framework: str) -> str:
    """A column as a program."""
    lines = ["given = {}"]
    for row in rows():
        cell = code(row[framework])
        if cell is None:
            continue
        last = ast.parse(cell).body[-1]
        at = last.col_offset
        if row["gives"] and isinstance(last, (ast.Assign, ast.Expr)):
            value = cell[at:] if isinstance(last, ast.Expr) else ast.unparse(last.targets[0])
            done = cell[:at] if isinstance(last, ast.Expr) else cell
            lines += [*filter(None, [done]), f"given[{row['english']!r}] = {value}"]
        else:
            lines.append(cell)
    return "\n".join([*lines, TOLD])


def test_each_row_says_what_it_is_in_both_languages() -> None:
    assert len(rows()) >= 30
    for row in rows():
        assert row["english"].isascii()
        assert re.search(r"[一-鿿]", row["chinese"])
        assert sum(code(row[name]) is not None for name in ("torch", "jax", "mindspore"))


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["torch", "jax", "mindspore"])
def test_a_column_is_a_session(framework: str, tmp_path: Path) -> None:
    """In a file, because MindSpore compiles what it can read."""
    (tmp_path / "session.py").write_text(session(framework), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "session.py"], cwd=tmp_path, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads((tmp_path / "told.json").read_text(encoding="utf-8"))
    wanted = {row["english"]: code(row["gives"]) for row in rows() if row["gives"]}
    assert list(told) == list(wanted)
    for name, text in wanted.items():
        assert same(told[name], floats(ast.literal_eval(str(text)))), f"{name}: {told[name]}"


def floats(value: Any) -> Any:
    """Numbers as numbers with a point, in lists too."""
    return [floats(item) for item in value] if isinstance(value, list) else float(value)
