"""A run without processes: statuses, exit codes, results.json, what the terminal shows."""

from __future__ import annotations

import io
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import jsonschema
import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from common.agreement.verdict import Difference, Verdict
from common.contract.arrays import Array
from common.contract.entrant import Entrant
from common.contract.inputs import Inputs
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.data import description, draws, known
from common.entrants.local import LocalSession
from common.entrants.session import Trained
from common.errors import Diverged, EntrantError, Failed, Killed, TimedOut, Unavailable
from common.measure import machine, statistics, turns
from common.measure.limit import NotMeasured
from common.results import schema
from common.results.folder import as_json, whole, write_orders
from common.results.record import Record, Results
from common.running.pairs import compare_all
from common.running.runner import Runner
from common.running.starting import new_records
from common.running.work import Work, draw_work
from common.shown.curves import CURVES_WIDTH, curves
from common.shown.pictures import drawn, print_agreement
from common.shown.progress import Progress
from common.shown.results import print_results
from common.shown.table import Column, fitted
from common.shown.words import (
    DASH,
    blind_words,
    disturbed_line,
    percent,
    results_line,
    seconds,
    three_digits,
)
from tests.conftest import BACKENDS, make_plan
from tests.fakes import MEGABYTE, SHA256, FakeSession

EXAMPLES, BATCH, TESTS, FEATURES = 7, 3, 5, 36
STEPS = 3  # two full batches and a short one of 1
#: Of the made-up referee: how clearly it prefers a class, for each test image.
MARGINS = np.array([0.5, 0.001, 3.0, 0.25, 0.125])
SCHEMA_TEXT = json.loads(schema.SCHEMA.read_text(encoding="utf-8"))
WIDTHS = (40, 60, 80, 100, 160)
ESCAPE = "\x1b"
HOSTILE = [
    pytest.param("[red]x[/red]", id="markup"),
    pytest.param("[/oops]", id="closing-tag"),
    pytest.param("a\\", id="backslash"),
    pytest.param("[bold", id="open-bracket"),
    pytest.param("x" * 10_000, id="10000-characters", marks=pytest.mark.slow),
    pytest.param("one\ntwo\r\nthree", id="newlines"),
    pytest.param("<script>alert(1)</script>&amp;", id="script"),
    pytest.param(f"{ESCAPE}[31mred{ESCAPE}[0m {ESCAPE}]0;title\x07", id="escape-codes"),
    pytest.param("数据加载 🙂 ‮", id="wide-and-bidirectional"),
    pytest.param(":smile: {0} %s {label}", id="emoji-code-and-formats"),
]


class Watcher:
    """Notes what a run tells its observer."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def phase(self, words: str) -> None:
        self.told.append(f"phase {words}")

    def ready(self, record: Record) -> None:
        self.told.append(f"ready {record.entrant.label}")

    def epoch(self, record: Record, round_: int) -> None:
        self.told.append(f"epoch {record.entrant.label} {round_ + 1}")

    def ended(self, record: Record) -> None:
        self.told.append(f"ended {record.entrant.label} {record.status}")


class FakeBench:
    """Has run, and has nothing to say: `judge` is made up, too."""

    def __init__(self, referee: Any, schedule: Any, *_: Any) -> None:
        self.dtype, self.referee = "float32", referee
        self.path = SimpleNamespace(
            losses=np.zeros(schedule.total), classes=np.zeros(TESTS, np.uint8), margins=MARGINS
        )


def judged_as_it_says(session: FakeSession, *_: Any, **__: Any) -> Verdict:
    """The verdict the fake asks for."""
    session.called("judge")
    first = None
    if session.verdict == "differs":
        first = Difference(2, "update", "output.bias", (4,), 0.5, 0.25)
    return Verdict(session.verdict, max_abs_loss_difference=1e-7, first_difference=first)


@pytest.fixture(autouse=True)
def made_up_referee(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_referee" not in request.fixturenames:
        monkeypatch.setattr("common.running.judging.Referee", lambda *_, **__: None)
        monkeypatch.setattr("common.running.judging.Bench", FakeBench)
        monkeypatch.setattr("common.running.judging.judge", judged_as_it_says)


@pytest.fixture
def real_referee() -> None:
    """Asked for by tests that want no made-up one."""


def small_plan(model: str = "softmax", **changes: Any) -> Plan:
    return make_plan(model, **{"epochs": 3, "batch_size": BATCH, **changes})


def work_of(plan: Plan) -> Work:
    """Work for fakes: orders of 7 examples, 5 made-up test labels."""
    model = MODELS[plan.model]
    orders = [draws.order(0, epoch, EXAMPLES, BATCH, False) for epoch in range(plan.epochs)]
    summary = {
        "name": "made up",
        "source": "tests",
        "train_examples": EXAMPLES,
        "test_examples": TESTS if model.classifies else 0,
        "sha256": {},
        "order_sha256": SHA256,
        "initial_sha256": SHA256,
        "inputs": Inputs("vector", (FEATURES,)),
    }
    start = draws.parameters(model, (FEATURES,), plan.hidden, 10, 0, plan.dtype)
    labels = np.zeros(TESTS, np.uint8) if model.classifies else None
    return Work(plan, {"initial": start}, orders, EXAMPLES, summary, labels)


def records_of(labels: list[str], plan: Plan) -> list[Record]:
    entrants = [
        Entrant(label, f"slug-{n}", "numpy", "scratch", "eager", "memory")
        for n, label in enumerate(labels)
    ]
    return new_records(entrants, BACKENDS, plan, {})


def run(sessions: Mapping[str, FakeSession], plan: Plan | None = None, **more: Any) -> Results:
    """Run fakes by label; no nudged runs."""
    plan = plan or small_plan()
    runner = Runner(
        more.pop("work", None) or work_of(plan),
        more.pop("records", None) or records_of(list(sessions), plan),
        lambda record: sessions[record.entrant.label],
        more.pop("observer", None) or Watcher(),
        band=False,
        limit=more.pop("limit", None),
    )
    return runner.run()


def as_read(results: Results) -> dict[str, Any]:
    """Write results.json, read it back strictly, hold it against the schema."""

    def refuse(word: str) -> NoReturn:
        raise AssertionError(f"{word} is not JSON")

    read: dict[str, Any] = json.loads(as_json(results.document()), parse_constant=refuse)
    validator = jsonschema.Draft202012Validator(SCHEMA_TEXT)
    assert [f"{list(e.path)}: {e.message}" for e in validator.iter_errors(read)] == []
    return read


def printed(results: Results, width: int = 160, **options: Any) -> str:
    out = io.StringIO()
    print_results(results, "runs/x", Console(file=out, width=width, **options))
    return out.getvalue()


def statuses(results: Results) -> dict[str, str]:
    return {record.entrant.label: record.status for record in results.records}


def other(bias: float = 1.0, **given: Any) -> FakeSession:
    """A fake that is not bit-equal to the usual one."""
    return FakeSession(bias=bias, **given)


# ---- what a run leaves ---------------------------------------------------------------------


def test_all_is_well() -> None:
    watcher = Watcher()
    sessions = {"a": FakeSession(), "b": other()}
    results = run(sessions, observer=watcher)
    read = as_read(results)
    assert results.exit_code() == 0
    assert statuses(results) == {"a": "ok", "b": "ok"}
    assert [entrant["reason"] for entrant in read["entrants"]] == [None, None]
    assert all(session.closed == [False] for session in sessions.values())
    assert "All entrants agree with the referee" in printed(results)
    assert watcher.told.count("epoch a 1") == 3
    assert [words for words in watcher.told if words.startswith("phase")] == [
        "phase starting",
        "phase training",
        "phase collecting",
        "phase running the referee",
        "phase checking components",
        "phase timing components",
    ]


def test_entrant_as_measured() -> None:
    (entrant,) = as_read(run({"a": FakeSession(seconds=(9.0, 2.0, 4.0))}))["entrants"]
    assert entrant["versions"] == {"fake": "1.0"}
    assert entrant["settings"]["fake"] is True
    assert entrant["batches_sha256"] == SHA256
    assert entrant["peak_memory_bytes"] == 123 * MEGABYTE
    times = entrant["timing"]
    assert (times["import_seconds"], times["open_seconds"]) == (0.25, 0.5)
    assert (times["compile_seconds"], times["first_step_seconds"]) == (0.125, 0.75)
    assert entrant["framework_memory_bytes"] == 45 * MEGABYTE
    assert times["cores_used"] == pytest.approx((0.75 / 2 + 0.75 / 4) / 2), "of the steady epochs"
    assert times["times_limit"] is None
    assert entrant["epochs"][0]["eval_seconds"] == 0.125
    assert entrant["learnt"] is entrant["true"] is None


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        pytest.param((2.0, 1.0, 5.0), (2.0 * 3 + 1.0 * 3 + 5.0 * 1) / 7, id="weighted"),
        pytest.param((1.0, 1.0, 8.0), 2.0, id="short-batch-counts-once"),
    ],
)
def test_epoch_loss_is_a_sum_over_examples(losses: tuple[float, ...], expected: float) -> None:
    (entrant,) = as_read(run({"a": FakeSession(losses=losses)}))["entrants"]
    assert [row["train_loss"] for row in entrant["epochs"]] == pytest.approx([expected] * 3)
    assert expected != pytest.approx(sum(losses) / 3)
    assert entrant["step_losses"] == list(losses) * 3


def test_epoch_rows() -> None:
    session = FakeSession(correct=2, test_loss=0.5, test_count=4, data_seconds=0.01)
    (entrant,) = as_read(run({"a": session}))["entrants"]
    assert [row["epoch"] for row in entrant["epochs"]] == [1, 2, 3]
    row = entrant["epochs"][2]
    assert row["train_accuracy"] == pytest.approx(2 * STEPS / EXAMPLES)
    assert (row["test_loss"], row["test_accuracy"]) == (0.5, 4 / TESTS)
    assert (row["train_seconds"], row["data_seconds"]) == (0.5, 0.01)


def test_losses_are_widened_before_they_are_summed() -> None:
    """A sum in float32 would lose the last digits."""
    loss = float(np.float32(0.1))
    (entrant,) = as_read(run({"a": FakeSession(losses=(loss,))}))["entrants"]
    assert entrant["epochs"][0]["train_loss"] == pytest.approx(loss, rel=1e-15)


def test_only_the_very_first_epoch_is_left_out() -> None:
    session = FakeSession(seconds=(9.0, 1.0, 2.0, 3.0, 4.0, 5.0))
    (entrant,) = as_read(run({"a": session}, small_plan(rounds=2)))["entrants"]
    found = entrant["timing"]["epoch_seconds"]
    assert found["all"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (found["median"], found["min"]) == (3.0, 1.0)
    assert found["low"] <= 3.0 <= found["high"]
    assert entrant["timing"]["examples_per_second"] == pytest.approx(EXAMPLES / 3.0)
    assert [row["train_seconds"] for row in entrant["epochs"]] == [9.0, 1.0, 2.0]


def test_the_limit_is_measured_once_everybody_is_open() -> None:
    """And every entrant's median is held against it."""
    limit = {"flops": 1e9, "bytes": 2e6, "flops_per_second": 1e10, "bytes_per_second": 4e9}
    session, asked = FakeSession(seconds=(9.0, 1.0, 2.0, 3.0)), []

    def measure(
        plan: Plan, start: dict[str, np.ndarray], shape: tuple[int, ...], examples: int
    ) -> dict[str, float]:
        asked.append((plan.dtype, set(start), shape, examples, list(session.calls)))
        return {**limit, "seconds": 0.1}

    results = run({"a": session}, small_plan(epochs=4), limit=measure)
    read = as_read(results)
    assert read["limit"] == {**limit, "seconds": 0.1, "flops_per_second_after": 1e10}
    assert read["entrants"][0]["timing"]["times_limit"] == pytest.approx(20)
    (dtype, names, shape, examples, calls), (*_, later) = asked
    assert later.count("train") == 4, "once more when all have trained"
    assert (dtype, names) == ("float32", {"output.weight", "output.bias"})
    assert (shape, examples) == ((FEATURES,), EXAMPLES)
    assert "warm_up" in calls
    assert "train" not in calls
    words = "the machine's limit is 100 ms an epoch: 1 GFLOP at 10 GFLOP/s, 2 MB at 4 GB/s"
    assert words in printed(results)
    assert "20.0" in printed(results, 160)


