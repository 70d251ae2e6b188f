"""Functions of a tree of parameters, held against a module or against functions, with taps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from common.check import Port, check
from common.check.ports import Report
from common.errors import Refused
from common.modules.report import ModuleReport
from tests.planted_modules import updates

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

DRAW = np.random.default_rng(0)
VECTORS = DRAW.normal(0, 1, (8, 6)).astype("float32")
LABELS = np.arange(8) % 5
FRAMEWORKS = ("torch", "jax", "mindspore")
NAMES = ("first", "block.second", "head")
WIDTHS = (6, 7, 7, 5)


def tree(seed: int = 0) -> dict[str, Any]:
    """Weights (in, out), as functions like them; one of them square."""
    draw = np.random.default_rng(seed)
    made: dict[str, Any] = {}
    for name, rows, columns in zip(NAMES, WIDTHS, WIDTHS[1:], strict=False):
        layer = {"w": draw.normal(0, 0.5, (rows, columns)), "b": draw.normal(0, 0.1, columns)}
        *branches, leaf = name.split(".")
        branch = made
        for one in branches:
            branch = branch.setdefault(one, {})
        branch[leaf] = layer
    return made


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.second = nn.Linear(7, 7)

    def forward(self, x: Any) -> Any:
        return self.second(x)


class Layers(nn.Module):
    """The same as a module, its weights (out, in)."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.block, self.head = nn.Linear(6, 7), Block(), nn.Linear(7, 5)

    def forward(self, x: Any) -> Any:
        x = torch.tanh(self.first(x))
        return self.head(torch.tanh(self.block(x)))


