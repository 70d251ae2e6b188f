"""Functions of JAX, under the names that all kits have."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

relu, sigmoid, tanh, where = jax.nn.relu, jax.nn.sigmoid, jnp.tanh, jnp.where
stop, arange, one_hot = jax.lax.stop_gradient, jnp.arange, jax.nn.one_hot


def gelu_erf(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=False)


def gelu_tanh(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=True)


def softmax(x: Any, axis: int) -> Any:
    return jax.nn.softmax(x, axis)


def stack(some: list[Any], axis: int) -> Any:
    return jnp.stack(some, axis)


def concatenate(some: list[Any]) -> Any:
    return jnp.concatenate(some)


def log_softmax(x: Any) -> Any:
    return jax.nn.log_softmax(x, -1)


def like(numbers: Any, x: Any) -> Any:
    """Numbers in the dtype of a tensor."""
    return jnp.asarray(numbers, x.dtype)