@pytest.mark.parametrize("after", [1.05e10, 0.85e10], ids=["quiet", "moved"])
def test_where_the_machine_moved_no_pair_is_judged(after: float) -> None:
    rates = iter([1e10, after])

    def measure(*_: Any) -> dict[str, float]:
        rate = next(rates)
        plain = {"flops": 1e9, "bytes": 2e6, "bytes_per_second": 4e9, "seconds": 0.1}
        return {**plain, "flops_per_second": rate}

    sessions = {
        "a": FakeSession(seconds=(9.0, 1.0, 1.0, 1.0)),
        "b": FakeSession(seconds=(9.0, 2.0, 2.0, 2.0)),
    }
    results = run(sessions, small_plan(epochs=4), limit=measure)
    (pair,) = as_read(results)["comparisons"]
    assert pair["ratio"] == pytest.approx(0.5)
    told = printed(results)
    if after > 1e10:
        assert pair["verdict"] == "a is faster"
        assert "busy" not in told
    else:
        assert pair["verdict"] == "machine busy: not judged"
        assert "a takes 0.50× the time of b (95 %: 0.50 to 0.50): machine busy: not judged" in told
        assert "the machine did 10 GFLOP/s before training and 8.5 after it" in told


def test_a_machine_that_cannot_be_measured_costs_nothing_else() -> None:
    def measure(*_: Any) -> dict[str, float]:
        raise NotMeasured("TimeoutExpired: 60 s")

    watcher = Watcher()
    results = run({"a": FakeSession()}, limit=measure, observer=watcher)
    assert results.exit_code() == 0
    assert as_read(results)["limit"] is None
    assert "phase the machine was not measured: TimeoutExpired: 60 s" in watcher.told


def test_disturbed_epochs_are_marked_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    worked = enumerate([0.0, 5.0, 5.0, 5.0, 5.0, 9.0, 9.0, 9.0])

    def reading(cores: list[int]) -> machine.Reading:
        second, busy = next(worked)
        return machine.Reading(second, 1, busy, 0.0, 0.0)

    monkeypatch.setattr(machine, "reading", reading)
    session = FakeSession(seconds=(9.0, 1.0, 2.0, 3.0), cpu_seconds=0.0)
    results = run({"a": session}, small_plan(epochs=4))
    found = as_read(results)["entrants"][0]["timing"]["epoch_seconds"]
    assert found["disturbed"] == [False, True, False], "the first epoch does not count"
    assert found["all"] == [1.0, 2.0, 3.0]
    words = "others used the machine during 1 of 3 epochs of a; they count all the same"
    assert words in printed(results)


