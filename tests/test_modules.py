"""A module held against another: right ones never blamed, the first wrong layer named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any, NoReturn
from unittest import mock

import numpy as np
import pytest

from common.check import Port, check
from common.contract.kinds import net_of
from common.contract.net import Asked
from common.contract.precision import cast
from common.errors import Refused
from common.modules.advice import advice
from common.modules.causes import likely
from common.modules.check import Options, check_modules
from common.modules.expected import nudged
from common.modules.matching import match, residual
from common.modules.report import ModuleReport
from common.shown.module_page import shown

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

DRAW = np.random.default_rng(0)
PICTURES = DRAW.normal(0, 1, (12, 3, 10, 10)).astype("float32")
LABELS = np.arange(12) % 5
VECTORS = DRAW.normal(0, 1, (16, 12)).astype("float32")


class Pictures(nn.Module):
    """Two convolutions, batch normalisation, pooling, a flattened feature map."""

    def __init__(self, eps: float = 1e-5, momentum: float = 0.1, padding: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=padding)
        self.bn = nn.BatchNorm2d(4, eps=eps, momentum=momentum)
        self.conv2 = nn.Conv2d(4, 4, 3)
        self.fc = nn.Linear(64, 5)

    def activation(self, x: Any) -> Any:
        return torch.relu(x)

    def forward(self, x: Any) -> Any:
        x = self.activation(self.bn(self.conv1(x)))
        x = functional.max_pool2d(self.activation(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


class Gelu(Pictures):
    def activation(self, x: Any) -> Any:
        return functional.gelu(x)


class Half(Pictures):
    """Computes its last layer in bfloat16, if it is given float32."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = Coarse(64, 5)


class Coarse(nn.Linear):
    def forward(self, x: Any) -> Any:
        if x.dtype == torch.float64:
            return super().forward(x)
        return super().forward(x.bfloat16().float())


class Swapped(nn.Module):
    """The same under other names, its linear weights (in, out), channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.body = nn.Conv2d(4, 4, 3)
        self.head = InOut(64, 5)

    def forward(self, x: Any) -> Any:
        x = self.stem(x.permute(0, 3, 1, 2)).relu()
        x = functional.max_pool2d(self.body(x).relu(), 2).permute(0, 2, 3, 1)
        return self.head(x.reshape(len(x), -1))


class InOut(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(inputs, outputs) / inputs**0.5)
        self.offset = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Any) -> Any:
        return x @ self.kernel + self.offset


class Deep(nn.Module):
    """Twelve residual layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(12, 12) for _ in range(12)])
        self.head = nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = x + torch.tanh(layer(x))
        return self.head(x)


class Doubled(nn.Linear):
    def forward(self, x: Any) -> Any:
        return super().forward(x) + self.bias


class Detached(nn.Linear):
    def forward(self, x: Any) -> Any:
        return functional.linear(x, self.weight.detach(), self.bias)


