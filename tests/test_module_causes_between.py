"""The cause of an error between layers: activations, sums, pooling, attention, scales."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tests.caused import (  # noqa: E402
    WIRING,
    Model,
    Planted,
    activated,
    held_against,
    wired,
)


def tanh_gelu(x: Any) -> Any:
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = [
    ("tanh for erf", F.gelu, tanh_gelu, "tanh GELU on .* a where the original has erf GELU"),
    ("erf for tanh", tanh_gelu, F.gelu, "erf GELU on .* a where the original has tanh GELU"),
    ("relu for silu", F.silu, torch.relu, "ReLU or ReLU6 on .* where .* SiLU"),
    ("none for relu", torch.relu, lambda x: x, "no activation on .* where the original has ReLU"),
    ("leaky for relu", torch.relu, F.leaky_relu, r"LeakyReLU with slope 0\.01 on .* has ReLU"),
    (
        "another slope",
        lambda x: F.leaky_relu(x, 0.2),
        F.leaky_relu,
        r"slope 0\.01 on .* slope 0\.2",
    ),
    ("sigmoid for tanh", torch.tanh, torch.sigmoid, "sigmoid on .* has tanh"),
    ("relu for tanh", torch.tanh, torch.relu, "ReLU or ReLU6 on .* has tanh"),
    ("hard for silu", F.silu, F.hardswish, "hard SiLU on .* has SiLU"),
    ("unknown", F.gelu, lambda x: F.gelu(x) + 1e-3 * torch.sin(5 * x), ""),
    ("unknown both", torch.sin, torch.cos, ""),
    ("slightly another", torch.tanh, lambda x: torch.tanh(1.001 * x), ""),
]


@pytest.mark.parametrize("one", ACTIVATIONS, ids=[one[0] for one in ACTIVATIONS])
def test_an_activation(one: Any) -> None:
    _, mine, theirs, says = one
    held_against(Planted("", activated(mine), activated(theirs), ("b", *WIRING), says))


def residual(m: Any, x: Any) -> Any:
    h = torch.relu(m.a(x))
    return m.c(torch.relu(h + m.b(h)))


SUMS = [
    ("no skip", lambda m, x: m.c(torch.relu(m.b(torch.relu(m.a(x))))), "output of a left out"),
    (
        "skip twice",
        lambda m, x: m.c(torch.relu(2 * (h := torch.relu(m.a(x))) + m.b(h))),
        "output of a taken twice",
    ),
    (
        "skip before its activation",
        lambda m, x: m.c(torch.relu((h := m.a(x)) + m.b(torch.relu(h)))),
        "no activation on the output of a where the original has ReLU",
    ),
    (
        "activated before the sum",
        lambda m, x: m.c((h := torch.relu(m.a(x))) + torch.relu(m.b(h))),
        "ReLU or ReLU6 on the output of b where the original has no activation",
    ),
    (
        "noise",
        lambda m, x: m.c(torch.relu((h := torch.relu(m.a(x))) + m.b(h)) * (1 + 1e-4 * x)),
        "",
    ),
]


@pytest.mark.parametrize(("port", "says"), [s[1:] for s in SUMS], ids=[s[0] for s in SUMS])
def test_a_residual_sum(port: Callable[..., Any], says: str) -> None:
    held_against(Planted("", wired(residual), wired(port), ("c", *WIRING), says))


def pooled(pool: Callable[..., Any], size: int) -> Callable[[], nn.Module]:
    """A convolution, ReLU and pooling, flattened."""
    return lambda: Model(
        lambda m, x: m.fc(pool(torch.relu(m.conv(x))).flatten(1)),
        conv=nn.Conv2d(2, 3, 3, padding=1),
        fc=nn.Linear(3 * size, 4),
    )


POOLINGS = [
    (
        "mean for largest",
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.avg_pool2d(x, 2),
        9,
        "the mean of each window, .* of the output of conv where .* the largest of each window",
    ),
    (
        "padding not counted",
        lambda x: F.avg_pool2d(x, 3, 2, 1),
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        9,
        "padding not counted of the output of conv where .* padding counted",
    ),
    (
        "window",
        lambda x: F.max_pool2d(x, 2),
        lambda x: F.max_pool2d(x, 3, 2, 1),
        9,
        "windows of 3x3 every 2x2, 1 padded .* where .* windows of 2x2 every 2x2, 0 padded",
    ),
    (
        "global",
        lambda x: F.adaptive_avg_pool2d(x, 1),
        lambda x: F.adaptive_max_pool2d(x, 1),
        1,
        "the largest .* where .* the mean",
    ),
    (
        "adaptive, as if sizes divided",
        lambda x: F.adaptive_avg_pool2d(x, 4),
        lambda x: F.avg_pool2d(x, 6 - 3 * (6 // 4), 6 // 4),
        16,
        r"windows of 3x3 every 1x1, .* where .* 4x4 windows, the i-th of n from floor\(i S / n\)",
    ),
    (
        "adaptive for windows",
        lambda x: F.max_pool2d(x, 3, 1),
        lambda x: F.adaptive_max_pool2d(x, 4),
        16,
        "4x4 windows, .* where .* windows of 3x3 every 1x1",
    ),
    ("unknown", lambda x: F.max_pool2d(x, 2), lambda x: F.lp_pool2d(x, 3.0, 2), 9, ""),
]


@pytest.mark.parametrize("one", POOLINGS, ids=[one[0] for one in POOLINGS])
def test_pooling(one: Any) -> None:
    _, mine, theirs, size, says = one
    planted = Planted(
        "", pooled(mine, size), pooled(theirs, size), ("fc", *WIRING), says, (3, 2, 6, 6)
    )
    held_against(planted)


def attending(
    heads: int = 2, causal: bool = True, scale: float | None = None, **options: Any
) -> Callable[[], nn.Module]:
    """Attention by hand between three linear layers and one."""

    def call(m: Any, x: Any) -> Any:
        q, k, v = (part(x).unflatten(-1, (heads, -1)).transpose(1, 2) for part in (m.q, m.k, m.v))
        scores = q @ k.transpose(-1, -2) * (scale or q.shape[-1] ** -0.5)
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        if options.get("inverted"):
            mask = ~mask
        if causal:
            scores = scores.masked_fill(mask, -1e9 if options.get("finite") else float("-inf"))
        chances = scores.softmax(options.get("axis", -1))
        return m.o((chances @ v).transpose(1, 2).flatten(2))

    return lambda: Model(call, **{name: nn.Linear(8, 8) for name in "qkvo"})


ATTENTIONS = [
    ("no mask", attending(causal=False), "no mask in attention where .* later tokens masked"),
    ("no scale", attending(scale=1.0), "not scaled in attention where .* scaled by 1/sqrt"),
    ("heads", attending(heads=4), "4 heads in attention where the original has 2 heads"),
    ("finite", attending(inverted=True, finite=True), "the mask inverted"),
    ("other axis", attending(axis=-2), "softmax over the queries in attention where"),
    ("slightly", attending(scale=0.499), ""),
]


@pytest.mark.parametrize(
    ("port", "says"), [a[1:] for a in ATTENTIONS], ids=[a[0] for a in ATTENTIONS]
)
def test_attention(port: Callable[[], nn.Module], says: str) -> None:
    held_against(Planted("", attending(), port, ("o", *WIRING), says, (2, 5, 8)))


def embedded(scale: float, positions: bool = True) -> Callable[[], nn.Module]:
    """An embedding that is scaled, and positions."""

    def call(m: Any, x: Any) -> Any:
        h = m.table(x.abs().mul(3).long().clamp(max=6)) * scale
        return m.b(h + m.place(torch.arange(x.shape[1])) if positions else h)

    parts = {"table": nn.Embedding(7, 6), "place": nn.Embedding(6, 6), "b": nn.Linear(6, 4)}
    return lambda: Model(call, **parts)


SCALES = [
    ("not scaled", embedded(6**0.5), embedded(1.0), r"output of table times .*1/sqrt\(6\)"),
    ("scaled", embedded(1.0), embedded(6**0.5), r"output of table times .*sqrt\(6\)"),
    (
        "no place",
        embedded(1.0),
        embedded(1.0, False),
        r"place\.weight left out \(as if it were zero\) where",
    ),
]


@pytest.mark.parametrize("one", SCALES, ids=[one[0] for one in SCALES])
def test_an_embedding(one: Any) -> None:
    _, mine, theirs, says = one
    held_against(Planted("", mine, theirs, ("b", *WIRING), says))