@pytest.mark.parametrize(("cpu_seconds", "said"), [(0.9, False), (1.2, True)])
def test_who_uses_more_cores_than_it_has_is_named(cpu_seconds: float, said: bool) -> None:
    session = FakeSession(seconds=(1.0,), cpu_seconds=cpu_seconds)
    text = printed(run({"a": session}, small_plan(threads=1)))
    assert ("a kept 1.20 cores busy, and was to use 1" in text) == said


def test_one_epoch_has_no_median_and_no_comparison() -> None:
    read = as_read(run({"a": FakeSession(), "b": other()}, small_plan(epochs=1)))
    found = read["entrants"][0]["timing"]
    assert found["epoch_seconds"] == {**statistics.summary([]), "disturbed": []}
    assert (found["cores_used"], found["times_limit"]) == (None, None)
    assert found["examples_per_second"] is None
    assert read["comparisons"][0]["verdict"] == "not compared"
    assert read["comparisons"][0]["ratio"] is None


def test_rounds_start_again_from_the_same_weights() -> None:
    session = FakeSession(losses=(3.0, 2.0, 1.0, 0.5))
    results = run({"a": session}, small_plan(epochs=2, rounds=3))
    (entrant,) = as_read(results)["entrants"]
    assert entrant["step_losses"] == [3.0, 2.0, 1.0, 0.5, 3.0, 2.0], "the first round's only"
    assert len(entrant["epochs"]) == 2
    assert session.calls.count("train") == 6
    assert session.calls.count("load") == 3
    assert session.calls.count("evaluate") == 2, "what was evaluated need not be again"
    assert [len(epochs) for epochs in results.records[0].rounds] == [2, 2, 2]


def test_every_round_has_processes_of_its_own() -> None:
    session = FakeSession(losses=(3.0, 2.0, 1.0, 0.5))
    results = run({"a": session}, small_plan(epochs=2, rounds=3))
    wanted = ["open", "warm_up", "load", "train", "train"]
    assert [call for call in session.calls if call in wanted] == wanted * 3
    assert session.closed == [False] * 3
    (entrant,) = as_read(results)["entrants"]
    assert [one["process"] for one in entrant["rounds"]] == [0, 1, 2]
    assert [one["epoch_seconds"] for one in entrant["rounds"]] == results.records[0].rounds
    assert entrant["timing"]["epoch_seconds"]["rounds"] == [1, 2, 2], "but the very first"


def test_who_cannot_start_again_did_not_finish() -> None:
    opened = []

    class Once(FakeSession):
        def open(self, *told: Any) -> Any:
            opened.append(told)
            if len(opened) == 2:
                raise Killed("its process was ended by signal SIGKILL")
            return super().open(*told)

    results = run({"bad": Once(), "good": other()}, small_plan(rounds=2))
    assert statuses(results) == {"bad": "killed", "good": "ok"}
    assert [len(epochs) for epochs in results.records[0].rounds] == [3, 0]
    as_read(results)


def test_epochs_are_interleaved_as_the_turns_say() -> None:
    told = Watcher()
    plan = small_plan(epochs=4)
    run({"a": FakeSession(), "b": other(), "c": other(2.0)}, plan, observer=told)
    order = [words.split()[1] for words in told.told if words.startswith("epoch")]
    expected = ["abc"[i] for turn in turns.turns(3, 4, plan.seed) for i in turn]
    assert order == expected
    assert order[:3] != order[3:6] or order[3:6] != order[6:9]


def test_warm_up_is_forgotten() -> None:
    """Parameters are loaded again after it, before the first epoch."""
    session = FakeSession()
    run({"a": session})
    calls = session.calls
    assert calls.index("warm_up") < calls.index("load") < calls.index("train")


def test_linear_has_no_test_figures() -> None:
    plan = small_plan("linear")
    work = work_of(plan)
    exact = {"weight": [2.0, -3.4], "bias": 4.2}
    work.summary.update(true=exact, least_squares=exact)
    session = FakeSession(bias=0.5)
    results = run({"[red]a": session}, plan, work=work)
    read = as_read(results)
    row = read["entrants"][0]["epochs"][0]
    missing = ("train_accuracy", "test_loss", "test_accuracy", "eval_seconds")
    assert [row[key] for key in missing] == [None] * 4
    assert row["train_loss"] is not None
    assert read["entrants"][0]["learnt"] == {"weight": [0.5] * FEATURES, "bias": 0.5}
    assert read["entrants"][0]["true"] == {"weight": [2.0, -3.4], "bias": 4.2}
    assert read["parity"]["entrants"]["[red]a"]["prediction_agreement"] is None
    assert not {"evaluate", "predict"} & set(session.calls)


def test_learnt_of_linear_is_printed_beside_the_truth() -> None:
    plan = small_plan("linear")
    work = work_of(plan)
    work.data["initial"] = {
        "output.weight": np.zeros((2, 1), "float32"),
        "output.bias": np.zeros(1, "float32"),
    }
    work.summary.update(
        true={"weight": [2.0, -3.4], "bias": 4.2},
        least_squares={"weight": [2.01, -3.39], "bias": 4.19},
    )
    text = printed(run({"[red]a": FakeSession(bias=0.5)}, plan, work=work))
    assert re.search(r"true +2\.0+ +-3\.40+ +4\.20+", text)
    assert re.search(r"least squares +2\.010* +-3\.390* +4\.190*", text)
    assert re.search(r"\[red\]a +0\.50* +0\.50* +0\.50*", text)


# ---- who did not finish --------------------------------------------------------------------

ERRORS: list[tuple[EntrantError, str]] = [
    (Unavailable("it is not here"), "unavailable"),
    (Failed("it raised"), "failed"),
    (Killed("it died"), "killed"),
    (TimedOut("it hung"), "timeout"),
    (Diverged("it blew up"), "diverged"),
]
CALLS = ("open", "warm_up", "load", "train", "evaluate", "params", "fingerprint", "predict")


@pytest.mark.parametrize("call", [*CALLS, "judge"])
@pytest.mark.parametrize(("error", "status"), ERRORS, ids=lambda value: str(value))
def test_one_fails_the_other_finishes(call: str, error: EntrantError, status: str) -> None:
    watcher = Watcher()
    sessions = {"bad": FakeSession(raises={call: (1, error)}), "good": other()}
    results = run(sessions, observer=watcher)
    read = as_read(results)
    assert statuses(results) == {"bad": status, "good": "ok"}
    assert results.exit_code() == 3
    assert read["entrants"][0]["reason"] == str(error)
    assert len(read["entrants"][1]["epochs"]) == 3
    assert read["comparisons"][0]["verdict"] == "not compared"
    assert read["parity"]["entrants"]["bad"]["verdict"] == "not checked"
    assert read["parity"]["entrants"]["good"]["verdict"] == "rounding"
    assert watcher.told.count(f"ended bad {status}") == 1
    text = printed(results)
    assert f"bad: {status}: {error}" in text
    assert "good agrees with the referee" in text
    assert f"bad ({status}) did not finish" in text
    assert all(len(session.closed) == 1 for session in sessions.values())
    assert sessions["bad"].calls[-1] == call, "it must be left alone after its failure"


def test_fails_in_its_second_epoch() -> None:
    session = FakeSession(raises={"train": (2, Failed("boom"))})
    results = run({"bad": session, "good": other()})
    read = as_read(results)
    assert [len(entrant["epochs"]) for entrant in read["entrants"]] == [1, 3]
    assert len(read["entrants"][0]["step_losses"]) == STEPS
    assert results.exit_code() == 3


def test_fails_when_a_round_starts_again() -> None:
    session = FakeSession(raises={"load": (2, Failed("boom"))})
    results = run({"bad": session, "good": other()}, small_plan(rounds=2))
    assert statuses(results) == {"bad": "failed", "good": "ok"}
    assert session.calls.count("train") == 3
    as_read(results)