def made(kind: Callable[[], Any], seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return kind()


def held(
    port: Any, reference: Any = None, inputs: Any = PICTURES, labels: Any = LABELS, **told: Any
) -> ModuleReport:
    reference = made(Pictures) if reference is None else reference
    return check_modules(port, reference, inputs, labels, Options(**{"steps": 1, **told}))


def first_of(report: ModuleReport) -> tuple[str, str, str]:
    first = report.first
    assert first is not None, str(report)
    return first.place.layer, first.place.stage, first.place.unit


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_is_right(dtype: str, train: bool) -> None:
    report = held(made(Pictures, 1), train=train, dtype=dtype, steps=3, optimizer="adam")
    assert report.agrees, str(report)
    names = [layer.name for layer in report.layers if layer.unit == "layer"]
    assert names == ["conv1", "bn", "conv2", "fc", "fc", "conv2", "bn", "conv1"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_no_false_alarm(seed: int) -> None:
    inputs = np.random.default_rng(seed).normal(0, 1, PICTURES.shape).astype("float32")
    report = held(
        made(Pictures, seed), made(Pictures, seed + 1), inputs, train=bool(seed % 2), seed=seed
    )
    assert report.agrees, str(report)


def test_other_names_and_layouts() -> None:
    """Weights transposed, pictures channels last, the feature map flattened in that order."""
    report = held(made(Swapped))
    assert report.agrees, str(report)
    made_of = {e.port: str(e.source.transform) for e in report.matched.mapping.entries}
    assert made_of["head.kernel"] == "regroup 1 4x4x4 1 2 0; permute 1 0"


@pytest.mark.parametrize(
    ("port", "told", "where"),
    [
        pytest.param(lambda: Pictures(eps=1e-3), {}, ("bn", "forward", "layer"), id="eps"),
        pytest.param(
            lambda: Pictures(momentum=0.9),
            {"train": True},
            ("bn", "forward", "layer"),
            id="momentum of the running statistics",
        ),
        pytest.param(Gelu, {}, ("conv2", "forward", "wiring"), id="activation"),
        pytest.param(Half, {}, ("fc", "forward", "layer"), id="bfloat16 inside"),
    ],
)
def test_the_first_wrong_layer_is_named(
    port: Callable[[], Any], told: dict[str, Any], where: tuple[str, str, str]
) -> None:
    assert first_of(held(made(port), **told)) == where


def test_what_only_float32_shows_is_said_so() -> None:
    first = held(made(Half)).first
    assert first is not None
    assert first.dtype == "float32"


class Single(Pictures):
    """Its softmax is float32 whatever it is given."""

    def activation(self, x: Any) -> Any:
        return torch.softmax(x.float(), 1).to(x.dtype)


class Soft(Pictures):
    def activation(self, x: Any) -> Any:
        return torch.softmax(x, 1)


class Nearly(Pictures):
    """Off by what float32 cannot see."""

    def activation(self, x: Any) -> Any:
        return torch.softmax(x, 1) * (1 + 1e-8)


def test_weights_that_make_no_numbers_are_not_chosen() -> None:
    nets = net_of(made(Pictures)), net_of(made(Pictures, 1))
    both = match(*nets, (PICTURES,), train=False, dtype="float32", seed=0)
    values = cast(both.port.values, "float64")
    assert residual(both, values, "bn") < 1e-12
    values["bn.running_var"] = -values["bn.running_var"]
    assert residual(both, values, "bn") == float("inf")


def test_float32_inside_a_port_is_no_error_but_said() -> None:
    report = held(made(Single), made(Soft))
    assert report.agrees, str(report)
    assert "float32 inside" in str(report)
    assert first_of(held(made(Single), made(Soft), dtype="float64"))[2] == "wiring"


def test_what_float32_cannot_see_is_not_excused() -> None:
    report = held(made(Nearly), made(Soft))
    assert first_of(report) == ("conv2", "forward", "wiring")
    assert report.first is not None
    assert report.first.dtype == "float64"


@pytest.mark.parametrize(
    "k",
    [pytest.param(k, marks=[] if k in (0, 7) else [pytest.mark.slow]) for k in range(12)],
)
@pytest.mark.parametrize("slip", [Doubled, Detached])
def test_one_of_twelve(slip: type, k: int) -> None:
    port = made(Deep, 1)
    port.layers[k] = slip(12, 12)
    report = held(port, made(Deep), VECTORS, np.arange(16) % 5, steps=0)
    stage = "forward" if slip is Doubled else "backward"
    assert first_of(report) == (f"layers.{k}", stage, "layer")


def test_a_forward_that_was_put_into_an_instance_stays() -> None:
    def sine(own: Any, x: Any) -> Any:
        return torch.sin(functional.linear(x, own.weight, own.bias))

    port = made(Deep, 1)
    port.layers[3].forward = MethodType(sine, port.layers[3])
    assert first_of(held(port, made(Deep), VECTORS, None)) == ("layers.3", "forward", "layer")


@pytest.mark.slow
def test_the_wiring_is_named() -> None:
    class Straight(Deep):
        def forward(self, x: Any) -> Any:
            for number, layer in enumerate(self.layers):
                x = torch.tanh(layer(x)) if number == 6 else x + torch.tanh(layer(x))
            return self.head(x)

    report = held(made(Straight), made(Deep), VECTORS, np.arange(16) % 5, steps=0)
    assert first_of(report) == ("layers.7", "forward", "wiring")


def test_a_layer_used_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.head = nn.Linear(12, 12), nn.Linear(12, 5)

        def forward(self, x: Any) -> Any:
            return self.head(torch.tanh(self.one(torch.tanh(self.one(x)))))

    class Once(Twice):
        def forward(self, x: Any) -> Any:
            return self.head(torch.tanh(self.one(x)))

    labels = np.arange(16) % 5
    report = held(made(Twice, 1), made(Twice), VECTORS, labels)
    assert report.agrees, str(report)
    assert [m for m, _ in report.matched.keys] == [("one", 0), ("one", 1), ("head", 0)]
    assert first_of(held(made(Once), made(Twice), VECTORS, labels)) == ("head", "forward", "wiring")


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 3, batch_first=True)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        return self.head(x + self.attention(x, x, x, need_weights=False)[0])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(12, 12) for _ in range(4))

    def forward(self, x: Any) -> Any:
        n, tokens, width = x.shape
        q, k, v = (
            one(x).reshape(n, tokens, 3, 4).transpose(1, 2)
            for one in (self.query, self.key, self.value)
        )
        mixed = torch.softmax(q @ k.transpose(2, 3) / self.scale(), -1) @ v
        return self.out(mixed.transpose(1, 2).reshape(n, tokens, width))

    def scale(self) -> float:
        return 2.0


