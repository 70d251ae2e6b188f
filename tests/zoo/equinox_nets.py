"""The zoo's networks in Equinox: of one example each."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


class LeNet(eqx.Module):
    convs: list[Any]
    pool: Any
    dense: list[Any]

    def __init__(self, key: Any) -> None:
        keys = jax.random.split(key, 5)
        self.convs = [
            eqx.nn.Conv2d(1, 6, 5, padding=2, key=keys[0]),
            eqx.nn.Conv2d(6, 16, 5, key=keys[1]),
        ]
        self.pool = eqx.nn.MaxPool2d(2, 2)
        widths = (400, 120, 84, 10)
        self.dense = [
            eqx.nn.Linear(*both, key=one)
            for *both, one in zip(widths, widths[1:], keys[2:], strict=False)
        ]

    def __call__(self, x: Any) -> Any:
        for conv in self.convs:
            x = self.pool(jax.nn.relu(conv(x)))
        x = x.ravel()
        for dense in self.dense[:-1]:
            x = jax.nn.relu(dense(x))
        return self.dense[-1](x)


def lenet() -> Any:
    return LeNet(jax.random.key(0))


class Recurrent(eqx.Module):
    embed: Any
    cell: Any
    head: Any

    def __init__(self, kind: Any, key: Any) -> None:
        keys = jax.random.split(key, 3)
        self.embed = eqx.nn.Embedding(20, 8, key=keys[0])
        self.cell = kind(8, 12, key=keys[1])
        self.head = eqx.nn.Linear(12, 4, key=keys[2])

    def __call__(self, tokens: Any) -> Any:
        xs = jax.vmap(self.embed)(tokens)
        zeros = jnp.zeros(12, xs.dtype)
        start = (zeros, zeros) if isinstance(self.cell, eqx.nn.LSTMCell) else zeros

        def step(state: Any, x: Any) -> Any:
            return self.cell(x, state), None

        state, _ = jax.lax.scan(step, start, xs)
        return self.head(state[0] if isinstance(state, tuple) else state)


def lstm() -> Any:
    return Recurrent(eqx.nn.LSTMCell, jax.random.key(0))


def gru() -> Any:
    return Recurrent(eqx.nn.GRUCell, jax.random.key(0))