def test_all_fail() -> None:
    bad = {name: FakeSession(raises={"open": (1, Failed("boom"))}) for name in "ab"}
    results = run(bad)
    as_read(results)
    assert results.exit_code() == 3
    assert "a (failed) and b (failed) did not finish" in printed(results)


def test_unavailable_ones_are_never_connected() -> None:
    plan = small_plan()
    records = records_of(["absent", "good"], plan)
    records[0].status, records[0].reason = "unavailable", "not installed"
    sessions = {"absent": FakeSession(), "good": other()}
    results = run(sessions, plan, records=records)
    assert sessions["absent"].calls == []
    assert results.exit_code() == 3
    as_read(results)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_diverging_loss(value: float) -> None:
    session = FakeSession(losses=(2.0, 1.5, 1.0, 1.0, value, 3.0))
    results = run({"bad": session, "good": other()})
    read = as_read(results)
    bad = read["entrants"][0]
    assert bad["status"] == "diverged"
    assert "step 5" in bad["reason"]
    assert "--lr" in bad["reason"]
    assert bad["step_losses"] == [2.0, 1.5, 1.0, 1.0, None, 3.0]
    assert bad["epochs"][1]["train_loss"] is None
    assert session.calls.count("train") == 2, "it need not go on"
    assert results.exit_code() == 3
    for width in WIDTHS:
        assert "diverged" in printed(results, width)


@pytest.mark.parametrize(
    ("losses", "steps"),
    [
        ((2.0, 4.0, 8.01, math.inf, math.inf, math.nan), "step 4 on, 5 at the latest"),
        ((2.0, 4.0, 8.01, 16.0, math.nan, math.nan), "step 5 on"),
        ((2.0, 4.0, 9.0, 16.0, math.nan, math.nan), None),
        ((math.inf,) * 6, None),
        ((2.0, 4.0, 8.0, 16.0, 32.0, 64.0), None),
    ],
    ids=["earlier", "alike", "apart", "at once", "one of them"],
)
def test_all_run_away(losses: tuple[float, ...], steps: str | None) -> None:
    growing = FakeSession(losses=(2.0, 4.0, 8.0, 16.0, math.inf, math.inf))
    results = run({"a": FakeSession(losses=losses), "b": growing})
    line = f"All entrants run away alike: their losses are infinite, or NaN, from {steps}, and"
    assert (line in printed(results, 300)) == (steps is not None)
    assert ("run away" in printed(results, 300)) == (steps is not None)
    assert results.exit_code() == 3


@pytest.mark.parametrize("value", [math.nan, math.inf], ids=str)
def test_diverging_test_loss(value: float) -> None:
    """The last update of an epoch can ruin parameters whose losses were all finite."""
    results = run({"bad": FakeSession(test_loss=value), "good": other()})
    read = as_read(results)
    assert read["entrants"][0]["epochs"][0]["test_loss"] is None
    assert statuses(results) == {"bad": "diverged", "good": "ok"}
    assert results.exit_code() == 3


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(
            {
                "train": {
                    "losses": np.ones(1, "float32"),
                    "counts": np.ones(1),
                    "seconds": 0.5,
                    "data_seconds": None,
                    "peak_memory_bytes": 1,
                }
            },
            id="one-loss-for-three-steps",
        ),
        pytest.param({"predict": np.zeros(2, np.uint8)}, id="classes-of-two-images"),
        pytest.param({"open": {"versions": {}}}, id="open-says-too-little"),
    ],
)
def test_malformed_answers_are_the_entrants_own_failure(answers: dict[str, Any]) -> None:
    results = run({"bad": FakeSession(answers=answers), "good": other()})
    assert statuses(results) == {"bad": "failed", "good": "ok"}
    assert results.exit_code() == 3
    as_read(results)


# ---- interrupted ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "number", "finished"),
    [
        ("open", 1, False),
        ("warm_up", 1, False),
        ("load", 1, False),
        ("train", 1, False),
        ("train", 3, False),
        ("evaluate", 2, False),
        ("params", 1, False),
        ("predict", 1, True),
        ("judge", 1, True),
    ],
)
def test_interrupted(call: str, number: int, finished: bool) -> None:
    sessions = {"a": FakeSession(raises={call: (number, KeyboardInterrupt())}), "b": other()}
    results = run(sessions)
    read = as_read(results)
    assert results.exit_code() == 130
    assert statuses(results)["a"] == ("ok" if finished else "interrupted")
    assert all(session.closed == [True] for session in sessions.values() if session.calls)
    if not finished:
        assert read["entrants"][0]["reason"]
        for width in WIDTHS:
            assert "interrupted" in printed(results, width)
    assert read["comparisons"][0]["verdict"] == "not compared"
    assert "Interrupted" in printed(results)


def test_interrupt_keeps_what_finished() -> None:
    """An entrant that had failed stays failed; one with all its epochs stays ok."""
    plan = small_plan(epochs=2)
    turn = turns.turns(3, 2, plan.seed)[1]
    labels = ["a", "b", "c"]
    last = labels[turn[-1]]
    broken = labels[turn[0]]
    finished = labels[turn[1]]
    sessions = {
        last: FakeSession(raises={"train": (2, KeyboardInterrupt())}),
        broken: other(raises={"train": (1, Failed("boom"))}),
        finished: other(2.0),
    }
    results = run({label: sessions[label] for label in labels}, plan)
    read = {entrant["label"]: entrant for entrant in as_read(results)["entrants"]}
    assert statuses(results) == {last: "interrupted", broken: "failed", finished: "ok"}
    assert len(read[finished]["epochs"]) == 2
    assert len(read[last]["epochs"]) == 1
    assert results.exit_code() == 130


# ---- agreement and comparisons -------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdicts", "compared", "code"),
    [
        (("rounding", "rounding"), True, 0),
        (("declared", "rounding"), True, 0),
        (("rounding", "differs"), False, 1),
        (("differs", "differs"), False, 1),
        (("rounding", "not checked"), False, 0),
    ],
    ids=str,
)
def test_times_are_compared_only_where_both_agree(
    verdicts: tuple[str, str], compared: bool, code: int
) -> None:
    sessions = {
        "a": FakeSession(verdict=verdicts[0], seconds=(1.0,)),
        "b": other(verdict=verdicts[1], seconds=(2.0,)),
    }
    results = run(sessions, small_plan(epochs=5))
    read = as_read(results)
    (pair,) = read["comparisons"]
    assert (pair["a"], pair["b"]) == ("a", "b")
    assert results.exit_code() == code
    text = printed(results)
    if compared:
        assert pair["verdict"] == "a is faster"
        assert (pair["ratio"], pair["low"], pair["high"]) == (0.5, 0.5, 0.5)
        assert "a takes 0.50× the time of b (95 %: 0.50 to 0.50): a is faster" in text
    else:
        assert pair["verdict"] == "not compared"
        assert pair["ratio"] is pair["low"] is pair["high"] is None
        assert "× the time" not in text
        assert "faster" not in text
    if "not checked" in verdicts:
        assert "b: agreement was not checked to the end" in text, "it must be said aloud"


