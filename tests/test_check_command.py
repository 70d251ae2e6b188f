"""`compare.py check`: exit codes, what is printed and saved, every refusal in one line."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from common.ask import checking
from common.ask.check_settings import CheckSettings
from common.cli.options import check_settings, parser
from common.contract.precision import cast
from common.errors import CompareError, Killed, Refused
from common.modules import remote
from tests.conftest import Command
from tests.hosted import FAKES, NETWORKS, Hosted, imported_from

SIDES = ["--reference", "torch=nets.py:Small", "--port", "torch=nets.py:Small"]
INPUT = ["--input", "4x1x4x4"]
GOOD = [*SIDES, *INPUT, "--labels", "5"]


#: A network that is called by the names of its arguments.
NAMED = """
import torch
from torch import nn


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 6)

    def forward(self, *, x, mask):
        return self.out(x.masked_fill(mask, 0))
"""


class Report(SimpleNamespace):
    """What the stand-in for the judge finds: `verdict`."""

    @property
    def agrees(self) -> bool:
        return bool(self.verdict == "rounding")

    @property
    def matched(self) -> Any:
        return SimpleNamespace(mapping=SimpleNamespace(save=lambda path: path.write_text("{}")))

    def asdict(self) -> dict[str, Any]:
        return {"verdict": self.verdict, "agrees": self.agrees, "mapping": []}

    def __str__(self) -> str:
        return f"verdict: {self.verdict} [red]\x1b"


class Judge:
    """Compares what both return, and catches what the port raises, as the judge does."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(
        self, reference: Any, port: Any, inputs: Any, labels: Any, options: Any, *, same: bool
    ) -> Report:
        assert not same
        self.calls.append((inputs, labels, options))
        mine = cast({leaf.name: leaf.value for leaf in reference.leaves()}, options.dtype)
        _, right = reference.record(mine, inputs, options.train)
        try:
            _, found = port.record(mine, inputs, options.train)
        except CompareError as error:
            raise Refused(f"the port does not run: {error}") from error
        same = all(np.array_equal(a, b) for a, b in zip(right, found, strict=True))
        words = {True: "rounding", False: "differs"}
        return Report(verdict="not checked" if options.only == "none" else words[same])


