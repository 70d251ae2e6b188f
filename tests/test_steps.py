"""One step in every backend, style and mode: every parameter moves, and equals the referee."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from common.contract.models import MODELS
from tests.conftest import BACKENDS, FRAMEWORKS, make_plan

pytestmark = pytest.mark.slow

CELLS = [
    (backend, style, mode, model)
    for backend, model in itertools.product(FRAMEWORKS, MODELS)
    for style in BACKENDS[backend].info.styles
    for mode in BACKENDS[backend].info.modes
]


@pytest.mark.parametrize(
    ("backend", "style", "mode", "model"), CELLS, ids=["-".join(cell) for cell in CELLS]
)
def test_one_step(
    backend: str, style: str, mode: str, model: str, opened: Any, referee: Any
) -> None:
    # Momentum and decay make the update's every term count; a later test does without.
    size = 10 if mode == "fused" else 32
    plan = make_plan(model, dtype="float64", momentum=0.9, weight_decay=0.01, batch_size=size)
    session, right = opened(backend, plan, style, mode), referee(plan)
    before = session.params()
    order = np.arange(size, dtype=np.int32)
    trained, expected = session.train(order), right.train(order)
    np.testing.assert_allclose(trained.losses, expected.losses, rtol=1e-14)
    assert list(trained.counts) == list(expected.counts)
    for name, value in session.params().items():
        assert (value != before[name]).any(), f"{name} does not move"
        assert value.flags.c_contiguous
        np.testing.assert_allclose(value, right.params()[name], rtol=1e-13, atol=1e-16)
    # A second epoch, with a short batch and from a state that is not zero.
    order = np.arange(70, dtype=np.int32)[::-1].copy()
    trained, expected = session.train(order), right.train(order)
    np.testing.assert_allclose(trained.losses, expected.losses, rtol=1e-13)
    for name, value in session.state().items():
        np.testing.assert_allclose(value, right.state()[name], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_plain_sgd_in_float32(backend: str, model: str, opened: Any, referee: Any) -> None:
    plan = make_plan(model)
    mode = BACKENDS[backend].info.usual_mode
    session, right = opened(backend, plan, "concise", mode), referee(plan)
    assert session.state() == {}
    order = np.arange(70, dtype=np.int32)
    trained, expected = session.train(order), right.train(order)
    assert trained.losses.dtype == np.float32
    np.testing.assert_allclose(trained.losses, expected.losses, rtol=2e-6)
    for name, value in session.params().items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, right.params()[name], rtol=1e-4, atol=2e-7)


@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_evaluation(backend: str, opened: Any, referee: Any) -> None:
    plan = make_plan("mlp", dtype="float64")
    session, right = opened(backend, plan, "concise", "eager"), referee(plan)
    measured, expected = session.evaluate(), right.evaluate()
    assert measured.loss == pytest.approx(expected.loss, rel=1e-13)
    assert measured.count == expected.count
    np.testing.assert_array_equal(session.predict(), right.predict())