def test_who_reads_files_beside_arrays_is_told() -> None:
    """Without the very first epoch, in the terminal, in results.json and in the page."""
    plan = small_plan(epochs=5)
    sessions = {"a": FakeSession(seconds=(2.0,), data_seconds=0.5), "b": other(seconds=(1.0,))}
    records = records_of(["a", "b"], plan)
    records[0].entrant = replace(records[0].entrant, data="loader")
    results = run(sessions, plan, records=records)
    (pair,) = as_read(results)["comparisons"]
    assert (pair["reads_files"], pair["waiting_share"]) == ("a", 0.25)
    words = "a reads files, b has its arrays in memory; 25.0 % of a's time was waiting for data"
    assert f"a takes 2.00× the time of b (95 %: 2.00 to 2.00): b is faster ({words})" in printed(
        results, width=300
    )
    records[1].entrant = replace(records[1].entrant, data="loader")
    (pair,) = compare_all(records, results.verdicts)
    assert pair["reads_files"] is pair["waiting_share"] is None


def test_names_in_a_comparison_are_not_mixed_up() -> None:
    """A label may end in the letter that stands for the other one."""
    sessions = {"lab": FakeSession(seconds=(1.0,)), "x": other(seconds=(2.0,))}
    assert "lab takes 0.50× the time of x (95 %: 0.50 to 0.50): lab is faster" in printed(
        run(sessions, small_plan(epochs=5))
    )


def test_every_pair_is_listed_once() -> None:
    sessions = {label: other(bias) for bias, label in enumerate("abcd")}
    pairs = as_read(run(sessions))["comparisons"]
    assert [pair["a"] + pair["b"] for pair in pairs] == ["ab", "ac", "ad", "bc", "bd", "cd"]


def test_identical_entrants_are_named() -> None:
    results = run({"a": FakeSession(), "b": other(), "c": FakeSession(), "d": FakeSession()})
    found = as_read(results)["parity"]["entrants"]
    assert [found[label]["verdict"] for label in "abcd"] == [
        "rounding",
        "rounding",
        "identical",
        "identical",
    ]
    assert [found[label]["identical_to"] for label in "abcd"] == [None, None, "a", "a"]
    assert "identical to a" in printed(results)


def test_first_difference_is_told() -> None:
    results = run({"a": FakeSession(verdict="differs")})
    read = as_read(results)["parity"]["entrants"]["a"]
    assert read["first_difference"] == {
        "step": 2,
        "stage": "update",
        "tensor": "output.bias",
        "index": [4],
        "value": 0.5,
        "referee": 0.25,
        "likely_cause": None,
        "unit": None,
    }
    line = "a differs at step 2, stage update, tensor output.bias[4]: 0.5, the referee has 0.25"
    assert line in printed(results)
    assert results.exit_code() == 1


def test_not_finishing_weighs_more_than_differing() -> None:
    sessions = {
        "a": FakeSession(verdict="differs"),
        "b": other(raises={"train": (1, Failed("boom"))}),
    }
    assert run(sessions).exit_code() == 3


def test_prediction_agreement() -> None:
    a = FakeSession(classes=np.array([0, 0, 0, 0, 1], np.uint8))
    b = other(classes=np.array([0, 0, 2, 2, 1], np.uint8))
    read = as_read(run({"a": a, "b": b}))
    found = read["parity"]["entrants"]
    assert [found[label]["prediction_agreement"] for label in "ab"] == [0.8, 0.4]
    assert read["comparisons"][0]["prediction_agreement"] == 0.6


def test_made_up_numbers_do_not_agree_with_the_real_referee(
    real_referee: None, small: description.Dataset, tmp_path: Path
) -> None:
    """And NumPy itself does."""
    plan = make_plan()
    work = draw_work(plan, small)
    fake = FakeSession(classes=np.zeros(small.test_examples, np.uint8))
    sessions: dict[str, Any] = {"fake": fake, "numpy": LocalSession("numpy")}
    results = run(sessions, plan, work=work)
    read = as_read(results)
    found = read["parity"]["entrants"]
    assert found["numpy"]["verdict"] == "rounding"
    assert found["numpy"]["prediction_agreement"] == 1.0
    assert found["fake"]["verdict"] == "differs"
    assert (found["fake"]["first_difference"]["step"], results.exit_code()) == (1, 1)
    assert found["fake"]["first_difference"]["stage"] == "data"
    assert read["comparisons"][0]["verdict"] == "not compared"


