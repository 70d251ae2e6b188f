"""The zoo's networks in Flax linen: pairs of module and variables."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

from tests.zoo.nnx_nets import token_loss as token_loss


class LeNet(linen.Module):
    @linen.compact
    def __call__(self, x: Any) -> Any:
        x = linen.relu(linen.Conv(6, (5, 5), padding=2)(x))
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = linen.relu(linen.Conv(16, (5, 5), padding="VALID")(x))
        x = linen.max_pool(x, (2, 2), (2, 2))
        x = x.reshape(len(x), -1)
        x = linen.relu(linen.Dense(120)(x))
        x = linen.relu(linen.Dense(84)(x))
        return linen.Dense(10)(x)


def begun(module: Any, inputs: Any) -> Any:
    return module, module.init(jax.random.key(0), inputs)


def lenet() -> Any:
    return begun(LeNet(), jnp.zeros((1, 28, 28, 1)))


class Recurrent(linen.Module):
    kind: Any

    @linen.compact
    def __call__(self, tokens: Any) -> Any:
        x = linen.Embed(20, 8)(tokens)
        return linen.Dense(4)(linen.RNN(self.kind(12))(x)[:, -1])


def lstm() -> Any:
    return begun(Recurrent(linen.OptimizedLSTMCell), jnp.zeros((1, 7), int))


def gru() -> Any:
    return begun(Recurrent(linen.GRUCell), jnp.zeros((1, 7), int))


class Transformer(linen.Module):
    @linen.compact
    def __call__(self, tokens: Any) -> Any:
        position = self.param("position", linen.initializers.normal(1.0), (10, 16))
        x = linen.Embed(20, 16)(tokens) + position[: tokens.shape[1]]
        mask = linen.make_causal_mask(tokens)
        for _ in range(2):
            y = linen.LayerNorm(epsilon=1e-5)(x)
            x = x + linen.MultiHeadDotProductAttention(4)(y, mask=mask)
            y = linen.Dense(32)(linen.LayerNorm(epsilon=1e-5)(x))
            x = x + linen.Dense(16)(linen.gelu(y, approximate=False))
        return linen.Dense(20)(linen.LayerNorm(epsilon=1e-5)(x))


def transformer() -> Any:
    return begun(Transformer(), jnp.zeros((1, 7), int))


def resnet18() -> Any:
    """jax-resnet's."""
    from jax_resnet import ResNet18

    return begun(ResNet18(n_classes=10), jnp.zeros((1, 64, 64, 3)))
