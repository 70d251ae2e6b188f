"""Layers and functions of Equinox, of one example, under the names that all kits have."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from tests.planted_modules import nnx_kit
from tests.planted_modules.jax_functions import *  # noqa: F403

KEY = jax.random.key(0)


class Model(eqx.Module):
    """Layers by name, and a function of them and the inputs."""

    call: Callable[..., Any] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)

    def parts(self, **others: Any) -> Any:
        return SimpleNamespace(**{**{n: getattr(self, n) for n in self.names}, **others})

    def __call__(self, x: Any) -> Any:
        return self.call(self.parts(), x)


class Stateful(Model):
    """With the state of its batch normalisation."""

    def __call__(self, x: Any, state: Any) -> Any:
        kept = [state]

        def normed(x: Any) -> Any:
            y, kept[0] = self.n(x, kept[0])
            return y

        return self.call(self.parts(n=normed), x), kept[0]


def model(call: Callable[..., Any], shape: tuple[int, ...], **parts: Any) -> Any:
    stateful = any(isinstance(part, BatchNorm) for part in parts.values())
    base = Stateful if stateful else Model
    kind: Any = type(base)("Net", (base,), {"__annotations__": dict.fromkeys(parts, Any)})

    def made() -> Any:
        # A state is that of the modules that are made here.
        now = {n: p.made() if isinstance(p, BatchNorm) else p for n, p in parts.items()}
        return kind(call, tuple(parts), **now)

    return eqx.nn.make_with_state(made)() if stateful else made()


class Held(eqx.Module):
    """A layer that is a function of what it holds."""

    values: dict[str, Any]
    function: Callable[..., Any] = eqx.field(static=True)

    def __call__(self, x: Any) -> Any:
        return self.function(SimpleNamespace(**self.values), x)


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    return Held({name: jnp.zeros(shape) for name, shape in shapes.items()}, function)


class Linear(eqx.nn.Linear):
    """Of the last axis, whatever is before it."""

    def __call__(self, x: Any) -> Any:
        y = x @ self.weight.T
        return y if self.bias is None else y + self.bias


def linear(inputs: int, outputs: int, bias: bool = True) -> Any:
    return Linear(inputs, outputs, use_bias=bias, key=KEY)


def layer_norm(width: int, eps: float = 1e-5) -> Any:
    return eqx.nn.LayerNorm(width, eps=eps)


class BatchNorm(SimpleNamespace):
    """How one is made."""

    def made(self) -> Any:
        return eqx.nn.BatchNorm(axis_name="batch", mode="batch", **vars(self))


def batch_norm(width: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return BatchNorm(input_size=width, eps=eps, momentum=1 - momentum)


def convolution(
    inputs: int, outputs: int, stride: int = 1, padding: Any = 1, dilation: int = 1
) -> Any:
    """Of 3 x 3 pixels."""
    return eqx.nn.Conv2d(inputs, outputs, 3, stride, padding, dilation, key=KEY)


def mean_pool(x: Any, counted: bool) -> Any:
    return nnx_kit.mean_pool(x.transpose(1, 2, 0), counted).transpose(2, 0, 1)


def mean(x: Any) -> Any:
    """Of all pixels of a channel."""
    return x.mean((1, 2))


def flatten(x: Any) -> Any:
    return x.ravel()