def test_an_entrant_that_leaves_a_step_out(
    real_referee: None, small: description.Dataset, tmp_path: Path
) -> None:
    """Its short batch is lost: that is a verdict, no failure, and no number is made up for it."""

    class Hasty(LocalSession):
        def train(self, order: np.ndarray) -> Trained:
            return super().train(order[: len(order) // 32 * 32])

    plan = make_plan()
    work = draw_work(plan, small)
    sessions: dict[str, Any] = {"hasty": Hasty("numpy"), "numpy": LocalSession("numpy")}
    results = run(sessions, plan, work=work)
    read = as_read(results)
    assert statuses(results) == {"hasty": "ok", "numpy": "ok"}
    assert results.exit_code() == 1
    verdict = read["parity"]["entrants"]["hasty"]
    first = verdict["first_difference"]
    assert verdict["verdict"] == "differs"
    assert (first["step"], first["stage"], first["tensor"]) == (3, "data", "batch")
    assert first["value"] is first["referee"] is verdict["max_abs_loss_difference"] is None
    assert "6 examples, is dropped" in first["likely_cause"]
    entrant = read["entrants"][0]
    assert len(entrant["step_losses"]) == 2 * 2
    losses = entrant["step_losses"][:2]
    assert entrant["epochs"][0]["train_loss"] == pytest.approx(sum(losses) / 2)
    assert entrant["epochs"][0]["train_accuracy"] <= 1
    text = printed(results)
    assert "hasty differs at step 3, stage data, tensor batch (whole step)\n" in text
    assert "nan" not in text


# ---- what the checks took ------------------------------------------------------------------


def test_what_the_checks_took_is_said() -> None:
    results = run({"a": FakeSession()})
    assert results.check_seconds.keys() == {"referee", "components"}
    results.check_seconds = {"referee": 1.5, "components": 0.25, "noise band": 0.0}
    assert as_read(results)["parity"]["seconds"] == results.check_seconds
    line = "the checks took 1.75 s: referee 1.5 s, components 250 ms"
    assert f"\n{line}\n" in printed(results), "what was not done took no time, and is not named"
    results.check_seconds = {}
    assert "the checks took" not in printed(results)


def test_their_time_is_not_the_trainings() -> None:
    """The clock of an epoch is the entrant's own."""
    results = run({"a": FakeSession(seconds=(9.0, 2.0))})
    assert results.records[0].rounds == [[9.0, 2.0, 9.0]]
    assert 0 < sum(results.check_seconds.values()) < 9


# ---- where entrants choose another class ---------------------------------------------------


def pictured(
    chosen: Mapping[str, list[int]],
    width: int = 160,
    names: Sequence[str] = known.FASHION_MNIST.classes,
    margins: np.ndarray | None = MARGINS,
    side: int = 28,
) -> str:
    """What is printed of five test images, all of class 3, and what entrants took them for."""
    pixels = np.arange(TESTS * side * side).reshape(TESTS, -1).astype(np.uint8)
    dataset: Any = SimpleNamespace(
        test=lambda: (pixels, np.full(TESTS, 3, np.uint8)),
        classes=names,
        inputs=Inputs("image", (side, side, 1)),
    )
    results = run(
        {n: other(i, classes=np.array(c, np.uint8)) for i, (n, c) in enumerate(chosen.items())}
    )
    results.margins = margins
    out = io.StringIO()
    print_agreement(results, dataset, Console(file=out, width=width))
    return out.getvalue()


def test_all_choose_the_same() -> None:
    text = pictured({"a": [3, 1, 2, 3, 9], "b": [3, 1, 2, 3, 9]})
    assert text == "All choose the same class for each of the 5 test images.\n"


def test_one_entrant_alone_is_not_compared() -> None:
    assert pictured({"a": [3, 1, 2, 3, 9]}) == ""


def test_pairs_that_choose_otherwise_are_counted() -> None:
    text = pictured({"a": [3, 3, 3, 3, 3], "b": [3, 3, 3, 3, 3], "c": [3, 0, 3, 1, 3]})
    lines = [line for line in text.splitlines() if "choose another class" in line]
    assert lines == [
        "a and c choose another class for 2 of 5 test images",
        "b and c choose another class for 2 of 5 test images",
    ]


def test_the_widest_margin_is_shown_first() -> None:
    """An image on which rounding decides says nothing."""
    text = pictured({"a": [3, 3, 3, 3, 3], "b": [0, 1, 2, 9, 3]})
    assert re.findall(r"test image (\d)", text) == ["2", "0", "3", "1"]
    assert re.findall(r"test image \d: (\w+)", text) == ["dress"] * 4
    assert re.findall(r"b: ([\w-]+( boot)?)", text) == [
        ("pullover", ""),
        ("t-shirt", ""),
        ("ankle boot", " boot"),
        ("trouser", ""),
    ]
    assert "margin of the logits 3.0e+00" in text


def test_without_margins_the_first_is_shown_first() -> None:
    text = pictured({"a": [3, 3, 3, 3, 3], "b": [0, 1, 2, 9, 3]}, margins=None)
    assert re.findall(r"test image (\d)", text) == ["0", "1", "2", "3"]
    assert "margin" not in text


@pytest.mark.parametrize(("width", "shown"), [(30, 1), (40, 1), (80, 2), (160, 4)])
def test_as_many_pictures_as_fit(width: int, shown: int) -> None:
    text = pictured({"a": [3, 3, 3, 3, 3], "b": [0, 1, 2, 9, 3]}, width)
    assert len(re.findall(r"test image \d", text)) == shown
    below = text.splitlines()[1:]
    assert max(map(len, below)) <= width
    # A picture of 28 x 28 is 14 lines, none of which is folded or cut.
    assert len(below) == 1 + 14 + 3
    assert "…" not in text


@pytest.mark.parametrize("width", [30, 40, 80, 160])
def test_a_long_label_never_costs_the_class(width: int) -> None:
    label = "mix(data=torch,model=jax,loss=mindspore,update=torch)"
    text = pictured({"a": [3, 3, 3, 3, 3], label: [3, 3, 9, 3, 3]}, width)
    words = re.sub(r"\s+", "", text.partition("test image 2")[2])
    assert f"{label}:ankleboot" in words
    assert "…" not in text


def test_classes_of_other_data_are_numbers() -> None:
    text = pictured({"a": [3, 3, 3, 3, 3], "b": [3, 3, 7, 3, 3]}, names="0123456789")
    assert "test image 2: 3" in text
    assert "b: 7" in text
    assert "dress" not in text


def test_a_class_that_is_none() -> None:
    """A backend of somebody's own may have more columns than there are classes."""
    assert "b: 11" in pictured({"a": [3, 3, 3, 3, 3], "b": [3, 3, 11, 3, 3]})


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_beside_a_picture(words: str) -> None:
    for width in WIDTHS:
        text = pictured({"a": [3, 3, 3, 3, 3], words: [3, 3, 9, 3, 3]}, width)
        assert ESCAPE not in text
        assert "ankle" in text


def test_agreement_is_part_of_what_is_printed() -> None:
    dataset: Any = SimpleNamespace(
        test=lambda: (np.zeros((TESTS, 36), np.uint8), np.zeros(TESTS, np.uint8)),
        classes=known.FASHION_MNIST.classes,
        inputs=Inputs("image", (6, 6, 1)),
    )
    results = run({"a": FakeSession(), "b": other()})
    out = io.StringIO()
    print_results(results, "runs/x", Console(file=out, width=100), dataset)
    assert "All choose the same class for each of the 5 test images." in out.getvalue()
    assert "All choose" not in printed(results), "without the images nothing can be shown"


@pytest.mark.parametrize(
    ("side", "lines", "width"), [(28, 14, 28), (6, 3, 6), (1, 0, 0), (29, 7, 15), (56, 14, 28)]
)
def test_drawn(side: int, lines: int, width: int) -> None:
    text = drawn(np.zeros((side, side), np.uint8))
    rows = text.splitlines()
    assert len(rows) == lines
    assert all(len(row) == width for row in rows)


def test_drawn_is_the_picture() -> None:
    """Dark above, light below, and half of each where a line holds both."""
    pixels = np.repeat([0, 0, 0, 255, 255, 255], 6).astype(np.uint8)
    assert drawn(pixels.reshape(6, 6)) == "      \n======\n@@@@@@"
    columns = np.tile([0, 255, 0, 255, 0, 255], 6).astype(np.uint8)
    assert drawn(columns.reshape(6, 6)) == "\n".join([" @ @ @"] * 3)


def test_drawn_in_its_own_shape() -> None:
    assert drawn(np.zeros((4, 9), np.uint8)) == "\n".join([" " * 9] * 2)
    assert drawn(np.zeros((57, 3), np.uint8)).count("\n") + 1 == 9


# ---- the schema ----------------------------------------------------------------------------


def spoilt(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    sessions = {
        "a": FakeSession(),
        "b": other(verdict="differs"),
        "c": other(2.0, raises={"train": (1, Failed("x"))}),
    }
    read = as_read(run(sessions))
    change(read)
    return read


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda r: r.update(schema_version=2), id="version"),
        pytest.param(lambda r: r.pop("parity"), id="no-parity"),
        pytest.param(lambda r: r["plan"].pop("seed"), id="no-seed"),
        pytest.param(lambda r: r["plan"].update(lr="0.1"), id="lr-as-words"),
        pytest.param(lambda r: r["plan"].update(epochs=2.5), id="epochs-not-whole"),
        pytest.param(lambda r: r["data"].update(order_sha256="abc"), id="short-digest"),
        pytest.param(lambda r: r["data"]["sha256"].update(x=None), id="digest-null"),
        pytest.param(lambda r: r["entrants"][0].update(status="fine"), id="status"),
        pytest.param(lambda r: r["entrants"][2].update(reason=None), id="failed-without-reason"),
        pytest.param(lambda r: r["entrants"][0].update(slug="a/b"), id="slug"),
        pytest.param(lambda r: r["entrants"][0].update(notes="words"), id="notes-as-words"),
        pytest.param(lambda r: r["entrants"][0].pop("true"), id="no-true"),
        pytest.param(lambda r: r["entrants"][0]["step_losses"].append("NaN"), id="loss-as-words"),
        pytest.param(lambda r: r["entrants"][0]["epochs"][0].pop("data_seconds"), id="epoch-field"),
        pytest.param(
            lambda r: r["entrants"][0]["epochs"][0].update(test_accuracy=1.5), id="accuracy-1.5"
        ),
        pytest.param(
            lambda r: r["entrants"][0]["timing"]["epoch_seconds"].update(median=None),
            id="median-null",
        ),
        pytest.param(
            lambda r: r["entrants"][0]["timing"]["epoch_seconds"].update(low=0.1),
            id="interval-of-two",
        ),
        pytest.param(lambda r: r["parity"]["entrants"]["a"].update(verdict="ok"), id="verdict"),
        pytest.param(
            lambda r: r["parity"]["entrants"]["a"].update(verdict="identical"),
            id="identical-to-nobody",
        ),
        pytest.param(
            lambda r: r["parity"]["entrants"]["b"]["first_difference"].update(index=4),
            id="index-not-a-list",
        ),
        pytest.param(lambda r: r["comparisons"][0].update(verdict="faster"), id="comparison"),
        pytest.param(lambda r: r["comparisons"][0].update(ratio=1.0), id="ratio-not-compared"),
    ],
)
def test_schema_refuses(change: Callable[[dict[str, Any]], Any]) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA_TEXT)
    assert list(validator.iter_errors(spoilt(change)))


