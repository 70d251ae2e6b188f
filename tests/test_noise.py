"""Rounding at random is as wide as rounding, everywhere, and nothing is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

UNIT = 2.0**-24

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from backends.torch.noise import noise  # noqa: E402
from common.contract.kinds import net_of  # noqa: E402
from common.contract.net import Asked  # noqa: E402


def drawn(*shape: int, seed: int = 0, mean: float = 0.0) -> Any:
    draw = np.random.default_rng(seed)
    return torch.tensor(draw.normal(mean, 1.0, shape), dtype=torch.float64, requires_grad=True)


def width(function: Callable[..., Any], *given: Any, seed: int = 0) -> list[float]:
    """How far noise moves each result and each slope: the root of the mean square, in units of
    the exact one's."""

    def everything() -> list[Any]:
        result = function(*given)
        wanted = [x for x in given if x.requires_grad]
        return [result.detach(), *torch.autograd.grad(result, wanted, result.detach().cos())]

    exact = everything()
    with noise(UNIT, seed) as found:
        moved = everything()
    assert not found.unknown
    return [
        float((a - b).square().mean().sqrt() / b.square().mean().sqrt() / UNIT)
        for a, b in zip(moved, exact, strict=True)
    ]


@pytest.mark.parametrize("what", ["sum", "mean"])
@pytest.mark.parametrize("dims", [(), (0,), (1, 2)])
def test_terms_that_are_alike_round_alike(what: str, dims: tuple[int, ...]) -> None:
    """Added up one by one in float32, 0.1 is off by as much each time: not by the root of that."""
    x = torch.full((32, 16, 16), 0.1, dtype=torch.float64)
    exact = getattr(x, what)(dims or None)
    n = x.numel() / exact.numel()
    off = abs(float(np.add.accumulate(np.full(int(n), 0.1, "float32"))[-1]) - n * float(x.max()))
    off /= n if what == "mean" else 1
    furthest = 0.0
    for seed in range(16):
        with noise(UNIT, seed, in_sequence=True):
            furthest = max(furthest, float((getattr(x, what)(dims or None) - exact).abs().max()))
    assert off < 2 * furthest < 10 * max(off, UNIT * n**0.5 * float(exact.max()))


@pytest.mark.parametrize("odd", [torch.tensor(2.0), torch.tensor([1e39, 1e39]).double(), drawn(0)])
def test_odd_sums_in_sequence(odd: Any) -> None:
    """Of one number, of what float32 does not have, of none."""
    with noise(UNIT, 0, in_sequence=True):
        odd.double().sum(-1), odd.double().mean()


@pytest.mark.parametrize(
    "moving",
    [
        lambda x: x.reshape(3, -1).T[::2].flip(0).contiguous(),
        lambda x: functional.pad(functional.relu(x), (1, 1)),
        lambda x: torch.where(x > 0, x.amax(1, keepdim=True), -x),
        lambda x: torch.sort(x.gather(0, x.argsort(0)).clone())[0],
        lambda x: torch.cat([x.clamp(-1, 1), x.float().double()]).to(torch.float64),
        lambda x: functional.max_pool1d(x, 2),
    ],
)
def test_moving_numbers_is_exact(moving: Callable[..., Any]) -> None:
    x = drawn(6, 4).detach()
    with noise(UNIT, 0) as found:
        moved = moving(x)
    assert torch.equal(moved, moving(x))
    assert not found.unknown


@pytest.mark.parametrize(
    "adding",
    [
        lambda x: x.sum(1),
        lambda x: x.mean(1),
        lambda x: x @ torch.ones(x.shape[1], 8).double(),
        lambda x: functional.conv1d(x[:, None], torch.ones(1, 1, x.shape[1]).double()),
        lambda x: torch.zeros(64, 1).double().index_add(1, torch.zeros(x.shape[1]).long(), x),
        lambda x: functional.avg_pool1d(x[:, None], x.shape[1]),
    ],
    ids=["sum", "mean", "matmul", "convolution", "scatter", "pooling"],
)
def test_sums_move_by_the_root_of_their_terms(adding: Callable[..., Any]) -> None:
    few, many = (width(adding, drawn(64, n).abs())[0] for n in (10**2, 10**4))
    assert 0.7 * 0.25 * 10 < few < 1.4 * 0.25 * 10
    assert 7 < many / few < 14


def test_slopes_are_moved_too() -> None:
    """The weight's is a sum over rows, the bias's, too; the input's over units."""
    rows = 400
    layer = nn.Linear(8, 64).double()
    x = drawn(rows, 8).abs().detach()
    cotangent = torch.ones(rows, 64).double()

    def slopes() -> Any:
        return torch.autograd.grad(layer(x), [layer.weight, layer.bias], cotangent)

    exact = slopes()
    with noise(UNIT, 1):
        moved = slopes()
    for one, other in zip(exact, moved, strict=True):
        error = float(((other - one) / one / UNIT).square().mean().sqrt())
        assert 0.5 * 0.25 * rows**0.5 < error < 2 * 0.25 * rows**0.5


