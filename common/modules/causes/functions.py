"""Functions of one number that stand between layers, under their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import erf

from common.contract.arrays import Array

Function = Callable[[Array], Array]

#: Of values so far above zero, those functions that are the identity there are exactly it.
FAR = 50.0


def identity(x: Array) -> Array:
    """The numbers as they are."""
    return x


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    chance: Array = 0.5 * (1 + np.tanh(0.5 * x))
    return chance


def tanh_gelu(x: Array) -> Array:
    """GELU's approximation: x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))."""
    found: Array = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return found


def leaky(slope: float) -> Function:
    """X above zero, a share of it below."""
    return lambda x: np.where(x > 0, x, slope * x)


#: Those that are the identity far above zero: another can be put in their place.
OPEN: dict[str, Function] = {
    "no activation": identity,
    "ReLU": lambda x: np.maximum(x, 0),
    "erf GELU": lambda x: 0.5 * x * (1 + erf(x / np.sqrt(2))),
    "tanh GELU": tanh_gelu,
    "sigmoid GELU (x sigmoid(1.702 x))": lambda x: x * sigmoid(1.702 * x),
    "SiLU": lambda x: x * sigmoid(x),
    "hard SiLU": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "ELU": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "softplus": lambda x: np.logaddexp(x, 0),
    "mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
}

#: The others.
CLOSED: dict[str, Function] = {
    "ReLU6": lambda x: np.clip(x, 0, 6),
    "SELU": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "hard sigmoid (x/6 + 1/2)": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard sigmoid (x/5 + 1/2)": lambda x: np.clip(x / 5 + 0.5, 0, 1),
    "hard tanh": lambda x: np.clip(x, -1, 1),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "absolute value": np.abs,
    "square": np.square,
    "exp": np.exp,
    "softmax over the last axis": lambda x: softmax(x, -1),
    "softmax over axis 1": lambda x: softmax(x, 1),
    "softmax over axis 0": lambda x: softmax(x, 0),
    "log-softmax over the last axis": lambda x: np.log(softmax(x, -1)),
}

FUNCTIONS = OPEN | CLOSED


def softmax(x: Array, axis: int) -> Array:
    """exp(x) / Σ exp(x) along an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    chances: Array = powers / powers.sum(axis=axis, keepdims=True)
    return chances


def merged(x: Array, value: Array) -> Iterator[tuple[str, Function]]:
    """All of them, and a leaky ReLU of the slope that a value has.

    Those that are equal on these numbers are one, under both names: nothing reaches 6 for ReLU6.
    """
    found: list[tuple[str, Function, Array]] = []
    for words, function in (*FUNCTIONS.items(), *leaks(x, value)):
        made = function(x)
        same = next((i for i, one in enumerate(found) if np.array_equal(one[2], made)), None)
        if same is None:
            found.append((words, function, made))
        else:
            found[same] = (f"{found[same][0]} or {words}", *found[same][1:])
    yield from ((words, function) for words, function, _ in found)


def leaks(x: Array, value: Array) -> Iterator[tuple[str, Function]]:
    """The leaky ReLU whose slope the most negative number tells."""
    if x.shape == value.shape and x.size and x.min() < 0:
        at = np.unravel_index(x.argmin(), x.shape)
        slope = float(f"{value[at] / x[at]:.10g}")
        if slope not in (0.0, 1.0):
            yield f"LeakyReLU with slope {slope:.6g}", leaky(slope)
