"""Layers and functions of Flax NNX, under the names that all kits have."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
from flax import linen, nnx

from tests.planted_modules.jax_functions import *  # noqa: F403


class Model(nnx.Module):
    """Layers by name, and a function of them and the inputs."""

    def __init__(self, call: Callable[..., Any], parts: dict[str, Any]) -> None:
        for name, part in parts.items():
            setattr(self, name, part)
        self.names, self.call = tuple(parts), call

    def __call__(self, x: Any) -> Any:
        return self.call(SimpleNamespace(**{n: getattr(self, n) for n in self.names}), x)


def model(call: Callable[..., Any], shape: tuple[int, ...], **parts: Any) -> Any:
    return Model(call, parts)


class Held(nnx.Module):
    """A layer that is a function of what it holds."""

    def __init__(self, function: Callable[..., Any], shapes: dict[str, tuple[int, ...]]) -> None:
        self.names, self.function = tuple(shapes), function
        for name, shape in shapes.items():
            setattr(self, name, nnx.Param(jnp.zeros(shape)))

    def __call__(self, x: Any) -> Any:
        return self.function(SimpleNamespace(**{n: getattr(self, n)[...] for n in self.names}), x)


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    return Held(function, shapes)


def linear(inputs: int, outputs: int, bias: bool = True) -> Any:
    return nnx.Linear(inputs, outputs, use_bias=bias, rngs=nnx.Rngs(0))


def layer_norm(width: int, eps: float = 1e-5) -> Any:
    return nnx.LayerNorm(width, epsilon=eps, rngs=nnx.Rngs(0))


def batch_norm(width: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return nnx.BatchNorm(width, epsilon=eps, momentum=1 - momentum, rngs=nnx.Rngs(0))


def convolution(
    inputs: int, outputs: int, stride: int = 1, padding: Any = 1, dilation: int = 1
) -> Any:
    """Of 3 x 3 pixels."""
    return nnx.Conv(
        inputs,
        outputs,
        (3, 3),
        stride,
        padding=padding,
        kernel_dilation=dilation,
        rngs=nnx.Rngs(0),
    )


def mean_pool(x: Any, counted: bool) -> Any:
    pads = ((1, 1), (1, 1))
    return linen.avg_pool(x, (3, 3), (2, 2), pads, count_include_pad=counted)


def mean(x: Any) -> Any:
    """Of all pixels of a channel."""
    return x.mean((1, 2))


def flatten(x: Any) -> Any:
    return x.reshape(len(x), -1)
