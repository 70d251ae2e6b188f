"""How far do right implementations round away, and which bound sees that, and which sees errors?

    python -m tests.benchmarks.rounding [--draws 5]

Layers in PyTorch and, on the same numbers, in JAX, forwards and backwards. Bounds: by noise in
PyTorch's float64 (backends/torch/noise.py), FACTOR times the farthest of some draws; and
8 E + 4 ulp, by the float32 error E of PyTorch, and of JAX, with the examples in five orders.

Printed, as Markdown: each error in float32 over each bound (beyond 1 a right implementation would
be blamed), and each planted error, in float64, over each bound (below 1 it would not be seen).
Last: what a sum in sequence errs by, which is where LAMBDA comes from.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import lax
from torch.nn import functional

from backends.torch.noise import noise
from common.contract.precision import ulp

FACTOR = 2
UNIT = 2.0**-24
EPS = 1e-5

Tensors = list[np.ndarray]


@dataclass
class Layer:
    """One function of arrays in both frameworks, examples along the first array's first axis.

    Attributes:
        torch, jax: of the arrays; integers are not differentiated by.
        arrays: the input first.
        slips: wrong versions by name.
        wrong: slips of what comes out: the result, then the slopes.
    """

    torch: Callable[..., Any]
    jax: Callable[..., Any]
    arrays: Tensors
    slips: dict[str, Callable[..., Any]] = field(default_factory=dict)
    wrong: dict[str, Callable[[Tensors], Tensors]] = field(default_factory=dict)


def cast(arrays: Tensors, dtype: str) -> Tensors:
    return [a.astype(dtype) if a.dtype.kind == "f" else a for a in arrays]


def cotangent_for(result: Any) -> np.ndarray:
    """As a mean over a batch has it: of both signs, smaller for more numbers."""
    draw = np.random.default_rng(9)
    return (draw.normal(size=result.shape) / max(1, result.size)).astype("f4")


def in_torch(function: Callable[..., Any], arrays: Tensors, cotangent: np.ndarray) -> Tensors:
    """The result and the slopes."""
    tensors = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    result = function(*tensors)
    wanted = [t for t in tensors if t.requires_grad]
    slopes = torch.autograd.grad(result, wanted, torch.tensor(cotangent).to(result.dtype))
    return [t.detach().numpy() for t in (result, *slopes)]


def in_jax(function: Callable[..., Any], arrays: Tensors, cotangent: np.ndarray) -> Tensors:
    """The same in JAX."""
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]

    def of_floats(*given: Any) -> Any:
        filled = list(arrays)
        for i, a in zip(floats, given, strict=True):
            filled[i] = a
        return function(*filled)

    result, pull = jax.vjp(of_floats, *(jnp.asarray(arrays[i]) for i in floats))
    return [np.asarray(a) for a in (result, *pull(jnp.asarray(cotangent, result.dtype)))]


def error(found: Tensors, exact: Tensors) -> np.ndarray:
    """The largest of each tensor."""
    return np.array([np.abs(a - b).max() for a, b in zip(found, exact, strict=True)])


def by_noise(layer: Layer, cotangent: np.ndarray, exact: Tensors, draws: int) -> np.ndarray:
    """FACTOR times the farthest that noise moves each tensor."""
    farthest = np.zeros(len(exact))
    for seed in range(draws):
        with noise(UNIT, seed) as rounding:
            found = in_torch(layer.torch, cast(layer.arrays, "f8"), cotangent)
        assert not rounding.unknown, rounding.unknown
        farthest = np.maximum(farthest, error(found, exact))
    return FACTOR * farthest


def by_own_error(
    run: Callable[..., Tensors], layer: Layer, cotangent: np.ndarray, exact: Tensors
) -> np.ndarray:
    """8 E + 4 ulp, E of one framework over five orders of the examples."""
    draw = np.random.default_rng(3)
    function = layer.torch if run is in_torch else layer.jax
    examples = len(layer.arrays[0])
    own = np.zeros(len(exact))
    for order in [np.arange(examples), *(draw.permutation(examples) for _ in range(4))]:

        def by_example(i: int, array: np.ndarray) -> bool:
            return i == 0 or (array.dtype.kind == "i" and len(array) == examples)

        arrays = [a[order] if by_example(i, a) else a for i, a in enumerate(layer.arrays)]
        turned = cotangent[order] if cotangent.ndim else cotangent
        found = run(function, cast(arrays, "f4"), turned)
        back = np.argsort(order)
        first = found[: 1 + (arrays[0].dtype.kind == "f")]
        found = [*(a[back] if a.ndim else a for a in first), *found[len(first) :]]
        own = np.maximum(own, error(found, exact))
    return 8 * own + 4 * np.array([ulp(np.abs(a).max(), "float32") for a in exact])


def normalised(x: Any, axes: tuple[int, ...], weight: Any, bias: Any) -> Any:
    """As flax has it: the variance is E[x²] − E[x]²."""
    mean = x.mean(axes, keepdims=True)
    variance = jnp.maximum(0, (x * x).mean(axes, keepdims=True) - mean * mean)
    return (x - mean) * (lax.rsqrt(variance + EPS) * weight) + bias


def jax_attention(x: Any, packed: Any, bias: Any, out: Any, out_bias: Any) -> Any:
    """Four heads; (n, tokens, width)."""
    n, tokens, width = x.shape
    q, k, v = (a.reshape(n, tokens, 4, -1) for a in jnp.split(x @ packed.T + bias, 3, axis=-1))
    scores = jnp.einsum("nqhd,nkhd->nhqk", q, k) / (width // 4) ** 0.5
    mixed = jnp.einsum("nhqk,nkhd->nqhd", jax.nn.softmax(scores), v)
    return mixed.reshape(n, tokens, width) @ out.T + out_bias


def torch_attention(x: Any, packed: Any, bias: Any, out: Any, out_bias: Any) -> Any:
    x = x.transpose(0, 1)
    result, _ = functional.multi_head_attention_forward(
        x, x, x, x.shape[-1], 4, packed, bias, None, None, False, 0.0, out, out_bias,
        need_weights=False,
    )  # fmt: skip
    return result.transpose(0, 1)


def jax_lstm(x: Any, w_in: Any, w_state: Any, b_in: Any, b_state: Any) -> Any:
    """(n, steps, width); gates in PyTorch's order."""

    def step(carry: Any, row: Any) -> Any:
        h, c = carry
        i, f, g, o = jnp.split(row @ w_in.T + b_in + h @ w_state.T + b_state, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    zero = jnp.zeros((x.shape[0], w_state.shape[1]), x.dtype)
    return lax.scan(step, (zero, zero), x.swapaxes(0, 1))[1].swapaxes(0, 1)


def torch_lstm(x: Any, *weights: Any) -> Any:
    zero = torch.zeros(1, x.shape[0], weights[1].shape[1], dtype=x.dtype)
    return torch.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, True)[0]


