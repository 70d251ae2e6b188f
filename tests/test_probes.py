"""Is somebody random, does somebody round inside: yes where it was planted, and nowhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.agreement.probes import parted, rounds_inside
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast
from common.entrants.local import LocalSession
from tests.conftest import make_plan
from tests.test_components import moved_params

INDEX = np.arange(32, dtype=np.int32)


class Asked:
    """Stands before a session and changes the parameters it is asked about, or its gradients."""

    def __init__(self, session: LocalSession, what: str) -> None:
        self.session, self.what = session, what

    def gradients(self, params: Arrays, images: Array, labels: Array, compiled: bool) -> Any:
        if self.what == "float32":
            params = cast(cast(params, "float32"), "float64")
        if self.what == "float32 in one layer":
            name = "output.weight"
            params = {**params, name: params[name].astype("float32").astype("float64")}
        value, logits, grads = self.session.gradients(params, images, labels, compiled)
        if self.what == "detached":
            grads = {**grads, "hidden.weight": np.zeros_like(grads["hidden.weight"])}
        return value, logits, grads


def asked(what: str, seed: int, referee: Any) -> bool:
    session = referee(make_plan("mlp", dtype="float64"))
    images, labels = session.batch(INDEX)
    draw = np.random.default_rng(seed)
    params = moved_params("mlp", 16)
    params = {
        n: a * draw.choice([1e-3, 1, 10]) + draw.normal(0, 0.1, a.shape) for n, a in params.items()
    }
    session_like: Any = Asked(session, what)
    return rounds_inside(session_like, params, images, labels)


@pytest.mark.parametrize("seed", range(20))
def test_what_keeps_float64_is_believed(seed: int, referee: Any) -> None:
    assert not asked("", seed, referee)


@pytest.mark.parametrize("seed", range(5))
def test_what_detaches_a_branch_is_not_blamed_for_rounding(seed: int, referee: Any) -> None:
    assert not asked("detached", seed, referee)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("what", ["float32", "float32 in one layer"])
def test_what_rounds_is_found(what: str, seed: int, referee: Any) -> None:
    assert asked(what, seed, referee)


def test_two_answers_part_where_they_are_further_apart_than_allowed() -> None:
    one = {"a": np.array([1.0, np.nan, np.inf]), "b": np.array([2.0])}
    assert parted(one, one, {}) is None
    near = {"a": one["a"], "b": one["b"] * (1 + 5e-14)}
    assert parted(one, near, {}) is None
    assert parted(one, {**near, "b": one["b"] * (1 + 5e-13)}, {}) == "b"
    assert parted(one, {**near, "b": one["b"] + 0.5}, {"b": 0.6}) is None
    assert parted(one, {**near, "a": np.array([1.0, 2.0, np.inf])}, {}) == "a"