class Split(nn.Module):
    def __init__(self, attention: type = Attention) -> None:
        super().__init__()
        self.attention, self.head = attention(), nn.Linear(12, 5)

    def forward(self, x: Any) -> Any:
        return self.head(x + self.attention(x))


class Unscaled(Attention):
    def scale(self) -> float:
        return 1.0


TOKENS = DRAW.normal(0, 1, (4, 6, 12)).astype("float32")


def test_packed_weights_against_split_ones() -> None:
    """The smallest module around the split ones is the layer; labels are one for each token."""
    labels = np.arange(24).reshape(4, 6) % 5
    report = held(made(Split), made(Packed), TOKENS, labels)
    assert report.agrees, str(report)
    assert [m for m, _ in report.matched.keys] == [("attention", 0), ("head", 0)]
    wrong = held(made(lambda: Split(Unscaled)), made(Packed), TOKENS, labels)
    assert first_of(wrong) == ("attention", "forward", "layer")


class Recurrent(nn.Module):
    """One step of an LSTM, with one bias instead of two."""

    def __init__(self) -> None:
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(20, 12))
        self.weight_hh = nn.Parameter(torch.randn(20, 5))
        self.bias = nn.Parameter(torch.randn(20))

    def forward(self, x: Any, state: Any) -> Any:
        h, c = state
        i, f, g, o = (x @ self.weight_ih.T + h @ self.weight_hh.T + self.bias).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class Stepped(nn.Module):
    def __init__(self, cell: Any = Recurrent) -> None:
        super().__init__()
        self.cell = cell()

    def forward(self, x: Any) -> Any:
        return self.cell(x, (x[:, :5], x[:, 5:10]))[0]


def test_a_bias_that_is_a_sum_is_not_rounded_in_float64() -> None:
    library = made(lambda: Stepped(lambda: nn.LSTMCell(12, 5)))
    report = held(made(Stepped), library, VECTORS, None)
    assert report.agrees, str(report)
    sources = {entry.port: entry.source.reference for entry in report.matched.mapping.entries}
    assert len(sources["cell.bias"]) == 2


