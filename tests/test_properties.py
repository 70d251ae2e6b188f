"""Losses, their gradients and the accuracy: what holds for every input, by hypothesis.

The reference is the definition in decimal numbers, unshifted: their exponents reach
10^999999, so exp(1e4) neither overflows nor needs the tricks that are under test.

The bounds, with u half a unit in the last place of 1 and e what `exp` is off by:

    cross-entropy   (n + 8) · u · (2 max|o| + log C + 1) + C · u + e: shift, logarithm, difference
                    and mean round numbers no larger than that; the sum of C exponentials is
                    at least 1, so its relative error is the logarithm's absolute one
    its gradient    (5 C + 16) · u + 3 e, over n: of numerator, denominator and the sum
                    of a row that runs back through the maximum; |s| exp(s) < 1, so rounding
                    the shifted logits counts like a few roundings of the result
    squared error   (n + 8) · u relative: every term is positive; its gradient: 4 u relative

A result that is subnormal may be flushed to zero: `tiny` on top of each.
"""

from __future__ import annotations

import decimal
import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from common.contract.arrays import Array
from tests.conftest import BACKENDS, make_plan

#: Few shapes, because JAX compiles every operation for each.
SHAPES = [(1, 1), (7, 3), (33, 10)]
ALL_SHAPES = [(1, 1), (1, 10), (2, 2), (2, 3), (7, 3), (33, 1), (33, 10)]
OWN = ("concise", "float32")
CELLS = [
    pytest.param(
        backend,
        style,
        dtype,
        id=f"{backend}-{style}-{dtype}",
        # Every day the framework's own functions, in the dtype they are used in.
        marks=[pytest.mark.slow] * (backend != "numpy" and (style, dtype) != OWN),
    )
    for dtype in ("float32", "float64")
    for backend in BACKENDS
    for style in BACKENDS[backend].info.styles
]
EVERYDAY = [cell for cell in CELLS if not cell.marks]
#: Of a framework what is not for every day: its formulas where float32 overflows, its functions in
#: float64.
DEEPER = [
    cell
    for cell in CELLS
    if cell.values[0] == "numpy"
    or cell.values[1:] in {("scratch", "float32"), ("concise", "float64")}
]
#: The same examples every time: a failure in CI is one that a developer meets as well.
FIXED = settings(derandomize=True, deadline=None, max_examples=20)
DEEP = settings(FIXED, max_examples=60)
#: Whose argmax takes subnormal logits for zero (backends/*/accuracy.py).
FLUSHING = {"jax": "always", "mindspore": "in some threads"}

#: Always among the examples: rows that overflow, underflow, tie and cancel.
EXTREME = [
    [1e4, -1e4, 0],
    [88, -88, 0],
    [-104, 104, 104],
    [0, 0, 0],
    [-1e4, -1e4, -1e4],
    [1e4, 1e4, 1e4],
    [88, 104, 1e4],
]

CONTEXT = decimal.Context(prec=50)


def logits_of(shape: tuple[int, int], dtype: str) -> st.SearchStrategy[Array]:
    """Ordinary, extreme, equal and subnormal logits of one shape, and all of these mixed."""
    width, subnormal = 32 if dtype == "float32" else 64, float(np.finfo(dtype).smallest_subnormal)
    ordinary = st.floats(-10, 10, width=width)
    extreme = st.sampled_from([-1e4, 1e4, -104.0, 104.0, -88.0, 88.0, 0.0])
    minute = st.sampled_from([0.0, -0.0, subnormal, -subnormal, 1000 * subnormal])
    few = st.sampled_from([-1.0, 0.0, 2.0])
    kinds = [ordinary, extreme, minute, few, st.one_of(ordinary, extreme, minute)]
    several = st.sampled_from(kinds).flatmap(
        # Nothing to fill up with: each logit is drawn, or most would be the same.
        lambda kind: arrays.arrays(dtype, shape, elements=kind, fill=st.nothing())
    )
    equal = kinds[-1].map(lambda value: np.full(shape, value, dtype))
    return st.one_of(several, equal)


@st.composite
def classified(draw: Any, dtype: str, shapes: list[tuple[int, int]]) -> tuple[Array, Array]:
    """Logits (n, classes) and labels (n,)."""
    n, classes = draw(st.sampled_from(shapes))
    labels = draw(arrays.arrays(np.int32, n, elements=st.integers(0, classes - 1)))
    return draw(logits_of((n, classes), dtype)), labels


