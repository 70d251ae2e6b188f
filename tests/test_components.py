"""Each component of each backend, from equal inputs, against the referee."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

import numpy as np
import pytest

from common.contract.models import MODELS
from tests.conftest import BACKENDS, CLASSES, FRAMEWORKS, make_plan, shape_of

#: Relative error allowed in float64: a few hundred roundings.
EXACT = 1e-13
CELLS = [
    (backend, style, model)
    for backend, model in itertools.product(FRAMEWORKS, MODELS)
    for style in BACKENDS[backend].info.styles
]
IDS = ["-".join(cell) for cell in CELLS]


def close(values: Any, right: Any, what: str = "") -> None:
    scale = max(np.abs(right).max(), 1e-3)
    np.testing.assert_allclose(values, right, rtol=EXACT, atol=EXACT * scale, err_msg=what)


def moved_params(name: str, hidden: int) -> dict[str, np.ndarray]:
    """Parameters far from zero, so that every term counts."""
    draw, model = np.random.default_rng(11), MODELS[name]
    sizes = model.sizes(shape_of(model), hidden, CLASSES)
    return {name: draw.normal(0, 0.5, shape) for name, shape in sizes.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "style"),
    [
        pytest.param(name, style, marks=[] if style == "concise" else [pytest.mark.slow])
        for name in FRAMEWORKS
        for style in BACKENDS[name].info.styles
    ],
)
def test_components(backend: str, style: str, opened: Any, referee: Any) -> None:
    """Of the largest model; `no false alarm` in test_parity has all."""
    model = "mlp"
    plan = make_plan(model, dtype="float64", lr=0.3, momentum=0.7, weight_decay=0.01)
    session, right = opened(backend, plan, style), referee(plan)
    images, labels = right.batch(np.arange(32, dtype=np.int32))
    theirs = session.batch(np.arange(32, dtype=np.int32))
    np.testing.assert_array_equal(theirs[0], images)
    np.testing.assert_array_equal(theirs[1], labels)
    params = moved_params(model, plan.hidden)

    logits = right.logits(params, images)
    close(session.logits(params, images), logits, "logits")
    value, dlogits = right.gradient(logits, labels)
    their_value, their_dlogits = session.gradient(logits, labels)
    close(their_value, value, "loss")
    close(their_dlogits, dlogits, "dlogits")
    grads = right.backward(params, images, dlogits)
    for name, grad in session.backward(params, images, dlogits).items():
        close(grad, grads[name], name)
    draw = np.random.default_rng(12)
    state = {f"{name}/m": draw.normal(0, 1, p.shape) for name, p in params.items()}
    moved, memory = right.update(params, grads, state)
    their_moved, their_memory = session.update(params, grads, state)
    assert their_moved.keys() == moved.keys()
    assert their_memory.keys() == memory.keys()
    for name in moved:
        close(their_moved[name], moved[name], name)
        close(their_memory[f"{name}/m"], memory[f"{name}/m"], name)
    assert session.correct(logits, labels) == right.correct(logits, labels)


@pytest.mark.parametrize("backend", FRAMEWORKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_ties_go_to_the_lowest_index(backend: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype))
    logits = np.zeros((3, 10), dtype)
    logits[1, [4, 7]] = 1
    logits[2, 9] = -1
    assert session.correct(logits, np.array([0, 4, 0], np.int32)) == 3
    assert session.correct(logits, np.array([1, 7, 9], np.int32)) == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "style"),
    [(b, s) for b in FRAMEWORKS for s in BACKENDS[b].info.styles],
    ids=lambda value: str(value),
)
def test_cross_entropy_of_extreme_logits(
    backend: str, style: str, opened: Any, referee: Any
) -> None:
    plan = make_plan("softmax", dtype="float64")
    session, right = opened(backend, plan, style), referee(plan)
    for logits in ([[1e4, -1e4, 0.0]], [[0.0, 0.0, 0.0]], [[-1e4, -1e4, -1e4]], [[700, 1.0, 2.0]]):
        for label in range(3):
            case = np.array(logits), np.array([label], np.int32)
            close(session.gradient(*case)[0], right.gradient(*case)[0], f"{logits} {label}")
            close(session.gradient(*case)[1], right.gradient(*case)[1], f"{logits} {label}")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("choice", ["memory", "loader"])
@pytest.mark.parametrize("backend", FRAMEWORKS)
def test_batches_are_the_same_bytes(
    backend: str, choice: str, dtype: str, opened: Any, referee: Any
) -> None:
    if choice not in BACKENDS[backend].info.data:
        pytest.skip(BACKENDS[backend].info.absent[choice])
    plan = make_plan("softmax", dtype=dtype)
    session, right = opened(backend, plan, "concise", "eager", choice), referee(plan)
    order = np.random.default_rng(0).permutation(70).astype(np.int32)
    assert session.fingerprint(order) == right.fingerprint(order)
    assert session.fingerprint(order) == right.fingerprint(order), "in the second epoch, too"
    assert session.fingerprint(order[::-1].copy()) == right.fingerprint(order[::-1])


def test_pixels_are_a_true_division(referee: Any) -> None:
    """Among the test pixels every value of a byte occurs: x / 255, not x * (1 / 255)."""
    session = referee(make_plan("softmax"))
    images, _ = session.batch(np.arange(70, dtype=np.int32))
    levels = np.arange(256, dtype=np.float32)
    np.testing.assert_array_equal(np.unique(images), levels / np.float32(255))
    assert (levels * np.float32(1 / 255) != levels / np.float32(255)).sum() == 126


@pytest.mark.parametrize(
    "backend", [pytest.param(b, marks=pytest.mark.slow if b == "torch" else ()) for b in FRAMEWORKS]
)
def test_pixels_are_a_true_division_in_a_compiled_step_too(backend: str) -> None:
    """Whatever the compiler makes of it: every value of a byte, bit for bit."""
    data = importlib.import_module(f"backends.{backend}.data")
    train = importlib.import_module(f"backends.{backend}.train")
    levels = np.arange(256, dtype=np.uint8)[:, None]
    held = data.place(levels, np.zeros(256, np.int64), "float32", "cpu")
    index = data.to_tensor(np.arange(256, dtype=np.int32), "cpu")
    images, _ = train.compiled(data.take, updates=False)(held, index)
    right = levels.astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(data.to_array(images), right)


def test_xla_makes_a_product_of_a_division() -> None:
    """Why JAX's `take` does not simply divide."""
    import jax

    levels = np.arange(256, dtype=np.uint8)
    by_xla = jax.jit(lambda pixels: pixels.astype(np.float32) / np.float32(255))(levels)
    assert (np.asarray(by_xla) != levels.astype(np.float32) / np.float32(255)).sum() == 126


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(b, marks=[pytest.mark.slow] * (b != "jax"))
        for b in FRAMEWORKS
        if "jit" in BACKENDS[b].info.modes
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_ties_go_to_the_lowest_index(backend: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype))
    logits = np.zeros((3, 10), dtype)
    logits[1, [4, 7]] = 1
    logits[2, 9] = -1
    assert session.correct(logits, np.array([0, 4, 0], np.int32), compiled=True) == 3
    assert session.correct(logits, np.array([1, 7, 9], np.int32), compiled=True) == 0
