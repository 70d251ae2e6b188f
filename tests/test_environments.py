"""`compare.py env`: an environment of its own for a backend."""

from __future__ import annotations

import json
import os
import signal
import site
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from common.contract.registry import find
from common.entrants import environments
from common.entrants.environments import Environment, requirements
from tests.conftest import Command
from tests.fakes import copy_backend


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where environments are, empty."""
    folder = tmp_path / "environments"
    monkeypatch.setenv("COMPARE_ENV_DIR", str(folder))
    return folder


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was asked of an installer that gives what the tests' own environment has."""
    asked = []

    def install(into: Environment, words: list[str], say: Callable[[str], None]) -> None:
        asked.append(words)
        venv.create(into.folder, with_pip=False)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        packages = Path(into.folder, "lib", version, "site-packages")
        (packages / "tests.pth").write_text("\n".join(site.getsitepackages()))

    monkeypatch.setattr(environments, "_install", install)
    return asked


@pytest.mark.slow
def test_made_used_and_forgotten(
    home: Path, installed: list[list[str]], compare: Command, small_folder: Path, tmp_path: Path
) -> None:
    done = compare("env", "numpy")
    assert done.returncode == 0, done.stderr
    (words,) = installed
    assert words[:2] == ["numpy", "numpy"]
    assert words[2] == "-c"
    made = environments.remembered()["numpy"]
    assert set(made.packages) == {"numpy"}
    assert made.folder in compare("env").stdout

    done = compare(
        "--backends", "numpy", "--data-dir", small_folder, "--custom-data", "--epochs", "1",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "numpy: note: runs in the environment made for it: numpy" in done.stdout
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["options"]["python"] == {"numpy": made.python}
    assert any("the environment made for it" in one for one in results["entrants"][0]["notes"])

    compare("env", "numpy")
    again = environments.remembered()["numpy"]
    assert again.folder != made.folder
    assert not Path(made.folder).exists()
    assert compare("env", "numpy", "--forget").returncode == 0
    assert not Path(again.folder).exists()
    assert compare("env", "numpy", "--forget").returncode == 2


def test_one_that_is_gone_is_said(home: Path, compare: Command, small_folder: Path) -> None:
    home.mkdir()
    gone = {"numpy": {"folder": str(home / "numpy-x"), "packages": {"numpy": "1"}}}
    (home / environments.REMEMBERED).write_text(json.dumps(gone))
    assert "which is gone" in compare("env").stdout
    done = compare(
        "--backends", "numpy", "--data-dir", small_folder, "--custom-data", "--epochs", "1",
    )  # fmt: skip
    assert done.returncode == 0
    assert "is gone; compare.py env numpy makes it again" in " ".join(done.stdout.split())


def test_a_file_that_is_none_of_ours_is_refused(home: Path, compare: Command) -> None:
    home.mkdir()
    (home / environments.REMEMBERED).write_text("[1]")
    done = compare("env")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "cannot be read" in done.stderr


@pytest.mark.slow
def test_what_cannot_be_installed_leaves_nothing(
    home: Path, compare: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens there.
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    copy_backend(
        tmp_path / "more", "odd",
        init="from dataclasses import replace\n"
        "INFO = replace(INFO, packages=('a-package-of-nobody',), extra=None)",
    )  # fmt: skip
    compare.env.update(os.environ)
    done = compare("env", "odd", "--backend-path", tmp_path / "more")
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("compare.py: pip ended with") or "uv ended with" in last
    assert not any(home.iterdir())


@pytest.mark.slow
def test_what_cannot_be_imported_leaves_nothing(
    home: Path, installed: list[list[str]], compare: Command, tmp_path: Path
) -> None:
    copy_backend(tmp_path / "more", "odd", train="raise ImportError('no such library')")
    done = compare("env", "odd", "--backend-path", tmp_path / "more")
    assert done.returncode == 2
    assert "odd is installed, but cannot be imported: ImportError: no such library" in done.stderr
    assert not any(home.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_an_interrupt_leaves_nothing(
    number: int, home: Path, compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While an installer works, which would go on."""
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    said: list[str] = []

    def interrupted(words: str) -> None:
        said.append(words)
        os.kill(os.getpid(), number)

    def install(into: Environment, words: list[str], say: Callable[[str], None]) -> None:
        Path(into.folder, "begun").touch()
        environments._call([sys.executable, "-c", code], interrupted)

    monkeypatch.setattr(environments, "_install", install)
    assert compare("env", "numpy").returncode == 130
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[0]), 0)
    assert not any(home.iterdir())


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), subprocess.CalledProcessError(1, ["ensurepip"])],
    ids=["full disk", "no ensurepip"],
)
def test_an_environment_that_cannot_be_made_leaves_nothing(
    home: Path, compare: Command, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(environments.shutil, "which", lambda name: None)
    monkeypatch.setattr(venv, "create", fail)
    done = compare("env", "numpy")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "cannot be made an environment" in done.stderr
    assert not any(home.iterdir())


def test_a_folder_that_is_not_ours_is_left(home: Path, tmp_path: Path) -> None:
    home.mkdir()
    precious = tmp_path / "precious"
    precious.mkdir()
    entry = {"numpy": {"folder": str(precious), "packages": {}}}
    (home / environments.REMEMBERED).write_text(json.dumps(entry))
    environments.forget("numpy")
    assert precious.is_dir()


@pytest.mark.parametrize(
    ("name", "newest", "words"),
    [
        ("jax", False, ["numpy", "jax>=0.7", "optax>=0.2.4"]),
        ("jax", True, ["numpy", "jax", "optax"]),
        # What its build against NumPy 1 needs stays.
        ("mindspore", True, ["numpy", "mindspore", "numpy<2"]),
        ("numpy", True, ["numpy", "numpy"]),
    ],
)
def test_requirements(name: str, newest: bool, words: list[str]) -> None:
    assert requirements(find()[name], newest=newest) == words


@pytest.mark.parametrize(
    ("words", "said"),
    [(("numbpy",), "no backend 'numbpy'"), (("--newest",), "name it")],
    ids=["backend", "none"],
)
def test_refused(home: Path, words: tuple[str, ...], said: str, compare: Command) -> None:
    done = compare("env", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert not home.exists()
