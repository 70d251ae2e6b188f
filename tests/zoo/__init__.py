"""Networks in several frameworks, third-party code among them, to be held against each other."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from common.check import CheckReport, check

#: What a side is written in, by its file here.
WRITTEN_IN = {
    "torch": "PyTorch",
    "nnx": "Flax NNX",
    "linen": "Flax linen",
    "equinox": "Equinox",
    "keras": "Keras on PyTorch",
    "mindspore": "MindSpore",
}


def pictures(seed: int, count: int, channels: int, size: int) -> tuple[Any, Any]:
    """(n, channels, size, size) in float32, and one of ten classes each."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, channels, size, size)).astype("float32")
    return x, draw.integers(0, 10, count)


def small(seed: int) -> tuple[Any, Any]:
    """Some pictures for LeNet."""
    return pictures(seed, 4, 1, 28)


def coloured(seed: int) -> tuple[Any, Any]:
    """Pictures for what has batch normalisation."""
    return pictures(seed, 8, 3, 64)


def tiny(seed: int) -> tuple[Any, Any]:
    """Pictures for what has few patches."""
    return pictures(seed, 8, 3, 32)


def sentences(seed: int) -> tuple[Any, Any]:
    """(6, 7) tokens of 20, and one of four classes each."""
    draw = np.random.default_rng(seed)
    return draw.integers(0, 20, (6, 7)), draw.integers(0, 4, 6)


def tokens(seed: int) -> tuple[Any, Any]:
    """(6, 7) tokens of 20, and a class for each, the last two of which are ignored."""
    draw = np.random.default_rng(seed)
    x, labels = draw.integers(0, 20, (6, 7)), draw.integers(0, 20, (6, 7))
    labels[:, -2:] = -100
    return x, labels


@dataclass(frozen=True)
class Pair:
    """A port and its reference.

    Attributes:
        reference, port: "torch:lenet" is `lenet` in `torch_nets.py`.
        data: (seed) -> inputs and labels.
        network: what it is, in words.
        original, made_of: the reference and the port in words; "": what they are written in.
        asked: arguments of `check`.
        verdict: what it is called.
        layer, stage: where it differs; None: it is right.
        losses: whether both have a `token_loss`.
        needs: packages, beside the frameworks.
        slow: whether it takes more than some seconds.
        doubles: whether the port computes in float64 if it is asked to.
    """

    reference: str
    port: str
    data: Callable[[int], tuple[Any, Any]]
    network: str = ""
    original: str = ""
    made_of: str = ""
    asked: dict[str, Any] = field(default_factory=dict)
    verdict: str = "rounding"
    layer: str | None = None
    stage: str = "forward"
    losses: bool = False
    needs: tuple[str, ...] = ()
    slow: bool = True
    doubles: bool = True

    def __str__(self) -> str:
        return f"{self.reference}-{self.port}"

    @property
    def in_float64(self) -> bool:
        """Whether it can be held in float64: MindSpore's layers cannot, and are refused."""
        return self.doubles and not self.port.startswith("mindspore:")

    @property
    def words(self) -> tuple[str, str, str]:
        """The network, the reference and the port."""
        mine, theirs = (WRITTEN_IN[name.partition(":")[0]] for name in (self.reference, self.port))
        return self.network, self.original or mine, self.made_of or theirs


def side(name: str) -> tuple[Any, Any]:
    """The module of one side, and what makes its network."""
    framework, _, net = name.partition(":")
    module = importlib.import_module(f"tests.zoo.{framework}_nets")
    return module, getattr(module, net)


def held(pair: Pair, seed: int = 0, mode: str = "eager", dtype: str = "float32") -> CheckReport:
    """Hold a port against its reference.

    Args:
        pair: both.
        seed: of the reference's weights, which the port takes over, of inputs, labels and check.
        mode: of the port.
        dtype: in which the port computes.
    """
    (mine, reference), (theirs, port) = side(pair.reference), side(pair.port)
    mine.torch.manual_seed(seed)
    inputs, labels = pair.data(seed)
    loss = (mine.token_loss, theirs.token_loss) if pair.losses else None
    original = reference()
    asked = {"seed": seed, "mode": mode, "dtype": dtype, **pair.asked}
    report = check(port(), original, inputs, labels, loss=loss, **asked)
    assert isinstance(report, CheckReport)
    return report


