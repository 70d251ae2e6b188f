"""The columns match: files, functions, argument order, docstrings; read by `ast`."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path

import pytest

from common.contract.info import CONTRACT, DTYPES
from tests.conftest import BACKENDS, FRAMEWORKS

CELLS = list(itertools.product(BACKENDS, CONTRACT))
IDS = ["-".join(cell) for cell in CELLS]


def functions(path: Path) -> dict[str, ast.FunctionDef]:
    """Top-level functions in the order they stand."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def absent(backend: str, file: str) -> set[str]:
    """Functions a backend need not have, because its INFO declares the choice absent."""
    info = BACKENDS[backend].info
    lacking = {word for word in ("scratch", "concise") if word not in info.styles}
    names = {name for name in CONTRACT[file] if name.rpartition("_")[2] in lacking}
    return names | ({"loader"} if "loader" not in info.data else set())


@pytest.mark.parametrize("backend", BACKENDS)
def test_files(backend: str) -> None:
    folder, info = BACKENDS[backend].folder, BACKENDS[backend].info
    ledger = ["declared.py"] if info.declared else []
    there = {p.name for p in folder.glob("*.py")}
    # What takes somebody's modules is no column: it may have files of its own.
    assert there >= {"__init__.py", *CONTRACT, *ledger}
    if not info.modules:
        assert there == {"__init__.py", *CONTRACT, *ledger}


@pytest.mark.parametrize(("backend", "file"), CELLS, ids=IDS)
def test_functions_order_and_arguments(backend: str, file: str) -> None:
    found = functions(BACKENDS[backend].folder / file)
    wanted = {n: a for n, a in CONTRACT[file].items() if n not in absent(backend, file)}
    assert absent(backend, file).isdisjoint(found), "declared absent, yet there"
    contract = {name: node for name, node in found.items() if name in wanted}
    assert list(contract) == list(wanted), "same functions in the same order"
    for name, node in contract.items():
        assert tuple(a.arg for a in node.args.args) == wanted[name], name
        assert not node.args.defaults, f"{name}: no default decides a comparison"


@pytest.mark.parametrize(("backend", "file"), CELLS, ids=IDS)
def test_docstrings(backend: str, file: str) -> None:
    path = BACKENDS[backend].folder / file
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    for name, node in functions(path).items():
        text = ast.get_docstring(node)
        assert text, name
        assert len(text.splitlines()[0]) <= 75, name
        assert text.splitlines()[0].endswith((".", ":")), name


@pytest.mark.parametrize("backend", BACKENDS)
def test_absences_have_reasons(backend: str) -> None:
    info = BACKENDS[backend].info
    lacking = {"scratch", "concise", "eager", "jit", "fused", "memory", "loader"}
    lacking -= set(info.choices())
    lacking |= {"cpu", "cuda"} - set(info.devices)
    lacking |= {
        dtype for dtype in DTYPES if any(info.lacks(device, dtype) for device in info.devices)
    }
    assert lacking == set(info.absent)
    assert all(len(reason) > 20 for reason in info.absent.values())


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_info_is_read_without_the_framework(backend: str) -> None:
    tree = ast.parse((BACKENDS[backend].folder / "__init__.py").read_text(encoding="utf-8"))
    imported = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    info = BACKENDS[backend].info
    names = ["Declared"] * bool(info.declared) + ["DeclaredLayer"] * bool(info.declared_layers)
    names += ["Info"] + ["Parallel"] * bool(info.parallel)
    assert [ast.unparse(node) for node in imported] == [
        f"from common.contract.info import {', '.join(names)}"
    ]
