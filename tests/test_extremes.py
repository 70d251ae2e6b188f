"""Numbers that no machine has room for: one line, exit 2, before anything is asked for."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.data import draws
from common.errors import Refused
from common.modules import batch
from common.running import memory
from common.running.memory import refuse_large, refuse_orders
from tests.conftest import Command, make_plan

RUN = ("--backends", "numpy", "--out", "out")
MLP = ("--backends", "numpy", "--model", "mlp")
NET = ("--reference", "torch=nets.py:Net", "--port", "torch=nets.py:Net", "--labels", "5")
SMALLER = "try a smaller --hidden"
LARGEST = "at most 1000000000"
YEAR = "at most 31536000, a year"

#: Command, and what is said of it where 1 GB of memory is free.
EXTREME = {
    "run-hidden": ([*RUN, "--model", "mlp", "--hidden", "10000000"], "470 000 010 parameters"),
    "run-losses": (
        [*RUN, "--epochs", "1000000", "--batch-size", "1", "--rounds", "10000"],
        "fewer --epochs or --rounds",
    ),
    "run-batch-size": ([*RUN, "--batch-size", str(10**12)], LARGEST),
    "run-seed": ([*RUN, "--seed", str(10**30)], LARGEST),
    "run-lr": ([*RUN, "--lr", "1e400"], "a finite number above 0"),
    "run-warm-up": ([*RUN, "--warm-up", str(10**12)], LARGEST),
    "run-warm-up-steps": ([*RUN, "--warm-up", str(10**9)], "the whole run has"),
    "run-check-seconds": ([*RUN, "--check-seconds", "inf"], YEAR),
    "run-wait-quiet": ([*RUN, "--wait-quiet", "nan"], YEAR),
    "run-workers": ([*RUN, "--workers", "1000"], "each is a process"),
    "diagnose-hidden": (["diagnose", *MLP, "--hidden", str(10**9)], SMALLER),
    "diagnose-threads": (["diagnose", *MLP, "--threads", "1000000"], "this process may use"),
    "infer-hidden": (["infer", *MLP, "--hidden", str(10**9)], SMALLER),
    "sweep-hidden": (["sweep", *MLP, "--vary", f"hidden=16,{10**8}"], SMALLER),
    "sweep-threads": (["sweep", *RUN, "--vary", "threads=1,1000000"], "this process may use"),
    "check-input": (["check", *NET, "--input", f"{10**9}x1"], "takes 8 GB of memory at least"),
    "check-numbers": (["check", *NET, "--input", f"{10**20}x8"], "not 1 to 1000000000"),
    "check-steps": (["check", *NET, "--input", "4x8", "--steps", str(10**9)], "at most 10000"),
    "check-timeout": (["check", *NET, "--input", "4x8", "--timeout", "1e10"], YEAR),
}


def disk_with(free: int) -> SimpleNamespace:
    """What `shutil.disk_usage` says of a disk."""
    return SimpleNamespace(free=free, total=10**12)


@pytest.mark.parametrize("case", EXTREME)
def test_refused_before_anything_is_asked_for(
    case: str, compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("parameters were drawn")

    monkeypatch.setattr(draws, "parameters", never)
    for module in (memory, batch):
        monkeypatch.setattr(module, "free_memory_bytes", lambda: 1e9)
    (compare.folder / "nets.py").touch()
    arguments, words = EXTREME[case]
    data = [] if arguments[0] == "check" else ["--data-dir", compare.data, "--custom-data"]
    done = compare(*arguments, *data)
    assert done.returncode == 2, f"{done.stdout}\n{done.stderr}"
    assert done.stderr.startswith("compare.py: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert [path.name for path in compare.folder.iterdir()] == ["nets.py"]


@pytest.mark.parametrize(
    ("optimizer", "entrants", "needed"),
    [
        # 2 weights and a bias, of 4 bytes; drawn, the 2 weights are of 8, beside all of them.
        ("sgd", 1, 28),
        # Parameters, gradients and Adam's two.
        ("adam", 2, 96),
    ],
)
def test_what_is_counted(
    optimizer: str, entrants: int, needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("linear", optimizer=optimizer, epochs=1, batch_size=1000)
    monkeypatch.setattr(memory, "free_memory_bytes", lambda: float(needed))
    refuse_large(plan, None, entrants=entrants, trains=True)
    monkeypatch.setattr(memory, "free_memory_bytes", lambda: needed - 1.0)
    with pytest.raises(Refused, match="3 parameters take"):
        refuse_large(plan, None, entrants=entrants, trains=True)


def test_an_order_for_which_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(epochs=3)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk_with(4 * 3 * 70))
    refuse_orders(plan, 70, tmp_path)
    with pytest.raises(Refused, match="of 3 epochs takes"):
        refuse_orders(plan, 71, tmp_path)


def test_a_run_without_room_leaves_nothing(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resized, 140 images of 7 x 7; not resized, orders of two epochs of 70 or more."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: disk_with(500))
    orders, numpy = "order.npy of 2 epochs", ["--backends", "numpy"]
    for arguments, words in (
        ([*RUN, "--resize", "7"], "resized images take"),
        (RUN, orders),
        (numpy, orders),
        (["sweep", *numpy, "--vary", "batch-size=8,16"], orders),
    ):
        command = arguments[:1] if arguments[0] == "sweep" else []
        small = ["--data-dir", compare.data, "--custom-data", "--epochs", "2"]
        done = compare(*command, *small, *arguments[len(command) :])
        assert done.returncode == 2, done.stderr
        assert words in done.stderr.splitlines()[-1]
        assert not any(compare.folder.iterdir())
