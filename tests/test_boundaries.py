"""Layers that begin or end elsewhere in the port are judged with what is around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.modules.check import Options, check_modules
from common.modules.report import ModuleReport

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

DRAW = np.random.default_rng(0)
VECTORS = DRAW.normal(0, 1, (8, 12)).astype("float32")
PICTURES = DRAW.normal(0, 1, (6, 3, 8, 8)).astype("float32")


class Ending(nn.Linear):
    """Holds the activation that follows it."""

    def __init__(self, inputs: int, outputs: int, activation: Callable[[Any], Any]) -> None:
        super().__init__(inputs, outputs)
        self.activation = activation

    def forward(self, x: Any) -> Any:
        return self.activation(super().forward(x))


class Beginning(nn.Linear):
    """Holds the activation before it."""

    def forward(self, x: Any) -> Any:
        return super().forward(torch.tanh(x))


class Pooling(nn.Conv2d):
    """Holds the pooling that follows it."""

    def forward(self, x: Any) -> Any:
        return functional.max_pool2d(super().forward(x), 2)


class Detached(Ending):
    def forward(self, x: Any) -> Any:
        return self.activation(functional.linear(x, self.weight.detach(), self.bias))


def apart(activation: type) -> Any:
    """Layers, and activations between them."""
    return nn.Sequential(
        nn.Linear(12, 8), activation(), nn.Linear(8, 8), activation(), nn.Linear(8, 5)
    )


def ending(first: Callable[[Any], Any], second: Callable[[Any], Any], kind: type = Ending) -> Any:
    return nn.Sequential(kind(12, 8, first), Ending(8, 8, second), nn.Linear(8, 5))


def held(port: Any, reference: Any, inputs: Any = VECTORS, train: bool = False) -> ModuleReport:
    options = Options(steps=1, train=train)
    return check_modules(port, reference, inputs, np.arange(len(inputs)) % 5, options)


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
def test_an_activation_inside_the_ports_layers(train: bool) -> None:
    report = held(ending(torch.relu, torch.relu), apart(nn.ReLU), train=train)
    assert (report.verdict, report.asdict()["merged"]) == ("rounding", ["0", "2"])
    assert "beginning or ending elsewhere in the port: 0; 2" in str(report)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh])
def test_an_activation_inside_the_references_layers(activation: type) -> None:
    inside = ending(activation(), activation())
    assert held(apart(activation), inside).verdict == "rounding"


def test_an_activation_before_a_layer() -> None:
    port = nn.Sequential(nn.Linear(12, 8), Beginning(8, 8), Beginning(8, 5))
    assert held(port, apart(nn.Tanh)).verdict == "rounding"


def test_a_pooling_inside_a_layer() -> None:
    reference = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    port = nn.Sequential(Pooling(3, 4, 3), nn.Flatten(), nn.Linear(36, 5))
    assert held(port, reference, PICTURES).verdict == "rounding"


def test_the_wrong_one_of_several_is_named() -> None:
    gelu = functional.gelu
    tanh = nn.GELU("tanh")
    for port, layer in ((ending(tanh, gelu), "0"), (ending(gelu, tanh), "2")):
        first = held(port, apart(nn.GELU)).first
        assert first is not None
        assert (first.place.layer, first.place.unit) == (layer, "layer")


def test_a_slope_is_missed_inside_of_one() -> None:
    report = held(ending(torch.relu, torch.relu, Detached), apart(nn.ReLU))
    assert report.first is not None
    assert (report.first.place.stage, report.first.place.tensor) == (
        "backward",
        "slope of 0.weight",
    )


def test_what_nothing_makes_up_for_is_the_layers() -> None:
    report = held(ending(torch.relu, torch.tanh), apart(nn.ReLU))
    assert report.first is not None
    assert report.first.place.layer == "2"
    lacking = nn.Sequential(nn.Linear(12, 8), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 5))
    report = held(lacking, apart(nn.ReLU))
    assert report.first is not None
    assert not report.matched.merged
    assert (report.first.place.layer, report.first.place.unit) == ("2", "wiring")
