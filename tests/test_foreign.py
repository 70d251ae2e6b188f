"""Whose error it is: what somebody's network raises is told, what our own code raises is raised."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.contract.foreign import OwnError, foreign, is_own
from common.contract.precision import cast, ulp
from common.errors import Failed, Refused
from common.mapping.mapping import load
from common.modules.check import Options, check_modules

torch = pytest.importorskip("torch")
nn = torch.nn

VECTORS = np.random.default_rng(0).normal(0, 1, (4, 6)).astype("float32")


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), nn.Linear(6, 5)

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x))


class Raises(Network):
    def forward(self, x: Any) -> Any:
        return super().forward(x) + self.none


class Misused(Network):
    """Gives a layer an argument that it does not take: an error of the line that calls it."""

    def forward(self, x: Any) -> Any:
        return self.last(self.first(x, 2))


class Locked(Network):
    """Cannot be copied: the standard library raises, and we called it."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Raises, "raised AttributeError: 'Raises' object has no attribute 'none'"),
        (Misused, "raised TypeError: "),
        (Locked, "raised TypeError: cannot pickle"),
    ],
)
def test_what_a_network_raises_is_told(kind: Callable[[], Any], words: str) -> None:
    report = check_modules(kind(), Network(), VECTORS, None, Options(steps=1))
    assert report.first is not None
    assert str(report.first.fault).startswith(words)
    with pytest.raises(Refused, match="the reference raised "):
        check_modules(Network(), kind(), VECTORS, None, Options(steps=1))


@pytest.mark.parametrize(
    "asked", ["module.dtype_of", "module_nn.held_names"], ids=["recorded", "run"]
)
def test_what_an_adapter_raises_is_ours(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"backends.torch.{asked}", None)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        check_modules(Network(), Network(), VECTORS, None, Options(steps=1))


def test_what_a_port_s_adapter_raises_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a unit is asked, when everything else a port raises is told of the unit."""

    class Answering(Network):
        """Has our own code called in the middle of its own."""

        def forward(self, x: Any) -> Any:
            if torch.is_grad_enabled() and x.requires_grad:
                ulp("none", "float32")  # type: ignore[arg-type]
            return super().forward(x)

    with pytest.raises(ValueError, match="none"):
        check_modules(Answering(), Network(), VECTORS, None, Options(steps=1))


def of_jax() -> None:
    jax = pytest.importorskip("jax")
    foreign(jax.vmap(lambda x, y: x), np.zeros(2), np.zeros(3))


@pytest.mark.parametrize(
    ("act", "own"),
    [
        pytest.param(lambda: foreign(lambda: None, 1), False, id="arguments-that-do-not-fit"),
        pytest.param(of_jax, False, id="frames-that-jax-took-away"),
        pytest.param(lambda: foreign(copy.copy, threading.Lock()), False, id="copied"),
        pytest.param(lambda: [][0], False, id="somebody-s-line"),
        pytest.param(lambda: np.zeros((2, 3)) + np.zeros(2), False, id="somebody-s-numpy"),
        pytest.param(lambda: cast({"a": None}, "float32"), True, id="our-line"),
        pytest.param(lambda: ulp("none", "float32"), True, id="our-numpy"),
        pytest.param(lambda: foreign(ulp, "none", "float32"), True, id="ours-beneath-theirs"),
        pytest.param(lambda: load("none", [], []), True, id="our-standard-library"),
    ],
)
def test_whose(act: Callable[[], Any], own: bool) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is
        act()
    assert is_own(caught.value) is own


def test_what_is_meant_is_nobody_s_mistake() -> None:
    for error, own in ((Refused("no"), False), (Failed("no"), False), (OwnError("yes"), True)):
        assert is_own(error) is own
