"""The zoo's networks in Flax NNX."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx


class LeNet(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = nnx.Conv(1, 6, (5, 5), padding=2, rngs=rngs)
        self.conv2 = nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
        self.fc1 = nnx.Linear(400, 120, rngs=rngs)
        self.fc2 = nnx.Linear(120, 84, rngs=rngs)
        self.fc3 = nnx.Linear(84, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        for conv in (self.conv1, self.conv2):
            x = nnx.max_pool(nnx.relu(conv(x)), (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        return self.fc3(nnx.relu(self.fc2(nnx.relu(self.fc1(x)))))


def lenet() -> Any:
    return LeNet(nnx.Rngs(0))


class Recurrent(nnx.Module):
    def __init__(self, cell: Any, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(20, 8, rngs=rngs)
        self.rnn = nnx.RNN(cell(8, 12, rngs=rngs))
        self.head = nnx.Linear(12, 4, rngs=rngs)

    def __call__(self, tokens: Any) -> Any:
        return self.head(self.rnn(self.embed(tokens))[:, -1])


def lstm() -> Any:
    return Recurrent(nnx.LSTMCell, nnx.Rngs(0))


def lstm_optimized() -> Any:
    return Recurrent(nnx.OptimizedLSTMCell, nnx.Rngs(0))


def gru_as_it_is() -> Any:
    return Recurrent(nnx.GRUCell, nnx.Rngs(0))


class GRUCell(nnx.GRUCell):
    """With the bias inside of the reset gate, which NNX's own does not have (0.12.0)."""

    def __init__(self, width: int, states: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(width, states, rngs=rngs)
        self.dense_h = nnx.Linear(states, 3 * states, rngs=rngs)


def gru() -> Any:
    return Recurrent(GRUCell, nnx.Rngs(0))


class Block(nnx.Module):
    def __init__(self, eps: float, rngs: nnx.Rngs) -> None:
        self.norm1 = nnx.LayerNorm(16, epsilon=eps, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(4, 16, decode=False, rngs=rngs)
        self.norm2 = nnx.LayerNorm(16, epsilon=eps, rngs=rngs)
        self.linear1 = nnx.Linear(16, 32, rngs=rngs)
        self.linear2 = nnx.Linear(32, 16, rngs=rngs)

    def __call__(self, x: Any, mask: Any) -> Any:
        x = x + self.attention(self.norm1(x), mask=mask)
        return x + self.linear2(jax.nn.gelu(self.linear1(self.norm2(x)), approximate=False))


class Transformer(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, eps: float = 1e-5) -> None:
        self.embed = nnx.Embed(20, 16, rngs=rngs)
        self.position = nnx.Param(jax.random.normal(rngs(), (10, 16)))
        self.block1, self.block2 = Block(eps, rngs), Block(eps, rngs)
        self.norm = nnx.LayerNorm(16, epsilon=eps, rngs=rngs)
        self.head = nnx.Linear(16, 20, rngs=rngs)

    def __call__(self, tokens: Any) -> Any:
        x = self.embed(tokens) + self.position[: tokens.shape[1]]
        mask = nnx.make_causal_mask(tokens)
        return self.head(self.norm(self.block2(self.block1(x, mask), mask)))


def transformer(**given: Any) -> Any:
    return Transformer(nnx.Rngs(0), **given)


def token_loss(outputs: Any, labels: Any) -> Any:
    """The mean over all tokens whose label is not -100."""
    kept = labels != -100
    losses = optax.softmax_cross_entropy_with_integer_labels(outputs, jnp.where(kept, labels, 0))
    return (losses * kept).sum() / kept.sum()


Conv = partial(nnx.Conv, use_bias=False)
Norm = partial(nnx.BatchNorm, momentum=0.9)


class Basic(nnx.Module):
    """A block of ResNet-18."""

    def __init__(self, before: int, width: int, stride: int, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(before, width, (3, 3), stride, padding=1, rngs=rngs)
        self.bn1 = Norm(width, rngs=rngs)
        self.conv2 = Conv(width, width, (3, 3), padding=1, rngs=rngs)
        self.bn2 = Norm(width, rngs=rngs)
        shortcut = (Conv(before, width, (1, 1), stride, rngs=rngs), Norm(width, rngs=rngs))
        self.downsample = nnx.Sequential(*shortcut) if stride != 1 else None

    def __call__(self, x: Any) -> Any:
        y = self.bn2(self.conv2(nnx.relu(self.bn1(self.conv1(x)))))
        return nnx.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv1 = Conv(3, 64, (7, 7), 2, padding=3, rngs=rngs)
        self.bn1 = Norm(64, rngs=rngs)
        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        for number, (before, width, stride) in enumerate(widths, 1):
            blocks = [Basic(before, width, stride, rngs), Basic(width, width, 1, rngs)]
            setattr(self, f"layer{number}", nnx.Sequential(*blocks))
        self.fc = nnx.Linear(512, 10, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = nnx.relu(self.bn1(self.conv1(x)))
        x = nnx.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((1, 2)))


def resnet18() -> Any:
    return ResNet18(nnx.Rngs(0))