def exact_cross_entropy(logits: Array, labels: Array) -> tuple[float, Array]:
    """Mean of -log(exp(o_y) / Σ exp(o)), and (p - onehot(y)) / n, literally."""
    with decimal.localcontext(CONTEXT):
        losses, gradient = Decimal(0), []
        for row, label in zip(logits.tolist(), labels, strict=True):
            exps = [Decimal(o).exp() for o in row]
            chances = [e / sum(exps) for e in exps]
            losses -= chances[label].ln()
            chances[label] -= 1
            gradient.append([float(p / len(labels)) for p in chances])
        return float(losses / len(labels)), np.array(gradient)


def exact_squared_error(predictions: Array, targets: Array) -> tuple[float, Array]:
    """Mean of (ŷ - y)² / 2, and (ŷ - y) / n."""
    with decimal.localcontext(CONTEXT):
        pairs = zip(predictions[:, 0].tolist(), targets[:, 0].tolist(), strict=True)
        errors = [Decimal(guess) - Decimal(target) for guess, target in pairs]
        loss = sum(error**2 for error in errors) / 2 / len(errors)
        return float(loss), np.array([[float(error / len(errors))] for error in errors])


def exp_error(backend: str, dtype: str) -> float:
    """What the backend's exp may be off by, relative; a few roundings in float64."""
    return BACKENDS[backend].info.exp_error if dtype == "float32" else 2 * np.finfo(dtype).eps


def bounds(backend: str, logits: Array) -> tuple[float, float]:
    """The bounds of the cross-entropy and of its gradient (see above)."""
    (n, classes), limits = logits.shape, np.finfo(logits.dtype)
    u, e = float(limits.eps) / 2, exp_error(backend, logits.dtype.name)
    largest = 2 * float(np.abs(logits).max()) + 1 + math.log(classes)
    value = ((n + 8) * largest + classes) * u + e
    gradient = ((5 * classes + 16) * u + 3 * e) / n
    return value + float(limits.tiny), gradient + float(limits.tiny)


def check_cross_entropy(session: Any, backend: str, case: tuple[Array, Array]) -> None:
    logits, labels = case
    if backend == "mindspore":
        # Some of its threads flush subnormals and others not; of rows that are all 1.4e-45 the
        # gradient came out NaN once (docs/traps.md). No trained logits are that small.
        logits = np.where(
            np.abs(logits) < np.finfo(logits.dtype).tiny, logits.dtype.type(0), logits
        )
    (n, classes), rows = logits.shape, np.arange(len(labels))
    value, gradient = session.gradient(logits, labels)
    right, slopes = exact_cross_entropy(logits, labels)
    value_bound, bound = bounds(backend, logits)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert value.dtype == gradient.dtype == logits.dtype
    assert abs(value - right) <= value_bound
    assert np.abs(gradient - slopes).max() <= bound
    assert np.abs(gradient.sum(axis=1, dtype=np.float64)).max() <= classes * bound
    assert np.abs(gradient).max() <= 1 / n + bound
    assert gradient[rows, labels].max() <= 0
    others = np.delete(gradient.ravel(), rows * classes + labels)
    assert (others >= 0).all()
    if classes == 1:
        # Not 0: where MindSpore flushes in log Σ exp(o) but not in o, a subnormal o is left.
        assert abs(value) < np.finfo(logits.dtype).tiny
        assert not gradient.any()


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "style", "dtype"), EVERYDAY)
def test_cross_entropy(backend: str, style: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype), style)

    @FIXED
    @given(classified(dtype, SHAPES))
    @example((np.array(EXTREME, dtype), np.array([1, 1, 0, 2, 0, 2, 0])))
    def holds(case: tuple[Array, Array]) -> None:
        check_cross_entropy(session, backend, case)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "style", "dtype"), DEEPER)
def test_cross_entropy_deeper(backend: str, style: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype), style)

    @DEEP
    @given(classified(dtype, ALL_SHAPES))
    @example((np.array(EXTREME, dtype), np.array([1, 1, 0, 2, 0, 2, 0])))
    def holds(case: tuple[Array, Array]) -> None:
        check_cross_entropy(session, backend, case)

    holds()


