"""Clipping against its definition, in every framework, and where a framework's own has another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.contract.models import MODELS
from tests.conftest import BACKENDS, CLASSES, SHAPE, Command, make_plan

STYLES = [(name, style) for name, one in BACKENDS.items() for style in one.info.styles]
Arrays = dict[str, np.ndarray]


def norm(grads: Arrays) -> float:
    return float(np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in grads.values())))


def clipped(grads: Arrays, name: str, most: float, eps: float) -> Arrays:
    """By the definition; eps is what a framework adds to the norm."""
    if name == "clip_value":
        return {n: np.minimum(np.maximum(g, -most), most) for n, g in grads.items()}
    share = most / max(norm(grads) + eps, most)
    return {n: share * g for n, g in grads.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "style"), STYLES)
@pytest.mark.parametrize(
    ("dtype", "compiled"),
    [
        ("float32", False),
        ("float64", False),
        pytest.param("float32", True, marks=pytest.mark.slow),
        pytest.param("float64", True, marks=pytest.mark.slow),
    ],
)
def test_both_ways(backend: str, style: str, dtype: str, compiled: bool, opened: Any) -> None:
    """Gradients above what is left and below it, and none; a rate of 1 shows what is left."""
    if compiled and "jit" not in BACKENDS[backend].info.modes:
        pytest.skip("it compiles nothing")
    draw, sizes = np.random.default_rng(4), MODELS["softmax"].sizes(SHAPE, 0, CLASSES)
    zeros = {name: np.zeros(shape, dtype) for name, shape in sizes.items()}
    drawn = {name: draw.normal(0, 1, shape) for name, shape in sizes.items()}
    for name, most in (("clip_value", 0.02), ("clip_norm", 0.02)):
        plan = make_plan("softmax", dtype=dtype, lr=1.0, **{name: most})
        session = opened(backend, plan, style)
        declared = BACKENDS[backend].declared(style, plan)
        eps = 1e-6 if declared else 0.0
        for size in (1.0, 1.01, 0.99, 0.0, 100.0):
            whole = most / (norm(drawn) if name == "clip_norm" else 1)
            grads = {n: (size * whole * g).astype(dtype) for n, g in drawn.items()}
            moved, _ = session.update(zeros, {n: g.copy() for n, g in grads.items()}, {}, compiled)
            right = clipped(grads, name, most, eps)
            close = 2e-6 if dtype == "float32" else 1e-14
            for n, array in moved.items():
                assert array.dtype == dtype
                np.testing.assert_allclose(-array, right[n], rtol=close, atol=1e-30, err_msg=n)
            if declared and size == 1.01:
                plain = clipped(grads, name, most, 0.0)
                off = max(np.abs(moved[n] + plain[n]).max() / np.abs(plain[n]).max() for n in plain)
                assert off > 1e-5, "a difference in the ledger that is none"


def test_refused(compare: Command) -> None:
    for words, said in {
        ("--clip-norm", "1", "--clip-value", "1"): "choose one",
        ("--clip-norm", "0"): "above 0",
        ("--clip-value", "nan"): "above 0",
    }.items():
        done = compare(*compare.small("--backends", "numpy", *words))
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1
