"""The zoo's networks in PyTorch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


def lenet() -> Any:
    """LeNet-5 of 28 x 28 pictures, with ReLU."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


class Recurrent(nn.Module):
    """Embedding, one recurrent layer, classes of its last state."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.rnn = kind(8, 12, batch_first=True)
        self.head = nn.Linear(12, 4)

    def forward(self, tokens: Any) -> Any:
        states, _ = self.rnn(self.embed(tokens))
        return self.head(states[:, -1])


def transformer() -> Any:
    return Transformer()


def lstm() -> Any:
    return Recurrent(nn.LSTM)


def gru() -> Any:
    return Recurrent(nn.GRU)


class Transformer(nn.Module):
    """Two of PyTorch's own layers, normalised first, over a causal mask; classes of every token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.position = nn.Parameter(torch.randn(10, 16))
        layer = nn.TransformerEncoderLayer(
            16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 2, nn.LayerNorm(16), enable_nested_tensor=False)
        self.head = nn.Linear(16, 20)
        for name, parameter in self.blocks.named_parameters():
            # The layers of an encoder begin as copies of one, and their biases as zeros.
            if name.endswith("bias"):
                nn.init.normal_(parameter, std=0.1)

    def forward(self, tokens: Any) -> Any:
        length = tokens.shape[1]
        mask = torch.full((length, length), float("-inf"), dtype=self.position.dtype).triu(1)
        x = self.embed(tokens) + self.position[:length]
        return self.head(self.blocks(x, mask=mask))


def token_loss(outputs: Any, labels: Any) -> Any:
    """The mean over all tokens whose label is not -100."""
    return functional.cross_entropy(outputs.flatten(0, 1), labels.flatten().long())


def resnet18() -> Any:
    from torchvision.models import resnet18

    return resnet18(weights=None, num_classes=10)


def mobilenet_v2() -> Any:
    from torchvision.models import mobilenet_v2

    return mobilenet_v2(weights=None, num_classes=10, width_mult=0.25, dropout=0.0)


def vit() -> Any:
    """timm's, of 32 x 32 pictures in patches of 8."""
    from timm.models.vision_transformer import VisionTransformer

    return VisionTransformer(
        img_size=32, patch_size=8, num_classes=10, embed_dim=64, depth=2, num_heads=4
    )