def test_an_output_of_another_size_is_the_layer_s() -> None:
    """Here 10 x 10 pixels where 8 x 8 were expected; pooling and flattening hide it again."""

    def lenet(padding: int) -> Any:
        convolution = nn.Conv2d(3, 4, 3, padding=padding)
        return nn.Sequential(convolution, nn.MaxPool2d(4), nn.Flatten(), nn.Linear(16, 5))

    wrong = held(made(lambda: lenet(1)), made(lambda: lenet(0)), PICTURES, None)
    assert first_of(wrong)[0] == "0", str(wrong)
    assert "has shape" in str(wrong)


def test_infinities_of_a_mask_stay() -> None:
    mask = np.array([0.5, -np.inf], "float32")
    moved = nudged(Asked({}, (mask,)), "float32", np.ones_like)
    assert moved.inputs[0][0] > 0.5
    assert moved.inputs[0][1] == -np.inf


class Masked(nn.Module):
    """A layer that is given a mask, and knows it already or does not."""

    def __init__(self, knows: bool, learnt: bool = False) -> None:
        super().__init__()
        self.mix, self.head = Mix(knows), nn.Linear(12, 5)
        self.mask = nn.Parameter(torch.ones(12)) if learnt else None

    def forward(self, x: Any) -> Any:
        mask = torch.linspace(0.5, 1.5, 12, dtype=x.dtype) if self.mask is None else self.mask
        return self.head(self.mix(x, mask))


class Mix(nn.Module):
    def __init__(self, knows: bool) -> None:
        super().__init__()
        self.linear, self.knows = nn.Linear(12, 12), knows

    def forward(self, x: Any, mask: Any) -> Any:
        mask = mask.detach() if self.knows else mask
        return functional.linear(x, self.linear.weight, self.linear.bias) * mask


def test_nobody_needs_the_slope_of_what_depends_on_nothing() -> None:
    right = held(made(lambda: Masked(False)), made(lambda: Masked(True)), VECTORS, None)
    assert right.agrees, str(right)
    wrong = held(made(lambda: Masked(True, True)), made(lambda: Masked(False, True)), VECTORS, None)
    assert first_of(wrong)[:2] == ("mix", "backward")


