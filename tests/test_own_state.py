"""States of any form, classes of any number, and hypotheses that raise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import backends
from common.agreement import effective
from common.agreement.slips import causes, loss
from common.agreement.slips.slip import Slip, guarded
from common.check import check
from common.entrants.examples import classes_of
from common.entrants.own_state import leaves, with_leaves
from tests.fakes import SUMMED, copy_backend


class Pair(NamedTuple):
    """As optax keeps states."""

    count: Any
    mean: Any


def test_a_state_of_any_form_is_named_and_rebuilt() -> None:
    tree = (Pair(np.asarray(3), {"w": np.ones(2)}), None, [{"rate": 0.5}])
    named = {".".join(way): leaf for way, leaf in leaves(tree)}
    assert set(named) == {"0.count", "0.mean.w", "2.0.rate"}
    doubled = {name: 2 * np.asarray(leaf) for name, leaf in named.items()}
    made = with_leaves(tree, (), doubled)
    assert made[0].count == 6
    assert made[0].mean["w"].tolist() == [2, 2]
    assert (made[1], made[2], type(made[2][0]["rate"])) == (None, [{"rate": 1.0}], float)


@pytest.mark.parametrize("classes", [10, 256, 257, 70_000])
def test_no_class_wraps_round(classes: int) -> None:
    logits = np.zeros((1, classes), "float32")
    logits[0, -1] = 1
    assert classes_of(logits).tolist() == [classes - 1]


def test_a_hypothesis_that_raises_explains_nothing() -> None:
    def broken() -> Iterator[Slip]:
        yield Slip({}, "one", "look")
        raise ValueError("operands could not be broadcast together")

    assert [slip.words for slip in guarded(broken())] == ["one"]
    outcome: Any = None
    assert causes.share_left(Slip({}, "one", "look"), outcome) is None


@pytest.mark.parametrize("broken", ["of_classes", "smoothed"])
def test_a_kind_of_hypothesis_that_raises_loses_only_itself(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole check: what the kinds after it explain is said all the same."""

    def raises(*given: Any) -> Iterator[Slip]:
        raised.append(broken)
        yield from np.zeros(2) + np.zeros(3)

    raised: list[str] = []
    monkeypatch.setattr(backends, "__path__", list(backends.__path__))
    monkeypatch.setattr(loss, broken, raises)
    draw = np.random.default_rng(0)
    report = check(
        copy_backend(tmp_path, f"mine_{broken}", loss=SUMMED),
        params={"output.weight": draw.normal(0, 0.1, (5, 3)), "output.bias": np.zeros(3)},
        images=draw.normal(0, 1, (40, 5)),
        labels=draw.integers(0, 3, 40),
        model="softmax",
    )
    first = report.diagnosis.difference
    assert raised
    assert first is not None
    assert "summed over the batch of 32" in (first.likely_cause or "")


RATE = np.float32(0.01)


def rmsprop(grad: np.ndarray, eps: float, *, inside: bool) -> np.ndarray:
    """A first step from zero, in float32."""
    square, eps = np.float32(0.01) * grad**2, np.float32(eps)
    return -RATE * grad / (np.sqrt(square + eps) if inside else np.sqrt(square) + eps)


@pytest.mark.parametrize("eps", [1e-5, 1e-4, 1e-2])
@pytest.mark.parametrize("inside", [False, True])
def test_where_eps_is(eps: float, inside: bool) -> None:
    for seed in range(20):
        grad = np.random.default_rng(seed).normal(0, 0.1, 60).astype("float32")
        moved = {"w": rmsprop(grad, eps, inside=inside).astype("float64")}
        found = effective.eps_of(moved, {"w": grad.astype("float64")})
        assert found is not None
        assert found[0] == ("inside" if inside else "outside")


@pytest.mark.parametrize("factor", ["descent", "sign", "of no eps", "decay"])
def test_nobody_knows_where_eps_is(factor: str) -> None:
    for seed in range(20):
        draw = np.random.default_rng(seed)
        grad = draw.normal(0, 0.1, 60).astype("float32")
        steps = {
            "descent": -RATE * grad,
            "sign": -RATE * np.sign(grad),
            "of no eps": rmsprop(grad, 1e-9, inside=False),
            "decay": rmsprop(grad, 1e-2, inside=False) - draw.normal(0, 0.01, 60),
        }
        moved = {"w": steps[factor].astype("float64")}
        assert effective.eps_of(moved, {"w": grad.astype("float64")}) is None