def test_sums_inside_a_layer_are_moved() -> None:
    """Batch normalisation divides by the root of a variance of 1152 terms."""
    x = drawn(8, 4, 12, 12, mean=1.0)
    weight, bias = drawn(4, seed=1), drawn(4, seed=2)

    def normalised(x: Any, weight: Any, bias: Any) -> Any:
        return functional.batch_norm(x, None, None, weight, bias, training=True)

    result, slope, *sums = width(normalised, x, weight, bias)
    assert 2 < result < 40
    assert 1 < slope < 40
    assert min(sums) > 3


def test_a_variance_may_be_that_of_squares() -> None:
    near = width(lambda x: x.var(1), drawn(64, 100))[0]
    far = width(lambda x: x.var(1), drawn(64, 100, mean=30.0))[0]
    assert 300 < far / near < 2000


@pytest.mark.parametrize(
    "layer",
    [
        nn.LayerNorm(8),
        nn.GroupNorm(2, 6),
        nn.LSTM(8, 5),
        nn.GRU(8, 5, bidirectional=True),
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True),
        nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True).eval(),
        nn.Sequential(nn.GELU(), nn.SiLU(), nn.Softplus(), nn.LogSoftmax(-1)),
        nn.Conv1d(6, 6, 3, groups=2),
        nn.ConvTranspose1d(6, 4, 3),
        nn.AdaptiveAvgPool1d(2),
        nn.RMSNorm(8),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_are_taken_apart(layer: Any) -> None:
    """By no more than a hundred roundings, and by none of their parts without a rule."""
    layer = layer.double()

    def first(x: Any, *weights: Any) -> Any:
        result = layer(x)
        return result[0] if isinstance(result, tuple) else result

    for found in width(first, drawn(3, 6, 8), *layer.parameters()):
        assert 0.1 < found < 100


def test_an_embedding_adds_its_rows_up() -> None:
    index = torch.arange(400) % 4
    exact, slope = width(lambda table: functional.embedding(index, table), drawn(4, 3))
    assert exact == 0.0
    assert slope > 0.2


def test_what_has_no_rule_is_moved_and_named() -> None:
    x = drawn(4, 4).detach()
    with noise(UNIT, 0) as found:
        moved = torch.linalg.inv(x)
    assert dict(found.unknown) == {"aten::linalg_inv_ex": 1}
    assert not torch.equal(moved, torch.linalg.inv(x))


def test_a_seed_repeats() -> None:
    x = drawn(5, 5).detach()
    runs = []
    for seed in (1, 1, 2):
        with noise(UNIT, seed):
            runs.append((x @ x).tanh())
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_what_is_changed_in_place_is_moved_once() -> None:
    x = drawn(10_000).detach().abs()
    with noise(UNIT, 0):
        moved = x.clone().mul_(3.0)
    error = (moved - 3 * x) / (3 * x) / UNIT
    assert 0.9 < float(error.square().mean().sqrt()) < 1.1


def of_torch() -> Any:
    return nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU())


def of_jax() -> Any:
    nnx = pytest.importorskip("flax.nnx")
    return nnx.Sequential(nnx.Linear(6, 5, rngs=nnx.Rngs(0)), nnx.relu)


@pytest.mark.parametrize(("network", "changing"), [(of_torch, 2), (of_jax, 0)])
def test_a_network_is_asked_with_noise(network: Callable[[], Any], changing: int) -> None:
    net = net_of(network())
    values = {leaf.name: leaf.value.astype("f8") for leaf in net.leaves() if leaf.value.ndim}
    counts = {leaf.name: leaf.value for leaf in net.leaves() if not leaf.value.ndim}
    x = np.random.default_rng(0).normal(size=(20, 6))
    asked = Asked(values | counts, (x,), train=True, cotangents=(np.cos(np.ones((20, 5))),))
    exact = net.run(asked)
    noisy = net.run(replace(asked, noise=5))
    assert noisy.unknown == {}
    for name, slope in exact.slopes.items():
        error = np.abs(noisy.slopes[name] - slope).max()
        assert 0 < error < 1e-4 * max(1.0, np.abs(slope).max()), name
    statistics = [name for name in exact.buffers if name.endswith(("mean", "var"))]
    assert len(statistics) == changing
    for name in statistics:
        assert 0 < np.abs(noisy.buffers[name] - exact.buffers[name]).max() < 1e-6


@contextmanager
def doubles() -> Iterator[Any]:
    """JAX in float64."""
    jax = pytest.importorskip("jax")
    with jax.experimental.enable_x64():
        yield jax


def jax_width(function: Callable[..., Any], *given: Any, seed: int = 0) -> list[float]:
    """As `width`, in JAX."""
    from backends.jax.noise import noisy, unknown

    with doubles() as jax:
        arrays = [x.detach().numpy() for x in given]

        def everything(*arrays: Any) -> Any:
            result, pull = jax.vjp(function, *arrays)
            return result, *pull(jax.numpy.cos(jax.lax.stop_gradient(result)))

        assert not unknown(everything)(*arrays)
        exact, moved = jax.jit(
            lambda *arrays: (everything(*arrays), noisy(everything, UNIT, seed)(*arrays))
        )(*arrays)
        return [
            float(np.sqrt(np.mean(np.square(a - b)) / np.mean(np.square(b))) / UNIT)
            for a, b in zip(moved, exact, strict=True)
        ]


