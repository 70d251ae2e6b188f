"""bfloat16 and TF32: numbers that NumPy lacks, what a run in them agrees to, and who has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.agreement.checks import another_dtype
from common.agreement.coarse import Coarse, coarse
from common.agreement.verdict import undecided
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.precision import (
    PRECISIONS,
    cast_one,
    has_all,
    neighbour,
    rounded_to,
    spacing,
    ulp,
)
from tests.conftest import BACKENDS, Command, make_plan
from tests.test_parity import judged

ml_dtypes = pytest.importorskip("ml_dtypes", reason="comes with JAX")
BFLOAT16 = ml_dtypes.bfloat16

HAVE = [name for name, found in BACKENDS.items() if "cpu" in found.info.dtypes.get("bfloat16", ())]


def many() -> np.ndarray:
    """Numbers of all sizes, float32's edges among them."""
    draw = np.random.default_rng(0)
    bits = draw.integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    edges = [0.0, -0.0, 1e-45, -1e-40, 2.0**-126, 3.3895314e38, 3.4e38, np.inf, -np.inf]
    ties = 1 + np.arange(-64, 64) * 2.0**-8
    return np.concatenate([bits[~np.isnan(bits)], np.float32(edges), np.float32(ties)])


def test_rounded_as_bfloat16() -> None:
    numbers = many()
    found = cast_one(numbers, "bfloat16")
    with np.errstate(over="ignore"):
        assert np.array_equal(found, numbers.astype(BFLOAT16).astype(np.float32))
    assert has_all("bfloat16", found)
    assert not has_all("bfloat16", numbers)
    assert np.isnan(rounded_to(np.float32([np.nan, 1]), 8)).tolist() == [True, False]


def test_rounded_as_tf32() -> None:
    numbers = np.float32([1 + 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-10, -(1 + 2.0**-12)])
    assert rounded_to(numbers, 11).tolist() == [1.0, 1 + 2.0**-9, 1 + 2.0**-10, -1.0]
    # No tensor has it.
    assert cast_one(numbers, "tfloat32").tolist() == numbers.tolist()
    assert PRECISIONS["tfloat32"].eps == np.finfo(np.float32).eps


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_numbers_of_a_precision(dtype: str) -> None:
    theirs = ml_dtypes.finfo(BFLOAT16 if dtype == "bfloat16" else dtype)
    ours = PRECISIONS[dtype]
    assert (ours.eps, ours.max, ours.tiny) == tuple(
        map(float, (theirs.eps, theirs.max, theirs.tiny))
    )
    assert ulp(1.0, dtype) == ours.eps
    assert ulp(-3.0, dtype) == 2 * ours.eps


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
def test_neighbour(dtype: str, *, up: bool) -> None:
    kind = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
    numbers = cast_one(many()[::97], dtype)
    numbers = numbers[np.abs(numbers) < 1e38]
    towards = np.full(numbers.shape, np.inf if up else -np.inf).astype(kind)
    right = np.nextafter(numbers.astype(kind), towards).astype(numbers.dtype)
    found = neighbour(numbers, np.full(numbers.shape, up), dtype)
    assert np.array_equal(found, right)
    normal = np.abs(numbers) > 1e-30
    apart = np.abs(found.astype("float64") - numbers)[normal] / spacing(numbers, dtype)[normal]
    assert set(np.unique(apart)) <= {0.5, 1.0}  # half of it, down from a power of two


def test_coarse_operations_round() -> None:
    draw = np.random.default_rng(1)
    one, other = (cast_one(draw.normal(size=(40, 50)).astype("f4"), "bfloat16") for _ in "ab")
    x, y = coarse(one, PRECISIONS["bfloat16"]), one.astype(BFLOAT16)
    assert np.array_equal(x * 3 + other, (y * BFLOAT16(3) + other.astype(BFLOAT16)).astype("f4"))
    product = x @ other.T
    assert isinstance(product, Coarse)
    right = one.astype("f8") @ other.T.astype("f8")
    assert np.array_equal(product, right.astype("f4").astype(BFLOAT16).astype("f4"))
    x += 1
    assert np.array_equal(x, (y + BFLOAT16(1)).astype("f4"))
    ones = coarse(np.ones(1000, np.float32), PRECISIONS["bfloat16"])
    assert float(ones.sum()) == 1000.0  # added up in float32: ml_dtypes would say 256


