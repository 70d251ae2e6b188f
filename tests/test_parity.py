"""What the verdicts call agreement, and what never: every check is shown an error."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.agreement.band import Band
from common.agreement.bounds import update_bound
from common.agreement.checks import (
    EVALUATION,
    ROW,
    STEP,
    Check,
    Place,
    check,
    checks,
    compared,
)
from common.agreement.differences import difference
from common.agreement.expected import Expected, expect
from common.agreement.judge import Bench, judge, loss_error
from common.agreement.random_rounding import RoundingSession
from common.agreement.referee import Referee, free_run
from common.agreement.schedule import Schedule
from common.agreement.slips.rules import rule_of, settings
from common.agreement.verdict import Verdict, mark_identical, undecided
from common.contract.entrant import Entrant
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.precision import cast
from common.contract.root import ROOT
from common.data import description, draws
from common.entrants.local import LocalSession
from common.entrants.session import Trained
from tests.conftest import BACKENDS, BATCH, FEATURES, make_plan
from tests.fakes import Repeating
from tests.planted import PLANTS, plant


def orders_of(plan: Plan, examples: int = 70) -> list[np.ndarray]:
    return [
        draws.order(plan.seed, epoch, examples, plan.batch_size, plan.drop_last)
        for epoch in range(plan.epochs)
    ]


def bench_of(plan: Plan, source: dict[str, Any], orders: list[np.ndarray]) -> Bench:
    return Bench(Referee(plan, source), Schedule(orders, plan.batch_size))


def judged(
    session: Any,
    backend: str,
    plan: Plan,
    source: dict[str, Any],
    style: str = "scratch",
    mode: str = "eager",
) -> Verdict:
    """Train a session that is open for the plan, and judge it."""
    examples = 1000 if plan.model == "linear" else 70
    orders = orders_of(plan, examples)
    session.load(source["initial"])
    losses = [session.train(order).losses for order in orders]
    fingerprint = session.fingerprint(orders[0])
    entrant = Entrant(backend, backend, backend, style, mode, "memory")
    info = BACKENDS[backend].info
    bench = bench_of(plan, source, orders)
    steps = session.train(orders[0]).steps_per_call
    return judge(session, entrant, info, losses, fingerprint, bench, steps)


#: What is written out of these takes JAX up to a minute and a half to compile, MindSpore minutes:
#: it runs op by op. LeNet's speaks for them.
LONG_TO_COMPILE = ("lenet_bn", "resnet", "gru", "lstm", "attention")


def mode_of(backend: str, style: str, model: str) -> str:
    """How a cell is run that is run in one way."""
    info = BACKENDS[backend].info
    return "eager" if style == "scratch" and model in LONG_TO_COMPILE else info.usual_mode


CELLS = [
    (backend, style, mode, model, dtype)
    for backend, found in BACKENDS.items()
    for style in found.info.styles
    for mode in found.info.modes
    for model, dtype in itertools.product(MODELS, ("float32", "float64"))
    # The network in float32 op by op and in rows, where the components are compiled as for single
    # steps; the rest in each framework's usual mode, because compiling takes seconds a cell. What
    # softmax regression has of float64 the network has, too.
    if (
        mode != "jit"
        if (model, dtype) == ("mlp", "float32")
        else mode == mode_of(backend, style, model)
    )
    and (backend == "numpy" or (model, dtype) != ("softmax", "float64"))
    # Of pictures each style in one dtype: the formulas where the mathematics shows, a framework's
    # own layers where its long sums do.
    and (
        backend == "numpy"
        or not MODELS[model].long_sums
        or (style == "scratch") == (dtype == "float64")
    )
    and mode in found.info.choices(model)
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "style", "mode", "model", "dtype"), CELLS, ids=["-".join(c) for c in CELLS]
)
def test_no_false_alarm(
    backend: str,
    style: str,
    mode: str,
    model: str,
    dtype: str,
    opened: Callable[..., Any],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    # Seven batches an epoch, so that a call of several has enough.
    size = 10 if mode == "fused" else BATCH
    # In float64, which sees most, every term of the update counts.
    terms = {"momentum": 0.9, "weight_decay": 0.01} if dtype == "float64" else {}
    lr = 0.03 if model == "linear" else 0.1
    plan = make_plan(model, dtype=dtype, lr=lr, batch_size=size, **terms)
    session = opened(backend, plan, style, mode)
    verdict = judged(session, backend, plan, session_data(plan), style, mode)
    assert verdict.first_difference is None
    assert any(check.compiled for check in verdict.components) == (mode != "eager")
    assert any(check.unit == ROW for check in verdict.components) == (mode == "fused")
    assert verdict.verdict == "rounding" or undecided(verdict)
    if dtype == "float64":
        assert verdict.verdict == "rounding"
        assert verdict.max_abs_loss_difference < 1e-12


#: Slips that show in a run with the usual settings.
USUAL = (
    "pixels multiplied by 1/255",
    "learning rate off by a millionth",
    "count starts at 6",
    "measured after the update",
)


@pytest.mark.slow
def test_planted_in_a_worker(tmp_path: Path, small_folder: Path) -> None:
    names = {plant("numpy", what, tmp_path): what for what in USUAL}
    command = [sys.executable, ROOT / "compare.py", "--backends", *names, "numpy"]
    command += ["--backend-path", tmp_path, "--data-dir", small_folder, "--custom-data"]
    command += ["--epochs", "2", "--batch-size", "32", "--out", tmp_path / "out", "--quiet"]
    environment = {**os.environ, "COMPARE_CACHE_DIR": str(tmp_path / "cache")}
    found = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert found.returncode == 1, found.stderr[-2000:]
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["parity"]["entrants"]["numpy"]["verdict"] == "rounding"
    for name, what in names.items():
        verdict = results["parity"]["entrants"][name]
        assert verdict["verdict"] == "differs", (name, verdict)
        first = verdict["first_difference"]
        assert (first["step"], first["stage"]) == (1, PLANTS[what].stage), (name, first)
        assert PLANTS[what].cause in first["likely_cause"], (name, first)
    assert all(pair["verdict"] == "not compared" for pair in results["comparisons"])


class Wrong(LocalSession):
    """NumPy with an error of a test's choice."""

    def __init__(self, **wrong: Callable[..., Any]) -> None:
        super().__init__("numpy")
        self._wrong = wrong

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        wrong = object.__getattribute__(self, "__dict__").get("_wrong", {})
        if name in wrong:
            return lambda *arguments: wrong[name](value(*arguments))
        return value


