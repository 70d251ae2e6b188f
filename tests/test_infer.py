"""`infer`: whose logits are right, what a call takes, and whose times are compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from common.agreement.verdict import Verdict
from common.contract.entrant import parse
from common.measure import limit
from common.measure.quiet import BUSY
from common.results.record import Record
from common.results.schema import INFERENCE
from common.running.inferring import TURNS, Inferring, Readings, compared
from common.running.machine import Machine
from common.running.work import draw_work
from common.shown.progress import Silent
from tests.conftest import BACKENDS, FRAMEWORKS, Command, make_plan
from tests.fakes import FakeSession, copy_backend

VALIDATOR = jsonschema.Draft202012Validator(json.loads(INFERENCE.read_text(encoding="utf-8")))
QUICK = ("--seconds", 0.1, "--batch-size", "1,32", "--json", "-")


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody measures the machine: that takes a second each time."""
    monkeypatch.setattr(limit, "machine", lambda dtype, threads: {"flops_per_second": 1e11})


def infer(compare: Command, *arguments: object, expect: int = 0) -> dict[str, Any]:
    """What is answered about the small data, held against its schema."""
    data = ("--data-dir", compare.data, "--custom-data")
    done = compare("infer", *QUICK, *data, *arguments)
    assert done.returncode == expect, f"{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout)
    assert [e.message for e in VALIDATOR.iter_errors(found)] == []
    return {**found, "words": done.stderr}