def test_tf32_rounds_factors_alone() -> None:
    draw = np.random.default_rng(2)
    one, other = (draw.normal(size=(40, 50)).astype("f4") for _ in "ab")
    x = coarse(one, PRECISIONS["tfloat32"])
    assert np.array_equal(x + other, one + other)
    for found in (x @ other.T, np.tensordot(x, other, ([1], [1]))):
        assert np.array_equal(found, rounded_to(one, 11) @ rounded_to(other, 11).T)
        assert 1e-5 < np.abs(found - one @ other.T).max() < 1e-2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.float32([1.0, 0.5]), None),
        (np.float32([1.0, 0.1]), "has numbers that bfloat16 has not, expected bfloat16"),
        (np.float64([1.0, 0.5]), "has dtype float64, expected bfloat16"),
    ],
    ids=["its numbers", "other numbers", "another dtype"],
)
def test_another_arithmetic_shows(value: np.ndarray, words: str | None) -> None:
    assert another_dtype(value, np.zeros(2), "bfloat16") == words


#: What sums gradients over pictures, rows and columns: docs/lessons/bfloat16_gradients.py.
STAYS_BEHIND = [("jax", "lenet"), ("jax", "lenet_bn")]

CELLS = [
    (backend, style, model)
    for backend in HAVE
    for style in ("scratch", "concise")
    for model in MODELS
    if style == "concise" or model in ("mlp", "lenet")
    if (backend, model) not in STAYS_BEHIND
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "style", "model"), CELLS, ids=["-".join(cell) for cell in CELLS]
)
def test_no_false_alarm(
    backend: str,
    style: str,
    model: str,
    opened: Callable[..., Any],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan(model, dtype="bfloat16", lr=0.03 if model == "linear" else 0.1)
    session = opened(backend, plan, style)
    verdict = judged(session, backend, plan, session_data(plan), style)
    assert verdict.first_difference is None
    assert verdict.verdict == "rounding" or undecided(verdict)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "model"), STAYS_BEHIND)
def test_a_sum_that_stays_behind_shows(
    backend: str,
    model: str,
    opened: Callable[..., Any],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan(model, dtype="bfloat16")
    session = opened(backend, plan, "concise")
    verdict = judged(session, backend, plan, session_data(plan), "concise")
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert verdict.first_difference.stage == "gradient"


UPDATES = [
    (backend, style, optimizer)
    for backend in HAVE
    for style in ("scratch", "concise")
    for optimizer in OPTIMIZERS
    if f"{optimizer}_{style}" not in [one.function for one in BACKENDS[backend].info.declared]
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "style", "optimizer"), UPDATES, ids=["-".join(one) for one in UPDATES]
)
def test_every_update(
    backend: str,
    style: str,
    optimizer: str,
    opened: Callable[..., Any],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    momentum = OPTIMIZERS[optimizer].momentum
    plan = make_plan(
        dtype="bfloat16", optimizer=optimizer, momentum=momentum, weight_decay=0.01, lr=0.01,
        schedule="cosine", warm_up=2,
    )  # fmt: skip
    session = opened(backend, plan, style)
    verdict = judged(session, backend, plan, session_data(plan), style)
    assert verdict.first_difference is None


@pytest.mark.slow
@pytest.mark.parametrize("backend", HAVE)
@pytest.mark.parametrize(
    ("changes", "stage"),
    [({"lr": 0.11}, "update"), ({"momentum": 0.9}, "update"), ({"dtype": "float32"}, "data")],
    ids=["lr", "momentum", "float32"],
)
def test_a_difference_shows(
    backend: str,
    changes: dict[str, Any],
    stage: str,
    opened: Callable[..., Any],
    session_data: Callable[[Plan], dict[str, Any]],
) -> None:
    plan = make_plan("mlp", dtype="bfloat16", optimizer="momentum", momentum=0.5)
    session = opened(backend, replace(plan, **changes))
    verdict = judged(session, backend, plan, session_data(plan))
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert verdict.first_difference.stage == stage


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        ("bfloat16", "numpy: unavailable: no dtype bfloat16 on cpu: NumPy has no such numbers"),
        ("tfloat32", "numpy: unavailable: no dtype tfloat32 on cpu: TF32 belongs to GPUs, and"),
    ],
)
def test_who_lacks_it_says_why(dtype: str, words: str, compare: Command) -> None:
    done = compare("--backends", "numpy", "--dtype", dtype)
    assert done.returncode == 3
    assert words in done.stdout


@pytest.mark.slow
def test_a_run(compare: Command) -> None:
    results = compare.run(
        "--backends", "torch", "--dtype", "bfloat16", "--epochs", "2", "--model", "mlp"
    )
    assert results["plan"]["dtype"] == "bfloat16"
    verdicts = results["parity"]["entrants"]
    assert {one["verdict"] for one in verdicts.values()} <= {"rounding", "identical"}
    losses = np.float32(results["entrants"][0]["step_losses"])
    assert has_all("bfloat16", losses)