def batch_norm(eps: float = EPS, unbiased: bool = False) -> Callable[..., Any]:
    def function(x: Any, weight: Any, bias: Any) -> Any:
        n = x.numel() / x.shape[1]
        wide = (n / (n - 1)) ** 0.5 if unbiased else 1.0
        return functional.batch_norm(x, None, None, weight / wide, bias, True, eps=eps)

    return function


def layer_norm(eps: float = EPS, unbiased: bool = False) -> Callable[..., Any]:
    def function(x: Any, weight: Any, bias: Any) -> Any:
        n = x.shape[-1]
        wide = (n / (n - 1)) ** 0.5 if unbiased else 1.0
        return functional.layer_norm(x, (n,), weight / wide, bias, eps)

    return function


def slower(found: Tensors) -> Tensors:
    """Every slope off by a ten-thousandth."""
    return [found[0], *(a * (1 + 1e-4) for a in found[1:])]


def without_one(found: Tensors) -> Tensors:
    """The largest element of the last slope, the bias's, left out."""
    last = found[-1].copy()
    last[np.argmax(np.abs(last))] = 0
    return [*found[:-1], last]


def layers() -> dict[str, Layer]:
    """What is measured; float32's numbers."""
    draw = np.random.default_rng(0)

    def x(*shape: int, by: float = 1.0) -> np.ndarray:
        return (draw.normal(size=shape) * by).astype("f4")

    def scale(n: int) -> np.ndarray:
        return (1 + 0.1 * draw.normal(size=n)).astype("f4")

    factor = {"slopes × (1 + 1e-4)": slower}
    left_out = {"one of the bias's slopes left out": without_one}
    eps = {f"eps {e:g} for 1e-05": batch_norm(e) for e in (1e-3, 1e-6)}
    unbiased = {"unbiased variance": batch_norm(unbiased=True)}
    maps = (32, 16, 24, 24)
    side = (1, -1, 1, 1)
    jax_batch_norm = lambda x, w, b: normalised(  # noqa: E731
        x, (0, 2, 3), w.reshape(side), b.reshape(side)
    )
    nearly = (10 + 0.1 * draw.normal(size=maps)).astype("f4")
    return {
        "Linear 256 → 128": Layer(
            functional.linear, lambda x, w, b: x @ w.T + b,
            [x(64, 256), x(128, 256, by=1 / 16), x(128)], wrong=factor | left_out,
        ),
        "Conv2d 64 → 64, 3×3, 16×16": Layer(
            lambda x, w, b: functional.conv2d(x, w, b, padding=1),
            lambda x, w, b: lax.conv_general_dilated(x, w, (1, 1), "SAME") + b.reshape(side),
            [x(16, 64, 16, 16), x(64, 64, 3, 3, by=1 / 24), x(64)], wrong=factor | left_out,
        ),
        "Conv2d 1 → 6, 5×5, 256 of 28×28": Layer(
            lambda x, w, b: functional.conv2d(x, w, b, padding=2),
            lambda x, w, b: lax.conv_general_dilated(x, w, (1, 1), "SAME") + b.reshape(side),
            [x(256, 1, 28, 28), x(6, 1, 5, 5, by=1 / 5), x(6)],
            wrong=factor | left_out,
        ),
        "BatchNorm2d 32×16×24×24": Layer(
            batch_norm(), jax_batch_norm, [x(*maps), scale(16), x(16)],
            slips=eps | unbiased, wrong=factor | left_out,
        ),
        "the same, mean 10, deviation 0.1": Layer(
            batch_norm(), jax_batch_norm, [nearly, scale(16), x(16)],
            slips=eps | unbiased, wrong=factor | left_out,
        ),
        "LayerNorm 64×256": Layer(
            layer_norm(), lambda x, w, b: normalised(x, (-1,), w, b),
            [x(64, 256), scale(256), x(256)],
            slips={f"eps {e:g} for 1e-05": layer_norm(e) for e in (1e-3, 1e-6)}
            | {"unbiased variance": layer_norm(unbiased=True)},
        ),
        "GroupNorm 4 of 16×24×24": Layer(
            lambda x, w, b: functional.group_norm(x, 4, w, b),
            lambda x, w, b: normalised(
                x.reshape(32, 4, -1), (-1,), jnp.ones(()), jnp.zeros(())
            ).reshape(x.shape) * w.reshape(side) + b.reshape(side),
            [x(*maps), scale(16), x(16)],
        ),
        "Embedding 50 of 4096 tokens": Layer(
            lambda index, table: functional.embedding(index, table),
            lambda index, table: table[index],
            [draw.integers(0, 50, 4096), x(50, 64)], wrong=factor,
        ),
        "AvgPool2d 2": Layer(
            lambda x: functional.avg_pool2d(x, 2),
            lambda x: lax.reduce_window(
                x, np.float32(0), lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"
            ) / 4,
            [x(*maps)],
        ),
        "global average pooling": Layer(
            lambda x: functional.adaptive_avg_pool2d(x, 1),
            lambda x: x.mean((2, 3), keepdims=True), [x(*maps)],
        ),
        "MultiheadAttention 64, 4 heads, 50 tokens": Layer(
            torch_attention, jax_attention,
            [x(8, 50, 64), x(192, 64, by=1 / 8), x(192, by=0.1), x(64, 64, by=1 / 8), x(64)],
            wrong=factor,
        ),
        "LSTM 32 → 64, 50 steps": Layer(
            torch_lstm, jax_lstm,
            [x(8, 50, 32), x(256, 32, by=1 / 6), x(256, 64, by=1 / 8), x(256, by=0.1),
             x(256, by=0.1)], wrong=factor,
        ),
        "GELU": Layer(
            functional.gelu, lambda x: jax.nn.gelu(x, approximate=False), [x(64, 256, by=2.0)],
            slips={"tanh for erf": lambda x: functional.gelu(x, approximate="tanh")},
        ),
        "cross-entropy of 1000 classes": Layer(
            lambda x, index: functional.cross_entropy(x, index),
            lambda x, index: -jnp.take_along_axis(
                jax.nn.log_softmax(x), index[:, None], axis=1
            ).mean(),
            [x(1, 1000, by=3.0).repeat(64, 0) + x(64, 1000), draw.integers(0, 1000, 64)],
            wrong=factor,
        ),
    }  # fmt: skip