def operations(framework: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    """tanh, the usual loss, and what detaches a tensor."""
    if framework == "torch":
        return torch.tanh, functional.cross_entropy, lambda x: x.detach()
    if framework == "jax":
        jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
        loss = optax.softmax_cross_entropy_with_integer_labels
        return jax.numpy.tanh, lambda o, y: loss(o, y).mean(), jax.lax.stop_gradient
    ops = pytest.importorskip("mindspore").ops
    return ops.tanh, ops.cross_entropy, ops.stop_gradient


def port(framework: str, *, taps: bool = False, wrong: str = "", detached: str = "") -> Port:
    """A port, with a slip after one of its layers: forwards, or backwards only."""
    tanh, loss, detach = operations(framework)

    def forward(params: Any, x: Any, tap: Callable[..., Any] = lambda name, x: x) -> Any:
        for name in NAMES:
            layer = params
            for word in name.split("."):
                layer = layer[word]
            weight = detach(layer["w"]) if name == detached else layer["w"]
            x = x @ weight + layer["b"]
            x = tap(name, x * 1.01 if name == wrong else x)
            x = tanh(x) if name != "head" else x
        return x

    return Port(framework, forward, loss, taps=taps)


def torch_module(seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return Layers()


def held(one: Any, reference: Any, **told: Any) -> ModuleReport:
    labels = told.pop("labels", LABELS)
    report = check(one, reference, VECTORS, labels, params=tree(), **{"steps": 2, **told})
    assert isinstance(report, ModuleReport)
    return report


def first_of(report: ModuleReport) -> tuple[str, str, str]:
    assert report.first is not None, str(report)
    return report.first.place.layer, report.first.place.stage, report.first.place.unit


@pytest.mark.slow
@pytest.mark.parametrize("taps", [False, True], ids=["whole", "taps"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_functions_against_a_module(framework: str, taps: bool) -> None:
    report = held(port(framework, taps=taps), torch_module())
    assert report.agrees, str(report)
    units = {layer.name for layer in report.layers if layer.unit == "tap"}
    assert units == (set(NAMES) if taps else set())
    assert report.matched.mapping.complete
    assert report.probes == {
        "repeats": True,
        "float64": True,
        "port_repeats": True,
        "port_finite": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize("framework", FRAMEWORKS[:2])
def test_compiled_functions(framework: str) -> None:
    report = held(port(framework, taps=True), torch_module(), mode="jit", steps=1)
    assert report.agrees, str(report)


def test_a_module_against_functions() -> None:
    report = held(torch_module(), port("jax", taps=True))
    assert report.agrees, str(report)


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param(
            framework,
            name,
            marks=[] if framework == "torch" else [pytest.mark.slow],
        )
        for framework in FRAMEWORKS
        for name in NAMES
    ],
)
def test_the_first_wrong_tap_is_named(framework: str, name: str) -> None:
    of_module = held(port(framework, taps=True, wrong=name), torch_module())
    of_functions = held(port(framework, taps=True, wrong=name), port("torch", taps=True))
    for report in (of_module, of_functions):
        assert first_of(report) == (name, "forward", "tap")
    assert str(of_functions).startswith(f"differs: {name} (a tap), forward")


def test_backwards() -> None:
    """A weight that is detached has no slope: its own, or that of what comes before."""
    report = held(port("jax", taps=True, detached="block.second"), port("torch", taps=True))
    first = report.first
    assert first is not None
    assert first_of(report) == ("block.second", "backward", "tap")
    assert first.place.tensor == "slope of block.second.w"

    class Cut(Layers):
        def forward(self, x: Any) -> Any:
            x = torch.tanh(self.first(x))
            return self.head(torch.tanh(self.block(x.detach())))

    torch.manual_seed(0)
    report = held(Cut(), port("torch", taps=True))
    assert first_of(report) == ("first", "backward", "tap")


def penalised(framework: str, share: float, *, detached: bool = False) -> Port:
    """A port whose loss has a penalty of its first weights."""
    plain = port(framework)
    _, _, detach = operations(framework)

    def loss(params: Any, outputs: Any, labels: Any) -> Any:
        weights = params["first"]["w"]
        weights = detach(weights) if detached else weights
        return plain.loss(outputs, labels) + share * (weights**2).sum()

    return replace(plain, loss=loss)


def of_module(params: Any, outputs: Any, labels: Any) -> Any:
    return functional.cross_entropy(outputs, labels) + 0.1 * (params["first.weight"] ** 2).sum()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_loss_that_sees_the_parameters(framework: str) -> None:
    given = {"inputs": VECTORS, "labels": LABELS, "params": tree(), "steps": 2}
    report = check(penalised(framework, 0.1), torch_module(), loss=(of_module, None), **given)
    assert report.agrees, report
    losses = [one.place.tensor for one in report.held if one.place.unit == "loss"]
    assert "slope of first.w" in losses


@pytest.mark.parametrize(
    ("share", "detached", "tensor"), [(0.2, False, "loss"), (0.1, True, "slope of first.w")]
)
def test_a_wrong_penalty(share: float, detached: bool, tensor: str) -> None:
    mine = penalised("torch", share, detached=detached)
    given = {"inputs": VECTORS, "labels": LABELS, "params": tree(), "steps": 0}
    report = check(mine, torch_module(), loss=(of_module, None), **given)
    assert report.first is not None
    assert (report.first.place.unit, report.first.place.tensor) == ("loss", tensor)
    assert report.likely_cause is None
    report = check(mine, torch_module(), **given)
    assert report.first is not None
    assert (report.first.place.unit, report.first.place.tensor) == ("loss", "loss")


def test_targets_of_another_dtype_are_the_outputs_dtype() -> None:
    """NumPy's floats are float64, and a loss of PyTorch's would compute in it."""
    targets = DRAW.normal(0, 1, (8, 5))
    report = check(
        torch_module(), torch_module(), VECTORS, targets, loss=functional.mse_loss, steps=0
    )
    assert report.agrees, report


def test_two_ports_have_the_same_parameters() -> None:
    """Nothing is transposed, though a square weight could be."""
    report = held(port("jax", taps=True), port("torch", taps=True))
    assert report.agrees, str(report)
    assert {str(e.source.transform) for e in report.matched.mapping.entries} == {"identity"}


def test_many_square_weights_are_turned_together() -> None:
    """Nothing in a function can be asked alone: 2 ** 9 ways are too many to try."""

    def forward(params: Any, x: Any) -> Any:
        for number in range(9):
            x = torch.tanh(x @ params[f"layer{number}"]["w"])
        return x

    layers = [(nn.Linear(6, 6, bias=False), nn.Tanh()) for _ in range(9)]
    module = nn.Sequential(*[one for pair in layers for one in pair])
    params = {f"layer{k}": {"w": DRAW.normal(0, 0.5, (6, 6))} for k in range(9)}
    mine = Port("torch", forward, functional.cross_entropy)
    report = check(mine, module, VECTORS, None, params=params, steps=1)
    assert report.agrees, str(report)
    assert {str(e.source.transform) for e in report.matched.mapping.entries} == {"permute 1 0"}


def test_parameters_of_each_side() -> None:
    report = check(
        port("jax", taps=True),
        port("torch", taps=True),
        VECTORS,
        LABELS,
        params=(tree(1), tree(2)),
        steps=1,
    )
    assert report.agrees, str(report)


def test_functions_without_taps_are_trained_as_before() -> None:
    given = {"images": VECTORS, "labels": LABELS, "params": tree(), "epochs": 1}
    report = check(port("torch"), port("torch"), **given)
    assert isinstance(report, Report)
    assert report.agrees


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"params": None}, "the port is a Port, which needs params"),
        ({"params": (None, None)}, "the port is a Port, which needs params"),
        ({"params": (tree(), tree(), tree())}, "params are 3; give one for both"),
        ({"params": {}}, "params is empty"),
        ({"mode": "fused"}, "unknown 'fused'; there are eager, jit"),
    ],
)
def test_what_is_refused(told: dict[str, Any], words: str) -> None:
    given = {"params": tree(), **told}
    with pytest.raises(Refused, match=words):
        check(port("torch"), torch_module(), VECTORS, LABELS, **given)


def test_numpy_differentiates_nobody_s_functions() -> None:
    mine = Port("numpy", lambda p, x: x @ p["w"], lambda o, y: o.mean())
    with pytest.raises(Refused, match="functions are taken of jax, mindspore, torch"):
        check(mine, torch_module(), VECTORS, LABELS, params=tree())


@pytest.mark.parametrize("name", ["pixels divided by 256", "gradients clipped by norm"])
def test_a_port_with_an_update_of_its_own_is_told_where_it_parts(name: str) -> None:
    """Forwards, too: which operation it is was asked of ports that had updates, and refused."""
    found = updates.outcome(name, "torch")
    assert (found.placed, found.cause) == (True, "right"), found