class Flat(nn.Module):
    """All parameters held by the whole, as those who write from scratch do, weights (in, out)."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.ParameterList([torch.randn(i, o) for i, o in SIZES])
        self.b = nn.ParameterList([torch.zeros(o) for _, o in SIZES])

    def forward(self, x: Any) -> Any:
        for n, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            x = x @ w + b if n == 0 else torch.tanh(x) @ w + b
        return x


SIZES = ((12, 8), (8, 8), (8, 8), (8, 5))


def test_parameters_of_the_whole_against_layers() -> None:
    layers = [nn.Linear(*SIZES[0])]
    for size in SIZES[1:]:
        layers += [nn.Tanh(), nn.Linear(*size)]
    report = held(Flat(), nn.Sequential(*layers), VECTORS, None)
    assert report.verdict == "rounding", str(report)
    said = {e.port: (str(e.source.transform), e.decided) for e in report.matched.mapping.entries}
    assert said["w.1"] == said["w.2"] == ("permute 1 0", "by numbers")


def test_a_parameter_of_the_whole_is_the_wirings() -> None:
    class Positions(nn.Module):
        def __init__(self, used: float = 1.0) -> None:
            super().__init__()
            self.positions = nn.Parameter(torch.randn(6, 12))
            self.head, self.used = nn.Linear(12, 5), used

        def forward(self, x: Any) -> Any:
            return self.head(x + self.used * self.positions)

    labels = np.arange(24).reshape(4, 6) % 5
    assert held(made(Positions, 1), made(Positions), TOKENS, labels).agrees
    wrong = held(made(lambda: Positions(0.5)), made(Positions), TOKENS, labels)
    assert first_of(wrong) == ("head", "forward", "wiring")


def test_tokens_and_a_tied_weight() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.mix = nn.Embedding(11, 12), nn.Linear(12, 12)
            self.head = nn.Linear(12, 11, bias=False)
            self.head.weight = self.embedding.weight

        def forward(self, tokens: Any) -> Any:
            return self.head(torch.tanh(self.mix(self.embedding(tokens))))

    tokens = DRAW.integers(0, 11, (4, 6))
    report = held(made(Tied, 1), made(Tied), tokens, tokens)
    assert report.agrees, str(report)


def test_several_inputs_by_name_and_two_outputs() -> None:
    class Two(nn.Module):
        def __init__(self, swapped: bool = False) -> None:
            super().__init__()
            self.left, self.right, self.swapped = nn.Linear(12, 4), nn.Linear(12, 4), swapped

        def forward(self, a: Any, b: Any) -> Any:
            one, other = self.left(a), self.right(b)
            return (other, one) if self.swapped else (one, other)

    inputs = {"a": VECTORS, "b": VECTORS[::-1].copy()}
    assert held(made(Two, 1), made(Two), inputs, None).agrees
    wrong = held(made(lambda: Two(True)), made(Two), inputs, None)
    assert first_of(wrong) == ("", "forward", "wiring")


@pytest.mark.slow
def test_compiled_against_eager() -> None:
    module = made(lambda: nn.Sequential(nn.Linear(12, 5)))
    options = Options(steps=1)
    report = check_modules(copy.deepcopy(module), module, VECTORS, None, options, "jit")
    assert report.agrees, str(report)


def test_the_loss_is_held() -> None:
    def smoothed(outputs: Any, labels: Any) -> Any:
        return functional.cross_entropy(outputs, labels, label_smoothing=0.1)

    losses = functional.cross_entropy, smoothed
    assert first_of(held(made(Pictures), losses=losses)) == ("", "loss", "loss")
    assert held(made(Pictures), losses=(smoothed, smoothed)).agrees


class Scaled(nn.Module):
    """Twice the input goes into a layer; `kept` says as what the 2 is kept."""

    def __init__(self, kept: str) -> None:
        super().__init__()
        self.out = nn.Linear(12, 5)
        made = {"number": lambda value: 2.0, "parameter": nn.Parameter, "buffer": nn.Buffer}[kept]
        self.scale = made(torch.full((12,), 2.0))

    def forward(self, x: Any) -> Any:
        return self.out(x * self.scale)


@pytest.mark.parametrize(
    ("reference", "port", "words"),
    [
        ("parameter", "buffer", "scale is trained in the reference, and scale is not"),
        ("buffer", "parameter", "scale is trained in the port, and scale is not"),
        ("buffer", "number", "scale (12,) has no counterpart in the port"),
        ("buffer", "buffer", None),
    ],
)
def test_who_trains_what(reference: str, port: str, words: str | None) -> None:
    """A right port is not blamed for a constant; one that trains something else is not accepted."""
    report = held(
        made(lambda: Scaled(port), 1), made(lambda: Scaled(reference)), VECTORS, np.arange(16) % 5
    )
    assert report.first is None, str(report)
    assert report.verdict == ("rounding" if words is None else "not checked")
    assert words is None or words in " ".join(report.not_compared)


def test_two_leaves_for_one_are_trained_apart() -> None:
    class Words(nn.Module):
        def __init__(self, tied: bool) -> None:
            super().__init__()
            self.embedding, self.head = nn.Embedding(11, 12), nn.Linear(12, 11, bias=False)
            if tied:
                self.head.weight = self.embedding.weight

        def forward(self, tokens: Any) -> Any:
            return self.head(torch.tanh(self.embedding(tokens)))

    tokens = DRAW.integers(0, 11, (4, 6))
    report = held(made(lambda: Words(False), 1), made(lambda: Words(True)), tokens, tokens)
    assert report.verdict == "not checked", str(report)
    assert "which training moves apart" in report.not_compared[0]
    assert "as one where the reference has one" in advice(report)[0]


@pytest.mark.parametrize(
    ("optimizer", "told", "momentum", "eps"),
    [("momentum", {}, 0.9, 1e-8), ("momentum", {"momentum": 0.0}, 0.0, 1e-8),
     ("sgd", {}, 0.0, 1e-8), ("adagrad", {}, 0.0, 1e-10)],
)  # fmt: skip
def test_an_optimizer_has_its_usual_settings(
    optimizer: str, told: dict[str, Any], momentum: float, eps: float
) -> None:
    """As on the command line: without its momentum it is plain gradient descent."""
    asked: list[Options] = []

    def judge(*given: Any) -> NoReturn:
        asked.append(given[4])
        raise Refused("that is all that was to be seen")

    with mock.patch("common.check.check_modules", judge), pytest.raises(Refused):
        check(made(Pictures), made(Pictures), PICTURES, LABELS, optimizer=optimizer, **told)
    assert (asked[0].momentum, asked[0].eps) == (momentum, eps)


def test_functions_of_flat_names_do_not_say_what_is_trained() -> None:
    """Of a buffer of the reference's they have a parameter, in every framework."""

    def forward(params: Any, x: Any) -> Any:
        return functional.linear(x * params["scale"], params["out.weight"], params["out.bias"])

    reference = made(lambda: Scaled("buffer"))
    leaves = {name: value.detach().numpy() for name, value in reference.state_dict().items()}
    port = Port("torch", forward, functional.cross_entropy)
    report = check(port, reference, VECTORS, np.arange(16) % 5, steps=0, params=leaves)
    assert report.verdict == "rounding", str(report)


