"""The cause of a planted error in a module: named, and nothing said where none explains it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.modules.check import Options, check_modules
from common.modules.report import ModuleReport

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402


class Model(nn.Module):
    """Modules by name, and a function of them and the inputs."""

    def __init__(self, call: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, part in parts.items():
            self.add_module(name, part)
        for value in self.parameters():
            nn.init.normal_(value, 0, 0.5)
        self.call = call

    def forward(self, *inputs: Any) -> Any:
        return self.call(self, *inputs)


def model(call: Callable[..., Any], **parts: nn.Module) -> nn.Module:
    return Model(call, **parts)


class Linear(nn.Linear):
    """A linear layer that computes something else."""

    def __init__(self, *sizes: int, other: Callable[..., Any]) -> None:
        super().__init__(*sizes)
        self.other = other

    def forward(self, x: Any) -> Any:
        return self.other(x, self.weight, self.bias)


class Conv(nn.Conv2d):
    """A convolution that computes something else."""

    def __init__(self, *sizes: int, other: Callable[..., Any], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.other = other

    def forward(self, x: Any) -> Any:
        return self.other(x, self.weight, self.bias)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tensors this small only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@dataclass(frozen=True)
class Planted:
    """An error, where it must be found, and what must be said of it; "" is nothing."""

    name: str
    reference: Callable[[], nn.Module]
    port: Callable[[], nn.Module]
    place: tuple[str, str, str]
    says: str
    shape: tuple[int, ...] = (5, 6)
    options: dict[str, Any] = field(default_factory=dict)
    labels: Any = None


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 1, shape).astype(np.float32)


def examined(one: Planted) -> ModuleReport:
    options = Options(steps=1, **one.options)
    return check_modules(one.port(), one.reference(), drawn(one.shape), one.labels, options)


def held_against(one: Planted) -> None:
    report = examined(one)
    assert report.first is not None, report
    place = report.first.place
    assert (place.layer, place.unit, place.stage) == one.place, report
    said = report.likely_cause or ""
    if not one.says:
        assert not said, report
    assert re.search(one.says, said), report
    assert not said or re.fullmatch("likely .+ where .*original.*; to confirm, .+", said), said


LAYER = ("layer", "forward")


def linear(other: Callable[..., Any] | None = None, name: str = "a") -> Callable[[], nn.Module]:
    """Two linear layers, of which one may be another."""

    def made() -> nn.Module:
        layers = {one: nn.Linear(6, 6) for one in ("a", "b")}
        if other is not None:
            layers[name] = Linear(6, 6, other=other)
        return model(lambda m, x: m.b(torch.tanh(m.a(x))), **layers)

    return made


def noisy(x: Any, w: Any, b: Any) -> Any:
    draw = torch.Generator().manual_seed(1)
    return F.linear(x, w + 0.01 * torch.randn(w.shape, generator=draw), b)


LINEAR = [
    ("no bias", lambda x, w, b: F.linear(x, w), r"a\.bias left out \(as if it were zero\)"),
    ("bias twice", lambda x, w, b: F.linear(x, w, 2 * b), r"a\.bias taken twice"),
    ("bias minus", lambda x, w, b: F.linear(x, w, -b), r"a\.bias taken with the other sign"),
    ("scaled weight", lambda x, w, b: F.linear(x, w / 6**0.5, b), r"a\.weight times .*1/sqrt\(6\)"),
    ("scaled", lambda x, w, b: F.linear(x, w, b) / 0.9, r"times 1\.11111 where"),
    ("relu", lambda x, w, b: torch.relu(F.linear(x, w, b)), "ReLU or ReLU6 on its output"),
    ("silu", lambda x, w, b: F.silu(F.linear(x, w, b)), r"SiLU on its output"),
    ("backwards", lambda x, w, b: F.linear(x, w, b).flip(1), r"backwards along axis 1"),
    ("moved", lambda x, w, b: F.linear(x, w, b).roll(1, 1), r"moved by 5 places along axis 1"),
    ("noise", noisy, ""),
    ("unknown", lambda x, w, b: torch.sin(3 * F.linear(x, w, b)), ""),
    ("noise that is added", lambda x, w, b: F.linear(x, w, b) + 1e-3 * torch.sin(x), ""),
]


@pytest.mark.parametrize(("other", "says"), [p[1:] for p in LINEAR], ids=[p[0] for p in LINEAR])
def test_a_linear_layer(other: Callable[..., Any], says: str) -> None:
    held_against(Planted("", linear(), linear(other), ("a", *LAYER), says))


class Norm(nn.Module):
    """Normalises by hand."""

    def __init__(self, axes: tuple[int, ...], width: int, **options: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.axes, self.options = axes, options

    def forward(self, x: Any) -> Any:
        return normal(x, self.axes, **self.options) * self.weight + self.bias


def normal(
    x: Any, axes: Any, eps: float = 1e-5, spare: int = 0, out: bool = False, mean: bool = True
) -> Any:
    part = x - x.mean(axes, keepdim=True) if mean else x
    count = np.prod([x.shape[axis] for axis in axes]) - spare
    variance = (part**2).sum(axes, keepdim=True) / count
    return part / (variance.sqrt() + eps if out else (variance + eps).sqrt())


def normed(norm: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        layers = {"a": nn.Linear(6, 6), "n": norm(), "b": nn.Linear(6, 3)}
        return model(lambda m, x: m.b(torch.tanh(m.n(m.a(x)))), **layers)

    return made


def layer_norm(**options: Any) -> Callable[[], nn.Module]:
    return normed(lambda: Norm((-1,), 6, **options))


def batch_norm(**options: Any) -> Callable[[], nn.Module]:
    return normed(lambda: nn.BatchNorm1d(6, **options))


LAYER_NORM, BATCH_NORM = normed(lambda: nn.LayerNorm(6)), batch_norm()

NORMS = [
    ("eps", LAYER_NORM, layer_norm(eps=1e-3), r"eps 0\.001 where the original has eps 1e-05"),
    ("n - 1", LAYER_NORM, layer_norm(spare=1), r"divided by n - 1 where .* divided by n;"),
    ("outside", LAYER_NORM, layer_norm(out=True), r"eps added to the deviation where"),
    (
        "outside of n - 1",
        LAYER_NORM,
        layer_norm(out=True, spare=1, eps=1e-6),
        r"n - 1 and eps added to the deviation and eps 1e-06 where",
    ),
    ("no mean", LAYER_NORM, layer_norm(mean=False), "no mean subtracted where"),
    ("other axis", LAYER_NORM, normed(lambda: Norm((0,), 6)), r"over axes \(0,\) where .* \(1,\)"),
    ("batch eps", BATCH_NORM, batch_norm(eps=1e-3), r"eps 0\.001 where the original has eps 1e-05"),
]


@pytest.mark.parametrize("one", NORMS, ids=[one[0] for one in NORMS])
def test_a_normalisation(one: Any) -> None:
    _, reference, port, says = one
    train = {"train": reference is BATCH_NORM}
    held_against(Planted("", reference, port, ("n", *LAYER), says, options=train))


def test_the_eps_of_running_statistics() -> None:
    says = r"eps 0\.001 where the original has eps 1e-05"
    held_against(Planted("", BATCH_NORM, batch_norm(eps=1e-3), ("n", *LAYER), says))


def updating(rule: Callable[..., Any]) -> Callable[[], nn.Module]:
    """Batch normalisation with another rule for what it keeps."""

    class Running(nn.BatchNorm1d):
        def forward(self, x: Any) -> Any:
            if self.training:
                with torch.no_grad():
                    old = 1.0 * self.running_mean
                    self.running_mean.copy_(rule(old, x.mean(0), 1.0))
                    old, rest = 1.0 * self.running_var, len(x) - 1
                    self.running_var.copy_(rule(old, x.var(0), rest / len(x)))
            return F.batch_norm(x, None, None, self.weight, self.bias, self.training)

    return normed(lambda: Running(6))


BUFFERS = [
    ("complement", batch_norm(momentum=0.9), r"momentum 0\.9 \(the complement\) where .* 0\.1"),
    ("another", batch_norm(momentum=0.01), r"momentum 0\.01 where the original has 0\.1"),
    (
        "biased",
        updating(lambda o, s, share: 0.9 * o + 0.1 * s * share),
        r"running variance divided by n where the original has it by n - 1",
    ),
    ("not moved", updating(lambda o, s, n: o), "left as they are where"),
    ("unknown", updating(lambda o, s, n: 0.9 * o + 0.1 * s + 0.01 * torch.sin(s)), ""),
]


@pytest.mark.parametrize(("port", "says"), [b[1:] for b in BUFFERS], ids=[b[0] for b in BUFFERS])
def test_running_statistics(port: Callable[[], nn.Module], says: str) -> None:
    held_against(Planted("", BATCH_NORM, port, ("n", *LAYER), says, options={"train": True}))


WIRING = ("wiring", "forward")


def wired(call: Callable[..., Any]) -> Callable[[], nn.Module]:
    """Three linear layers and something between them."""
    return lambda: model(call, **{name: nn.Linear(6, 6) for name in "abc"})


def activated(function: Callable[..., Any]) -> Callable[[], nn.Module]:
    return wired(lambda m, x: m.c(m.b(function(m.a(x)))))


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


def in_jax(momentum: float = 0.9) -> Any:
    """A batch normalisation that keeps the variance divided by n."""
    nnx = pytest.importorskip("flax.nnx")

    class Normed(nnx.Module):
        def __init__(self) -> None:
            self.n = nnx.BatchNorm(6, momentum=momentum, rngs=nnx.Rngs(0))

        def __call__(self, x: Any) -> Any:
            return self.n(x)

    return Normed()


def in_torch() -> nn.Module:
    return model(lambda m, x: m.n(x), n=nn.BatchNorm1d(6))


@pytest.mark.parametrize("jax_is_the_port", [True, False])
def test_a_running_variance_by_design(jax_is_the_port: bool) -> None:
    both = in_jax(), in_torch()
    port, reference = both if jax_is_the_port else both[::-1]
    options = Options(steps=2, train=True)
    report = check_modules(port, reference, drawn((5, 6)), None, options)
    assert (report.verdict, report.agrees) == ("declared", True), report
    whose = "port" if jax_is_the_port else "reference"
    assert re.search(rf"divided by n, not by n - 1, by design of the {whose}'s", str(report))
    assert len(report.declared) == 1


def test_what_is_declared_excuses_nothing_else() -> None:
    options = Options(steps=1, train=True)
    report = check_modules(in_jax(0.99), in_torch(), drawn((5, 6)), None, options)
    assert report.first is not None, report
    assert report.first.place.tensor == "n.mean"
    says = r"momentum 0\.01 and a running variance divided by n where the original has 0\.1 of the"
    assert re.search(says, report.likely_cause or ""), report
    biased = BUFFERS[2][1]
    report = check_modules(biased(), BATCH_NORM(), drawn((5, 6)), None, options)
    assert report.verdict == "differs"


def cast(dtype: Any, only: Any = None) -> Callable[..., Any]:
    """A linear layer that computes in another dtype, if it is given one."""

    def other(x: Any, w: Any, b: Any) -> Any:
        if only not in (None, x.dtype):
            return F.linear(x, w, b)
        return F.linear(x.to(dtype), w.to(dtype), b.to(dtype)).to(x.dtype)

    return other


def coarse_sum(x: Any, w: Any, b: Any) -> Any:
    return F.linear(x, w, b).float().to(x.dtype)


COARSE = [
    ("bfloat16", cast(torch.bfloat16), "likely bfloat16 inside where .* in float64"),
    ("float16", cast(torch.float16), "likely float16 .*inside where .* in float64"),
    ("float32", cast(torch.float32), "likely float32 inside where .* in float64"),
    ("bfloat16 of float32", cast(torch.bfloat16, torch.float32), "bfloat16 .* in float32"),
    ("float16 of float32", cast(torch.float16, torch.float32), "float16 .* in float32"),
    ("float32 afterwards", coarse_sum, "likely float32 inside where .* in float64"),
    (
        "noise as large as bfloat16's",
        lambda x, w, b: F.linear(x, w, b) + 0.004 * torch.sin(9 * x),
        "",
    ),
    (
        "noise as large as float32's",
        lambda x, w, b: F.linear(x, w, b) + 1e-7 * torch.sin(9 * x),
        "",
    ),
]


@pytest.mark.parametrize(("other", "says"), [c[1:] for c in COARSE], ids=[c[0] for c in COARSE])
def test_a_coarser_dtype(other: Callable[..., Any], says: str) -> None:
    held_against(Planted("", linear(), linear(other), ("a", *LAYER), says))


@pytest.mark.parametrize("place", ["layer", "wiring"])
def test_dropout_that_is_on(place: str) -> None:
    says = r"likely dropout with rate 0\.25 where"
    if place == "layer":
        port = linear(lambda x, w, b: F.dropout(F.linear(x, w, b), 0.25))
        held_against(Planted("", linear(), port, ("a", *LAYER), says, (40, 6)))
        return
    port = activated(lambda x: F.dropout(torch.tanh(x), 0.25))
    held_against(Planted("", activated(torch.tanh), port, ("b", *WIRING), says, (40, 6)))


CLASSES, TARGETS = np.arange(5) % 3, drawn((5, 6))
CLASSES[3] = 2


def ignoring(index: int, **options: Any) -> Callable[..., Any]:
    return lambda outputs, labels: F.cross_entropy(outputs, labels, ignore_index=index, **options)


LOSSES = [
    (
        "sum",
        CLASSES,
        F.cross_entropy,
        lambda o, y: F.cross_entropy(o, y, reduction="sum"),
        "the sum where the original has the mean over the labels that count",
    ),
    (
        "smoothing",
        CLASSES,
        F.cross_entropy,
        lambda o, y: F.cross_entropy(o, y, label_smoothing=0.1),
        r"label smoothing 0\.1 where the original has no label smoothing",
    ),
    ("ignored", CLASSES, F.cross_entropy, ignoring(0), "label 0 ignored where .* every label"),
    (
        "over all",
        CLASSES,
        ignoring(0),
        lambda o, y: F.cross_entropy(o, y, ignore_index=0, reduction="sum") / len(y),
        "the mean over all labels where .* over the labels that count",
    ),
    (
        "softmax twice",
        CLASSES,
        F.cross_entropy,
        lambda o, y: F.cross_entropy(o.softmax(1), y),
        "softmax twice",
    ),
    (
        "half",
        TARGETS,
        F.mse_loss,
        lambda o, y: F.mse_loss(o, y) / 2,
        "the mean of half squares where the original has the mean of squares",
    ),
    (
        "sum of squares",
        TARGETS,
        F.mse_loss,
        lambda o, y: ((o - y) ** 2).sum(1).mean(),
        "over all but the examples, their mean where .* the mean of squares",
    ),
    ("absolute", TARGETS, F.mse_loss, F.l1_loss, "the mean of absolute values where"),
    (
        "a factor",
        CLASSES,
        F.cross_entropy,
        lambda o, y: F.cross_entropy(o, y) * 1.7,
        r"the loss times 1\.7 where",
    ),
    ("unknown", CLASSES, F.cross_entropy, lambda o, y: F.cross_entropy(1.001 * o, y), ""),
    ("penalty", CLASSES, F.cross_entropy, lambda o, y: F.cross_entropy(o, y) + 0.1 * o.norm(), ""),
]


@pytest.mark.parametrize("one", LOSSES, ids=[one[0] for one in LOSSES])
def test_a_loss(one: Any) -> None:
    _, labels, mine, theirs, says = one
    planted = Planted(
        "",
        linear(),
        linear(),
        ("", "loss", "loss"),
        says,
        (5, 6),
        {"losses": (mine, theirs)},
        labels,
    )
    held_against(planted)


class Back(torch.autograd.Function):
    """A function whose backward is another's."""

    @staticmethod
    def forward(context: Any, x: Any, value: Any, slope: Any) -> Any:
        context.save_for_backward(x)
        context.slope = slope
        return value(x)

    @staticmethod
    def backward(context: Any, cotangent: Any) -> Any:
        (x,) = context.saved_tensors
        return context.slope(x, cotangent), None, None