def over(off: np.ndarray, bound: np.ndarray) -> str:
    """The largest share of its bound that any tensor is off by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return f"{np.nan_to_num(off / bound).max():.2g}"


def measured(name: str, layer: Layer, draws: int) -> tuple[list[str], list[list[str]]]:
    """A row of what right implementations err by, and rows of the planted errors."""
    single, double = cast(layer.arrays, "f4"), cast(layer.arrays, "f8")
    cotangent = cotangent_for(jax.eval_shape(layer.jax, *single))
    exact = in_torch(layer.torch, double, cotangent)
    noisy = by_noise(layer, cotangent, exact, draws)
    of_torch, of_jax = (by_own_error(run, layer, cotangent, exact) for run in (in_torch, in_jax))
    torch_off = error(in_torch(layer.torch, single, cotangent), exact)
    eager, jitted = (
        error(in_jax(f, single, cotangent), exact) for f in (layer.jax, jax.jit(layer.jax))
    )
    row = [name, over(torch_off, noisy), over(eager, noisy), over(jitted, noisy)]
    row += [over(np.maximum(eager, jitted), of_torch), over(torch_off, of_jax)]
    made = {slip: in_torch(f, double, cotangent) for slip, f in layer.slips.items()}
    made |= {slip: wrong(exact) for slip, wrong in layer.wrong.items()}
    planted = [
        [name, slip, *(over(error(found, exact), b) for b in (noisy, of_torch, of_jax))]
        for slip, found in made.items()
    ]
    return row, planted


def in_sequence(n: int, mean: float) -> list[str]:
    """How far sums of n terms in float32, one after the other, err: over √n u Σ|terms|."""
    terms = np.random.default_rng(n).normal(mean, 1.0, (200, n)).astype("f4")
    off = np.abs(np.cumsum(terms, axis=1, dtype="f4")[:, -1] - terms.sum(1, dtype="f8"))
    shares = off / (n**0.5 * UNIT * np.abs(terms).sum(1, dtype="f8"))
    signs = "one sign" if mean else "both signs"
    return [f"{n}", signs, f"{(shares**2).mean() ** 0.5:.2g}", f"{shares.max():.2g}"]


def table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=5, help="of noise, for each layer")
    draws = parser.parse_args().draws
    right, wrong = [], []
    for name, layer in layers().items():
        row, planted = measured(name, layer, draws)
        right.append(row)
        wrong += planted
    own = ["8 E + 4 ulp, E of torch", "8 E + 4 ulp, E of JAX"]
    runs = ["torch / noise", "JAX eager / noise", "JAX jit / noise"]
    print(table(["layer", *runs, f"JAX / ({own[0]})", f"torch / ({own[1]})"], right))
    print()
    print(table(["layer", "planted", "noise", *own], wrong))
    print()
    sums = [in_sequence(10**k, mean) for mean in (10.0, 0.0) for k in (2, 3, 4, 5)]
    print(table(["terms", "of", "root of the mean square", "largest of 200"], sums))


if __name__ == "__main__":
    main()
