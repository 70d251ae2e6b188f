"""Masks of other values: right by their effect, and found where that is another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.modules.check import Options, check_modules
from common.modules.held import EFFECT
from common.modules.report import ModuleReport

torch = pytest.importorskip("torch")
nn = torch.nn

SENTENCES = np.random.default_rng(0).normal(0, 1, (3, 4, 6)).astype("float32")

#: Which pairs of tokens are masked, of so many.
LATER = torch.ones(4, 4, dtype=torch.bool).triu(1)
EARLIER = LATER.T
A_WHOLE_ROW = LATER | (torch.arange(4)[:, None] == 1)


class Attention(nn.Module):
    """Masked attention: what is added to the scores, or truths."""

    def __init__(self, scale: float, keeps: bool) -> None:
        super().__init__()
        self.qkv = nn.Parameter(torch.randn(24, 6))
        self.scale, self.keeps = scale, keeps

    def forward(self, x: Any, mask: Any) -> Any:
        q, k, v = (x @ self.qkv.T).chunk(3, -1)
        scores = self.scale * q @ k.transpose(-1, -2)
        if mask.dtype == torch.bool:
            scores = scores.masked_fill(~mask if self.keeps else mask, float("-inf"))
        else:
            scores = scores + mask
        empty = torch.isneginf(scores).all(-1, keepdim=True)  # or its slopes would be NaN
        return scores.masked_fill(empty, 0.0).softmax(-1).masked_fill(empty, 0.0) @ v


class Masked(nn.Module):
    """A layer, attention that is given its mask, and a layer that sees some of the tokens.

    Args:
        masked: which pairs are.
        fill: what is added to the scores there; None: the mask is of truths.
        scale: of the scores.
        keeps: whether truth is where a pair stays.
    """

    def __init__(
        self,
        masked: Any = LATER,
        fill: float | None = float("-inf"),
        scale: float = 0.5,
        keeps: bool = False,
    ) -> None:
        super().__init__()
        self.first, self.attention = nn.Linear(6, 6), Attention(scale, keeps)
        self.last = nn.Linear(8, 5)
        self.masked, self.fill, self.keeps = masked, fill, keeps

    def forward(self, x: Any) -> Any:
        mask = ~self.masked if self.keeps else self.masked
        if self.fill is not None:
            mask = torch.zeros(4, 4, dtype=x.dtype).masked_fill(self.masked, self.fill)
        return self.last(self.attention(self.first(x), mask)[:, :2])


def held(port: dict[str, Any], reference: dict[str, Any] | None = None) -> ModuleReport:
    sides = []
    for settings in (port, reference or {}):
        torch.manual_seed(0)
        sides.append(Masked(**settings))
    return check_modules(*sides, SENTENCES, None, Options(steps=1))


@pytest.mark.parametrize(
    ("port", "reference"),
    [
        pytest.param({"fill": -1e9}, {}, id="large"),
        pytest.param({"fill": None, "keeps": True}, {"fill": None}, id="inverted-and-read-so"),
        pytest.param({"fill": None}, {}, id="truths"),
    ],
)
def test_a_mask_of_the_same_effect_is_right(
    port: dict[str, Any], reference: dict[str, Any]
) -> None:
    report = held(port, reference)
    assert report.verdict == "rounding", str(report)
    others = [one.place.layer for one in report.held if one.judged == EFFECT]
    # Truths are no tensor of numbers: nothing is held against them.
    assert others == ([] if port == {"fill": None} else ["attention"])
    assert ("another value, same effect: 1" in str(report)) == bool(others)


@pytest.mark.parametrize(
    "port",
    [
        pytest.param({"fill": -1.0}, id="small"),
        pytest.param({"masked": A_WHOLE_ROW, "fill": -1e9}, id="of-a-whole-row"),
        pytest.param({"masked": EARLIER}, id="inverted"),
        pytest.param({"fill": float("inf")}, id="of-the-other-sign"),
    ],
)
def test_a_mask_of_another_effect_is_found(port: dict[str, Any]) -> None:
    """Of a row that is masked wholly minus infinity makes zeros, and -1e9 a mean of all tokens."""
    report = held(port, {"masked": port.get("masked", LATER)} if "fill" in port else {})
    assert report.first is not None, str(report)
    assert (report.first.place.layer, report.first.place.unit) == ("attention", "wiring")
    assert report.likely_cause is None


def test_a_layer_is_wrong_whatever_its_mask_is() -> None:
    report = held({"fill": -1e9, "scale": 1.0})
    assert report.first is not None, str(report)
    assert (report.first.place.layer, report.first.place.unit) == ("attention", "layer")
    assert any(one.judged == EFFECT for one in report.held)
