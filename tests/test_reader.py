"""What a reader of the Chinese pages types, from the README to the tour's end, is typed here.

The English pages have the same commands (tests/test_docs.py). Each is run as it stands, with the
locale of a Chinese reader; those that train see few and small pictures, for one epoch.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.contract.root import ROOT
from common.data import description
from common.data.cache import cache_folder
from tests.conftest import PICTURE, Command, write_images
from tests.test_docs import commands

pytestmark = pytest.mark.slow

NAMES = ("README.zh.md", "docs/tour.zh.md")
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
TYPED = dict.fromkeys(line for page in PAGES.values() for line in commands(page))
#: Whoever runs this has done it, or needs a registry for it.
INSTALLING = ("python3 -m venv", "python compare.py env")
PYTHON = ("from ", "found", "python -c")
LINES = [line for line in TYPED if not line.startswith((*INSTALLING, *PYTHON))]
#: What each kind of command is given so that it is quick; linear regression is.
QUICK = {
    "run": ("--epochs", 1, "--limit", 70, "--batch-size", 32, "--check", "quick"),
    "diagnose": ("--epochs", 1, "--limit", 70),
    "sweep": ("--epochs", 2, "--check", "quick"), "infer": ("--seconds", 0.1),
}  # fmt: skip
#: A GPU is asked for where there may be none; what a machine did twice may not be comparable.
OTHERWISE = {"--device cuda": 3, " diff ": 4}
NETS = """
from torch import nn

Net = lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
"""
PORT = """
from flax import nnx

class Net(nnx.Module):
    def __init__(self):
        self.out = nnx.Linear(784, 10, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return self.out(x.reshape(len(x), -1))
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Command:
    """A folder with what the commands speak of: networks, a plan, and runs of before and after."""
    folder = tmp_path_factory.mktemp("reader")
    data = folder / "data"
    data.mkdir()
    write_images(data, PICTURE, 2048)  # the largest batch that is asked for
    command = Command(folder, cache, data)
    command.env["LC_ALL"] = "zh_CN.UTF-8"
    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    (folder / "port.py").write_text(PORT, encoding="utf-8")
    grids = (ROOT / "docs" / "grids.md").read_text(encoding="utf-8")
    (folder / "grid.toml").write_text(grids.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    done = command("--backends", "numpy", *quick(["--"], command), "--out", "runs/some-run")
    assert done.returncode == 0, done.stderr
    for name in ("OLD", "NEW", "FOLDER"):  # as the pages call what a reader has
        shutil.copytree(folder / "runs" / "some-run", folder / name)
    return command


@pytest.mark.parametrize("line", LINES)
def test_a_command(line: str, reader: Command) -> None:
    words = shlex.split(line.partition(" > ")[0])[2:]
    done = reader(*words, *quick(words, reader))
    allowed = {0, *(code for part, code in OTHERWISE.items() if part in line)}
    assert done.returncode in allowed, f"{done.stdout}\n{done.stderr}"
    assert done.stdout or done.returncode
    if "--model linear --backends" in line:
        assert np.allclose(
            numbers(done.stdout), numbers(PAGES["docs/tour.zh.md"]), rtol=0, atol=2e-6
        )


def quick(words: list[str], reader: Command) -> list[object]:
    """What a command is given besides its words."""
    kind = "run" if words[0].startswith("--") else words[0]
    if kind not in QUICK or "linear" in words:
        return []
    return ["--data-dir", reader.data, "--custom-data", *QUICK[kind]]


def numbers(text: str) -> list[list[float]]:
    """The rows of the table of weights: true, solved, learnt."""
    rows = re.findall(r"^ +[^\d\n]+?((?: +-?\d\.\d{6}){3}) *$", text, re.MULTILINE)
    return [[float(number) for number in row.split()] for row in rows]


def test_the_lines_of_the_notebook(reader: Command, real: description.Dataset) -> None:
    lines = [line for line in TYPED if line.startswith(PYTHON[:2])]
    assert lines[0] == "from compare import compare"
    environment = {**reader.env, "PYTHONPATH": str(ROOT), "COMPARE_CACHE_DIR": str(cache_folder())}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        cwd=reader.folder, env=environment, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_line_of_python_prints_what_the_tour_shows() -> None:
    (line,) = (one for one in TYPED if one.startswith("python -c"))
    done = subprocess.run([sys.executable, *shlex.split(line)[1:]], capture_output=True, text=True)
    assert f"    {line}\n\n    {done.stdout}" in PAGES["docs/tour.zh.md"]