@pytest.mark.parametrize("path", schema.KINDS, ids=lambda path: str(path.stem))
def test_the_schema_is_that_of_the_types(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text == schema.text(path), "python -m common.results.schema writes it anew"


def test_schema_lets_fields_be_added() -> None:
    def add(read: dict[str, Any]) -> None:
        places = (read, read["plan"], read["entrants"][0], read["entrants"][0]["epochs"][0])
        for place in (*places, read["comparisons"][0], read["parity"]["entrants"]["a"]):
            place["new"] = {"anything": None}

    jsonschema.Draft202012Validator.check_schema(SCHEMA_TEXT)
    assert not list(jsonschema.Draft202012Validator(SCHEMA_TEXT).iter_errors(spoilt(add)))


# ---- hostile words -------------------------------------------------------------------------


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_do_no_harm(words: str) -> None:
    """In a label, a reason, a note and a version."""
    plan = small_plan()
    records = records_of([words, "good"], plan)
    records[0].notes.append(words)
    records[1].notes.append(words)
    sessions = {
        words: FakeSession(raises={"train": (2, Failed(words))}),
        "good": other(answers={"open": opened_with(words)}),
    }
    results = run(sessions, plan, records=records)
    entrant = as_read(results)["entrants"][0]
    assert (entrant["label"], entrant["reason"], entrant["notes"]) == (words, words, [words])
    for width in WIDTHS:
        text = printed(results, width)
        assert ESCAPE not in text, "escape codes where there is no terminal"
        assert "good" in text
        assert "rounding" in text
        assert "failed" in text
    if len(words) < 30 and words.isprintable() and words.isascii():
        rows = [line.split("  ")[0].strip() for line in printed(results, 400).splitlines()]
        assert words in rows, "the label must stand in its row as it is"
        assert f"{words}: failed: {words}" in printed(results)


def opened_with(version: str) -> dict[str, Any]:
    return {
        "versions": {"fake": version},
        "settings": {version: version},
        "import_seconds": 0.1,
        "open_seconds": 0.1,
        "framework_memory_bytes": 1,
    }


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "file"])
@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_in_progress(words: str, terminal: bool) -> None:
    plan, out = small_plan(), io.StringIO()
    records = records_of([words, "good"], plan)
    console = Console(file=out, width=100, force_terminal=terminal, _environ={})
    sessions = {words: FakeSession(raises={"train": (2, Failed(words))}), "good": other()}
    with Progress(console, records, plan.epochs, plan.rounds, quiet=False) as progress:
        run(sessions, plan, records=records, observer=progress)
        if terminal:
            console.print(progress._table())
    assert "good" in out.getvalue()
    if not terminal:
        assert ESCAPE not in out.getvalue()


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_of_a_comparison_and_a_difference(words: str) -> None:
    sessions = {words: FakeSession(), "b": other(), f"{words} ": FakeSession(verdict="differs")}
    results = run(sessions, small_plan(epochs=5))
    as_read(results)
    for width in WIDTHS:
        assert ESCAPE not in printed(results, width)


# ---- the terminal --------------------------------------------------------------------------


def usual() -> Results:
    """Every kind of verdict, with labels as long as they get."""
    sessions = {
        "mindspore:eager,scratch#1": FakeSession(),
        "mindspore:eager,scratch#2": FakeSession(),
        "torch": other(1.0),
        "jax": other(2.0, verdict="differs"),
        "numpy": other(3.0, raises={"train": (2, TimedOut("train took longer than 3 s"))}),
    }
    return run(sessions, small_plan(epochs=5))


def rows_of(text: str) -> str:
    """The table alone: from its rule to the first line after it."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if "───" in line)
    end = next(n for n, line in enumerate(lines) if line.startswith("results in"))
    table = [line for line in lines[start:end] if line.startswith(" ")]
    return "\n".join(table)


@pytest.mark.parametrize("width", WIDTHS)
def test_narrow_terminals_keep_entrant_and_verdict(width: int) -> None:
    text = printed(usual(), width)
    table = rows_of(text)
    assert max(map(len, table.splitlines())) <= width
    for label in ("torch", "jax", "numpy"):
        assert re.search(rf"(?m)^ *{label} ", table), f"{label} is cut at {width} columns"
    if width >= 80:
        assert "mode" in text.partition("───")[0], "the last to go"
    for verdict in ("rounding", "differs", "timeout"):
        assert re.search(rf"\b{verdict}\b", table), f"{verdict} is cut at {width} columns"
    # Long labels may be folded over lines, but nothing of them may be lost.
    first = "".join(line[1 : 1 + width // 2].split("  ")[0].strip() for line in table.splitlines())
    assert "mindspore:eager,scratch#1" in first
    assert "…" not in table


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.0, "100.0 %"), (0.9996, "99.96 %"), (0.99995, "99.995 %"), (0.999952, "99.995 %"),
     (0.5, "50.0 %"), (0.0, "0.0 %")],
)  # fmt: skip
def test_nearly_all_is_not_all(value: float, words: str) -> None:
    assert percent(value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0004, "0.000400"), (0.00114, "0.00114"), (0.05, "0.0500"), (1.2, "1.200")],
)
def test_short_epochs_have_three_digits_that_count(value: float, words: str) -> None:
    assert three_digits(value) == words


def test_a_column_that_says_nothing_of_anybody_is_left_out() -> None:
    columns: list[Column[str]] = [
        Column("entrant", "left", 0, lambda row: Text(row)),
        Column("test acc", "right", 0, lambda row: Text(DASH)),
        Column("s/epoch", "right", 1, lambda row: row if row == "timed" else DASH),
    ]
    heads = [column.header for column in fitted(columns, ["timed", "failed"], 80).columns]
    assert heads == ["entrant", "s/epoch"]
    assert len(fitted(columns, [], 80).columns) == len(columns)


@pytest.mark.slow
def test_no_width_cuts_a_cell() -> None:
    """Nor makes the table wider than the terminal."""
    results = usual()
    for width in range(40, 200, 3):
        table = rows_of(printed(results, width))
        assert max(map(len, table.splitlines())) <= width
        assert "…" not in table
        for words in ("rounding", "differs", "timeout", "identical", "60.0 %"):
            assert re.search(rf"{words}( |\n)", table), f"{words} is cut at {width} columns"


@pytest.mark.slow
def test_wider_terminals_show_no_less() -> None:
    names = ("train loss", "train acc", "s/epoch", "max Δ loss", "peak memory", "interval")
    results, before = usual(), 0
    for width in WIDTHS:
        shown = sum(name in printed(results, width) for name in names)
        assert shown >= before
        before = shown
    assert before == len(names)


@pytest.mark.parametrize("width", WIDTHS)
def test_lines_below_the_table_are_whole(width: int) -> None:
    """To be copied and searched: no line is folded."""
    text = printed(usual(), width)
    assert "\nnumpy: timeout: train took longer than 3 s\n" in text
    assert "\nresults in runs/x, drawn in report.html\n" in text


def test_the_last_line_is_a_link_on_a_terminal(tmp_path: Path) -> None:
    text = []
    for terminal in (True, False):
        out = io.StringIO()
        colours = "truecolor" if terminal else "auto"
        console = Console(file=out, force_terminal=terminal, color_system=colours, width=80)
        console.print(results_line(tmp_path, "report.html"), soft_wrap=True)
        text.append(out.getvalue())
    assert f";{(tmp_path / 'report.html').as_uri()}{ESCAPE}\\report.html{ESCAPE}" in text[0]
    assert text[1] == f"results in {tmp_path}, drawn in report.html\n"


def test_wide_terminals_show_all_columns() -> None:
    header = printed(usual(), 160).splitlines()
    for names in (
        ("entrant", "version", "mode", "train loss", "95 % interval", "max Δ loss", "verdict"),
        ("entrant", "import", "open", "compile", "first step", "s/epoch", "least"),
        ("evaluation", "cores used", "peak memory", "framework's"),
    ):
        assert any(all(name in line for name in names) for line in header), names


def test_plain_output_has_no_escape_codes() -> None:
    assert ESCAPE not in printed(usual())


def test_terminal_output_has_colours() -> None:
    """Otherwise the two tests around this one could not fail."""
    assert f"{ESCAPE}[3" in printed(usual(), force_terminal=True, _environ={"TERM": "xterm"})


def test_no_color_is_honoured() -> None:
    text = printed(usual(), force_terminal=True, _environ={"TERM": "xterm", "NO_COLOR": "1"})
    codes = [
        code for found in re.findall(ESCAPE + r"\[([\d;]*)m", text) for code in found.split(";")
    ]
    assert not [code for code in codes if code and 30 <= int(code) <= 107], codes


def test_quiet_progress_says_nothing() -> None:
    plan, out = small_plan(), io.StringIO()
    records = records_of(["a"], plan)
    for terminal in (True, False):
        console = Console(file=out, force_terminal=terminal)
        with Progress(console, records, 3, 1, quiet=True) as progress:
            run({"a": FakeSession()}, plan, records=records_of(["a"], plan), observer=progress)
    assert out.getvalue() == ""


def test_the_table_is_drawn_between_epochs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing draws while somebody trains, and what has happened is seen."""
    monkeypatch.setattr("common.shown.progress.OFTEN", 0.0)
    plan, out = small_plan(epochs=2), io.StringIO()
    records, seen = records_of(["a"], plan), []

    class Watched(FakeSession):
        def train(self, order: Array) -> Trained:
            seen.append(out.getvalue())
            time.sleep(0.3)  # a clock of rich's draws four times a second
            seen.append(out.getvalue())
            return super().train(order)

    console = Console(file=out, width=80, force_terminal=True)
    with Progress(console, records, 2, 1, quiet=False) as progress:
        run({"a": Watched()}, plan, records=records, observer=progress)
    assert [seen[0], seen[2]] == [seen[1], seen[3]]
    assert "training" in seen[0]
    assert "1/2" in seen[2]


