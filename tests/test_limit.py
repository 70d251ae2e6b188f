"""What the machine could do: the work of an epoch counted, the rates measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.contract.models import MODELS
from common.data import draws
from common.measure import limit
from tests.conftest import make_plan

RATES = {"flops_per_second": 1e9, "bytes_per_second": 1e8}


@pytest.mark.parametrize(
    ("model", "dtype", "flops", "read"),
    [
        # 2 products of 784 x 10 an example, 2 operations each number.
        ("softmax", "float32", 2 * 2 * 784 * 10, 784 * 4),
        ("softmax", "float64", 2 * 2 * 784 * 10, 784 * 8),
        # The second layer has the gradient of its inputs, too.
        ("mlp", "float32", 2 * (2 * 784 * 16 + 3 * 16 * 10), 784 * 4),
        # A kernel at every place of its output; 16 pictures of 5 x 5 are flattened.
        (
            "lenet",
            "float32",
            2 * (2 * 784 * 25 * 6 + 3 * (100 * 150 * 16 + 400 * 120 + 120 * 84 + 840)),
            784 * 4,
        ),
        # 28 rows, each with both weights of three gates; the last state with the output's.
        ("gru", "float32", 2 * (2 * 28 * 28 * 192 + 3 * (28 * 64 * 192 + 640)), 784 * 4),
        # 16 patches of 49 numbers become 32 each; queries meet keys, and their weights values.
        (
            "attention",
            "float32",
            2 * (2 * 16 * 49 * 32 + 3 * (16 * (32 * 96 + 32 * 32 + 2 * 32 * 64) + 320))
            + 2 * 3 * 2 * 16 * 16 * 32,
            784 * 4,
        ),
    ],
    ids=lambda value: str(value),
)
def test_work(
    model: str, dtype: str, flops: int, read: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "machine", lambda dtype, threads: RATES)
    plan = make_plan(model, dtype=dtype)
    start = draws.parameters(MODELS[model], (28, 28, 1), plan.hidden, 10, 0, dtype)
    found = limit.limit(plan, start, (28, 28, 1), 1000)
    assert found is not None
    assert (found["flops"], found["bytes"]) == (1000 * flops, 1000 * read)
    assert found["seconds"] == max(1000 * flops / 1e9, 1000 * read / 1e8)


def test_whoever_reads_more_than_it_computes_waits_for_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limit, "machine", lambda dtype, threads: {**RATES, "bytes_per_second": 1.0})
    start = {"output.weight": np.zeros((3, 1), "float32"), "output.bias": np.zeros(1, "float32")}
    found = limit.limit(make_plan("linear"), start, (3,), 10**6)
    assert found is not None
    assert found["seconds"] == 10**6 * 3 * 4


def test_of_too_little_work_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit, "machine", lambda dtype, threads: pytest.fail("measured"))
    start = {"output.weight": np.zeros((36, 10), "float32")}
    assert limit.limit(make_plan("softmax"), start, (36,), 70) is None


@pytest.mark.slow
def test_this_machine() -> None:
    """Rates a second, of operations and bytes: any other unit is a thousand times off or more."""
    found = limit.machine("float32", 1)
    assert set(found) == set(RATES)
    assert all(1e7 < rate < 1e15 for rate in found.values())


@pytest.mark.slow
def test_what_lies_around_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "common.py").write_text("raise SystemExit('nor this one')")
    monkeypatch.chdir(tmp_path)
    assert limit.machine("float32", 1)["flops_per_second"] > 0


def test_a_machine_that_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limit.sys, "executable", "/no/such/python")
    with pytest.raises(limit.NotMeasured, match="FileNotFoundError"):
        limit.machine("float32", 1)
    monkeypatch.undo()
    with pytest.raises(limit.NotMeasured, match="CalledProcessError"):
        limit.machine("no-such-dtype", 1)
