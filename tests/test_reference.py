"""The referee itself: its gradients against central differences, `linear` against algebra."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backends.numpy import layers
from backends.numpy import loss as losses
from common.contract.models import MODELS
from common.data import draws
from common.entrants.local import LocalSession
from tests.conftest import make_plan, shape_of

H = 1e-5
#: Elements of an array that are moved.
MOST = 200


def numerical(function: Callable[[], float], array: np.ndarray, most: int = MOST) -> np.ndarray:
    """Central differences in every element; of a large array in some, NaN elsewhere."""
    slopes = np.full(array.size, np.nan)
    some = np.random.default_rng(8).permutation(array.size)[:most]
    for index in some:
        place = np.unravel_index(index, array.shape)
        kept = array[place]
        array[place] = kept + H
        above = function()
        array[place] = kept - H
        slopes[index] = (above - function()) / (2 * H)
        array[place] = kept
    return slopes.reshape(array.shape)


def close(found: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    """Equal where there is a difference to hold it against."""
    there = ~np.isnan(expected)
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-7, atol=1e-9, err_msg=name)


#: What is applied again and again is curved too much for differences of large weights.
CURVED = ("gru", "lstm", "attention")


def inputs(model: str) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    draw = np.random.default_rng(3)
    shape = shape_of(MODELS[model])
    sizes = MODELS[model].sizes(shape, hidden=4, classes=10)
    width = 0.3 if model in CURVED else 1
    params = {name: draw.normal(0, width, shape) for name, shape in sizes.items()}
    for name in MODELS[model].statistics:
        params[name] = np.abs(params[name])
    images = draw.random((7, math.prod(shape)))
    if MODELS[model].classifies:
        return params, images, draw.integers(0, 10, 7).astype(np.int32)
    return params, images, draw.normal(0, 1, (7, 1))


@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[pytest.mark.slow] * MODELS[m].long_sums) for m in MODELS]
)
def test_gradient_against_central_differences(model: str, referee: Any) -> None:
    session: LocalSession = referee(make_plan(model, dtype="float64", hidden=4))
    params, images, labels = inputs(model)
    value, logits, grads = session.gradients(params, images, labels)
    _, dlogits = session.gradient(logits, labels)
    expected = numerical(lambda: session.gradient(logits, labels)[0], logits)
    close(dlogits, expected)
    statistics = MODELS[model].statistics

    def loss() -> float:
        """In training: batch normalisation by the batch."""
        if statistics:
            return float(session.gradients(params, images, labels)[0])
        return float(session.gradient(session.logits(params, images), labels)[0])

    assert loss() == value
    for name, param in ((n, p) for n, p in params.items() if n not in statistics):
        expected = numerical(loss, param, 4 if MODELS[model].long_sums else MOST)
        close(grads[name], expected, name)
        assert np.nanmax(np.abs(expected)) > 1e-3, "a gradient of nothing proves nothing"


def test_update_by_hand(referee: Any) -> None:
    plan = make_plan("linear", lr=0.5, momentum=0.5, weight_decay=0.25, dtype="float64")
    params = {"output.weight": np.array([[1.0], [2.0]]), "output.bias": np.array([4.0])}
    grads = {"output.weight": np.array([[1.0], [0.0]]), "output.bias": np.array([2.0])}
    state = {"output.weight/m": np.array([[8.0], [0.0]]), "output.bias/m": np.array([0.0])}
    moved, memory = referee(plan).update(params, grads, state)
    # m = 0.5 m + (g + 0.25 p);  p = p - 0.5 m
    np.testing.assert_array_equal(memory["output.weight/m"], [[5.25], [0.5]])
    np.testing.assert_array_equal(memory["output.bias/m"], [3.0])
    np.testing.assert_array_equal(moved["output.weight"], [[-1.625], [1.75]])
    np.testing.assert_array_equal(moved["output.bias"], [2.5])


def test_loss_by_hand(referee: Any) -> None:
    session = referee(make_plan("linear", dtype="float64"))
    value, slope = session.gradient(np.array([[3.0], [1.0]]), np.array([[1.0], [2.0]]))
    assert value == (2.0 + 0.5) / 2
    np.testing.assert_array_equal(slope, [[1.0], [-0.5]])
    session = referee(make_plan("softmax", dtype="float64"))
    logits = np.log([[1.0, 2.0, 5.0], [8.0, 1.0, 1.0]])
    value, slope = session.gradient(logits, np.array([2, 1], np.int32))
    assert value == pytest.approx((np.log(8 / 5) + np.log(10)) / 2, rel=1e-15)
    np.testing.assert_allclose(
        slope, np.array([[1 / 8, 2 / 8, -3 / 8], [0.8, -0.9, 0.1]]) / 2, rtol=1e-14
    )


def test_huge_logits_do_not_overflow(referee: Any) -> None:
    session = referee(make_plan("softmax", dtype="float64"))
    value, slope = session.gradient(np.array([[1e4, -1e4]]), np.array([1], np.int32))
    assert value == 2e4
    np.testing.assert_array_equal(slope, [[1.0, -1.0]])


def test_float32_stays_float32_of_however_many() -> None:
    """NumPy 1 makes float64 of float32 and an int above 65535."""
    draw, many = np.random.default_rng(5), 2**16
    logits = draw.normal(0, 1, (many, 3)).astype("float32")
    labels = draw.integers(0, 3, many).astype(np.int32)
    weights = np.ones(3, "float32")
    for function, targets in (
        (losses.squared_error_scratch, logits + np.float32(1)),
        (losses.cross_entropy_scratch, labels),
        (losses.smoothed_cross_entropy_scratch(0.1), labels),
        (losses.weighted_cross_entropy_scratch(weights), labels),
    ):
        value, dlogits = losses.gradient(function)(logits, targets)
        assert (value.dtype, dlogits.dtype) == ("float32", "float32"), function.__qualname__
    params = {f"norm.{part}": np.ones(3, "float32") for part in ("scale", "shift")}
    params |= {f"norm.{part}": np.ones(3, "float32") for part in ("mean", "variance")}
    grads: dict[str, np.ndarray] = {}
    outputs, statistics = layers.normalised(params, "norm", logits)
    dinputs = layers.normalised_back(params, "norm", logits, outputs, grads)
    for array in (outputs, dinputs, *statistics, *grads.values()):
        assert array.dtype == "float32"


def test_ties_go_to_the_lowest_index(referee: Any) -> None:
    session = referee(make_plan("softmax", dtype="float64"))
    logits = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    assert session.correct(logits, np.array([1, 0])) == 2
    assert session.correct(logits, np.array([2, 1])) == 0


def test_linear_finds_the_least_squares_solution(referee: Any, session_data: Any) -> None:
    plan = make_plan("linear", lr=0.03, batch_size=1000, dtype="float64")
    data = session_data(plan)
    session = LocalSession("numpy")
    session.open(plan.asdict(), {"style": "scratch", "mode": "eager", "data": "memory"}, data)
    order = draws.order(0, 0, 1000, 1000, False)
    for _ in range(2000):
        session.train(order)
    weight, bias = draws.least_squares(*data["train"])
    learnt = session.params()
    np.testing.assert_allclose(learnt["output.weight"][:, 0], weight, rtol=1e-12)
    np.testing.assert_allclose(learnt["output.bias"], [bias], rtol=1e-12)
    np.testing.assert_allclose(weight, draws.TRUE_WEIGHT, atol=2e-3)


def test_order_depends_on_seed_and_epoch_alone() -> None:
    first = draws.order(3, 1, 100, 32, False)
    assert first.dtype == np.int32
    assert sorted(first) == list(range(100))
    np.testing.assert_array_equal(first, draws.order(3, 1, 100, 10, False))
    np.testing.assert_array_equal(first[:96], draws.order(3, 1, 100, 32, True))
    assert not np.array_equal(first, draws.order(3, 2, 100, 32, False))
    assert not np.array_equal(first, draws.order(4, 1, 100, 32, False))


def test_initial_values_are_drawn_in_float64_and_rounded_once() -> None:
    mlp = MODELS["mlp"]
    wide = draws.parameters(mlp, (28, 28, 1), 256, 10, 0, "float64")
    narrow = draws.parameters(mlp, (28, 28, 1), 256, 10, 0, "float32")
    for name, array in wide.items():
        np.testing.assert_array_equal(narrow[name], array.astype(np.float32))
        if name.endswith("bias"):
            assert not array.any()
        else:
            assert array.std() == pytest.approx(0.01, rel=0.05)