def test_progress_says_a_line_an_epoch() -> None:
    plan, out = small_plan(epochs=2, rounds=2), io.StringIO()
    records = records_of(["a"], plan)
    with Progress(Console(file=out, width=40), records, 2, 2, quiet=False) as progress:
        run({"a": FakeSession()}, plan, records=records, observer=progress)
    lines = [line for line in out.getvalue().splitlines() if "epoch" in line]
    assert [line.partition("  ")[0] for line in lines] == [
        "a: round 1/2 epoch 1/2",
        "a: round 1/2 epoch 2/2",
        "a: round 2/2 epoch 1/2",
        "a: round 2/2 epoch 2/2",
    ]
    assert "train loss" in lines[0]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.0123, "12.3 ms"), (1.234, "1.23 s"), (0.0, "0 ms"), (123.4, "123 s")],
    ids=str,
)
def test_seconds(value: float | None, words: str) -> None:
    assert seconds(value) == words


# ---- files ---------------------------------------------------------------------------------


def test_whole_leaves_nothing_behind_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "results.json"
    target.write_text("old")

    def fail() -> None:
        with whole(target) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    assert target.read_text() == "old"


def test_orders_are_streamed(tmp_path: Path) -> None:
    rows = [np.arange(4, dtype=np.int32), np.arange(4, dtype=np.int32)[::-1]]
    write_orders(tmp_path / "order.npy", iter(rows), (2, 4))
    found = np.load(tmp_path / "order.npy")
    assert (found.dtype, found.tolist()) == (np.int32, [[0, 1, 2, 3], [3, 2, 1, 0]])


def test_results_of_a_long_run_hold_every_loss() -> None:
    (entrant,) = as_read(run({"a": FakeSession()}, small_plan(epochs=500)))["entrants"]
    assert entrant["step_losses"] == [2.0, 1.0] * (250 * STEPS)
    assert len(entrant["epochs"]) == 500


# ---- curves --------------------------------------------------------------------------------


def curves_of(epochs: int, entrants: int, width: int) -> str | None:
    """Curves of entrants after so many of ten epochs."""
    rows = [
        {"train_loss": 1 / epoch, "train_accuracy": 0.5, "test_accuracy": None}
        for epoch in range(1, epochs + 1)
    ]
    records: Any = [SimpleNamespace(epochs=rows) for _ in range(entrants)]
    found = curves(records, 10, width)
    return None if found is None else found.plain


@pytest.mark.parametrize("epochs", [0, 1])
def test_one_epoch_is_no_curve(epochs: int) -> None:
    assert curves_of(epochs, 2, 160) is None


@pytest.mark.parametrize(("width", "panels"), [(30, 1), (80, 1), (100, 1), (160, 2)])
def test_curves_fit(width: int, panels: int) -> None:
    """The test accuracy, which nobody has here, is not drawn."""
    text = curves_of(3, 2, width)
    assert text is not None
    assert text.count("train loss") == 1
    assert text.count("train acc") == panels - 1
    assert text.count("(epoch)") == panels
    assert {len(line) for line in text.splitlines()} == {panels * CURVES_WIDTH}


def test_who_watches_is_not_blamed_on_an_entrant() -> None:
    class Broken(Watcher):
        def epoch(self, record: Record, round_: int) -> None:
            raise RuntimeError("the terminal is on fire")

    results = run({"a": FakeSession()}, observer=Broken())
    assert str(results.error) == "the terminal is on fire"
    assert results.records[0].reason == "an error of this project's own ended the run"


# ---- disturbed -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        ({"a": [False, False], "b": []}, ""),
        ({"a": [True, False, False]}, "during 1 of 3 epochs of a; they count all the same"),
        ({"a": [False], "b": [True, True, False]}, "run it again when the machine is quiet"),
    ],
    ids=["nobody", "some", "most"],
)
def test_disturbed_epochs_in_words(noted: dict[str, list[bool]], words: str) -> None:
    line = disturbed_line(noted)
    assert line.endswith(words)
    assert bool(line) == bool(words)


def test_an_entrant_that_diverged_is_drawn_as_far_as_it_went() -> None:
    nan = [{"train_loss": v, "train_accuracy": v, "test_accuracy": v} for v in (1.0, 0.5, math.nan)]
    fine = [{"train_loss": v, "train_accuracy": v, "test_accuracy": v} for v in (1.0, 0.5, 0.4)]
    records: Any = [SimpleNamespace(epochs=nan), SimpleNamespace(epochs=fine)]
    assert curves(records, 10, 160) is not None


def test_where_rounding_alone_may_lead_a_loss_anywhere_is_said() -> None:
    held = {"torch": 62, "jax": 62, "mindspore": 40, "numpy": None}
    lines = blind_words(held, steps=316)
    assert [line.split(":")[0] for line in lines] == [
        "after step 62 of 316 rounding alone may move the loss of torch and jax by a tenth and "
        "more",
        "after step 40 of 316 rounding alone may move the loss of mindspore by a tenth and more",
    ]
    assert blind_words({"torch": None}, steps=316) == []
