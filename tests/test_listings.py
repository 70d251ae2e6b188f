"""Listings run by themselves, and train as the suite does from the same weights and order."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.contract.models import MODELS
from common.data import draws
from common.entrants.local import LocalSession
from common.learning.listings import Asked, listing
from tests import listings as driver
from tests.conftest import BACKENDS, ROOT, Command, loaded, make_plan, write_images

CELLS = [
    (backend, style, model)
    for backend, found in BACKENDS.items()
    for style, models in found.info.listings.items()
    for model in models
]
EPOCHS, BATCH, LR = 2, 32, 0.05
ASKED = {"lr": LR, "batch_size": BATCH, "epochs": EPOCHS}
#: Each of a few dozen steps rounds sums of 784 float32 products otherwise.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up files of 28 x 28."""
    folder = tmp_path_factory.mktemp("mnist")
    write_images(folder, (28, 28, 1))
    return folder


def cells() -> list[Any]:
    """Every listing; the frameworks' are slow: a process, and a compiler."""
    found = []
    for cell in CELLS:
        marks = () if cell[0] == "numpy" else pytest.mark.slow
        found.append(pytest.param(*cell, marks=marks, id="-".join(cell)))
    return found


def of_suite(model: str, folder: Path, cache: Path) -> tuple[dict[str, Any], list[Any], Any]:
    """What a run begins with, the order of its epochs, and its referee's step losses."""
    plan = make_plan(model, lr=LR, batch_size=BATCH, epochs=EPOCHS, hidden=256, dtype="float32")
    classifies = MODELS[model].classifies
    shape, classes = ((28, 28, 1), 10) if classifies else ((2,), 0)
    start = draws.parameters(MODELS[model], shape, 256, classes, 0, "float32")
    data: dict[str, Any] = {"initial": start, "classes": classes}
    if classifies:
        found = loaded(folder, cache)
        data |= {"folder": str(found.folder), "limit": None, "inputs": found.inputs.asdict()}
    else:
        data["train"] = draws.synthetic(0, "float32")
    session = LocalSession("numpy")
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, data)
    examples = 70 if classifies else draws.SYNTHETIC_EXAMPLES
    orders = [draws.order(0, epoch, examples, BATCH, False) for epoch in range(EPOCHS)]
    return start, orders, np.concatenate([session.train(order).losses for order in orders])


