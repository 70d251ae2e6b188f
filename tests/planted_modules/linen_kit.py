"""Layers and functions of Flax linen, under the names that all kits have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

from tests.planted_modules.jax_functions import *  # noqa: F403
from tests.planted_modules.nnx_kit import flatten as flatten
from tests.planted_modules.nnx_kit import mean as mean
from tests.planted_modules.nnx_kit import mean_pool as mean_pool


class Model(linen.Module):
    """Layers by name, and a function of them and the inputs."""

    call: Callable[..., Any]
    names: tuple[str, ...] = ()
    train: bool = False

    def __call__(self, x: Any) -> Any:
        def told(part: Any) -> Any:
            """Batch normalisation is told in each call whether it trains."""
            if isinstance(part, linen.BatchNorm):
                return partial(part, use_running_average=not self.train)
            return part

        return self.call(SimpleNamespace(**{n: told(getattr(self, n)) for n in self.names}), x)


def model(call: Callable[..., Any], shape: tuple[int, ...], **parts: Any) -> Any:
    fields = dict.fromkeys(parts)  # a part is called as the field that it is in
    kind = type("Net", (Model,), {**fields, "__annotations__": dict.fromkeys(parts, Any)})
    made = kind(call, tuple(parts), **parts)
    return made, made.init(jax.random.key(0), jnp.zeros(last(shape)))


def last(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Pictures with their channels last."""
    return (*shape[:1], *shape[2:], shape[1]) if len(shape) == 4 else shape


class Held(linen.Module):
    """A layer that is a function of what it holds."""

    function: Callable[..., Any]
    shapes: dict[str, tuple[int, ...]]

    @linen.compact
    def __call__(self, x: Any) -> Any:
        zeros = linen.initializers.zeros
        values = {n: self.param(n, zeros, shape) for n, shape in self.shapes.items()}
        return self.function(SimpleNamespace(**values), x)


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    return Held(function, shapes)


def linear(inputs: int, outputs: int, bias: bool = True) -> Any:
    return linen.Dense(outputs, use_bias=bias)


def layer_norm(width: int, eps: float = 1e-5) -> Any:
    return linen.LayerNorm(epsilon=eps)


def batch_norm(width: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return linen.BatchNorm(epsilon=eps, momentum=1 - momentum)


def convolution(
    inputs: int, outputs: int, stride: int = 1, padding: Any = 1, dilation: int = 1
) -> Any:
    """Of 3 x 3 pixels."""
    return linen.Conv(outputs, (3, 3), stride, padding=padding, kernel_dilation=dilation)
