"""Smoothed labels and weights of classes: against their definitions, in every framework."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.contract.losses import balanced
from tests.conftest import BACKENDS, CLASSES, Command, make_plan

STYLES = [(name, style) for name, one in BACKENDS.items() for style in one.info.styles]
WEIGHTS = (0.5, 1.0, 4.0, 0.25, 1.0, 7.0, 1.5, 1.0, 0.125, 3.0)
PLANS: dict[str, dict[str, Any]] = {
    "smoothed": {"label_smoothing": 0.1},
    "much smoothed": {"label_smoothing": 0.9},
    "weighted": {"class_weights": WEIGHTS},
    "weighted alike": {"class_weights": (3.0,) * CLASSES},
}


def counted(plan: dict[str, Any], labels: np.ndarray) -> np.ndarray:
    """How much each class of each example counts, example by example."""
    found = np.zeros((len(labels), CLASSES))
    for row, label in enumerate(labels):
        if "class_weights" in plan:
            weights = plan["class_weights"]
            found[row, label] = weights[label] / sum(weights[one] for one in labels)
        else:
            share = plan["label_smoothing"]
            found[row] = share / CLASSES / len(labels)
            found[row, label] += (1 - share) / len(labels)
    return found


def by_definition(plan: dict[str, Any], logits: np.ndarray, labels: np.ndarray) -> tuple[Any, Any]:
    logits = logits.astype(np.longdouble)
    exps = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = exps / exps.sum(axis=1, keepdims=True)
    shares = counted(plan, labels)
    return -(shares * np.log(chances)).sum(), shares.sum(axis=1, keepdims=True) * chances - shares


def test_balanced_weights_make_every_class_count_alike() -> None:
    labels = np.repeat([0, 1, 2], [6, 3, 1])
    weights = balanced(labels, 3)
    assert weights == (10 / 18, 10 / 9, 10 / 3)
    assert np.bincount(labels, np.asarray(weights)[labels]).tolist() == pytest.approx([10 / 3] * 3)


@pytest.mark.parametrize("which", PLANS)
@pytest.mark.parametrize(
    ("dtype", "compiled"),
    [
        ("float32", False),
        pytest.param("float64", False, marks=pytest.mark.slow),
        pytest.param("float32", True, marks=pytest.mark.slow),
        pytest.param("float64", True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(("backend", "style"), STYLES)
def test_value_and_gradient(
    backend: str, style: str, dtype: str, compiled: bool, which: str, opened: Any
) -> None:
    if compiled and "jit" not in BACKENDS[backend].info.modes:
        pytest.skip("it compiles nothing")
    draw = np.random.default_rng(7)
    logits = draw.normal(0, 3, (9, CLASSES)).astype(dtype)
    labels = np.array([0, 1, 2, 3, 2, 9, 7, 8, 5])
    session = opened(backend, make_plan("softmax", dtype=dtype, **PLANS[which]), style)
    value, dlogits = session.gradient(logits, labels, compiled)
    right, slope = by_definition(PLANS[which], logits, labels)
    assert (value.dtype, dlogits.dtype) == (dtype, dtype)
    # MindSpore's exp errs by 8.5e-6 in float32 (its INFO).
    close = 2e-5 if dtype == "float32" else 1e-14
    np.testing.assert_allclose(float(value), float(right), rtol=close)
    np.testing.assert_allclose(dlogits, slope.astype("float64"), rtol=0, atol=close)


WORDS = " ".join(map(str, WEIGHTS))


@pytest.mark.parametrize(
    ("words", "model", "said"),
    [
        ("--label-smoothing 1", "softmax", "'1' is not a number of at least 0 and below 1"),
        ("--label-smoothing nan", "softmax", "'nan' is not a number of at least 0 and below 1"),
        ("--label-smoothing 0.1", "linear", "linear has no classes; --label-smoothing does not"),
        ("--class-weights balanced", "linear", "linear has no classes; --class-weights does not"),
        (f"--label-smoothing 0.1 --class-weights {WORDS}", "softmax", "choose one"),
        ("--class-weights 1 2 3", "softmax", "3 of them, and custom has 10 classes"),
        ("--class-weights 1 0", "softmax", "'0' is not a finite number above 0"),
        (
            "--class-weights balanced --backends torch torch:ddp,x2",
            "softmax",
            "torch:ddp,x2: --class-weights divides by the weights of a batch, and each process",
        ),
        ("--class-weights even", "softmax", "'even' is not a finite number above 0"),
        ("--class-weights balanced --limit 3", "softmax", "none of 3 training examples is of the"),
    ],
    ids=lambda one: one if one.startswith("--") else "",
)
def test_refused(words: str, model: str, said: str, compare: Command) -> None:
    asked = ["--backends", "numpy", "--model", model, *words.split()]
    done = compare(*(asked if model == "linear" else compare.small(*asked)))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