def backward(value: Callable[..., Any], slope: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x: Back.apply(x, value, slope)


SLOPES_OF_A_LAYER = [
    (
        "weight detached",
        lambda x, w, b: F.linear(x, w.detach(), b),
        r"no slope of a\.weight .*detach",
    ),
    ("input detached", lambda x, w, b: F.linear(x.detach(), w, b), "no slope of its input"),
    (
        "scaled",
        lambda x, w, b: F.linear(x, backward(lambda v: v * 1, lambda v, c: c / 6)(w), b),
        r"slope of a\.weight times 0\.166667 = 1/6 where",
    ),
    (
        "clipped",
        lambda x, w, b: F.linear(x, backward(lambda v: v * 1, lambda v, c: c.clip(-1, 1))(w), b),
        r"slope of a\.weight clipped to 1 where",
    ),
    (
        "clipped by norm",
        lambda x, w, b: F.linear(x, backward(lambda v: v * 1, lambda v, c: c / c.norm())(w), b),
        r"slope of a\.weight clipped to a norm of 1 where",
    ),
    (
        "unknown",
        lambda x, w, b: F.linear(x, backward(lambda v: v * 1, lambda v, c: c + 0.01 * v)(w), b),
        "",
    ),
]


@pytest.mark.parametrize(
    ("other", "says"), [s[1:] for s in SLOPES_OF_A_LAYER], ids=[s[0] for s in SLOPES_OF_A_LAYER]
)
def test_slopes_of_a_layer(other: Callable[..., Any], says: str) -> None:
    held_against(Planted("", linear(), linear(other), ("a", "layer", "backward"), says))


SLOPES_BETWEEN = [
    (
        "straight through",
        torch.relu,
        backward(torch.relu, lambda x, c: c),
        r"slope of nothing \(a straight-through estimator\) where .* that of ReLU",
    ),
    ("detached", torch.relu, lambda x: torch.relu(x).detach(), "no slope of its .*put"),
    (
        "wrong side",
        torch.relu,
        backward(torch.relu, lambda x, c: c * (x < 0)),
        "slope of ReLU turned round where",
    ),
    ("unknown", torch.relu, backward(torch.relu, lambda x, c: c * (x > 0.1)), ""),
]


@pytest.mark.parametrize("one", SLOPES_BETWEEN, ids=[one[0] for one in SLOPES_BETWEEN])
def test_slopes_between_layers(one: Any) -> None:
    _, mine, theirs, says = one
    place = ("a", "wiring", "backward")
    held_against(Planted("", activated(mine), activated(theirs), place, says))


def pooled(pool: Callable[..., Any], size: int) -> Callable[[], nn.Module]:
    """A convolution, ReLU and pooling, flattened."""
    return lambda: model(
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
    ("unknown", lambda x: F.max_pool2d(x, 2), lambda x: F.lp_pool2d(x, 3.0, 2), 9, ""),
]


@pytest.mark.parametrize("one", POOLINGS, ids=[one[0] for one in POOLINGS])
def test_pooling(one: Any) -> None:
    _, mine, theirs, size, says = one
    planted = Planted(
        "", pooled(mine, size), pooled(theirs, size), ("fc", *WIRING), says, (3, 2, 6, 6)
    )
    held_against(planted)


def convolved(other: Callable[..., Any] | None = None, **options: Any) -> Callable[[], nn.Module]:
    """A convolution, which may be another."""

    def made() -> nn.Module:
        conv = nn.Conv2d(2, 3, 3, **options)
        if other is not None:
            conv = Conv(2, 3, 3, other=other, **options)
        return model(lambda m, x: m.fc(m.conv(x).mean((2, 3))), conv=conv, fc=nn.Linear(3, 4))

    return made


def after(pads: tuple[int, ...], **options: Any) -> Callable[..., Any]:
    """A convolution of the picture padded before."""
    mode = options.pop("mode", "constant")
    return lambda x, w, b: F.conv2d(F.pad(x, pads, mode), w, b, **options)


STRIDED, PADDED = {"stride": 2, "padding": 1}, {"padding": 1}

CONVOLUTIONS = [
    (
        "same",
        STRIDED,
        after((0, 1, 0, 1), stride=2),
        "1 pixel less padding before the picture where",
    ),
    ("replicated", PADDED, after((1, 1, 1, 1), mode="replicate"), "padding with the edge's own"),
    ("reflected", PADDED, after((1, 1, 1, 1), mode="reflect"), "turned round at its edge"),
    ("wrapped", PADDED, after((1, 1, 1, 1), mode="circular"), "the picture's other side"),
    ("no bias", PADDED, lambda x, w, b: F.conv2d(x, w, padding=1), r"conv\.bias left out"),
    ("ones", PADDED, lambda x, w, b: F.conv2d(F.pad(x, (1,) * 4, value=1e-3), w, b), ""),
]


@pytest.mark.parametrize("one", CONVOLUTIONS, ids=[one[0] for one in CONVOLUTIONS])
def test_a_convolution(one: Any) -> None:
    _, options, other, says = one
    planted = Planted(
        "", convolved(**options), convolved(other, **options), ("conv", *LAYER), says, (3, 2, 6, 6)
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

    return lambda: model(call, **{name: nn.Linear(8, 8) for name in "qkvo"})


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


def lstm(permute: tuple[int, ...] = (0, 1, 2, 3), without: str = "") -> Callable[[], nn.Module]:
    """An LSTM whose gates are in another order, or which lacks a bias."""

    class Other(nn.LSTM):
        def forward(self, x: Any, *state: Any) -> Any:
            held = {
                name: torch.cat([value.chunk(4)[i] for i in permute])
                for name, value in self.named_parameters()
            }
            if without:
                held[without] = torch.zeros_like(held[without])
            plain = nn.LSTM(6, 5, batch_first=True).to(x.dtype)
            return torch.func.functional_call(plain, held, (x, *state))

    return lambda: model(
        lambda m, x: m.fc(m.rnn(x)[0]), rnn=Other(6, 5, batch_first=True), fc=nn.Linear(5, 3)
    )


def same_names(folder: Path, made: Callable[[], nn.Module]) -> Path:
    """A mapping that takes every leaf as it is."""
    entries = [
        {"port": name, "reference": [name], "transform": "identity"}
        for name, _ in made().named_parameters()
    ]
    path = folder / "mapping.json"
    path.write_text(json.dumps({"schema_version": 1, "entries": entries}))
    return path


AS_IT_IS = [
    (
        "transposed",
        linear(),
        linear(lambda x, w, b: F.linear(x, w.T, b)),
        ("a", r"a\.weight transposed where"),
        (5, 6),
    ),
    (
        "flipped",
        convolved(**PADDED),
        convolved(lambda x, w, b: F.conv2d(x, w.flip(2, 3), b, padding=1), **PADDED),
        ("conv", r"backwards along axes 2 and 3 \(a convolution for a correlation\) where"),
        (3, 2, 6, 6),
    ),
    (
        "height for width",
        convolved(**PADDED),
        convolved(lambda x, w, b: F.conv2d(x, w.swapaxes(2, 3), b, padding=1), **PADDED),
        ("conv", r"conv\.weight with its axes in the order \(0, 1, 3, 2\) where"),
        (3, 2, 6, 6),
    ),
    (
        "gates",
        lstm(),
        lstm((0, 2, 1, 3)),
        ("rnn", r"4 blocks of .* in the order \(0, 2, 1, 3\) where .* \(0, 1, 2, 3\)"),
        (2, 4, 6),
    ),
    (
        "one bias",
        lstm(),
        lstm(without="bias_hh_l0"),
        ("rnn", r"rnn\.bias_hh_l0 left out \(as if it were zero\)"),
        (2, 4, 6),
    ),
]


@pytest.mark.parametrize("one", AS_IT_IS, ids=[one[0] for one in AS_IT_IS])
def test_with_the_weights_as_they_are(one: Any, tmp_path: Path) -> None:
    """Where the mapping may not make up for it."""
    _, mine, theirs, (layer, says), shape = one
    options = {"mapping": same_names(tmp_path, mine)}
    held_against(Planted("", mine, theirs, (layer, *LAYER), says, shape, options))


def in_evaluation() -> Callable[[], nn.Module]:
    """Batch normalisation that stays in evaluation mode."""

    class Still(nn.BatchNorm1d):
        def train(self, mode: bool = True) -> Any:
            return super().train(False)

    return normed(lambda: Still(6))


def test_another_mode() -> None:
    says = "evaluation mode where the original is in training mode"
    held_against(
        Planted("", BATCH_NORM, in_evaluation(), ("n", *LAYER), says, options={"train": True})
    )


class Slightly(nn.Module):
    """A layer whose one parameter is off by a little noise each time it is used."""

    def __init__(self, layer: nn.Module, name: str) -> None:
        super().__init__()
        self.layer, self.name = [layer], name
        for key, value in layer.named_parameters():
            self.register_parameter(key, value)
        for key, value in layer.named_buffers():
            self.register_buffer(key, value)

    def forward(self, *inputs: Any) -> Any:
        held = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        noise = torch.sin(7 * torch.arange(held[self.name].numel()) + 1.0)
        held[self.name] = held[self.name] * (1 + 0.01 * noise.view_as(held[self.name]))
        layer = self.layer[0].train(self.training)
        return torch.func.functional_call(layer, held, inputs)


LAYERS: list[tuple[str, Callable[[], nn.Module], str, tuple[int, ...]]] = [
    ("linear bias", lambda: nn.Linear(6, 6), "bias", (5, 6)),
    ("convolution", lambda: nn.Conv2d(2, 3, 3, padding=1), "weight", (3, 2, 6, 6)),
    ("layer norm", lambda: nn.LayerNorm(6), "weight", (5, 6)),
    ("group norm", lambda: nn.GroupNorm(2, 4), "bias", (3, 4, 5)),
    ("batch norm", lambda: nn.BatchNorm1d(6), "running_var", (5, 6)),
    ("lstm", lambda: nn.LSTM(6, 5, batch_first=True), "weight_hh_l0", (2, 4, 6)),
    ("gru", lambda: nn.GRU(6, 5, batch_first=True), "bias_ih_l0", (2, 4, 6)),
]


@pytest.mark.parametrize("one", LAYERS, ids=[one[0] for one in LAYERS])
def test_noise_has_no_cause(one: Any) -> None:
    _, layer, name, shape = one

    def made(wrap: Callable[[nn.Module], nn.Module]) -> Callable[[], nn.Module]:
        def call(m: Any, x: Any) -> Any:
            found = m.a(x)
            return found[0] if isinstance(found, tuple) else found

        return lambda: model(call, a=wrap(layer()))

    port = made(lambda inner: Slightly(inner, name))
    held_against(Planted("", made(lambda inner: inner), port, ("a", *LAYER), "", shape))


def embedded(scale: float, positions: bool = True) -> Callable[[], nn.Module]:
    """An embedding that is scaled, and positions."""

    def call(m: Any, x: Any) -> Any:
        h = m.table(x.abs().mul(3).long().clamp(max=6)) * scale
        return m.b(h + m.place(torch.arange(x.shape[1])) if positions else h)

    parts = {"table": nn.Embedding(7, 6), "place": nn.Embedding(6, 6), "b": nn.Linear(6, 4)}
    return lambda: model(call, **parts)


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