@pytest.mark.parametrize(("backend", "style", "dtype"), CELLS)
def test_rows_of_the_cross_entropy(backend: str, style: str, dtype: str, opened: Any) -> None:
    """Rows are independent, their order does not matter, nor does a constant added to one."""
    session = opened(backend, make_plan("softmax", dtype=dtype), style)
    n, classes = SHAPES[1]

    @settings(FIXED, max_examples=5)
    @given(
        # Eighths below 2^11 add up exactly, so that a shifted row is the same row.
        arrays.arrays(np.int32, (n, classes), elements=st.integers(-800, 800)),
        arrays.arrays(np.int32, (n, 1), elements=st.integers(-1000, 1000)),
        arrays.arrays(np.int32, n, elements=st.integers(0, classes - 1)),
        st.permutations(range(n)),
    )
    def holds(eighths: Array, shifts: Array, labels: Array, order: list[int]) -> None:
        logits = (eighths / 8).astype(dtype)
        shifted = logits + shifts.astype(dtype)
        value_bound, bound = 2 * np.array(bounds(backend, shifted))
        value, gradient = session.gradient(logits, labels)

        again, moved = session.gradient(shifted, labels)
        assert abs(again - value) <= value_bound
        assert np.abs(moved - gradient).max() <= bound
        again, moved = session.gradient(logits[order], labels[order])
        assert abs(again - value) <= value_bound
        assert np.abs(moved - gradient[order]).max() <= bound
        singles = [session.gradient(logits[[i]], labels[[i]]) for i in range(n)]
        assert abs(np.mean([single for single, _ in singles]) - value) <= value_bound
        alone = np.concatenate([slopes for _, slopes in singles]) / n
        assert np.abs(alone - gradient).max() <= bound

    holds()


@pytest.mark.parametrize(("backend", "style", "dtype"), CELLS)
def test_squared_error(backend: str, style: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("linear", dtype=dtype), style)
    limits = np.finfo(dtype)
    u, tiny = float(limits.eps) / 2, float(limits.tiny)
    pairs = st.sampled_from([1, 7, 33]).flatmap(
        lambda n: st.tuples(logits_of((n, 1), dtype), logits_of((n, 1), dtype))
    )

    @FIXED
    @given(pairs)
    def holds(pair: tuple[Array, Array]) -> None:
        predictions, targets = pair
        n = len(targets)
        value, gradient = session.gradient(predictions, targets)
        right, slopes = exact_squared_error(predictions, targets)
        assert value.dtype == gradient.dtype == np.dtype(dtype)
        assert abs(value - right) <= (n + 8) * u * right + tiny
        assert (np.abs(gradient - slopes) <= 4 * u * np.abs(slopes) + tiny).all()
        again, moved = session.gradient(predictions[::-1], targets[::-1])
        assert abs(again - value) <= 2 * ((n + 8) * u * right + tiny)
        np.testing.assert_allclose(moved, gradient[::-1], rtol=0, atol=tiny)

    holds()


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend", BACKENDS)
def test_accuracy(backend: str, dtype: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype))

    @FIXED
    @given(classified(dtype, SHAPES))
    @example((np.array(EXTREME, dtype), np.array([0, 0, 1, 0, 0, 0, 2])))
    @example((np.array(EXTREME, dtype), np.array([0, 0, 2, 1, 2, 1, 2])))
    def holds(case: tuple[Array, Array]) -> None:
        logits, labels = case
        if backend in FLUSHING:
            logits = np.where(np.abs(logits) < np.finfo(dtype).tiny, logits.dtype.type(0), logits)
        firsts = [row.index(max(row)) for row in logits.tolist()]
        right = sum(first == label for first, label in zip(firsts, labels, strict=True))
        assert session.correct(logits, labels) == right
        assert session.correct(logits[::-1], labels[::-1]) == right
        if logits.shape[1] == 1:
            assert right == len(labels)

    holds()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_subnormal_logits_tie_with_zero_where_declared(
    backend: str, dtype: str, opened: Any
) -> None:
    session = opened(backend, make_plan("softmax", dtype=dtype))
    logits = np.array([[0, np.finfo(dtype).tiny / 2]], dtype)
    told_apart = {"always": {0}, "in some threads": {0, 1}}.get(FLUSHING.get(backend), {1})
    assert session.correct(logits, np.array([1])) in told_apart
    assert session.correct(4 * logits, np.array([1])) == 1
