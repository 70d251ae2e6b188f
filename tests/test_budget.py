"""`--check` and `--check-seconds`: what is left out is said, and nobody is blamed for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.agreement.band import Band
from common.agreement.budget import Budget
from common.agreement.judge import LEAST_EXAMPLES, Bench
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.verdict import Verdict, undecided
from common.contract.plan import Plan
from common.data import draws
from common.data.description import Dataset
from common.entrants.local import LocalSession
from common.running.memory import lacking
from common.running.work import Work
from tests.conftest import CLASSES, EXAMPLES, FEATURES, Command, checked, make_plan
from tests.test_judging import run

Data = Callable[[Plan], dict[str, Any]]

#: No time for anything that need not be.
NOTHING = 1e-9


def bench_within(budget: Budget, session_data: Data, **changes: Any) -> Bench:
    plan = make_plan("softmax", **changes)
    size = plan.batch_size
    orders = [draws.order(0, epoch, EXAMPLES, size, False) for epoch in range(plan.epochs)]
    return Bench(Referee(plan, session_data(plan)), Schedule(orders, size), budget=budget)


def test_what_does_not_fit_is_noted_once() -> None:
    budget = Budget(100)
    assert 99 < budget.left <= 100
    assert not budget.lacks("a short one", 10)
    assert budget.lacks("a long one", 1000)
    assert budget.lacks("a long one", 1000)
    assert budget.left_out == ["a long one"]
    budget.reserve(50)
    assert budget.left > 99, "there is more"
    budget.reserve(1000)
    assert 999 < budget.left <= 1000
    assert Budget().left == math.inf
    assert not Budget().lacks("anything", 1e9)
    assert Budget(0).lacks("anything")
    assert Budget(quick=True).lacks("whatever need not be")


def test_the_first_step_is_checked_whatever_it_takes(session_data: Data) -> None:
    steps = {
        seconds: [one.at.step for one in bench_within(Budget(seconds), session_data).expected]
        for seconds in (NOTHING, math.inf)
    }
    assert steps == {NOTHING: [1], math.inf: [1, 3, 6]}


def test_a_batch_far_too_large_is_cut(session_data: Data) -> None:
    whole = bench_within(Budget(1000), session_data, batch_size=EXAMPLES)
    assert [len(one.at.index) for one in whole.expected] == [EXAMPLES] * len(whole.expected)
    cut = bench_within(Budget(NOTHING), session_data, batch_size=EXAMPLES)
    (first,) = cut.expected
    assert len(first.at.index) == len(first.images64) == LEAST_EXAMPLES < EXAMPLES
    assert f"more than {LEAST_EXAMPLES} of a batch's {EXAMPLES}" in cut.budget.left_out[0]


def test_nudged_runs_as_far_as_there_is_time(session_data: Data) -> None:
    bench = bench_within(Budget(), session_data, epochs=20)
    steps = len(bench.path.losses)
    start = bench.referee.data["initial"]
    # What one step takes is made up: two runs of 24 of them fit.
    bench.path.seconds = steps * 10.0
    bench.budget = Budget(2 * 24 * 10.0 + 5)
    band = Band(bench, start)
    assert (len(band.growth), band.held) == (24, 24)
    assert "after step 24" in bench.budget.left_out[0]
    far = bench.path.losses + np.where(np.arange(steps) == 30, 1.0, 0.0)
    band.settle(verdict := Verdict(), far)
    assert verdict.verdict == "rounding", "there was no time to hold step 31 against anything"
    far = bench.path.losses + np.where(np.arange(steps) == 20, 1.0, 0.0)
    band.settle(verdict := Verdict(), far)
    assert verdict.verdict == "differs"


@pytest.mark.parametrize(
    "budget",
    [pytest.param(Budget(0), id="no-time"), pytest.param(Budget(quick=True), id="quick")],
)
def test_without_nudged_runs_nobody_is_blamed(budget: Budget, session_data: Data) -> None:
    bench = bench_within(Budget(), session_data)
    bench.budget = budget
    band = Band(bench, bench.referee.data["initial"])
    band.settle(verdict := Verdict(), bench.path.losses + 0.1)
    assert (verdict.verdict, undecided(verdict)) == ("not checked", True)
    assert "--check-seconds" in (verdict.reason or "")
    assert budget.left_out == ["nudged runs"]


def test_a_band_that_was_not_widened_blames_nobody(session_data: Data) -> None:
    """Its own nudged runs may explain what is beyond the plain ones, and there is no time left."""
    bench = bench_within(Budget(), session_data)
    band = Band(bench, bench.referee.data["initial"])
    losses = bench.path.losses + 1e-3
    bench.budget = Budget(0)
    assert band.widen(None, losses)  # type: ignore[arg-type] - nobody is asked
    band.settle(verdict := Verdict(), losses)
    assert verdict.verdict == "not checked"
    band.settle(verdict := Verdict(), bench.path.losses)
    assert verdict.verdict == "rounding", "this one needs no more"


@pytest.mark.slow
def test_none_checks_nothing(compare: Command) -> None:
    words = ("--backends", "numpy", "--check", "none")
    found = compare.run(*words)
    verdict = found["parity"]["entrants"]["numpy"]
    assert (verdict["verdict"], verdict["components"]) == ("not checked", [])
    assert verdict["reason"] == "not asked for: --check none"
    assert found["options"]["check"] == "none"
    assert compare(*compare.small(*words, "--strict", "--out", "strict")).returncode == 1


@pytest.mark.slow
def test_quick_checks_the_first_step(compare: Command) -> None:
    done = compare(*compare.small("--backends", "numpy", "torch", "--check", "quick", "--out", "q"))
    assert done.returncode == 0
    assert "left out, as --check quick asks: components at step" in done.stdout
    found = checked((compare.folder / "q" / "results.json").read_text(encoding="utf-8"))
    for one in found["parity"]["entrants"].values():
        assert one["verdict"] == "rounding"
        assert {check["step"] for check in one["components"]} == {1}
    assert "times of components" in found["parity"]["left_out"]


class Far(LocalSession):
    """NumPy whose update alone goes a thousandth too far."""

    def update(self, params: Any, grads: Any, state: Any, compiled: bool = False) -> Any:
        moved, memory = super().update(params, grads, state, compiled)
        return {n: p + np.float32(1.001) * (moved[n] - p) for n, p in params.items()}, memory


@pytest.mark.parametrize(
    "more", [{"within": NOTHING}, {"check": "quick"}], ids=["no-time", "quick"]
)
def test_a_wrong_one_differs_however_little_is_checked(more: Any, small: Dataset) -> None:
    results = run({"right": LocalSession("numpy"), "far": Far("numpy")}, small, **more)
    verdicts = {label: verdict.verdict for label, verdict in results.verdicts.items()}
    assert verdicts == {"right": "rounding", "far": "differs"}
    assert results.left_out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--check", "none", "--check-float64"), "--check-float64 does not go with it"),
        (("--check", "none", "--check-seconds", "5"), "--check-seconds does not go with it"),
        (("--check", "half"), "half"),
        (("--check-seconds", "0"), "0"),
        (("--check-seconds", "1e10"), "a year"),
    ],
)
def test_refused(words: tuple[str, ...], said: str, compare: Command) -> None:
    done = compare(*compare.small("--backends", "numpy", *words))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") <= 1 or "usage" in done.stderr


@pytest.mark.parametrize(
    ("check", "copies", "options"),
    [
        ("full", 97, []),
        pytest.param("quick", 66, [], marks=pytest.mark.slow),
        pytest.param("full", 2 * 97, ["--optimizer", "adam"], marks=pytest.mark.slow),
        pytest.param("full", 1.5 * 97, ["--optimizer", "momentum"], marks=pytest.mark.slow),
    ],
    ids=["full", "quick", "adam", "momentum"],
)
def test_what_does_not_fit_into_memory_is_not_checked(
    check: str, copies: float, options: list[str], compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 8 * copies * (FEATURES * CLASSES + CLASSES)
    for free, verdict in ((needed - 1, "not checked"), (needed, "rounding")):
        monkeypatch.setattr("common.running.memory.free_memory_bytes", lambda free=free: free)
        words = ["--backends", "numpy", "--check", check, "--epochs", "1", "--force", *options]
        (found,) = compare.run(*words)["parity"]["entrants"].values()
        assert found["verdict"] == verdict
        assert ("GB of memory" in (found["reason"] or "")) == (verdict == "not checked")
        assert ("--check quick" in (found["reason"] or "")) == (
            verdict == "not checked" and check == "full"
        )


def test_each_beginning_takes_memory_of_its_own(
    session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan("softmax")
    start = session_data(plan)["initial"]
    work = Work(plan, {"initial": start}, [], EXAMPLES, {}, None)
    numbers = sum(array.size for array in start.values())
    monkeypatch.setattr("common.running.memory.free_memory_bytes", lambda: 8.0 * 97 * numbers)
    assert lacking(work, "full", 1) is None
    assert "are free" in (lacking(work, "full", 2) or "")
