"""Networks in several frameworks, third-party code among them, to be held against each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.check import CheckReport, check


def pictures(count: int, channels: int, size: int) -> tuple[Any, Any]:
    """(n, channels, size, size) in float32, and one of ten classes each."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(count, channels, size, size)).astype("float32")
    return x, np.arange(count) % 10


def sentences() -> tuple[Any, Any]:
    """(6, 7) tokens of 20, and one of four classes each."""
    return np.random.default_rng(0).integers(0, 20, (6, 7)), np.arange(6) % 4


def tokens() -> tuple[Any, Any]:
    """(6, 7) tokens of 20, and a class for each, the last two of which are ignored."""
    draw = np.random.default_rng(0)
    x, labels = draw.integers(0, 20, (6, 7)), draw.integers(0, 20, (6, 7))
    labels[:, -2:] = -100
    return x, labels


@dataclass(frozen=True)
class Pair:
    """A port and its reference.

    Attributes:
        reference, port: "torch:lenet" is `lenet` in `torch_nets.py`.
        data: inputs and labels.
        asked: arguments of `check`.
        layer, stage: where it differs; None: it is right.
        losses: whether both have a `token_loss`.
        needs: packages, beside the frameworks.
        slow: whether it takes more than some seconds.
    """

    reference: str
    port: str
    data: Callable[[], tuple[Any, Any]]
    asked: dict[str, Any] = field(default_factory=dict)
    layer: str | None = None
    stage: str = "forward"
    losses: bool = False
    needs: tuple[str, ...] = ()
    slow: bool = True

    def __str__(self) -> str:
        return f"{self.reference}-{self.port}"


def side(name: str) -> tuple[Any, Any]:
    """The module of one side, and what makes its network."""
    framework, _, net = name.partition(":")
    module = importlib.import_module(f"tests.zoo.{framework}_nets")
    return module, getattr(module, net)


def held(pair: Pair) -> CheckReport:
    """Hold a port against its reference."""
    (mine, reference), (theirs, port) = side(pair.reference), side(pair.port)
    inputs, labels = pair.data()
    loss = (mine.token_loss, theirs.token_loss) if pair.losses else None
    report = check(port(), reference(), inputs, labels, loss=loss, **pair.asked)
    assert isinstance(report, CheckReport)
    return report


def small() -> tuple[Any, Any]:
    """Two pictures for LeNet."""
    return pictures(4, 1, 28)


def coloured() -> tuple[Any, Any]:
    """Pictures for what has batch normalisation."""
    return pictures(8, 3, 64)


def tiny() -> tuple[Any, Any]:
    """Pictures for what has few patches."""
    return pictures(8, 3, 32)


JAX = ("nnx", "linen", "equinox")
TRAINING: dict[str, Any] = {"train": True, "steps": 1}

#: Whose ports are right.
RIGHT = [
    Pair("torch:lenet", "mindspore:lenet", small, slow=False),
    Pair("torch:lstm", "mindspore:lstm", sentences, slow=False),
    Pair("torch:gru", "mindspore:gru", sentences, slow=False),
    *(Pair("torch:lenet", f"{kind}:lenet", small) for kind in JAX),
    *(Pair("torch:lstm", f"{kind}:lstm", sentences) for kind in JAX),
    Pair("torch:lstm", "nnx:lstm_optimized", sentences),
    *(Pair("torch:gru", f"{kind}:gru", sentences) for kind in JAX),
    Pair("torch:transformer", "linen:transformer", tokens, losses=True),
    Pair("torch:transformer", "nnx:transformer", tokens, losses=True),
    Pair("torch:transformer", "mindspore:transformer", tokens, losses=True),
    Pair(
        "torch:resnet18",
        "mindspore:resnet18",
        coloured,
        TRAINING,
        needs=("torchvision", "mindcv"),
    ),
    Pair(
        "torch:mobilenet_v2",
        "mindspore:mobilenet_v2",
        coloured,
        TRAINING,
        needs=("torchvision", "mindcv"),
    ),
    Pair("torch:vit", "mindspore:vit", tiny, {"steps": 1}, needs=("timm", "mindcv")),
]

#: Third-party code that is not what it is said to port, and planted slips.
WRONG = [
    Pair(
        "torch:resnet18",
        "mindspore:resnet18_as_it_is",
        lambda: pictures(4, 3, 32),
        TRAINING,
        layer="layer1.0.conv1",
        needs=("torchvision", "mindcv"),
    ),
    Pair(
        "torch:vit",
        "mindspore:vit_as_it_is",
        tiny,
        {"steps": 1},
        layer="blocks.0.norm1",
        needs=("timm", "mindcv"),
    ),
    Pair("torch:gru", "nnx:gru_as_it_is", sentences, layer="rnn"),
    Pair("torch:lenet", "mindspore:lenet_padded", small, layer="0", slow=False),
    Pair("torch:lstm", "mindspore:lstm_first_state", sentences, layer="head", slow=False),
]