@pytest.mark.slow
def test_two_that_are_right_are_compared(compare: Command) -> None:
    found = infer(compare, "--backends", "numpy", "numpy", "--rounds", 2)
    assert [one["label"] for one in found["entrants"]] == ["numpy#1", "numpy#2"]
    for one in found["entrants"]:
        assert [size["batch_size"] for size in one["sizes"]] == [1, 32]
        for size in one["sizes"]:
            assert size["verdict"]["verdict"] == "rounding"
            seconds = size["seconds"]
            assert [len(turns) for turns in seconds["turns"]] == [TURNS, TURNS]
            assert seconds["min"] <= seconds["median"]
            assert seconds["calls"] % (2 * TURNS) == 0
            assert size["examples_per_second"] == pytest.approx(
                size["batch_size"] / seconds["median"]
            )
    assert [pair["batch_size"] for pair in found["comparisons"]] == [1, 32]
    assert all(pair["ratio"] > 0 for pair in found["comparisons"])
    assert "logits right, only rounding differs" in found["words"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("mode", ["eager", "jit", "fused"])
@pytest.mark.parametrize("model", ["linear", "mlp"])
def test_every_backend(compare: Command, backend: str, mode: str, model: str) -> None:
    data = () if model == "linear" else ("--data-dir", compare.data, "--custom-data")
    done = compare(
        "infer", *QUICK, *data, "--model", model, "--hidden", 16, "--backends", f"{backend}:{mode}"
    )
    (one,) = json.loads(done.stdout)["entrants"]
    assert one["mode"] == {"fused": "jit"}.get(mode, mode)
    assert [size["verdict"]["verdict"] for size in one["sizes"]] == ["rounding"] * 2
    assert any("not fused" in note for note in one["notes"]) == (mode == "fused")


#: Wrong everywhere, wrong once a bias is no longer zero, and no answer at all.
SLIPS = {
    "scaled": "return forward(params, images) * np.float32(1.00001)",
    "no bias": "return images @ params['output.weight']",
    "raises": "raise OSError(7)",
}


def wrong_backend(folder: Path, slip: str) -> tuple[object, ...]:
    """A copy of NumPy whose forward pass has a slip; the words that ask for both."""
    code = f"""
right = softmax_scratch

def softmax_scratch(params):
    forward = right(params)
    def wrong(params, images):
        {SLIPS[slip]}
    wrong.backward = forward.backward
    return wrong
"""
    copy_backend(folder / "more", "wrong", model=f"import numpy as np\n{code}")
    return ("--backends", "numpy", "wrong", "--backend-path", folder / "more")


@pytest.mark.slow
@pytest.mark.parametrize("slip", ["scaled", "no bias"])
def test_who_differs_is_not_compared(compare: Command, tmp_path: Path, slip: str) -> None:
    found = infer(compare, *wrong_backend(tmp_path, slip), expect=1)
    wrong = found["entrants"][1]["sizes"]
    assert [size["verdict"]["verdict"] for size in wrong] == ["differs"] * 2
    assert wrong[0]["verdict"]["first_difference"]["tensor"] == "logits"
    assert {pair["verdict"] for pair in found["comparisons"]} == {"not compared"}
    assert "wrong differs from the referee, and is not compared" in found["words"]


@pytest.mark.slow
def test_what_is_judged_is_what_is_timed(compare: Command, tmp_path: Path) -> None:
    """A model that is right op by op, and wrong once it is compiled."""
    modes = 'from dataclasses import replace\nINFO = replace(INFO, modes=("eager", "jit"))'
    code = "def compiled(function, updates):\n    return lambda *given: 1.00001 * function(*given)"
    copy_backend(tmp_path / "more", "wrong", init=modes, train=code)
    where = ("--backend-path", tmp_path / "more")
    found = infer(compare, "--backends", "wrong:eager", "wrong:jit", *where, expect=1)
    words = [[size["verdict"]["verdict"] for size in one["sizes"]] for one in found["entrants"]]
    assert words == [["rounding"] * 2, ["differs"] * 2]


def test_an_entrant_that_fails_is_alone(compare: Command, tmp_path: Path) -> None:
    found = infer(compare, *wrong_backend(tmp_path, "raises"), expect=3)
    assert [one["status"] for one in found["entrants"]] == ["ok", "failed"]
    assert found["entrants"][0]["sizes"][1]["seconds"]["calls"] > 0
    assert found["comparisons"] == []


@pytest.mark.slow
def test_trained_weights(compare: Command) -> None:
    compare.run("--backends", "numpy", "--check", "none")
    initial = infer(compare, "--backends", "numpy")
    weights = ("--from", "out/params-numpy.safetensors")
    trained = infer(compare, "--backends", "numpy", *weights)
    assert trained["asked"]["weights_sha256"] != initial["asked"]["weights_sha256"]
    assert trained["entrants"][0]["sizes"][0]["verdict"]["verdict"] == "rounding"
    of_another = compare("infer", "--backends", "numpy", "--model", "linear", *weights)
    assert of_another.returncode == 2
    words = "has output.bias 10, output.weight 36x10, and the model has output.bias 1, output.weigh"
    assert words in of_another.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--backends", "torch:loader"], "loader does not go with infer"),
        (["--batch-size", "1,1"], "names a size twice"),
        (["--batch-size", "1,1000000"], "there are 70 examples"),
        (["--from", "initial.safetensors"], "cannot be read"),
        (["--lr", "0.1"], "unrecognized arguments: --lr 0.1"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_refused(compare: Command, arguments: list[str], words: str) -> None:
    data = ("--data-dir", compare.data, "--custom-data", "--backends", "numpy")
    done = compare("infer", *QUICK, *data, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


def test_calls_that_warm_up_do_not_count() -> None:
    """The first one is told of by itself; of the rest the median says how many a turn has."""
    plan = make_plan("linear", epochs=1)
    (entrant,) = parse(["numpy"], BACKENDS)
    session = FakeSession(seconds=[9.0, 5.0, *[0.5] * TURNS])
    work, record = draw_work(plan, None), Record(entrant, BACKENDS["numpy"])
    machine = Machine(plan.threads, Silent())
    asking = Inferring(work, [record], lambda _: session, Silent(), [4], 200.0, machine)
    (readings,) = asking.run()["numpy"].values()
    assert readings.first_seconds == 9.0
    assert readings.calls_a_turn == int(200.0 / TURNS / 5.0)
    assert set(readings.calls) == {0.5}
    assert session.closed == [False]


def right(seconds: float, *, disturbed: bool = False) -> Readings:
    """An entrant whose turns all take as long."""
    turns = [[seconds, seconds] for _ in range(TURNS)]
    verdict = Verdict(verdict="rounding")
    return Readings(1.0, 2, [turns], [[disturbed] * TURNS], verdict)


def test_who_is_quicker_is_said_of_a_quiet_machine_only() -> None:
    assert compared(right(2.0), right(1.0), moved=False)["verdict"] == "b is faster"
    assert compared(right(2.0), right(1.0), moved=True)["verdict"] == BUSY
    busy = compared(right(2.0), right(1.0, disturbed=True), moved=False)
    assert (busy["ratio"], busy["verdict"]) == (2.0, BUSY)


def test_a_turn_counts_by_its_median() -> None:
    turns = right(1.0)
    turns.rounds[0][0] = [1.0, 9.0, 1.0]
    assert np.concatenate(turns.medians).tolist() == [1.0] * TURNS
