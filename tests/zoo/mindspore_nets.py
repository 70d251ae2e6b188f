"""The zoo's networks in MindSpore."""

from __future__ import annotations

from functools import partial
from typing import Any

import mindspore
from mindspore import nn, ops


def lenet() -> Any:
    return nn.SequentialCell(
        nn.Conv2d(1, 6, 5, pad_mode="pad", padding=2, has_bias=True),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Dense(400, 120),
        nn.ReLU(),
        nn.Dense(120, 84),
        nn.ReLU(),
        nn.Dense(84, 10),
    )


def lenet_padded() -> Any:
    """Its first convolution pads by three."""
    net = lenet()
    net[0] = nn.Conv2d(1, 6, 5, pad_mode="pad", padding=3, has_bias=True)
    return net


class Recurrent(nn.Cell):
    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = kind(8, 12, batch_first=True)
        self.head = nn.Dense(12, 4)

    def construct(self, tokens: Any) -> Any:
        states, _ = self.rnn(self.embed(tokens))
        return self.head(states[:, -1])


def lstm() -> Any:
    return Recurrent(nn.LSTM)


class FirstState(Recurrent):
    """Takes the first state for the last."""

    def construct(self, tokens: Any) -> Any:
        states, _ = self.rnn(self.embed(tokens))
        return self.head(states[:, 0])


def lstm_first_state() -> Any:
    return FirstState(nn.LSTM)


def gru() -> Any:
    return Recurrent(nn.GRU)


class Transformer(nn.Cell):
    """Two of MindSpore's own layers, normalised first, over a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.position = mindspore.Parameter(ops.randn(10, 16))
        layer = nn.TransformerEncoderLayer(
            16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 2, nn.LayerNorm((16,), epsilon=1e-5))
        self.head = nn.Dense(16, 20)

    def construct(self, tokens: Any) -> Any:
        length = tokens.shape[1]
        mask = ops.full((length, length), float("-inf"), dtype=mindspore.float32).triu(1)
        x = self.embed(tokens) + self.position[:length]
        return self.head(self.blocks(x, src_mask=mask))


def transformer() -> Any:
    return Transformer()


def token_loss(outputs: Any, labels: Any) -> Any:
    """The mean over all tokens whose label is not -100."""
    return ops.cross_entropy(outputs.reshape(-1, outputs.shape[-1]), labels.reshape(-1))


def resnet18() -> Any:
    """mindcv's, but for its pooling, which pads at the end only where torchvision pads both."""
    from mindcv.models import resnet18

    net = resnet18(num_classes=10)
    net.max_pool = nn.MaxPool2d(3, 2, pad_mode="pad", padding=1)
    return net


def resnet18_as_it_is() -> Any:
    from mindcv.models import resnet18

    return resnet18(num_classes=10)


def mobilenet_v2() -> Any:
    """mindcv's at a quarter of its width, without its dropout."""
    from mindcv.models.mobilenetv2 import MobileNetV2

    net = MobileNetV2(alpha=0.25, num_classes=10)
    net.classifier = nn.SequentialCell(nn.Identity(), net.classifier[-1])
    return net


def vit_as_it_is(**given: Any) -> Any:
    """mindcv's, of 32 x 32 pictures in patches of 8."""
    from mindcv.models.vit import VisionTransformer

    return VisionTransformer(
        image_size=32, patch_size=8, num_classes=10, embed_dim=64, depth=2, num_heads=4, **given
    )


def vit() -> Any:
    """The same with timm's eps and its exact GELU."""
    return vit_as_it_is(
        norm_layer=partial(nn.LayerNorm, epsilon=1e-6),
        act_layer=partial(nn.GELU, approximate=False),
    )