def shifted(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return pair[0], (pair[1] + 1) % 10


def one_bit(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    images = pair[0].copy()
    images[3, 5] = np.nextafter(images[3, 5], np.float32(2))
    return images, pair[1]


def bumped(amount: float) -> Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]:
    def bump(grads: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        weight = grads["output.weight"].copy()
        weight[7, 2] += amount * np.abs(weight).max()
        return {**grads, "output.weight": weight}

    return bump


def longer(trained: Trained) -> Trained:
    return replace(trained, losses=trained.losses * np.float32(1.0001))


WRONGS = {
    "one-bit-of-one-pixel": ({"batch": one_bit}, "data", "images"),
    "labels-shifted": ({"batch": shifted}, "data", "labels"),
    "logits-scaled": ({"logits": lambda o: o * np.float32(1.0001)}, "forward", "logits"),
    "logits-transposed": ({"logits": lambda o: o[::-1]}, "forward", "logits"),
    "logits-nan": ({"logits": lambda o: np.where(o == o[0, 0], np.nan, o)}, "forward", "logits"),
    "loss-summed": ({"gradient": lambda p: (p[0] * 32, p[1] * 32)}, "loss", "loss"),
    "dlogits-halved": ({"gradient": lambda p: (p[0], p[1] / 2)}, "loss", "dlogits"),
    "one-gradient-off": ({"backward": bumped(1e-3)}, "gradient", "output.weight"),
    "bias-has-no-gradient": (
        {"backward": lambda g: {**g, "output.bias": 0 * g["output.bias"]}},
        "gradient",
        "output.bias",
    ),
    "a-gradient-is-missing": (
        {"backward": lambda g: {"output.weight": g["output.weight"]}},
        "gradient",
        "output.bias",
    ),
    "count-off-by-one": ({"correct": lambda n: n + 1}, "accuracy", "correct"),
    "count-of-the-step": (
        {"train": lambda t: replace(t, counts=t.counts + 1)},
        "accuracy",
        "correct",
    ),
    "loss-of-the-step": ({"train": longer}, "loss", "loss"),
    "parameter-after-the-step": ({"params": bumped(1e-3)}, "update", "output.weight"),
    "evaluated-loss": (
        {"evaluate": lambda m: replace(m, loss=1.0001 * m.loss)},
        "evaluation",
        "loss",
    ),
    "evaluated-count": (
        {"evaluate": lambda m: replace(m, count=m.count - 2)},
        "evaluation",
        "count",
    ),
}


@pytest.mark.parametrize(("wrong", "stage", "tensor"), WRONGS.values(), ids=WRONGS)
def test_each_check_catches_its_error(
    wrong: dict[str, Callable[..., Any]],
    stage: str,
    tensor: str,
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Wrong(**wrong)
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    verdict = judged(session, "numpy", plan, source)
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert (verdict.first_difference.stage, verdict.first_difference.tensor) == (stage, tensor)
    if tensor == "images":
        assert verdict.first_difference.index == (3, 5)
    unit = {"train": STEP, "params": STEP, "evaluate": EVALUATION}.get(next(iter(wrong)), "alone")
    assert verdict.first_difference.unit == unit
    if tensor == "output.weight":
        assert verdict.first_difference.index == (7, 2)
        assert verdict.first_difference.likely_cause is None, "one element alone has no known cause"


#: what a tensor may be -> how it gets that way
ODD = {
    "nan": lambda array: np.full_like(array, np.nan),
    "one-nan": lambda array: np.where(np.arange(array.size).reshape(array.shape), array, np.nan),
    "infinite": lambda array: np.full_like(array, np.inf),
    "zero": np.zeros_like,
    "huge": lambda array: np.full_like(array, np.finfo(array.dtype).max),
    "missing": None,
    "empty": lambda array: array.ravel()[:0],
    "longer": lambda array: np.concatenate([array.ravel()] * 2),
}


@pytest.mark.parametrize(
    ("model", "odd"),
    [
        pytest.param(name, odd, marks=[pytest.mark.slow] if name != "mlp" else [])
        for name, model in MODELS.items()
        for odd in (("one-nan", "huge") if model.long_sums else ODD)
    ],
)
def test_no_tensor_ends_the_search_for_a_cause(
    model: str, odd: str, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    """Every tensor of every unit in turn, made odd: it differs, or is compared, and no more.

    Of a model of pictures one tensor of each unit: looking for its cause takes seconds.
    """
    plan = make_plan(model, optimizer="adam", lr=0.01, weight_decay=0.1, batch_size=10)
    source = session_data(plan)
    bench = bench_of(plan, source, orders_of(plan, 1000 if model == "linear" else 70))
    info, expectations = BACKENDS["numpy"].info, bench.expected[0]
    seen = 0
    outcomes = list(checks(bench.referee.plain, expectations, info, compiled=False))
    if MODELS[model].long_sums:
        outcomes = list({(one.check.stage, one.check.unit): one for one in outcomes}.values())
    for outcome in outcomes:
        name, values = outcome.check.tensor, dict(outcome.values)
        array, make = np.asarray(values.pop(name)), ODD[odd]
        if make is not None and array.dtype.kind == "f":
            values[name] = make(array)
        start, place = outcome.start, outcome.check
        unit = (place.stage, place.unit, False, values, outcome.expected, start)
        for wrong in compared(expectations, 0.0, *unit):
            if not wrong.check.right:
                difference(expectations, wrong)
                seen += 1
    assert seen > (3 if MODELS[model].long_sums else 10)


def with_one_more(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**arrays, "extra": np.zeros(3, np.float32)}


def in_float64(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**arrays, "output.weight": arrays["output.weight"].astype("float64")}


def reshaped(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {**arrays, "output.bias": arrays["output.bias"][None]}


#: what an entrant does -> stage, tensor, and what is said of that
FAULTS = {
    "one-more-gradient": (
        {"backward": with_one_more},
        ("gradient", "extra", "extra is not expected"),
    ),
    "one-more-parameter": (
        {"params": with_one_more},
        ("update", "extra", "extra is not expected"),
    ),
    "one-less": (
        {"backward": lambda g: {"output.weight": g["output.weight"]}},
        ("gradient", "output.bias", "output.bias is missing"),
    ),
    "another-shape": (
        {"backward": reshaped},
        ("gradient", "output.bias", "output.bias has shape (1, 10), expected (10,)"),
    ),
    "float64-logits": (
        {"logits": lambda o: o.astype("float64")},
        ("forward", "logits", "logits has dtype float64, expected float32"),
    ),
    "float64-gradients": (
        {"backward": in_float64},
        ("gradient", "output.weight", "output.weight has dtype float64, expected float32"),
    ),
    "float64-update": (
        {"update": lambda pair: (in_float64(pair[0]), pair[1])},
        ("update", "output.weight", "output.weight has dtype float64, expected float32"),
    ),
    "complex-gradients": (
        {"backward": lambda g: {**g, "output.bias": g["output.bias"] + 0j}},
        ("gradient", "output.bias", "output.bias has dtype complex64, expected numbers"),
    ),
    "float64-parameters": (
        {"params": in_float64},
        ("update", "output.weight", "output.weight has dtype float64, expected float32"),
    ),
    "float64-losses": (
        {"train": lambda t: replace(t, losses=t.losses.astype("float64"))},
        ("loss", "loss", "loss has dtype float64, expected float32"),
    ),
    "half-of-a-count": (
        {"train": lambda t: replace(t, counts=t.counts.astype("float32"))},
        ("accuracy", "correct", "correct has dtype float32, expected whole numbers"),
    ),
}


@pytest.mark.parametrize(("wrong", "place"), FAULTS.values(), ids=FAULTS)
def test_another_tensor_than_expected_is_a_difference(
    wrong: dict[str, Callable[..., Any]],
    place: tuple[str, str, str],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Wrong(**wrong)
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    first = judged(session, "numpy", plan, source).first_difference
    assert first is not None
    assert (first.stage, first.tensor, first.likely_cause) == place


class Rows(LocalSession):
    """NumPy, whose calls hold two steps, and err in those as a test wants."""

    def __init__(self, slip: str = "") -> None:
        super().__init__("numpy")
        self.slip = slip

    def train(self, order: np.ndarray) -> Trained:
        before = {name: array.copy() for name, array in self.params().items()}
        trained = replace(super().train(order), steps_per_call=2)
        if len(order) == 2 * BATCH:
            if self.slip == "loss":
                trained.losses[1] *= 1 + 1e-5
            if self.slip == "count":
                trained.counts[0] += 9
            if self.slip == "learning rate":
                after = self.params()
                self._params = {n: after[n] + 1e-4 * (after[n] - before[n]) for n in after}
        return trained


ROWS = [
    pytest.param(
        model,
        dtype,
        optimizer,
        id=f"{model}-{dtype}-{optimizer}",
        marks=[pytest.mark.slow] if MODELS[model].long_sums else [],
    )
    for model in MODELS
    for dtype in ("float32", "float64")
    for optimizer in ("sgd", "momentum", "adam")
    if not MODELS[model].long_sums
    or ((dtype, optimizer) == ("float32", "momentum") and model in ("lenet", "lenet_bn", "resnet"))
]


def test_momentum_that_forgets_nothing(session_data: Callable[[Plan], dict[str, Any]]) -> None:
    plan = make_plan("softmax", optimizer="momentum", momentum=1.0, lr=0.01)
    source = session_data(plan)
    session = Rows()
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    verdict = judged(session, "numpy", plan, source)
    assert verdict.first_difference is None
    assert any(check.unit == ROW for check in verdict.components)


@pytest.mark.parametrize(("model", "dtype", "optimizer"), ROWS)
def test_several_steps_in_one_call_are_no_difference(
    model: str, dtype: str, optimizer: str, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    lr = {"adam": 1e-3}.get(optimizer, 0.03)
    momentum = 0.9 if optimizer == "momentum" else 0.0
    plan = make_plan(model, dtype=dtype, optimizer=optimizer, lr=lr, momentum=momentum)
    source = session_data(plan)
    session = Rows()
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    verdict = judged(session, "numpy", plan, source)
    assert verdict.first_difference is None
    found = [check for check in verdict.components if check.unit == ROW]
    assert {"loss", "correct", *source["initial"]} <= {check.tensor for check in found}


@pytest.mark.parametrize(
    ("slip", "tensor"),
    [("loss", "loss"), ("count", "correct"), ("learning rate", "output.weight")],
)
def test_an_error_only_where_a_call_holds_several_steps(
    slip: str, tensor: str, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Rows(slip)
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    first = judged(session, "numpy", plan, source).first_difference
    assert first is not None
    assert (first.step, first.unit, first.tensor) == (1, ROW, tensor)
    assert "only the call that holds several steps is wrong" in (first.likely_cause or "")


def test_the_error_of_an_exp_is_no_drift(session_data: Callable[[Plan], dict[str, Any]]) -> None:
    """What `Info.exp_error` says is allowed of every loss, and not a bit more."""
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    right, info = bench.path.losses, BACKENDS["mindspore"].info
    verdict = Verdict(exp_error=loss_error(info, bench))
    assert verdict.exp_error == info.exp_error > 1e-6
    band = Band(bench, source["initial"])
    band.growth = np.zeros_like(right)
    assert band.settles(verdict, right + info.exp_error)
    assert not band.settles(verdict, right + 1.2 * info.exp_error)
    assert not band.settles(Verdict(), right + info.exp_error)
    linear = make_plan("linear")
    exact = bench_of(linear, session_data(linear), orders_of(linear, 1000))
    assert loss_error(info, exact) == 0.0


@pytest.mark.slow
def test_functions_that_are_known_to_err_lead_a_run_astray(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    """Such errors add up, where roundings cancel: ten epochs of LeNet, far beyond the band."""
    plan = make_plan("lenet", lr=0.9, epochs=3)
    source, orders = session_data(plan), orders_of(plan)
    schedule, start = Schedule(orders, plan.batch_size), source["initial"]
    off = RoundingSession("numpy", None, errors={"exp": 1e-3})
    Referee(plan, source)._set_up(off, "float64")
    losses = free_run(off, orders, cast(start, "float64"))
    bands = {}
    for error in (0.0, 1e-3):
        referee = Referee(plan, source, errors={"exp": error} if error else {})
        bands[error] = band = Band(Bench(referee, schedule), start)
        assert not band.settles(Verdict(), losses)
        band.widen_by_errors()
    assert not bands[0.0].settles(Verdict(), losses)
    assert bands[1e-3].settles(Verdict(), losses)
    wrong = losses + np.where(np.arange(len(losses)) == 5, 10 * bands[1e-3].width, 0)
    assert not bands[1e-3].settles(Verdict(), wrong)


def without_last(trained: Trained) -> Trained:
    return replace(trained, losses=trained.losses[:-1], counts=trained.counts[:-1])


def test_a_missing_step_is_a_difference(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Wrong(train=without_last)
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    verdict = judged(session, "numpy", plan, source)
    first = verdict.first_difference
    assert verdict.verdict == "differs"
    assert first is not None
    assert (first.step, first.stage, first.tensor) == (3, "data", "batch")
    assert first.likely_cause is not None
    assert "the short last batch, 6 examples, is dropped" in first.likely_cause
    assert first.asdict()["value"] is None


@pytest.mark.parametrize("batch", [1, 2])
def test_a_step_too_many_is_a_difference(
    batch: int, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Repeating(batch)
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    first = judged(session, "numpy", plan, source).first_difference
    assert first is not None
    assert (first.step, first.stage, first.tensor) == (batch, "data", "batch")
    assert f"the batch of step {batch} is trained on twice" in (first.likely_cause or "")


class Fickle(LocalSession):
    """NumPy whose updates are too long by factors: from zero, and from anywhere else."""

    def __init__(self, from_zero: float, elsewhere: float) -> None:
        super().__init__("numpy")
        self.factors = from_zero, elsewhere

    def update(self, params: Any, grads: Any, state: Any, compiled: bool = False) -> Any:
        moved, memory = super().update(params, grads, state, compiled)
        factor = self.factors[any(array.any() for array in params.values())]
        return {n: p + np.float32(factor) * (moved[n] - p) for n, p in params.items()}, memory


@pytest.mark.parametrize(
    ("from_zero", "elsewhere", "cause"),
    [
        pytest.param(1.5, 1.5, "every parameter moves 1.5 times as far", id="a-factor"),
        pytest.param(1.5, 0.7, None, id="two-factors"),
        pytest.param(2.0, 2.0, "the learning rate is 2 times lr", id="a-named-one"),
        pytest.param(2.0, 1.0, None, id="a-named-one-from-zero-alone"),
        pytest.param(0.0, 0.0, "the parameters do not move", id="no-step"),
        pytest.param(0.0, 1.0, None, id="no-step-from-zero-alone"),
    ],
)
def test_a_cause_of_an_update_explains_both_probes(
    from_zero: float, elsewhere: float, cause: str | None, session_data: Any
) -> None:
    plan, session = make_plan("softmax"), Fickle(from_zero, elsewhere)
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, session_data(plan))
    verdict = judged(session, "numpy", plan, session_data(plan))
    first = verdict.first_difference
    assert first is not None
    assert (first.stage, first.unit) == ("update", "from zero")
    assert first.likely_cause is None if cause is None else cause in (first.likely_cause or "")


@pytest.mark.parametrize(
    ("dtype", "lr"),
    [("float32", 0.1 * (1 + 1e-6)), ("float64", float(np.float32(0.1)))],
    ids=["float32-a-millionth", "float64-rounded-to-float32"],
)
def test_a_learning_rate_slightly_wrong(
    dtype: str, lr: float, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("softmax", dtype=dtype)
    source = session_data(plan)
    session = LocalSession("numpy")
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open({**plan.asdict(), "lr": lr}, choices, source)
    verdict = judged(session, "numpy", plan, source)
    assert verdict.first_difference is not None
    assert (verdict.first_difference.step, verdict.first_difference.stage) == (1, "update")


def test_layers_of_equal_width_do_not_blind_the_forward_check(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("mlp", hidden=FEATURES)
    source = session_data(plan)
    session = Wrong(logits=lambda o: o * np.float32(1.0001))
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    verdict = judged(session, "numpy", plan, source)
    assert verdict.first_difference is not None
    assert verdict.first_difference.stage == "forward"


def test_other_batches_are_found_by_their_fingerprint(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("softmax")
    source = session_data(plan)
    session = Wrong(fingerprint=lambda digest: digest[::-1])
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    assert judged(session, "numpy", plan, source).verdict == "differs"


@pytest.mark.slow
def test_a_network_that_parts_is_called_rounding(real: description.Dataset) -> None:
    """Nudged by one unit in the last place, the MLP drifts far beyond any fixed tolerance."""
    plan = make_plan("mlp", hidden=256, batch_size=64, epochs=1, lr=0.5, limit=5056)
    start = draws.parameters(MODELS["mlp"], (28, 28, 1), 256, 10, 0, "float32")
    source = {"folder": str(real.folder), "limit": 5056, "initial": start, "classes": 10}
    orders = orders_of(plan, 5056)
    bench = bench_of(plan, source, orders)
    plain, path = bench.referee.plain, bench.path
    losses = free_run(plain, orders, start)
    drift = np.abs(losses - path.losses).max()
    assert drift > 1e-5, "this run shows nothing: it did not part"
    fingerprint = plain.fingerprint(orders[0])
    info = BACKENDS["numpy"].info
    entrant = Entrant("numpy", "numpy", "numpy", "scratch", "eager", "memory")
    epochs = np.split(losses, plan.epochs)
    verdict = judge(plain, entrant, info, epochs, fingerprint, bench)
    assert undecided(verdict)
    Band(bench, start).settle(verdict, losses)
    assert verdict.verdict == "rounding"


@pytest.mark.parametrize("wrong", [0.01, float("nan")], ids=["beyond", "nan"])
def test_a_drift_beyond_the_noise_band_is_a_difference(
    wrong: float, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    band = Band(bench, source["initial"])
    losses = bench.path.losses.copy()
    band.growth = np.full_like(losses, 1e-3)
    losses[3] += wrong
    band.settle(verdict := Verdict(), losses)
    first = verdict.first_difference
    assert verdict.verdict == "differs"
    assert first is not None
    assert (first.step, first.stage, first.tensor) == (4, "free run", "loss")
    band.settle(verdict := Verdict(), bench.path.losses + 4e-3)
    assert (verdict.verdict, verdict.first_difference) == ("rounding", None)
    band.growth[5:] = np.inf
    band.settle(verdict := Verdict(), losses)
    assert verdict.verdict == "not checked"


def test_a_band_as_large_as_the_loss_tells_nothing(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    """Where any loss would lie within it, steps are not judged; those before are as ever."""
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    right = bench.path.losses
    band = Band(bench, source["initial"])
    band.growth = np.where(np.arange(len(right)) < 4, 1e-5, 1.0)
    assert (band.held, band.width, band.overflows) == (4, 1e-5, False)
    for step, word in ((3, "differs"), (4, "rounding")):
        losses = right + np.where(np.arange(len(right)) == step, 0.1, 0)
        band.settle(verdict := Verdict(), losses)
        assert verdict.verdict == word
        assert verdict.held_steps == 4
    band.growth = np.full_like(right, 1e-5)
    band.settle(verdict := Verdict(), right)
    assert verdict.held_steps is None, "all steps are held against the referee"


class Run:
    """A session whose runs lose what they are told to, one after the other."""

    def __init__(self, *losses: np.ndarray) -> None:
        self._losses, self._done = list(losses), 0

    def load(self, params: Any, state: Any = None) -> None:
        """Begin the next run."""
        self._now, self._done = self._losses.pop(0), 0

    def train(self, order: np.ndarray) -> Trained:
        """Hand out one epoch of it."""
        steps = -(-len(order) // 32)
        self._done += steps
        losses = self._now[self._done - steps : self._done]
        return Trained(losses, np.zeros(steps, int), 1.0, None, None, 1, None)


def test_an_error_of_its_own_does_not_widen_the_band(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    """An update that is skipped once, and not when the run is made again, is no rounding."""
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    right = bench.path.losses
    wrong = right + np.where(np.arange(len(right)) < 3, 0, 0.01)
    band = Band(bench, source["initial"])
    plain = band.width
    assert not band.settles(Verdict(), wrong)
    assert not band.widen(Run(right, right), wrong)
    assert band.width == plain
    band.settle(verdict := Verdict(), wrong, repeats=False)
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert "made again" in (verdict.first_difference.likely_cause or "")
    # One that repeats itself shows how far a nudge leads it.
    assert band.widen(Run(wrong, wrong + 0.02), wrong)
    assert band.width == pytest.approx(0.02)
    assert band.settles(Verdict(), wrong)


def test_where_the_referee_itself_diverges_nothing_is_held_against_it(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    band = Band(bench, source["initial"])
    bench.path.losses[4:], bench.path.diverges = np.nan, 5
    band.settle(verdict := Verdict(), bench.path.losses)
    assert (verdict.verdict, undecided(verdict)) == ("not checked", False)
    assert "overflows from step 5 on" in (verdict.reason or "")
    alone = bench.path.losses.copy()
    alone[5] = 1.0
    band.settle(verdict := Verdict(), alone)
    assert verdict.first_difference is not None, "a number where the referee has none"
    assert verdict.first_difference.step == 6


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "inf"])
def test_a_run_that_overflows_alone_is_no_narrow_band(
    value: float, session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    plan = make_plan("softmax")
    source, orders = session_data(plan), orders_of(plan)
    bench = bench_of(plan, source, orders)
    right = bench.path.losses
    band = Band(bench, source["initial"])
    gone = right.copy()
    gone[3:] = value
    assert not band.widen(Run(gone), right), "it does not repeat itself"
    assert band.widen(Run(gone, gone), gone), "it does"
    assert band.width < 1e-3
    assert band.widen(Run(right, gone), right)
    band.settle(verdict := Verdict(), gone)
    assert (band.overflows, verdict.verdict) == (True, "not checked")


def test_a_plan_that_diverges_is_not_checked(
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("linear", lr=10.0)
    source = session_data(plan)
    session = LocalSession("numpy")
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, source)
    orders = orders_of(plan, 1000)
    with np.errstate(over="ignore", invalid="ignore"):
        verdict = judged(session, "numpy", plan, source)
        bench = bench_of(plan, source, orders)
        band = Band(bench, source["initial"])
        band.settle(verdict, free_run(session, orders, source["initial"]))
    assert (verdict.verdict, verdict.first_difference) == ("not checked", None)
    assert re.search(r"overflows from step \d+ on", verdict.reason or "")


def held(value: Any, right: Any, allowed: Any = 0.5) -> Check:
    expected = Expected(np.asarray(right), allowed=np.asarray(allowed))
    place = Place(1, "update", "alone", False, "w")
    return check(place, np.asarray(value), expected, "float64", 0.0)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize(
    ("value", "right", "allowed", "is_right", "unclear"),
    [
        pytest.param([1.0, 2.0], [1.0, 2.4], 0.5, True, 0, id="numbers"),
        pytest.param([1.0, NAN], [1.0, NAN], [0.5, NAN], True, 1, id="nan-in-both"),
        pytest.param([1.0, INF], [1.0, INF], [0.5, NAN], True, 1, id="infinity-in-both"),
        pytest.param([1.0, NAN], [1.0, 2.0], 0.5, False, 0, id="nan-in-the-entrant"),
        pytest.param([1.0, INF], [1.0, 2.0], 0.5, False, 0, id="infinity-in-the-entrant"),
        pytest.param([1.0, 2.0], [1.0, NAN], [0.5, NAN], False, 0, id="nan-in-the-referee"),
        pytest.param([1.0, 2.0], [1.0, INF], [0.5, NAN], False, 0, id="infinity-in-the-referee"),
        pytest.param([1.0, 2.0], [1.0, 2.0], [0.5, NAN], True, 1, id="no-limit"),
        pytest.param([9.0, NAN], [1.0, NAN], [0.5, NAN], False, 1, id="wrong-beside-nan"),
    ],
)
def test_what_is_no_number(
    value: Any, right: Any, allowed: Any, is_right: bool, unclear: int
) -> None:
    found = held(value, right, allowed)
    assert (found.right, found.unclear) == (is_right, unclear)
    assert found.error == found.error, "what was not compared has no part in the error"
    verdict = Verdict()
    verdict.agrees([found], None)
    assert (verdict.verdict == "rounding") == (unclear == 0)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["nan", "inf"])
def test_where_plain_arithmetic_has_no_number_there_is_no_limit(value: float) -> None:
    """And one element that it lacks says nothing of the others."""
    right = {"w": np.array([1.0, 2.0])}
    own = {"w": np.array([1.0, value])}
    allowed = expect("float32", right, own, lambda _: own)["w"].allowed
    assert (np.isfinite(allowed) == [True, False]).all()
    assert allowed[0] < 1e-5


def test_identical_needs_every_bit() -> None:
    losses = np.array([1.0, 2.0])
    params = {"w": np.array([1.0, 2.0])}
    moved = {"w": np.array([1.0, np.nextafter(2.0, 3)])}

    def verdicts() -> dict[str, Verdict]:
        return {label: Verdict(verdict="rounding") for label in "ab"}

    same = verdicts()
    mark_identical(same, {"a": losses, "b": losses}, {"a": params, "b": params})
    assert (same["b"].verdict, same["b"].identical_to) == ("identical", "a")
    assert same["a"].verdict == "rounding"
    other = verdicts()
    mark_identical(other, {"a": losses, "b": losses}, {"a": params, "b": moved})
    assert (other["b"].verdict, other["b"].identical_to) == ("rounding", None)
    wrong = verdicts()
    wrong["a"].verdict = "differs"
    wrong["b"].verdict = "differs"
    mark_identical(wrong, {"a": losses, "b": losses}, {"a": params, "b": params})
    assert wrong["b"].verdict == "differs", "two that are wrong alike do not agree"
    half = verdicts()
    half["b"].verdict = "differs"
    mark_identical(half, {"a": losses, "b": losses}, {"a": params, "b": params})
    assert half["b"].verdict == "differs", "same run, but a component of its own is wrong"


W = np.array([1.0, 2.0])
OTHER_TENSORS = {
    "one-more": {"w": W, "b": W},
    "none": {},
    "another-dtype": {"w": W.view(np.int64)},
    "another-shape": {"w": W[None]},
}


@pytest.mark.parametrize("turned", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("params", OTHER_TENSORS.values(), ids=OTHER_TENSORS)
def test_identical_needs_the_same_tensors(params: dict[str, np.ndarray], turned: bool) -> None:
    """Whichever of the two has what the other has not; the bytes of what both have are the same."""
    both = [{"w": W}, params][:: -1 if turned else 1]
    found = {label: Verdict(verdict="rounding") for label in "ab"}
    mark_identical(found, {"a": W, "b": W}, dict(zip("ab", both, strict=True)))
    assert (found["b"].verdict, found["b"].identical_to) == ("rounding", None)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_is_known_by_its_fields(
    optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another name it has the same rule, bounds and slips."""
    monkeypatch.setitem(OPTIMIZERS, "renamed", OPTIMIZERS[optimizer])
    plans = [make_plan(optimizer=name, weight_decay=0.1) for name in (optimizer, "renamed")]
    assert rule_of(plans[0]) is rule_of(plans[1])
    assert settings(plans[0]) == settings(plans[1])
    one, state = {"w": W}, {"w/m": W, "w/v": W, "step": np.array(3)}
    bounds = [update_bound(plan, one, one, state, one, state) for plan in plans]
    assert bounds[0].keys() == bounds[1].keys()
    assert bounds[0]["w"].tobytes() == bounds[1]["w"].tobytes()
    assert ("w/v" in bounds[0]) == (OPTIMIZERS[optimizer].rule != "sgd")