def test_what_is_not_compared_is_no_agreement() -> None:
    class More(Pictures):
        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Linear(7, 3)

    report = held(made(More))
    assert report.verdict == "not checked"
    assert "extra" in str(report)
    with pytest.raises(AssertionError, match="not checked"):
        report.require()


def test_a_user_s_module_stays_as_it_was() -> None:
    port = made(Pictures).eval()
    before = copy.deepcopy(port.state_dict())
    held(port, train=True)
    assert not port.training
    assert all(torch.equal(before[name], one) for name, one in port.state_dict().items())


def test_dropout_is_refused_in_the_reference_and_seen_in_the_port() -> None:
    class Dropped(Pictures):
        def activation(self, x: Any) -> Any:
            return functional.dropout(torch.relu(x), 0.5, self.training)

    with pytest.raises(Refused, match="two answers"):
        held(made(Pictures), made(Dropped), train=True)
    assert held(made(Dropped)).agrees
    assert first_of(held(made(Dropped), train=True))[1:] == ("forward", "wiring")


def test_what_the_port_raises_is_told() -> None:
    class Raises(Pictures):
        def forward(self, x: Any) -> Any:
            if x.dtype == torch.float64:
                raise ValueError("not for me")
            return super().forward(x)

    report = held(made(Raises))
    assert report.first is not None
    assert report.first.fault == "raised ValueError: not for me"


def test_a_search_without_time_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likely, "SECONDS", 0.0)
    report = held(made(Gelu))
    assert report.likely_cause is None
    assert report.unasked[:2] == ("activation", "end")
    assert "there was no time for activation, end, " in str(report)
    assert report.asdict()["first"]["no_time_for"] == list(report.unasked)
    assert any("there was no time for activation" in line for line in shown(report)["difference"])


def test_json(tmp_path: Path) -> None:
    told = json.loads(json.dumps(held(made(Gelu)).asdict(), allow_nan=False))
    assert told["verdict"] == "differs"
    assert told["first"]["layer"] == "conv2"
    assert {"name", "port_name", "stage", "right", "error", "bound", "judged"} <= set(
        told["layers"][0]
    )
