"""Planted errors in modules, and what must be said of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from common.modules.check import Options, check_modules
from common.modules.report import ModuleReport

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from tests.planted_modules.torch_kit import Model  # noqa: E402


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
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tensors this small only wait for each other
    try:
        return check_modules(one.port(), one.reference(), drawn(one.shape), one.labels, options)
    finally:
        torch.set_num_threads(threads)


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
        return Model(lambda m, x: m.b(torch.tanh(m.a(x))), **layers)

    return made


def normed(norm: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    def made() -> nn.Module:
        layers = {"a": nn.Linear(6, 6), "n": norm(), "b": nn.Linear(6, 3)}
        return Model(lambda m, x: m.b(torch.tanh(m.n(m.a(x)))), **layers)

    return made


WIRING = ("wiring", "forward")


def wired(call: Callable[..., Any]) -> Callable[[], nn.Module]:
    """Three linear layers and something between them."""
    return lambda: Model(call, **{name: nn.Linear(6, 6) for name in "abc"})


def activated(function: Callable[..., Any]) -> Callable[[], nn.Module]:
    return wired(lambda m, x: m.c(m.b(function(m.a(x)))))
