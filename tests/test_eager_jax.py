"""JAX op by op: whoever computes an operation, its bits are those that JAX has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp
from jax import lax

from backends.jax.eager import EXACT, MET, RULES, computed, op_by_op
from backends.jax.numpy_convolution import convolved

#: Both zeros, what is no number, and what has more places when squared than fit.
ODD = (0.0, -0.0, 1 + 2.0**-12, -3.0, np.inf, -np.inf, np.nan, 1e-30, 3e38, 0.1)
#: What XLA takes for zero; and as many numbers that nobody does.
FEW = {"tiny": (1e-40, -1e-40), "usual": (7.0, -0.25)}

Function = Callable[..., Any]

#: Of two rows of floats.
FUNCTIONS: dict[str, Function] = {
    "add": lax.add,
    "sub": lax.sub,
    "mul": lax.mul,
    "div": lax.div,
    "max": lax.max,
    "compared": lambda x, y: [of(x, y) for of in (lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge)],
    "of bits": lambda x, y: [~(x > y) & (x < 1) | (y > 2)],
    "one": lambda x, y: [lax.neg(x), lax.abs(x), lax.sqrt(x), lax.square(x), x**2, x**3],
    "shapes": lambda x, y: [
        lax.rev(x[3:9:2], (0,)),
        lax.concatenate([x, y], 0),
        lax.transpose(x.reshape(12, 12)[:, None], (2, 0, 1)),
        lax.reshape(x.reshape(12, 12), (9, 16), (1, 0)),
        lax.squeeze(y[None], (0,)),
        lax.broadcast_in_dim(x, (2, len(x), 3), (1,)),
    ],
    "padded": lambda x, y: [
        lax.pad(x, y[0], [(2, 1, 3)]),
        lax.pad(x, y[0], [(-2, 1, 0)]),
        lax.pad(x.reshape(12, 12), y[3], [(0, 0, 1), (1, 2, 0)]),
    ],
    "chosen": lambda x, y: [
        lax.select_n(x > y, x, y),
        lax.select_n((x > y).astype(int), x, y),
        lax.select_n((x > y).astype(int) + (x > 1), x, y, y),
    ],
    "converted": lambda x, y: [
        (x > y).astype("float32"),
        x.astype("int32"),
        x.astype("bool"),
        x.astype(jnp.bfloat16) + 1,
        lax.iota("int32", 5).astype("float32"),
    ],
    "jitted": lambda x, y: [
        jax.nn.relu(x),
        jnp.where(x > y, x, 0.0),
        jax.jit(lambda x, y: x * y - 1)(x, y),
    ],
    "by XLA": lambda x, y: [lax.exp(x), (x * y).sum(), lax.scan(lambda c, z: (c + z, c), 0.0, x)],
    "differentiated": lambda x, y: jax.vjp(lambda x: jax.nn.relu(x * y), x)[1](y),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("numbers", FEW)
def test_the_same_bits(name: str, numbers: str) -> None:
    row = np.array([*ODD, *FEW[numbers]], "float32")
    function, pair = FUNCTIONS[name], list(map(jnp.asarray, np.array([*product(row, row)]).T))
    found = jax.tree.leaves(op_by_op(jax.jit(function), *pair))
    expected = jax.tree.leaves(function(*pair))
    for one, other in zip(map(np.array, found), map(np.asarray, expected), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        real = other == other  # NaN has many bits
        assert (one == one).tolist() == real.tolist()
        assert one[real].tobytes() == other[real].tobytes()


#: Axes of what is convolved, of the kernel and of the result.
AXES = {
    "NCHW": ("NCHW", "OIHW", "NCHW"),
    "NHWC": ("NHWC", "HWIO", "NHWC"),
    "each another": ("CNHW", "IOHW", "HWNC"),
}

#: What a convolution is told; a rim that is negative is cut off.
CONVOLUTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strides": {"window_strides": (2, 3)},
    "padded": {"padding": ((1, 2), (2, 1))},
    "cut": {"padding": ((-1, 2), (0, -1))},
    "transposed": {"lhs_dilation": (2, 3), "padding": ((2, 1), (0, 2))},
    "dilated": {"rhs_dilation": (1, 2)},
    "groups": {"feature_group_count": 2},
    "all": {
        "window_strides": (1, 2),
        "padding": ((2, 0), (-1, 3)),
        "lhs_dilation": (2, 1),
        "rhs_dilation": (2, 1),
        "feature_group_count": 2,
    },
}


@pytest.fixture
def _doubles() -> Iterator[None]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


CELLS = [
    *((told, "NHWC", "float64") for told in CONVOLUTIONS),
    *(("all", axes, "float64") for axes in AXES if axes != "NHWC"),
    ("all", "NHWC", "float32"),
]


@pytest.mark.slow
@pytest.mark.usefixtures("_doubles")
@pytest.mark.parametrize(("told", "axes", "dtype"), CELLS)
def test_convolution(told: str, axes: str, dtype: str) -> None:
    """With its gradients: in float32 JAX's own, bit for bit; in float64 the same but rounding."""
    settings = {"window_strides": (1, 1), "padding": ((0, 0), (0, 0)), **CONVOLUTIONS[told]}
    draw = np.random.default_rng(0)

    def drawn(letters: str, **sizes: int) -> Any:
        return jnp.asarray(draw.normal(size=[sizes[one] for one in letters]), dtype)

    def convolution(x: Any, kernel: Any) -> Any:
        return lax.conv_general_dilated(x, kernel, dimension_numbers=AXES[axes], **settings)

    x = drawn(AXES[axes][0], N=4, C=6, H=9, W=8)
    groups = settings.get("feature_group_count", 1)
    kernel = drawn(AXES[axes][1], O=4, I=6 // groups, H=3, W=2)

    def differentiated(x: Any, kernel: Any, cotangent: Any) -> Any:
        result, pull = jax.vjp(convolution, x, kernel)
        return result, *pull(cotangent)

    cotangent = jnp.asarray(draw.normal(size=convolution(x, kernel).shape), dtype)
    found = op_by_op(jax.jit(differentiated), x, kernel, cotangent)
    for one, other in zip(found, differentiated(x, kernel, cotangent), strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        apart = abs(np.asarray(one) - np.asarray(other)).max()
        assert apart <= (0 if dtype == "float32" else 1e-12)


@pytest.mark.usefixtures("_doubles")
def test_a_convolution_is_computed_by_numpy_in_float64_alone() -> None:
    for dtype in (np.float32, np.float64):
        x, kernel = np.ones((2, 3, 4), dtype), np.ones((5, 3, 2), dtype)
        traced = jax.make_jaxpr(lambda x, k: lax.conv_general_dilated(x, k, (1,), "VALID"))
        params = traced(x, kernel).eqns[0].params
        result = convolved(params, x, kernel)
        assert (result is None) == (dtype == np.float32)
    assert result.shape == (2, 5, 3)
    assert set(result.ravel()) == {6.0}


def test_what_is_not_traced_runs_as_it_is() -> None:
    @jax.jit
    def looks(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else -x

    assert float(op_by_op(looks, jnp.float32(3))) == 6


def test_xla_does_not_compile_what_numpy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two roundings that XLA may make one of are left to it; relu is one choice."""
    bound: list[str] = []

    def counted(equation: Any, given: Any) -> Any:
        bound.append(equation.primitive.name)
        return real(equation, given)

    real = computed.__globals__["bound"]
    monkeypatch.setitem(computed.__globals__, "bound", counted)
    x = jnp.asarray(np.float32([1, -2, 3]))
    op_by_op(jax.jit(lambda x: jax.nn.relu(x * x + 1)), x)
    assert bound == []
    op_by_op(jax.jit(lambda x: jax.jit(lambda x: x * x + 1)(x)), x)
    assert bound == ["jit"]
    row = x.reshape(1, 1, 3)
    op_by_op(jax.jit(lambda x: jax.jit(lambda x: lax.conv(x, x[..., :2], (1,), "VALID"))(x)), row)
    assert bound == ["jit", "jit"]
    assert set(EXACT) < set(RULES)


def test_a_loop_is_compiled_once_however_often_it_is_traced() -> None:
    def loop(array: Any) -> Any:
        def step(carry: Any, row: Any) -> Any:
            return jax.jit(lambda x: x + array)(carry), row

        return jax.jit(lambda x: lax.scan(step, x, x))

    x = jnp.zeros(3)
    before = len(MET)
    for _ in range(2):
        op_by_op(loop(1.0), x)
    assert len(MET) == before + 1
    for array in (np.ones(3, "float32"), np.full(3, 2, "float32")):
        assert float(op_by_op(loop(array), x)[0][0]) == 3 * array[0]