class Page:
    """A stand-in for the page."""

    @classmethod
    def of(cls, report: Report) -> Page:
        return cls()

    def save(self, path: Path) -> None:
        path.write_text("the page")


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """compare.py in a folder of networks; what is imported from there is forgotten."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "nets.py").write_text(NETWORKS)
    (folder / "fakes.py").write_text(FAKES)
    np.save(folder / "five.npy", np.array([0, 1, 4, 2]))
    (folder / "map.json").write_text("{}")
    (folder / "text.json").write_text("{")
    (folder / "full").mkdir()
    (folder / "full" / "thesis.txt").write_text("")
    with imported_from(folder):
        yield Command(folder, tmp_path / "cache", tmp_path)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Judge:
    """A stand-in for the judge, and workers in this process."""
    found = Judge()
    monkeypatch.setattr(checking, "examine", found)
    monkeypatch.setattr(checking, "CheckReport", Page)
    monkeypatch.setattr(remote, "Worker", Hosted)
    return found


# ---- what comes of it ---------------------------------------------------------------------------


def test_it_agrees(command: Command, judge: Judge) -> None:
    done = command("check", *GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "verdict: rounding [red]\N{REPLACEMENT CHARACTER}\n"
    folders = {path.name for path in command.folder.iterdir() if path.is_dir()}
    assert folders - {"__pycache__"} == {"full"}
    ((inputs, labels, options),) = judge.calls
    assert ([one.shape for one in inputs], labels.shape) == ([(4, 1, 4, 4)], (4,))
    assert (options.mapping, options.only, options.train, options.steps) == (None, "*", False, 3)


def test_it_differs(command: Command, judge: Judge) -> None:
    done = command("check", *GOOD[:2], "--port", "torch=nets.py:Wrong", *INPUT, "--labels", "5")
    assert (done.returncode, done.stderr) == (1, "")
    assert "differs" in done.stdout


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_it_was_not_checked(strict: list[str], code: int, command: Command, judge: Judge) -> None:
    done = command("check", *GOOD, "--only", "none", *strict)
    assert (done.returncode, done.stderr) == (code, "")


def test_strict_lets_pass_what_agrees(command: Command, judge: Judge) -> None:
    assert command("check", *GOOD, "--strict").returncode == 0


def test_an_error_of_our_own_is_no_side_s(
    command: Command, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("backends.torch.module")
    monkeypatch.setattr("backends.torch.module.dtype_of", None)
    done = command("check", *GOOD)
    assert (done.returncode, done.stdout) == (70, "")
    assert "'NoneType' object is not callable" in done.stderr
    assert "this is an error of compare.py itself; please report it" in done.stderr


def test_json_to_stdout(command: Command, judge: Judge) -> None:
    done = command("check", *GOOD, "--json", "-")
    found = json.loads(done.stdout)
    assert (found["schema_version"], found["verdict"], found["agrees"]) == (1, "rounding", True)
    port = found["environment"]["port"]
    assert (port["side"], port["mode"]) == ("torch=nets.py:Small", "eager")
    assert set(port["versions"]) == {"torch", "numpy", "python"}
    assert found["environment"]["cores"] > 0
    assert done.stderr.startswith("verdict: rounding")


def test_quiet(command: Command, judge: Judge) -> None:
    done = command("check", *GOOD, "--quiet", "--json", "found.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((command.folder / "found.json").read_text())["verdict"] == "rounding"


def test_a_folder(command: Command, judge: Judge) -> None:
    done = command("check", *GOOD, "--out", "out", "--json", "-")
    names = ["check.html", "check.json", "mapping.json", "worker-port.log", "worker-reference.log"]
    assert sorted(path.name for path in (command.folder / "out").iterdir()) == names
    assert (command.folder / "out" / "check.json").read_text() == done.stdout
    assert done.stderr.endswith("results in out\n")
    again = command("check", *GOOD, "--out", "out")
    assert (again.returncode, again.stdout) == (2, "")
    assert command("check", *GOOD, "--out", "out", "--force").returncode == 0


def test_options_reach_the_judge(command: Command, judge: Judge) -> None:
    words = "--train --steps 7 --optimizer adam --lr 0.5 --dtype float64 --seed 3 --map map.json"
    done = command(
        *("check", *SIDES, "--input", "4x1x4x4", "--labels", "five.npy", *words.split()),
        *("--only", "conv*"),
    )
    assert done.returncode == 0, done.stderr
    ((inputs, labels, options),) = judge.calls
    assert inputs[0].dtype == np.float64
    assert options.momentum == 0.0
    assert labels.tolist() == [0, 1, 4, 2]
    found = vars(options)
    expected = {"train": True, "steps": 7, "optimizer": "adam", "lr": 0.5, "dtype": "float64"}
    expected |= {"seed": 3, "mapping": Path("map.json"), "only": "conv*"}
    assert {name: found[name] for name in expected} == expected


def test_momentum_has_its_usual_one(command: Command, judge: Judge) -> None:
    assert command("check", *GOOD, "--optimizer", "momentum").returncode == 0
    assert judge.calls[0][2].momentum == 0.9


def test_labels_for_every_token(command: Command, judge: Judge) -> None:
    side = "torch=nets.py:Tokens"
    sides = ["--reference", side, "--port", side]
    done = command("check", *sides, "--input", "4x6:int,11", "--labels", "7")
    assert done.returncode == 0, done.stderr
    ((inputs, labels, _),) = judge.calls
    assert (inputs[0].dtype.kind, labels.shape) == ("i", (4, 6))


def test_inputs_by_name(command: Command, judge: Judge) -> None:
    (command.folder / "named.py").write_text(NAMED)
    side = "torch=named.py:Named"
    words = ["--input", "mask=4x6:bool", "--input", "x=4x6", "--labels", "6"]
    done = command("check", "--reference", side, "--port", side, *words)
    assert done.returncode == 0, done.stderr
    np.savez(command.folder / "batch.npz", x=np.ones((4, 6)), mask=np.eye(4, 6) > 0, labels=[1] * 4)
    words = ["--inputs", "batch.npz"]
    done = command("check", "--reference", side, "--port", side, *words)
    assert done.returncode == 0, done.stderr
    assert [inputs[0].dtype.kind for inputs, _, _ in judge.calls] == ["b", "f"]
    assert judge.calls[1][1].tolist() == [1] * 4


def test_no_labels(command: Command, judge: Judge) -> None:
    side = "torch=nets.py:Two"
    done = command("check", "--reference", side, "--port", side, *INPUT, "--labels", "none")
    assert done.returncode == 0, done.stderr
    assert judge.calls[0][1] is None


def test_the_mode_is_said_for_all_or_by_a_side(command: Command, judge: Judge) -> None:
    sides = ["--reference", "torch:eager=nets.py:Small", "--port", "torch=nets.py:Small"]
    done = command("check", *sides, *INPUT, "--labels", "5", "--mode", "jit", "--json", "-")
    found = json.loads(done.stdout)["environment"]
    assert [found[side]["mode"] for side in ("reference", "port")] == ["eager", "jit"]


# ---- a side that does not finish ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ("fakes.py:raises", "the port, torch=fakes.py:raises: raises() raised ValueError: boom"),
        ("fakes.py:Needs", "the port, torch=fakes.py:Needs: Needs() raised TypeError: "),
        ("fakes.py:leaves", "the port, torch=fakes.py:leaves: leaves() raised SystemExit: 3"),
    ],
)
def test_a_side_that_cannot_be_made(port: str, words: str, command: Command, judge: Judge) -> None:
    sides = ["--reference", "torch=nets.py:Small", "--port", f"torch={port}"]
    done = command("check", *sides, *INPUT, "--labels", "5", "--json", "-", "--out", "out")
    assert done.returncode == 3
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("compare.py: "))
    assert words in line
    assert line.endswith("; its log is in out")
    found = json.loads(done.stdout)
    assert (found["verdict"], found["agrees"], found["status"]) == ("not checked", False, "failed")
    assert words in found["reason"]
    assert found["environment"]["port"]["versions"] == {}
    assert json.loads((command.folder / "out" / "check.json").read_text()) == found


@pytest.mark.parametrize(
    ("shape", "told"), [("2x1x8x8", "AVX2"), ("2x8", None), ("2x1x8x8:bool", None)]
)
def test_pictures_are_convolved_with_settings_for_that(
    shape: str, told: str | None, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mindspore")
    started: list[dict[str, str]] = []

    def start(*_: object, environment: dict[str, str], **__: object) -> None:
        started.append(environment)
        raise Refused("enough")

    monkeypatch.setattr(checking, "RemoteNet", start)
    sides = ("--reference", "mindspore=nets:Small", "--port", "mindspore=nets:Small")
    done = command("check", *sides, "--input", shape, "--labels", "5")
    assert "enough" in done.stderr
    assert started[0].get("ONEDNN_MAX_CPU_ISA") == told


def test_a_framework_that_is_not_installed(
    command: Command, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.contract.registry.version", lambda package: None)
    done = command("check", *GOOD)
    assert done.returncode == 3
    words = "compare.py: the reference, torch=nets.py:Small: torch is not installed: pip install"
    assert done.stderr.startswith(words)
    assert done.stderr.endswith("with --out DIR its log is kept\n")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """For tests with processes of their own."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "nets.py").write_text(NETWORKS)
    return Command(folder, folder / "cache", folder)


