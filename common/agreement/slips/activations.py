"""Activations that a layer may have by mistake."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common.contract.arrays import Array


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return np.maximum(x, 0)


def same(x: Array) -> Array:
    """x."""
    return x


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    result: Array = 1 / (1 + np.exp(-x))
    return result


def gelu_tanh(x: Array) -> Array:
    """GELU by its tanh approximation (Hendrycks and Gimpel, 2016)."""
    result: Array = x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return result


def leaky(slope: float) -> Callable[[Array], Array]:
    """x where positive, slope times x elsewhere."""
    return lambda x: np.where(x > 0, x, slope * x)
