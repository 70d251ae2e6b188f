"""The main job on Fashion-MNIST itself, every backend, as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from common.contract.root import ROOT
from common.data import description, known
from tests.conftest import BACKENDS

pytestmark = pytest.mark.slow


def compare(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run compare.py on the real data; results.json."""
    command = [sys.executable, ROOT / "compare.py", *arguments, "--out", folder, "--quiet"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    results: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert [entrant["status"] for entrant in results["entrants"]] == ["ok"] * len(
        results["entrants"]
    )
    return results


def drifts(results: dict[str, Any]) -> dict[str, float]:
    """Largest step-loss difference from the referee, by label."""
    found = results["parity"]["entrants"]
    return {label: verdict["max_abs_loss_difference"] for label, verdict in found.items()}


def test_softmax_in_all_backends(tmp_path: Path, real: description.Dataset) -> None:
    results = compare(tmp_path / "out", "--backends", *BACKENDS, "--check-float64")
    entrants = results["entrants"]
    assert len({entrant["batches_sha256"] for entrant in entrants}) == 1
    assert results["data"]["sha256"] == known.FASHION_MNIST.digests
    assert max(drifts(results).values()) < 5e-6
    assert all(len(entrant["step_losses"]) == 2350 for entrant in entrants)
    found = results["parity"]["entrants"]
    assert {verdict["verdict"] for verdict in found.values()} == {"rounding"}
    assert max(verdict["float64_drift"] for verdict in found.values()) < 1e-12
    assert results["parity"]["seconds"]["float64 run"] > 0
    assert results["limit"]["flops"] == 2 * 2 * 784 * 10 * 60000
    for entrant in entrants:
        assert entrant["timing"]["times_limit"] > 0
        assert entrant["timing"]["cores_used"] > 0
        assert 0 < entrant["framework_memory_bytes"] < entrant["peak_memory_bytes"]
    last = [entrant["epochs"][-1] for entrant in entrants]
    # What the book asserts after training.
    assert all(row["train_loss"] < 0.5 for row in last)
    assert all(0.7 < row[name] <= 1 for row in last for name in ("train_accuracy", "test_accuracy"))
    accuracies = [row["test_accuracy"] for row in last]
    assert max(accuracies) - min(accuracies) <= 0.001


def test_mlp_in_all_backends(tmp_path: Path, real: description.Dataset) -> None:
    # In 79 steps of this length rounding has grown a thousandfold.
    size = ("--epochs", "1", "--limit", "5056", "--batch-size", "64")
    options = ("--model", "mlp", "--lr", "0.5", *size)
    results = compare(tmp_path / "out", "--backends", *BACKENDS, *options)
    # A drift that one nudge happens not to reach would be "not checked"; never "differs".
    for verdict in results["parity"]["entrants"].values():
        assert verdict["first_difference"] is None
        assert verdict["verdict"] in ("rounding", "not checked")


def test_linear_finds_the_true_weights(tmp_path: Path) -> None:
    options = ("--model", "linear", "--no-band")
    results = compare(tmp_path / "out", "--backends", *BACKENDS, *options)
    exact = results["data"]["least_squares"]
    for entrant in results["entrants"]:
        assert entrant["true"] == {"weight": [2.0, -3.4], "bias": 4.2}
        assert entrant["learnt"]["weight"] == pytest.approx(exact["weight"], abs=2e-3)
        assert entrant["learnt"]["bias"] == pytest.approx(exact["bias"], abs=2e-3)


def test_loaders_read_what_memory_holds(tmp_path: Path, real: description.Dataset) -> None:
    options = ("--resize", "14", "--drop-last", "--limit", "2000")
    having = [name for name, found in BACKENDS.items() if "loader" in found.info.data]
    entrants = [f"{name}:{choice}" for name in having for choice in ("memory", "loader")]
    results = compare(tmp_path / "out", "--backends", *entrants, "--epochs", "1", *options)
    assert len({entrant["batches_sha256"] for entrant in results["entrants"]}) == 1
    for entrant in results["entrants"]:
        assert (entrant["epochs"][0]["data_seconds"] is not None) == (entrant["data"] == "loader")
