"""Random rounding: of what it is made, and that it says how far another right sum may be off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.agreement.random_rounding import Rounded, RoundingSession, units_of
from common.agreement.referee import Referee
from common.contract.plan import Plan
from tests.conftest import make_plan

UNIT = 2.0**-24


def rounded(array: np.ndarray) -> Any:
    made = array.view(Rounded)
    made.units = units_of("float32")
    made.draw, made.errors = np.random.default_rng(0), {"sin": 1e-5}
    return made


def off(found: Any, right: Any) -> float:
    """How far, in units of a rounding; the root of the mean square."""
    assert isinstance(found, Rounded)
    return float(np.sqrt(np.mean((np.asarray(found) - right) ** 2))) / UNIT


ONES = np.ones((400, 100))


@pytest.mark.parametrize(
    ("function", "reach"),
    [
        pytest.param(lambda x: x * 3, 3, id="product"),
        pytest.param(lambda x: x + 3, 4, id="sum"),
        pytest.param(lambda x: x - 1, 2, id="cancellation"),
        pytest.param(lambda x: np.exp(x), 4 * np.e, id="exp"),
        pytest.param(lambda x: x / 2, 4 / 2, id="quotient"),
        pytest.param(lambda x: np.sin(x), 2**0.5 * np.sin(1) * 1e-5 / UNIT, id="known to err"),
        pytest.param(lambda x: x.sum(axis=1), 0.25 * 10 * 100, id="sum of a hundred"),
        pytest.param(lambda x: x @ x.T, 0.25 * 10 * 100, id="products of matrices"),
        pytest.param(
            lambda x: np.tensordot(x, np.ones((100, 50)), ([1], [0])), 0.25 * 10 * 100, id="tensor"
        ),
        pytest.param(lambda x: np.maximum(-x, 0).reshape(-1)[::2], 0, id="what only chooses"),
        pytest.param(lambda x: np.pad(x, 1).repeat(2, axis=0), 0, id="what only moves"),
    ],
)
def test_width(function: Callable[[Any], Any], reach: float) -> None:
    found = off(function(rounded(ONES.copy())), function(ONES))
    assert found == pytest.approx(reach, rel=0.3) if reach else found == 0


def test_in_place() -> None:
    array = rounded(ONES.copy())
    array *= 3
    array[:, :50] += 1
    assert off(array[:, :50], 4) == pytest.approx(5, rel=0.3)
    assert off(array[:, 50:], 3) == pytest.approx(3, rel=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mlp", "lenet", "gru", "attention"])
def test_a_session_rounds_anew_each_time(
    model: str, session_data: Callable[[Plan], dict[str, Any]], referee: Any
) -> None:
    plan = make_plan(model)
    session = RoundingSession("numpy", "float32", seed=1)
    told = {**plan.asdict(), "dtype": "float64"}
    data = session_data(plan)
    data["initial"] = {name: array.astype("float64") for name, array in data["initial"].items()}
    session.open(told, {"style": "scratch", "mode": "eager", "data": "memory"}, data)
    images, labels = session.batch(np.arange(32, dtype=np.int32))
    exact = referee(make_plan(model, dtype="float64"))
    for name, right in exact.gradients(data["initial"], images, labels)[2].items():
        first, again = (session.gradients(data["initial"], images, labels)[2][name] for _ in "ab")
        assert first.dtype == np.float64
        assert (first != again).any(), name
        largest = np.abs(right).max()
        assert 0 < np.abs(first - right).max() < 1e-4 * largest, name


@pytest.mark.parametrize("errors", [{}, {"exp": 1e-6}], ids=["nothing errs", "exp errs"])
def test_a_session_that_only_errs(
    errors: dict[str, float], session_data: Callable[[Plan], dict[str, Any]]
) -> None:
    """Nothing rounds: twice the same, and the exact numbers where no function errs."""
    referee = Referee(make_plan("lenet"), session_data(make_plan("lenet")), errors=errors)
    order = np.arange(64, dtype=np.int32)
    runs = []
    for session in (referee.exact, referee.erring, referee.erring):
        session.load({n: a.astype("float64") for n, a in referee.data["initial"].items()})
        runs.append(session.train(order).losses)
    exact, once, twice = runs
    assert (once == twice).all()
    apart = np.abs(once / exact - 1)
    assert (apart == 0).all() if not errors else ((apart > 1e-10) & (apart < 1e-4)).all()
