"""The zoo's networks in Keras 3, on PyTorch or on JAX; channels last."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops


def lenet() -> Any:
    """Functional, its activations inside of the layers."""
    x = inputs = keras.Input((28, 28, 1))
    x = layers.Conv2D(6, 5, padding="same", activation="relu", name="conv1")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(16, 5, activation="relu", name="conv2")(x)
    x = layers.Flatten()(layers.MaxPooling2D(2)(x))
    for number, width in enumerate((120, 84), 1):
        x = layers.Dense(width, activation="relu", name=f"fc{number}")(x)
    return keras.Model(inputs, layers.Dense(10, name="fc3")(x))


def recurrent(cell: Any, **given: Any) -> Any:
    embed, rnn = layers.Embedding(20, 8, name="embed"), cell(12, name="rnn", **given)
    return keras.Sequential([keras.Input((7,)), embed, rnn, layers.Dense(4, name="head")])


def lstm() -> Any:
    return recurrent(layers.LSTM)


def gru() -> Any:
    return recurrent(layers.GRU)


def gru_reset_before() -> Any:
    """As Keras's was before version 2.3: the reset gate is applied to the state, not to U h."""
    return recurrent(layers.GRU, reset_after=False)


class Block(layers.Layer):
    def __init__(self, eps: float) -> None:
        super().__init__()
        self.norm1 = layers.LayerNormalization(epsilon=eps)
        self.attention = layers.MultiHeadAttention(4, 4)
        self.norm2 = layers.LayerNormalization(epsilon=eps)
        self.linear1 = layers.Dense(32, activation="gelu")
        self.linear2 = layers.Dense(16)

    def call(self, x: Any) -> Any:
        y = self.norm1(x)
        x = x + self.attention(y, y, use_causal_mask=True)
        return x + self.linear2(self.linear1(self.norm2(x)))


class Transformer(keras.Model):
    """Subclassed."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.embed = layers.Embedding(20, 16)
        self.position = self.add_weight(shape=(10, 16), initializer="normal")
        self.blocks = [Block(eps), Block(eps)]
        self.norm = layers.LayerNormalization(epsilon=eps)
        self.head = layers.Dense(20)

    def call(self, tokens: Any) -> Any:
        x = self.embed(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def transformer(**given: Any) -> Any:
    model = Transformer(**given)
    model(ops.zeros((1, 7), "int32"))
    return model


def token_loss(outputs: Any, labels: Any) -> Any:
    """The mean over all tokens whose label is not -100."""
    kept = labels != -100
    losses = keras.losses.sparse_categorical_crossentropy(
        ops.where(kept, labels, 0), outputs, from_logits=True
    )
    kept = ops.cast(kept, losses.dtype)
    return ops.sum(losses * kept) / ops.sum(kept)
