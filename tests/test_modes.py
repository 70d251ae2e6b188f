"""The modes are the same mathematics, and several steps in one call compile once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.entrants.process import WorkerSession
from tests.conftest import BACKENDS, FRAMEWORKS, make_plan

pytestmark = pytest.mark.slow

# MindSpore's graph of several steps is no float64: there it goes step by step.
FUSED = [
    (backend, style)
    for backend in FRAMEWORKS
    if "fused" in BACKENDS[backend].info.modes
    for style in BACKENDS[backend].info.styles
]


def compiles(session: WorkerSession, order: np.ndarray) -> bool:
    """Whether a warm-up compiles anything; of MindSpore, anything again.

    MindSpore does not say how long it compiles, but when it does once more what it had compiled.
    """
    again = "has been compiled again"
    before = session.log.read_text(errors="replace").count(again)
    seconds = session.warm_up(order).compile_seconds
    if seconds is None:
        return session.log.read_text(errors="replace").count(again) > before
    return seconds > 0


@pytest.mark.parametrize(("backend", "style"), FUSED, ids=["-".join(cell) for cell in FUSED])
def test_same_trajectory_as_eager(backend: str, style: str, opened: Any) -> None:
    """In float64; epochs of seven full batches, of six and a short one, of six: one call.

    What the warm-up compiled, all later epochs use.
    """
    plan = make_plan("softmax", dtype="float64", momentum=0.5, batch_size=10)
    order = np.random.default_rng(1).permutation(70).astype(np.int32)
    runs = []
    for chosen in ("eager", "fused"):
        session = opened(backend, plan, style, chosen)
        start = session.params()
        if chosen == "fused":
            compiled = [compiles(session, order[:length]) for length in (70, 64, 70, 64)]
            assert backend == "mindspore" or all(compiled[:2])
            assert not any(compiled[2:])
            session.load(start)
        trained = [session.train(order[:length]) for length in (70, 64, 60, 70)]
        losses = np.concatenate([one.losses for one in trained])
        counts = np.concatenate([one.counts for one in trained])
        runs.append((losses, counts, session.params(), session.state()))
        held = [one.steps_per_call for one in trained]
        assert (max(held) > 1) == (chosen == "fused" and backend != "mindspore")
    eager, other = runs
    np.testing.assert_allclose(other[0], eager[0], rtol=1e-13)
    np.testing.assert_array_equal(other[1], eager[1])
    for theirs, ours in zip(other[2:], eager[2:], strict=True):
        for name, value in ours.items():
            np.testing.assert_allclose(theirs[name], value, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize(
    ("backend", "mode"),
    [(b, m) for b in FRAMEWORKS for m in ("eager", "jit") if "loader" in BACKENDS[b].info.data],
    ids=lambda value: str(value),
)
def test_loader_trains_like_memory(backend: str, mode: str, opened: Any) -> None:
    # The plan of test_step_losses: what is compiled for one, the other finds.
    plan = make_plan("softmax", threads=1, epochs=3, batch_size=8, lr=0.03)
    order = np.random.default_rng(1).permutation(70).astype(np.int32)
    first = opened(backend, plan, "concise", mode, "memory").train(order)
    second = opened(backend, plan, "concise", mode, "loader").train(order)
    # Within a unit or two: by that two runs of MindSpore in one process differ at first.
    np.testing.assert_allclose(first.losses, second.losses, rtol=2.4e-7)
    assert first.data_seconds is None
    assert second.data_seconds is not None
