"""The cause of a planted error in a layer: named, and nothing said where none explains it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.contract.net import Answer, Asked
from common.modules.check import Options, check_modules
from common.modules.design import Design
from common.modules.expected import Expectation

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from tests.caused import (  # noqa: E402
    LAYER,
    Conv,
    Model,
    Planted,
    drawn,
    held_against,
    linear,
    normed,
)


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
    return Model(lambda m, x: m.n(x), n=nn.BatchNorm1d(6))


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


class Mean:
    """A part that keeps the mean of what it is given; counts how often it is run."""

    framework = "torch"
    runs = 0

    def run(self, asked: Asked) -> Answer:
        self.runs += 1
        (x,), old = asked.inputs, asked.values["a"]
        noise = 0.0 if asked.noise is None else 1e-6 * (asked.noise + 1)
        mean = np.asarray(x.mean() + noise, x.dtype)
        return Answer((x,), buffers={"a": (old + mean) / 2, "b": old})


def test_what_is_by_design_takes_no_run_of_its_own() -> None:
    """Of many buffers each would be a run of the whole; the numbers are those of one."""
    net, values = Mean(), {"a": np.float32(0.3), "b": np.float32(0.3)}
    asked = Asked(values, (drawn((5, 6)).astype("float32"),), train=True)
    design = Design(net, "a", np.asarray(0.5), 4 / 5, "by design")
    made, name = Expectation(net, asked, "float32"), ("buffer", "a")
    anew = Expectation(design, asked, "float32")
    for one in (made, anew):
        one.allowed_of_sums(name)
    runs, other = net.runs, made.by_design(design)
    assert other.exact[name] != made.exact[name]
    assert other.exact["buffer", "b"] == made.exact["buffer", "b"]
    for of in ("own_rounding", "allowed", "allowed_of_sums", "exactly", "exactly_off_edges"):
        one, another = (getattr(made_so, of)(name) for made_so in (other, anew))
        assert one == pytest.approx(another, rel=1e-9), of  # noise is scaled, not drawn again
    assert (other.exact[name], other.own[name]) == (anew.exact[name], anew.own[name])
    assert net.runs == runs


def test_what_is_declared_excuses_nothing_else() -> None:
    options = Options(steps=1, train=True)
    report = check_modules(in_jax(0.99), in_torch(), drawn((5, 6)), None, options)
    assert report.first is not None, report
    assert report.first.place.tensor == "n.mean"
    says = "momentum 0.01 where the original has 0.1 of the new"
    assert says in (report.likely_cause or ""), report
    biased = BUFFERS[2][1]
    report = check_modules(biased(), BATCH_NORM(), drawn((5, 6)), None, options)
    assert report.verdict == "differs"


def convolved(other: Callable[..., Any] | None = None, **options: Any) -> Callable[[], nn.Module]:
    """A convolution, which may be another."""

    def made() -> nn.Module:
        conv = nn.Conv2d(2, 3, 3, **options)
        if other is not None:
            conv = Conv(2, 3, 3, other=other, **options)
        return Model(lambda m, x: m.fc(m.conv(x).mean((2, 3))), conv=conv, fc=nn.Linear(3, 4))

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

    return lambda: Model(
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

        return lambda: Model(call, a=wrap(layer()))

    port = made(lambda inner: Slightly(inner, name))
    held_against(Planted("", made(lambda inner: inner), port, ("a", *LAYER), "", shape))