@pytest.mark.parametrize(("backend", "style", "model"), cells())
def test_trains_as_the_suite_does(
    backend: str, style: str, model: str, mnist: Path, tmp_path: Path, cache: Path
) -> None:
    """In an empty folder, with nothing of the project to import."""
    here = tmp_path / "alone"
    here.mkdir()
    start, orders, losses = of_suite(model, mnist, cache)
    found = listing(BACKENDS[backend], style, Asked(model, **ASKED))
    (here / found.name).write_text(found.code)
    shutil.copy(driver.__file__, here / "driver.py")
    np.savez(here / "initial.npz", **start)
    np.save(here / "order.npy", orders)
    files = [found.name, "initial.npz", "order.npy", "losses.npy"]
    arguments = ["--data-dir", str(mnist)]
    if model == "linear":
        x, y = draws.synthetic(0, "float32")
        np.savez(here / "data.npz", x=x, y=y)
        files, arguments = [*files, "data.npz"], []
    done = subprocess.run(
        [sys.executable, "driver.py", *files, "--", *arguments],
        cwd=here, capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    np.testing.assert_allclose(np.load(here / "losses.npy"), losses, rtol=ROUNDING, atol=1e-7)
    said = re.findall(r"^epoch (\d): train loss ([\d.]+)", done.stdout, re.M)
    assert [int(number) for number, _ in said] == [1, 2]
    mean = np.average(losses[len(losses) // 2 :], weights=weights(orders[1]))
    assert float(said[1][1]) == pytest.approx(mean, abs=1e-4)


def test_written_as_a_careful_author_would(tmp_path: Path) -> None:
    """78 columns, imports in order, nothing unused, in each model, style and optimiser."""
    for backend, style, model in CELLS:
        for optimizer in ("sgd", "adam") if style == "concise" else ("sgd",):
            found = listing(BACKENDS[backend], style, Asked(model, optimizer))
            assert not re.search(r"^(from|import) (common|backends)\b", found.code, re.M)
            (tmp_path / f"{optimizer}_{found.name}").write_text(found.code)
    rules = ["--line-length", "78", "--isolated"]
    for words in (["format", "--check"], ["check", "--select", "E,F,W,I,B,D1", "--ignore", "B905"]):
        ruff = [sys.executable, "-m", "ruff", *words, *rules, str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_asked_stands_in_the_file(compare: Command) -> None:
    settings = ["--optimizer", "adam", "--epochs", 3, "--batch-size", 64, "--seed", 7]
    code = compare("script", "mlp", "jax", *settings).stdout
    for line in ("LR = 0.001", "EPOCHS = 3", "BATCH_SIZE = 64", "SEED = 7", "optax.adam(LR)"):
        assert line in code
    assert "LR = 0.25\n" in compare("script", "linear", "numpy", "--lr", 0.25).stdout


def test_side_by_side_and_in_a_folder(compare: Command) -> None:
    entrants = ("torch", "numpy")
    page = compare("script", "softmax", *entrants, "--side-by-side").stdout
    assert page.count('<pre class="code">') == 2
    done = compare("script", "softmax", *entrants, "--side-by-side", "--out", "there")
    names = ["softmax_torch_concise.py", "softmax_numpy_scratch.py", "listings.html"]
    assert done.stdout.split() == [f"there/{name}" for name in names]
    assert (compare.folder / "there" / names[2]).read_text(encoding="utf-8") == page
    assert compare("script", "softmax", "numpy").stdout == (
        compare.folder / "there" / names[1]
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["lenet", "numpy"],
            "numpy has no scratch listing of lenet; there is linear, softmax, mlp",
        ),
        (["softmax", "torch", "jax"], "2 entrants: --out DIR for the files, or --side-by-side"),
        (["softmax", "jax:jit"], "jax:jit: a listing has a style, and is not told jit"),
        (["mlp", "torch:scratch", "--optimizer", "adam"], "a scratch listing writes out sgd alone"),
        (["softmax", "numpy", "--out", "file"], "--out file cannot be written"),
    ],
)
def test_refused(compare: Command, words: list[str], said: str) -> None:
    (compare.folder / "file").touch()
    done = compare("script", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_page_of_them_names_what_is_there(compare: Command) -> None:
    """Each command of the table, but lessons, which run frameworks; in Chinese the same."""
    page, chinese = (
        (ROOT / "docs" / name).read_text(encoding="utf-8")
        for name in ("listings.md", "listings.zh.md")
    )
    for what in (r"`(?:script|show|lessons) [^`]+`", r"^    python .*$", r"`--[^`]*`"):
        assert set(re.findall(what, page, re.M)) == set(re.findall(what, chinese, re.M))
    commands = set(re.findall(r"`((?:script|show) [^`]+)` \|$", page, re.M))
    assert len(commands) > 20
    for command in commands:
        done = compare(*command.split())
        assert done.returncode == 0, f"{command}: {done.stderr}"
    for name in re.findall(r"`lessons (\w+)`", page):
        assert (ROOT / "docs" / "lessons" / f"{name}.py").is_file()
    for table, style in (("concise", 1), ("scratch", 2)):
        rows = re.findall(r"^\| (PyTorch, JAX, MindSpore|NumPy) \| (.*) \| (.*) \|$", page, re.M)
        for names, *cells in rows:
            for backend in BACKENDS.values():
                if backend.info.title in names:
                    there = re.findall(r"`(\w+)`", cells[style - 1])
                    assert tuple(there) == backend.info.listings.get(table, ())


def test_a_file_that_is_there_stays(compare: Command) -> None:
    kept = compare.folder / "softmax_numpy_scratch.py"
    kept.write_text("mine")
    done = compare("script", "softmax", "torch", "numpy", "--out", ".")
    assert done.returncode == 2
    assert "softmax_numpy_scratch.py is there already" in done.stderr
    assert [(path.name, path.read_text()) for path in compare.folder.iterdir()] == [
        (kept.name, "mine")
    ]


def weights(order: np.ndarray) -> list[int]:
    """Examples in each batch."""
    return [len(order[start : start + BATCH]) for start in range(0, len(order), BATCH)]