def jax_product(x: Any, y: Any) -> Any:
    from jax import numpy as jnp

    return jnp.tanh(x @ y)


def jax_normalised(x: Any, weight: Any, bias: Any) -> Any:
    mean = x.mean(-1, keepdims=True)
    variance = (x * x).mean(-1, keepdims=True) - mean * mean
    return (x - mean) * (variance + 1e-5) ** -0.5 * weight + bias


def jax_convolution(x: Any, weight: Any) -> Any:
    from jax import lax

    return lax.conv_general_dilated(x, weight, (1,), [(1, 1)])


def jax_steps(x: Any) -> Any:
    from jax import lax, nn

    return lax.scan(lambda h, row: (nn.sigmoid(h * row + h),) * 2, x[0], x)[1]


def torch_steps(x: Any) -> Any:
    h, rows = x[0], []
    for row in x:
        h = torch.sigmoid(h * row + h)
        rows.append(h)
    return torch.stack(rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("of_torch", "of_jax", "shapes"),
    [
        (lambda x, y: torch.tanh(x @ y), jax_product, [(40, 300), (300, 20)]),
        (
            lambda x, w, b: functional.layer_norm(x, (64,), w, b),
            jax_normalised,
            [(30, 64), (64,), (64,)],
        ),
        (
            lambda x, w: functional.conv1d(x, w, padding=1),
            jax_convolution,
            [(16, 8, 40), (8, 8, 3)],
        ),
        (torch_steps, jax_steps, [(20, 50)]),
    ],
    ids=["product", "normalisation", "convolution", "loop"],
)
def test_torch_and_jax_move_alike(
    of_torch: Callable[..., Any], of_jax: Callable[..., Any], shapes: list[tuple[int, ...]]
) -> None:
    given = [drawn(*shape, seed=i) for i, shape in enumerate(shapes)]
    for one, other in zip(width(of_torch, *given), jax_width(of_jax, *given), strict=True):
        assert 1 / 3 < one / other < 3


@pytest.mark.slow
def test_jax_moves_sums_and_nothing_that_moves_numbers() -> None:
    from backends.jax.noise import noisy

    with doubles() as jax:
        widths = []
        for n in (10**2, 10**4):
            x = np.abs(np.random.default_rng(0).normal(size=(64, n)))
            moved = jax.jit(noisy(lambda x: x.sum(1), UNIT, 0))(x)
            widths.append(np.sqrt(np.mean((moved / x.sum(1) - 1) ** 2)) / UNIT)
        assert 0.7 * 0.25 * 10 < widths[0] < 1.4 * 0.25 * 10
        assert 7 < widths[1] / widths[0] < 14

        def moving(x: Any) -> Any:
            return jax.nn.relu(x.T[::2])[:, ::-1].max(0), x.argmax(), x.astype("float32")

        for one, other in zip(jax.jit(noisy(moving, UNIT, 0))(x), moving(x), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_jax_goes_into_loops_branches_and_calls() -> None:
    from backends.jax.noise import noisy, unknown

    with doubles() as jax:
        lax = jax.lax
        double = jax.custom_vjp(lambda x: 3.0 * x)
        double.defvjp(lambda x: (3.0 * x, None), lambda _, slope: (3.0 * slope,))
        x = np.linspace(0.5, 1.5, 100)
        for function in (
            lambda x: lax.while_loop(lambda y: y[0] < 9, lambda y: y * 3, x),
            lambda x: lax.cond(x.sum() > 0, lambda y: y * 3, lambda y: y, x),
            jax.jit(lambda x: x * 3),
            jax.checkpoint(lambda x: x * 3),
            double,
        ):
            moved = jax.jit(noisy(function, UNIT, 0))(x)
            assert 0.5 < np.abs(moved / function(x) - 1).max() / UNIT < 20
            assert not unknown(function)(x)


def test_jax_names_what_has_no_rule_and_repeats_by_the_seed() -> None:
    from backends.jax.noise import noisy, unknown

    with doubles() as jax:
        x = np.random.default_rng(0).normal(size=(3, 3))
        assert dict(unknown(jax.numpy.linalg.cholesky)(x @ x.T)) == {"cholesky": 1}
        runs = jax.jit(lambda seed, x: noisy(lambda x: jax.numpy.sin(x @ x), UNIT, seed)(x))
        np.testing.assert_array_equal(runs(1, x), runs(1, x))
        assert (runs(1, x) != runs(2, x)).any()


def test_both_parts_of_a_complex_number_are_moved() -> None:
    x = torch.view_as_complex(drawn(1000, 2).detach().contiguous())
    with noise(UNIT, 1):
        moved = torch.fft.ifft(torch.fft.fft(x)) * 1
    apart = torch.view_as_real(moved - x).square().mean(0).sqrt() / UNIT
    assert (apart > 0.1).all()
    assert apart.max() < 3 * apart.min()
