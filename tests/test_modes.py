"""The modes are the same mathematics, and compile once."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.conftest import BACKENDS, FRAMEWORKS, make_plan

pytestmark = pytest.mark.slow

CELLS = [
    (backend, style, mode)
    for backend in FRAMEWORKS
    for style, mode in itertools.product(
        BACKENDS[backend].info.styles, BACKENDS[backend].info.modes
    )
    if mode != "eager"
]


@pytest.mark.parametrize(
    ("backend", "style", "mode"), CELLS, ids=["-".join(cell) for cell in CELLS]
)
def test_same_trajectory_as_eager(backend: str, style: str, mode: str, opened: Any) -> None:
    plan = make_plan("softmax", dtype="float64", momentum=0.5)
    order = np.random.default_rng(1).permutation(70).astype(np.int32)
    runs = []
    for chosen in ("eager", mode):
        session = opened(backend, plan, style, chosen)
        losses = [session.train(order)["losses"] for _ in range(3)]
        runs.append((np.concatenate(losses), session.params()))
    np.testing.assert_allclose(runs[0][0], runs[1][0], rtol=1e-13)
    for name, value in runs[0][1].items():
        np.testing.assert_allclose(value, runs[1][1][name], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("choice", ["memory", "loader"])
@pytest.mark.parametrize(
    ("backend", "mode"),
    [(b, m) for b in FRAMEWORKS for m in BACKENDS[b].info.modes],
    ids=lambda value: str(value),
)
def test_loader_trains_like_memory(backend: str, mode: str, choice: str, opened: Any) -> None:
    if choice not in BACKENDS[backend].info.data or mode == "fused":
        pytest.skip(f"{backend} has no {choice} in mode {mode}")
    plan = make_plan("softmax")
    order = np.random.default_rng(1).permutation(70).astype(np.int32)
    first = opened(backend, plan, "concise", mode, "memory").train(order)
    second = opened(backend, plan, "concise", mode, choice).train(order)
    # Within a unit or two: by that two runs of MindSpore in one process differ at first.
    np.testing.assert_allclose(first["losses"], second["losses"], rtol=2.4e-7)
    assert (second["data_seconds"] is None) == (choice == "memory")
