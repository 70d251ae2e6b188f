"""Every schedule against its definition, written out once more here, step by step."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.ask.request import make_plan as asked
from common.ask.settings import Settings
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.schedules import SCHEDULES, steps_of
from common.data import draws
from common.entrants.local import LocalSession
from tests.conftest import BACKENDS, CLASSES, EXAMPLES, SHAPE, Command, make_plan

LR, WARM_UP = 0.1, 4
#: Three epochs of 70 examples in batches of 10.
STEPS = 21
PLANS = [(one, warm_up) for one in SCHEDULES for warm_up in (0, 1, WARM_UP)][1:]


def rate(n: int, schedule: str, warm_up: int, steps: int = STEPS) -> float:
    """The learning rate of step n, counted from 1."""
    if n <= warm_up:
        return LR * n / warm_up
    k, rest = n - warm_up - 1, steps - warm_up
    if schedule == "step":
        third = math.ceil(rest / 3)
        return LR * (1.0 if k < third else 0.1 if k < 2 * third else 0.01)
    if schedule == "linear":
        return LR * (rest - k) / rest
    return LR * (1 + math.cos(math.pi * k / rest)) / 2 if schedule == "cosine" else LR


def plan_of(schedule: str, warm_up: int, **changes: Any) -> Any:
    told = {"epochs": 3, "batch_size": 10, "lr": LR, "schedule": schedule, "warm_up": warm_up}
    return make_plan(**{**told, **changes})


@pytest.mark.parametrize(("schedule", "warm_up"), PLANS)
def test_of_the_referee(schedule: str, warm_up: int, session_data: Any) -> None:
    plan = plan_of(schedule, warm_up, dtype="float64")
    session = LocalSession("numpy")
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, session_data(plan))
    assert session.rates is not None
    expected = [rate(n, schedule, warm_up) for n in range(1, STEPS + 1)]
    np.testing.assert_allclose(session.rates, expected, rtol=1e-13)
    assert session.rates[-1] > 0


def test_places() -> None:
    """What the first step has, those at both ends of the warm-up, at a third, and the last."""
    assert [rate(n, "cosine", 4) for n in (1, 4, 5)] == [LR / 4, LR, LR]
    stairs = [rate(n, "step", 4) for n in (10, 11, 16, 17)]
    np.testing.assert_allclose(stairs, [LR, LR / 10, LR / 10, LR / 100])
    np.testing.assert_allclose([rate(n, "linear", 0) for n in (1, STEPS)], [LR, LR / STEPS])


STYLES = [(name, style) for name, one in BACKENDS.items() for style in one.info.styles]


@pytest.mark.parametrize(("backend", "style"), STYLES)
@pytest.mark.parametrize(
    ("dtype", "optimizer", "compiled"),
    [
        ("float32", "sgd", False),
        pytest.param("float64", "sgd", False, marks=pytest.mark.slow),
        pytest.param("float32", "sgd", True, marks=pytest.mark.slow),
        pytest.param("float32", "adamw", True, marks=pytest.mark.slow),
        pytest.param("float64", "adamw", False, marks=pytest.mark.slow),
    ],
)
def test_of_every_step(
    backend: str, style: str, dtype: str, optimizer: str, compiled: bool, opened: Any
) -> None:
    """An update from zero by a gradient of one moves by the rate; later the last one stays."""
    if compiled and "jit" not in BACKENDS[backend].info.modes:
        pytest.skip("it compiles nothing")
    sizes = MODELS["softmax"].sizes(SHAPE, 0, CLASSES)
    zeros = {name: np.zeros(shape, dtype) for name, shape in sizes.items()}
    ones = {name: np.ones(shape, dtype) for name, shape in sizes.items()}
    for schedule, warm_up in (
        ("constant", WARM_UP),
        ("step", WARM_UP),
        ("linear", 1),
        ("cosine", 0),
    ):
        plan = plan_of(schedule, warm_up, dtype=dtype, optimizer=optimizer, eps=1e-30)
        session = opened(backend, plan, style)
        for n in (1, 2, WARM_UP, WARM_UP + 1, 10, 11, STEPS, STEPS + 3):
            state = {"step": np.array(n - 1, np.int32)}
            if OPTIMIZERS[optimizer].rule == "adam":
                b1, b2 = plan.betas
                means = {"m": 1 - b1 ** (n - 1), "v": 1 - b2 ** (n - 1)}
                for (name, one), (letter, mean) in itertools.product(ones.items(), means.items()):
                    state[f"{name}/{letter}"] = (mean * one).astype(dtype)
            moved, after = session.update(zeros, ones, state, compiled)
            expected = rate(min(n, STEPS), schedule, warm_up)
            close = (6e-7 if optimizer == "sgd" else 2e-4) if dtype == "float32" else 1e-14
            for array in moved.values():
                assert array.dtype == dtype
                off = np.abs(array + expected).max()
                assert off <= close * LR, (schedule, warm_up, n, float(-array.flat[0]), expected)
            assert after["step"] == n


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "rmsprop"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_epochs_as_they_run(
    backend: str, optimizer: str, opened: Any, referee: Callable[[Plan], Any]
) -> None:
    """In the usual mode: what is compiled takes the state as it was set, and as it comes back."""
    plan = make_plan("softmax", optimizer=optimizer, schedule="cosine", warm_up=2, lr=0.01)
    info = BACKENDS[backend].info
    # MindSpore's Adam is another by design.
    close = 3e-5 if BACKENDS[backend].declared(info.styles[-1], plan) else 2e-6
    session = opened(backend, plan, info.styles[-1], info.usual_mode)
    right = referee(plan)
    start = draws.parameters(MODELS["softmax"], SHAPE, 0, CLASSES, 0, "float32")
    orders = [draws.order(0, epoch, EXAMPLES, plan.batch_size, False) for epoch in range(2)]
    for one in (session, right):
        one.load(start)
    for order in orders:
        losses = session.train(order).losses
        np.testing.assert_allclose(losses, right.train(order).losses, rtol=close)
    session.load(session.params(), session.state())
    right.load(right.params(), right.state())
    last = [one.train(orders[0]).losses for one in (session, right)]
    np.testing.assert_allclose(*last, rtol=close)


@pytest.mark.parametrize("drop_last", [False, True])
def test_steps_of_a_run(drop_last: bool) -> None:
    told = {"batch_size": 32, "epochs": 3, "drop_last": drop_last}
    assert steps_of(told, 70) == (6 if drop_last else 9)
    assert steps_of(told, 64) == 6


def test_refused(compare: Command) -> None:
    for words, said in {
        ("--warm-up", "6"): "the whole run has 6 steps",
        ("--warm-up", "-1"): "-1",
        ("--schedule", "sine"): "sine",
    }.items():
        done = compare(*compare.small("--backends", "numpy", *words))
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_plan_says_it() -> None:
    plan = asked(Settings(schedule="cosine", warm_up=3))
    assert (plan.schedule, plan.warm_up) == ("cosine", 3)
    assert (asked(Settings()).schedule, asked(Settings()).warm_up) == ("constant", 0)
