"""The cause of a wrong loss, slope or dtype."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from tests.caused import (  # noqa: E402
    LAYER,
    WIRING,
    Planted,
    activated,
    drawn,
    held_against,
    linear,
)


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
    ("bfloat16 of float32", cast(torch.bfloat16, torch.float32), "bfloat16 .* in float32"),
    ("float16 of float32", cast(torch.float16, torch.float32), "float16 .* in float32"),
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


@pytest.mark.parametrize("other", [cast(torch.float32), coarse_sum], ids=["float32", "afterwards"])
def test_float32_inside_a_float64_run(other: Callable[..., Any]) -> None:
    says = "likely float32 inside where .* in float64"
    options = {"dtype": "float64"}
    held_against(Planted("", linear(), linear(other), ("a", *LAYER), says, options=options))


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
        "masked though it is a mean",
        CLASSES,
        ignoring(0),
        lambda o, y: (F.cross_entropy(o, y) * (y != 0)).mean(),
        "every label counted and the mean over all labels, which is then times the mean of a mask "
        "where the original has label 0 ignored and the mean over the labels that count",
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
