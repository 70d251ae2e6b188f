"""A number near a kink is on the other side of it by rounding alone: slopes jump, and are right."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from common.check import check
from common.contract.arrays import Array
from common.contract.net import Answer, Asked
from common.modules import holding
from common.modules.expected import Expectation, moved_by
from common.modules.held import Held, Place, hold

ROWS = 400
DRAW = np.random.default_rng(0)
X = DRAW.normal(0, 1, (ROWS, 3))
W = np.array([0.5, -0.25, 1.0])
# Rows that are all but on the kink of ReLU, on the side where it has a slope.
X[:8, 2] = -X[:8, 0] * W[0] - X[:8, 1] * W[1] + 3e-6


class Net:
    """relu(x w), and the slope of w of the sum of that."""

    def run(self, asked: Asked) -> Answer:
        x, w = asked.inputs[0], asked.values["w"]
        return Answer(outputs=(np.maximum(x @ w, 0),), slopes={"w": slope(x, x @ w > 0)})


def slope(x: Array, passes: Array) -> Array:
    found: Array = (x * passes[:, None]).sum(0)
    return found


def held(value: Array, *, composed: bool, stage: str = "backward") -> Held:
    asked = Asked({"w": W.astype("float32")}, (X.astype("float32"),))
    expected = Expectation(Net(), asked, "float32")
    exactly = expected.exact["slope", "w"]
    place = Place("", "", stage, "whole", "slope of w")
    return hold(
        place, expected, [("slope", "w")], (value.astype("float32"), exactly), lambda some: some[0],
        composed=composed,
    )  # fmt: skip


def other_side(rows: int) -> Array:
    """The slope where some rows are on the other side."""
    x = X.astype("float32").astype("float64")
    passes = x @ W > 0
    passes[:rows] ^= True
    return slope(x, passes)


def test_a_number_on_the_other_side_of_a_kink_is_rounding() -> None:
    assert held(other_side(0), composed=True).judged != "kinks"
    found = held(other_side(1), composed=True)
    assert (found.right, found.judged) == (True, "kinks")


def test_and_only_of_a_whole_whose_parts_are_right() -> None:
    assert not held(other_side(1), composed=False).right


@pytest.mark.parametrize("wrong", ["rows", "factor"])
def test_what_no_kink_explains_is_wrong(wrong: str) -> None:
    value = other_side(0) * 1.2 if wrong == "factor" else other_side(200)
    found = held(value, composed=True)
    assert not found.right
    assert found.bound < found.error


class Smooth:
    """tanh(x w), and the slope of w of the sum of that: there is no kink in it."""

    def run(self, asked: Asked) -> Answer:
        x, w = asked.inputs[0], asked.values["w"]
        made = np.tanh(x @ w)
        return Answer(outputs=(made,), slopes={"w": (x * (1 - made**2)[:, None]).sum(0)})


def test_where_there_is_no_kink_none_is_allowed_for() -> None:
    asked = Asked({"w": W.astype("float32")}, (X.astype("float32"),))
    name = "slope", "w"
    expected = Expectation(Smooth(), asked, "float32")
    moved = np.abs(expected.across[0][0][name] - expected.exact[name]).max()
    assert expected.kinks(name) < 1e-3 * moved
    assert moved > 1e-5 * np.abs(expected.exact[name]).max()


def test_a_slope_of_zero_is_never_right() -> None:
    """Not even where half of the numbers are at a kink."""
    asked = Asked({"w": np.full(3, 1e-7, "float32")}, (X.astype("float32") * 1e-3,))
    expected = Expectation(Net(), asked, "float32")
    exact = expected.exact["slope", "w"]
    assert (expected.allowed_of_kinks(("slope", "w")) < np.abs(exact).max()).all()


def test_a_number_by_itself_is_moved_as_an_array() -> None:
    """Another process is sent arrays: a scale, a temperature."""
    moved = moved_by(np.array(1.5), 0.1, np.array(1.0))
    assert (type(moved), moved.shape) == (np.ndarray, ())


@pytest.mark.parametrize(("only", "composed"), [(None, True), ("0", False)])
def test_parts_that_were_not_judged_are_not_called_right(
    only: str | None, composed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the whole a slope is allowed for kinks if every layer was held by itself."""
    torch = pytest.importorskip("torch")
    told: dict[str, bool] = {}
    slopes = holding.slopes

    def seen(answered: Any, place: Place, *, composed: bool = False) -> Any:
        told[place.unit] = composed
        return slopes(answered, place, composed=composed)

    monkeypatch.setattr(holding, "slopes", seen)
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    x, labels = X[:6].astype("float32"), np.arange(6) % 2
    assert check(net, copy.deepcopy(net), x, labels, steps=1, only=only).agrees
    assert told == {"layer": False, "wiring": False, "loss": False, "whole": composed}
