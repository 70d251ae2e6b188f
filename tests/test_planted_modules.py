"""Planted errors are found at their place, and their cause is said; nothing is said of others.

The whole catalogue in every framework: `python -m tests.benchmarks.causes`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.agreement.clipping import Clip, clip_of
from tests import planted_modules
from tests.planted_modules import KINDS, PACKAGES, PLANTED, Planted, held, outcome

pytest.importorskip("torch")

#: Of which no other test is.
TORCH = (
    "pixels to [-1, 1]",
    "QKV interleaved",
    "reset before",
    "no bias in the reset gate",
    "class weights' normaliser",
    "leaves of equal shape exchanged",
)

SLOWER = [
    ("dilation", "torch"),
    ("stride", "torch"),
    ("heads not transposed back", "torch"),
    ("no 1/sqrt(d) in a layer", "torch"),
    ("mask inverted", "mindspore"),
    ("padding not counted", "mindspore"),
    ("LayerNorm divided by n - 1", "mindspore"),
    ("momentum's complement", "nnx"),
    ("momentum's complement", "equinox"),
    ("NCHW flatten", "linen"),
]


@pytest.mark.parametrize("name", TORCH)
def test_found_with_its_cause(name: str, tmp_path: Path) -> None:
    found = outcome(name, "torch", tmp_path)
    assert (found.placed, found.cause) == (True, "right"), found.said


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), SLOWER)
def test_found_in_other_frameworks_too(name: str, kind: str, tmp_path: Path) -> None:
    for package in PACKAGES[kind]:
        pytest.importorskip(package)
    found = outcome(name, kind, tmp_path)
    assert (found.placed, found.cause) == (True, "right"), found.said


#: No known rule: another scale, a gate of its own, a curve.
UNKNOWN = {
    "scores times 0.499 in a layer": Planted("one_layer", {"scaled": 0.499}, ("a",), ""),
    "an update gate of its own": Planted("gru", {"update": "squared"}, ("rnn",), ""),
    "pixels squared": Planted("perceptron", {"squared": True}, ("a",), ""),
}
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[SLOW] if "layer" in name else []) for name in UNKNOWN]
)
def test_of_what_is_unknown_nothing_is_said(name: str) -> None:
    report = held(UNKNOWN[name], "torch", UNKNOWN[name].wrong)
    assert report.first is not None
    assert report.first.place.layer == UNKNOWN[name].place[0]
    assert report.cause is None, report.likely_cause


def test_every_kind_has_what_the_networks_need() -> None:
    assert set(KINDS) == set(PACKAGES)
    assert {one.net for one in PLANTED.values()} <= set(vars(planted_modules.nets))


GRADS = {"w": np.linspace(-3, 2, 12).reshape(4, 3), "b": np.linspace(0.1, 4, 3)}


@pytest.mark.parametrize("clip", [Clip("value", 1.5), Clip("norm", 2.0), Clip("tensor", 1.0)])
def test_a_clipping_is_told_from_others(clip: Clip) -> None:
    found = clip_of(clip.of(GRADS), GRADS)
    assert found is not None
    assert (found.kind, found.most) == (clip.kind, pytest.approx(clip.most))


def test_no_clipping_is_told_of_another_rule() -> None:
    nothing = clip_of(GRADS, GRADS)
    assert nothing is not None
    assert nothing.kind == "none"
    assert clip_of({n: np.tanh(g) for n, g in GRADS.items()}, GRADS) is None
    one = {"w": GRADS["w"]}  # of one tensor both norms are one rule
    assert clip_of(Clip("norm", 1.0).of(one), one) is None