@pytest.mark.slow
def test_a_side_that_dies(real: Command) -> None:
    """In processes of their own; the judge takes what the port raises for a fault of the port's."""
    wrapper, used = real.folder / "python", real.folder / "used"
    wrapper.write_text(f'#!/bin/sh\necho >>"{used}"\nexec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    sides = ["--reference", "torch=nets:Small", "--port", "torch=nets:Raises"]
    options = [*INPUT, "--labels", "5", "--train", "--out", "out", "--python", f"torch={wrapper}"]
    with mock.patch.object(checking, "examine", Judge()):
        done = real("check", *sides, *options)
    assert done.returncode == 3
    assert done.stderr == (
        "compare.py: the port, torch=nets:Raises: its process ended with exit code 7; "
        "see worker-port.log; its log is in out\n"
    )
    assert used.read_text() == "\n\n"
    assert (real.folder / "out" / "worker-port.log").exists()


def test_what_did_not_finish_takes_nothing_s_place(
    command: Command, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mapping that somebody edited least of all."""
    assert command("check", *GOOD, "--out", "out").returncode == 0
    edited = command.folder / "out" / "mapping.json"
    edited.write_text('{"edited": 1}')

    def die(*_: object, **__: object) -> None:
        raise Killed("the port is gone")

    monkeypatch.setattr(checking, "examine", die)
    done = command("check", *GOOD, "--out", "out", "--force")
    assert done.returncode == 3
    assert done.stderr.endswith("out-interrupted\n")
    assert "the port is gone; its log is in" in done.stderr
    assert "out-interrupted" in done.stdout
    assert edited.read_text() == '{"edited": 1}'
    kept = json.loads((command.folder / "out" / "check.json").read_text())
    assert kept["verdict"] == "rounding"
    beside = json.loads((command.folder / "out-interrupted" / "check.json").read_text())
    assert beside["verdict"] == "not checked"


# ---- refused: one line, exit 2, nothing written -------------------------------------------------

REFUSED = {
    "no-reference": (GOOD[2:], "--reference is missing"),
    "no-port": ([*GOOD[:2], *GOOD[4:]], "--port is missing"),
    "no-input": ([*SIDES, "--labels", "5"], "--input is missing"),
    "no-labels": ([*SIDES, *INPUT], "--labels is missing"),
    "form": ([*GOOD, "--port", "nets.py:Small"], "'nets.py:Small' is not FRAMEWORK=module.path"),
    "framework": ([*GOOD, "--port", "tensorflow=nets:Small"], "'tensorflow' takes no modules"),
    "numpy": ([*GOOD, "--port", "numpy=nets:Small"], "'numpy' takes no modules"),
    "mode-of-a-side": ([*GOOD, "--port", "torch:fused=nets:Small"], "'fused' is no mode of a mod"),
    "mode": ([*GOOD, "--mode", "fused"], "invalid choice: 'fused'"),
    "file": ([*GOOD, "--port", "torch=none.py:Small"], "there is no file none.py"),
    "input": ([*GOOD, "--input", "4,1"], "--input '4,1' is no SHAPE"),
    "input-file": ([*GOOD, "--input", "none.npy"], "--input none.npy cannot be read"),
    "labels": ([*GOOD, "--labels", "many"], "--labels 'many' is no SHAPE"),
    "labels-file": ([*GOOD, "--labels", "none.npy"], "--labels none.npy cannot be read"),
    "steps": ([*GOOD, "--steps", "-1"], "'-1' is not a whole number of at least 0"),
    "lr": ([*GOOD, "--lr", "0"], "'0' is not a finite number above 0"),
    "optimizer": ([*GOOD, "--optimizer", "lion"], "invalid choice: 'lion'"),
    "dtype": ([*GOOD, "--dtype", "float16"], "invalid choice: 'float16'"),
    "seed": ([*GOOD, "--seed", "x"], "'x' is not a whole number"),
    "timeout": ([*GOOD, "--timeout", "0"], "'0' is not a number of seconds"),
    "python": ([*GOOD, "--python", "torch=/no/such/python"], "not an interpreter that can be run"),
    "python-of-nobody": ([*GOOD, "--python", "x=/bin/sh"], "is not BACKEND=PATH"),
    "map": ([*GOOD, "--map", "none.json"], "--map none.json cannot be read: No such file"),
    "map-is-none": ([*GOOD, "--map", "text.json"], "--map text.json is not JSON"),
    "out": ([*GOOD, "--out", "full"], "--out full is not empty"),
    "out-of-somebody": ([*GOOD, "--out", "full", "--force"], "what is in it is not a run's"),
    "json": ([*GOOD, "--json", "no/such/file.json"], "--json no/such/file.json"),
    "unknown-option": ([*GOOD, "--model", "mlp"], "--model"),
}


def refused(done: Any, words: str) -> None:
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("compare.py: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    monkeypatch.setattr(remote, "Worker", None)
    before = sorted(command.folder.rglob("*"))
    arguments, words = REFUSED[case]
    refused(command("check", *arguments), words)
    assert sorted(command.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "torch=nets.py:Smal"], "torch=nets.py:Smal: nets.py has no Smal; it has Small"),
        (["--port", "torch=nothing:Small"], "the port, torch=nothing:Small: there is no module "),
        (["--port", "torch=fakes.py:number"], "number() is no module of torch: it is of type int"),
        (["--labels", "6"], "--labels 6: the reference returns (4, 5), the classes last"),
        (["--labels", "4x1"], "--labels 4x1: targets (4, 1) for outputs (4, 5)"),
        (
            ["--reference", "torch=nets.py:Two"],
            "the reference returns 2 tensors, its loss takes on",
        ),
    ],
)
def test_refused_once_it_is_loaded(
    arguments: list[str], words: str, command: Command, judge: Judge
) -> None:
    before = sorted(command.folder.glob("*"))
    done = command("check", *GOOD, "--out", "out", *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("compare.py: ")] == [
        line for line in done.stderr.splitlines() if words in line and "compare.py: " in line
    ]
    assert [*before, command.folder / "__pycache__"][: len(before)] == before
    assert not (command.folder / "out").exists()


# ---- the same from Python -----------------------------------------------------------------------


def test_the_defaults_are_those_of_the_command_line() -> None:
    assert check_settings(parser().parse_args(["check"])) == CheckSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [("steps", -1), ("steps", 1.5), ("lr", 0), ("mode", "fused"), ("dtype", "float16"),
     ("train", "yes"), ("seed", None), ("timeout", 1e10), ("force", 1)],
)  # fmt: skip
def test_values_that_no_option_takes(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^{name}: "):
        CheckSettings(**{name: value})


def test_texts_become_what_they_mean() -> None:
    found = CheckSettings(input="4x1", python="torch=/bin/python", out="x")  # type: ignore
    assert (found.input, found.python, found.out) == (("4x1",), ("torch=/bin/python",), Path("x"))
    assert os.fspath(CheckSettings(map="m.json").map or "") == "m.json"  # type: ignore
