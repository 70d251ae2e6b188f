"""The parent imports no framework, and nothing in `common/` knows one by name."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import FRAMEWORKS
from tests.fakes import ROOT

FORBIDDEN = {
    "torch",
    "torchvision",
    "jax",
    "jaxlib",
    "optax",
    "flax",
    "equinox",
    "mindspore",
    "tensorflow",
    "keras",
}
#: "keras" is a folder's name, too: other tools keep Fashion-MNIST there.
NAMES = (FORBIDDEN | {"pytorch"}) - {"keras"}
SOURCES = [ROOT / "compare.py", *sorted((ROOT / "common").rglob("*.py"))]

PROBE = """
import sys

def loaded():
    return sorted({name.partition(".")[0] for name in sys.modules} & set(FORBIDDEN))

def brings(names):
    from importlib import import_module

    found = {}
    for name in names:
        before = set(loaded())
        import_module(name)
        found[name] = sorted(set(loaded()) - before)
    return found
"""


def probe(code: str, folder: Path) -> str:
    """Run code in a process of its own, in a folder of its own; what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"FORBIDDEN = {sorted(FORBIDDEN)!r}\n{PROBE}\n{code}"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "COMPARE_CACHE_DIR": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_no_module_imports_a_framework(tmp_path: Path) -> None:
    """In one process; what each of them brings with it is told apart."""
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCES
    ]
    brought = ast.literal_eval(probe(f"print(brings({names!r}))", tmp_path))
    assert list(brought) == names
    assert {name: found for name, found in brought.items() if found} == {}


def test_probe_sees_an_import(tmp_path: Path) -> None:
    """A module by that name is enough; the real one would take seconds."""
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "guilty.py").write_text("import torch")
    code = "print(brings(['json', 'guilty', 'torch']))"
    assert probe(code, tmp_path) == "{'json': [], 'guilty': ['torch'], 'torch': []}"


@pytest.mark.slow
def test_no_command_leaves_a_framework_in_the_parent(small_folder: Path, tmp_path: Path) -> None:
    """One after the other in one process, the runs last."""
    data = ["--data-dir", str(small_folder), "--custom-data", "--resize", "5"]
    commands = [
        ["list"],
        ["show", "train", "--backends", *FRAMEWORKS],
        ["--backends", "numpy", "--epochs", "1", *data, "--json", "-", "--out", "out"],
    ]
    code = (
        "from common.cli.commands import main\n"
        f"print([(main(words), loaded()) for words in {commands!r}])"
    )
    assert ast.literal_eval(probe(code, tmp_path)) == [(0, [])] * len(commands)


def test_reading_infos_imports_no_framework(tmp_path: Path) -> None:
    code = "from common.contract.registry import find\nassert len(find()) >= 4\nprint(loaded())"
    assert probe(code, tmp_path) == "[]"


def imported(tree: ast.AST) -> set[str]:
    """First names of every module a source imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def named(tree: ast.AST) -> list[str]:
    """Framework names that stand in a source as values, alone or as the start of one.

    Docstrings are for people; whatever else is a string may be compared, looked up or matched.
    """
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        f"line {node.lineno}: {node.value!r}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in prose
        and node.value.lower().strip(" .:_-/").split(".")[0] in NAMES
    ]


def test_no_source_names_a_framework() -> None:
    guilty = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if found := [*(imported(tree) & FORBIDDEN), *named(tree)]:
            guilty[str(path.relative_to(ROOT))] = found
    assert guilty == {}


@pytest.mark.parametrize(
    "code",
    [
        "if backend == 'jax': pass",
        "x = name in ('torch', 'other')",
        "y = {'mindspore': 1}[name]",
        "match name:\n    case 'torch': pass",
        "z = name.startswith('torch.')",
        "from common import x\nX = 'PyTorch'",
    ],
)
def test_naming_would_be_seen(code: str) -> None:
    assert named(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    ["def f():\n    import jax.numpy", "from torch.nn import Linear", "import os, mindspore as ms"],
)
def test_importing_would_be_seen(code: str) -> None:
    assert imported(ast.parse(code)) & FORBIDDEN


@pytest.mark.parametrize("backend", [*FRAMEWORKS, "numpy"])
def test_info_imports_only_the_contract(backend: str) -> None:
    """Readable without the framework."""
    path = ROOT / "backends" / backend / "__init__.py"
    assert imported(ast.parse(path.read_text(encoding="utf-8"))) <= {"common", "__future__"}


@pytest.mark.parametrize("backend", [*FRAMEWORKS, "numpy"])
def test_backend_knows_no_other(backend: str) -> None:
    more = {
        "torch": {"torch", "torchvision", "keras"},
        "jax": {"jax", "optax", "flax", "equinox", "keras"},
    }
    own = more.get(backend, {backend})
    for path in sorted((ROOT / "backends" / backend).glob("*.py")):
        assert not (imported(ast.parse(path.read_text(encoding="utf-8"))) & FORBIDDEN) - own, path