TRAINING: dict[str, Any] = {"train": True, "steps": 1}
VISION = ("torchvision", "mindcv")

LeNet = partial(Pair, "torch:lenet", data=small, network="LeNet, 28 × 28")
LSTM = partial(Pair, "torch:lstm", data=sentences, network="LSTM", original="`nn.LSTM`")
GRU = partial(Pair, "torch:gru", data=sentences, network="GRU", original="`nn.GRU`")
Causal = partial(
    Pair,
    "torch:transformer",
    data=tokens,
    network="causal transformer, tokens",
    original="`nn.TransformerEncoder`",
    losses=True,
)
ResNet18 = partial(
    Pair,
    "torch:resnet18",
    data=coloured,
    network="ResNet-18, 8 × 3 × 64 × 64, training",
    original="torchvision",
    asked=TRAINING,
)
ViT = partial(
    Pair,
    "torch:vit",
    data=tiny,
    network="ViT, 8 × 3 × 32 × 32",
    original="timm",
    asked={"steps": 1},
    needs=("timm", "mindcv"),
)

#: Whose ports are right, and quick to check.
SMALL = [
    LeNet(port="mindspore:lenet", slow=False),
    LSTM(port="mindspore:lstm", made_of="MindSpore `nn.LSTM`"),
    GRU(port="mindspore:gru", made_of="MindSpore `nn.GRU`"),
    Causal(port="mindspore:transformer"),
    LeNet(port="keras:lenet"),
    LSTM(port="keras:lstm"),
    GRU(port="keras:gru"),
    Causal(port="keras:transformer"),
    LeNet(port="nnx:lenet"),
    LeNet(port="linen:lenet"),
    LeNet(port="equinox:lenet"),
    LSTM(port="nnx:lstm", made_of="Flax NNX `LSTMCell`"),
    LSTM(port="nnx:lstm_optimized", made_of="Flax NNX `OptimizedLSTMCell`"),
    LSTM(port="linen:lstm", made_of="Flax linen `OptimizedLSTMCell`"),
    LSTM(port="equinox:lstm", made_of="Equinox `LSTMCell`"),
    GRU(port="nnx:gru", made_of="Flax NNX `GRUCell`, its bias added"),
    GRU(port="linen:gru", made_of="Flax linen `GRUCell`"),
    GRU(port="equinox:gru", made_of="Equinox `GRUCell`"),
    Causal(port="nnx:transformer", made_of="Flax NNX, its attention float32 inside", doubles=False),
    Causal(port="linen:transformer"),
]

#: Whose ports are right, of larger networks.
LARGE = [
    ResNet18(port="mindspore:resnet18", made_of="mindcv, its pooling replaced", needs=VISION),
    Pair(
        "torch:mobilenet_v2",
        "mindspore:mobilenet_v2",
        coloured,
        network="MobileNetV2, 8 × 3 × 64 × 64, training",
        original="torchvision",
        made_of="mindcv, without its dropout",
        asked=TRAINING,
        needs=VISION,
    ),
    ViT(port="mindspore:vit", made_of="mindcv, its eps and GELU replaced"),
]

#: Whose ports are right, and take minutes: XLA compiles every shape. In the script alone.
LONG = [
    ResNet18(port="nnx:resnet18", needs=("torchvision",), verdict="declared"),
    ResNet18(
        port="linen:resnet18",
        made_of="jax-resnet (linen)",
        needs=("torchvision", "jax_resnet"),
        verdict="declared",
    ),
]

#: Right ports that compile to nothing else in PyTorch itself.
SELF = [LeNet(port="torch:lenet"), LSTM(port="torch:lstm"), Causal(port="torch:transformer")]

#: Third-party code that is not what it is said to port, and planted slips.
WRONG = [
    ResNet18(
        port="mindspore:resnet18_as_it_is",
        data=lambda seed: pictures(seed, 4, 3, 32),
        layer="layer1.0.conv1",
        needs=VISION,
    ),
    ViT(port="mindspore:vit_as_it_is", layer="blocks.0.norm1"),
    GRU(port="nnx:gru_as_it_is", layer="rnn"),
    GRU(port="keras:gru_reset_before", layer="rnn"),
    LeNet(port="mindspore:lenet_padded", layer="0", slow=False),
    LSTM(port="mindspore:lstm_first_state", layer="head"),
]
