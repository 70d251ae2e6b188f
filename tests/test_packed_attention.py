"""Packed queries, keys and values against layers of any names: the numbers say which is which."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.modules.check import Options, check_modules
from common.modules.report import ModuleReport
from tests.planted_modules import PACKAGES, kit
from tests.planted_modules.nets import HEADS, TOKENS, attended, cut

torch = pytest.importorskip("torch")

NAMES = [f"Dense_{number}" for number in range(5)]
X = np.random.default_rng(3).normal(0, 1, TOKENS).astype("float32")


def called(k: Any, names: list[str], wide: bool = False) -> Any:
    """Attention as `attention_layer` has it, by layers of some names; the values come first."""

    def call(m: Any, x: Any) -> Any:
        if wide:
            packed = cut(getattr(m, names[0])(x), 3, HEADS, -1)
            v, q, key = (packed[..., n, :, :] for n in range(3))
        else:
            v, q, key = (cut(getattr(m, name)(x), HEADS, -1) for name in names[:3])
        out, last = (getattr(m, name) for name in names[-2:])
        return last(k.tanh(out(attended(k, [q, key, v], "none"))))

    layers = {name: k.linear(8, 8) for name in names}
    if wide:
        layers[names[0]] = k.linear(8, 24)
    return k.model(call, TOKENS, **layers)


def held(port: Any, reference: Any) -> ModuleReport:
    return check_modules(port, reference, X, None, Options(steps=1))


def packed() -> Any:
    return kit("torch").attention_layer()


SLOWER = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("linen", "mindspore")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["torch", "nnx", *SLOWER])
def test_three_layers_of_any_names(kind: str) -> None:
    for package in PACKAGES[kind]:
        pytest.importorskip(package)
    report = held(called(kit(kind), NAMES), packed())
    assert report.agrees, str(report)
    made = {row[0].removeprefix("params."): row[4] for row in report.matched.mapping.rows()}
    blocks = {name.split(".")[0]: words[:8] for name, words in made.items() if "blocks" in words}
    assert blocks == {"Dense_0": "blocks 2", "Dense_1": "blocks 0", "Dense_2": "blocks 1"}


def test_one_layer_of_any_name() -> None:
    wide = called(kit("torch"), ["w", "u", "o"], wide=True)
    for port, reference in (
        (wide, packed()),
        (packed(), wide),
        (called(kit("torch"), NAMES), wide),
    ):
        report = held(port, reference)
        assert report.agrees, str(report)


def test_names_of_both_sides_are_not_doubted() -> None:
    right = called(kit("torch"), ["value", "query", "key", "u", "o"])
    assert held(right, packed()).agrees
    wrong = held(called(kit("torch"), ["value", "key", "query", "u", "o"]), packed())
    assert wrong.verdict == "differs", str(wrong)


class Wide(torch.nn.Module):
    """Values of another width: a matrix each, their biases in one leaf."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow = torch.nn.Linear(8, 6)
        self.attention = torch.nn.MultiheadAttention(8, HEADS, batch_first=True, vdim=6)
        self.last = torch.nn.Linear(8, 8)

    def forward(self, x: Any) -> Any:
        return self.last(self.attention(x, x, self.narrow(x), need_weights=False)[0])


def test_values_of_another_width() -> None:
    k = kit("torch")

    def call(m: Any, x: Any) -> Any:
        three = [cut(one, HEADS, -1) for one in (m.q(x), m.k(x), m.v(m.narrow(x)))]
        return m.last(m.u(attended(k, three, "none")))

    layers = {name: k.linear(8, 8) for name in ("q", "k", "u", "last")}
    port = k.model(call, TOKENS, narrow=k.linear(8, 6), v=k.linear(6, 8), **layers)
    report = held(port, Wide())
    assert report.agrees, str(report)
