"""Layers and functions of MindSpore, under the names that all kits have."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mindspore
import numpy as np
from mindspore import nn, ops

relu, sigmoid, tanh, where = ops.relu, ops.sigmoid, ops.tanh, ops.where
stop, arange = ops.stop_gradient, ops.arange


class Model(nn.Cell):
    """Layers by name, and a function of them and the inputs."""

    def __init__(self, call: Callable[..., Any], parts: dict[str, Any]) -> None:
        super().__init__()
        for name, part in parts.items():
            self.insert_child_to_cell(name, part)
        self.names, self.call = tuple(parts), call

    def construct(self, x):
        return self.call(SimpleNamespace(**{n: getattr(self, n) for n in self.names}), x)


def model(call: Callable[..., Any], shape: tuple[int, ...], **parts: Any) -> Any:
    return Model(call, parts)


class Held(nn.Cell):
    """A layer that is a function of what it holds."""

    def __init__(self, function: Callable[..., Any], shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.names, self.function = tuple(shapes), function
        for name, shape in shapes.items():
            setattr(self, name, mindspore.Parameter(np.zeros(shape, np.float32), name=name))

    def construct(self, x):
        return self.function(SimpleNamespace(**{n: getattr(self, n) for n in self.names}), x)


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    return Held(function, shapes)


def linear(inputs: int, outputs: int, bias: bool = True) -> Any:
    return nn.Dense(inputs, outputs, has_bias=bias)


def layer_norm(width: int, eps: float = 1e-5) -> Any:
    return nn.LayerNorm((width,), epsilon=eps)


def batch_norm(width: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return nn.BatchNorm1d(width, eps=eps, momentum=1 - momentum)


def convolution(
    inputs: int, outputs: int, stride: int = 1, padding: Any = 1, dilation: int = 1
) -> Any:
    """Of 3 x 3 pixels."""
    pads = {"pad_mode": "same"} if padding == "SAME" else {"pad_mode": "pad", "padding": padding}
    return nn.Conv2d(inputs, outputs, 3, stride, dilation=dilation, has_bias=True, **pads)


def mean_pool(x: Any, counted: bool) -> Any:
    pool = nn.AvgPool2d(3, 2, pad_mode="pad", padding=1, count_include_pad=counted)
    return pool(x)


def mean(x: Any) -> Any:
    """Of all pixels of a channel."""
    return x.mean((2, 3))


def flatten(x: Any) -> Any:
    return x.reshape(x.shape[0], -1)


def gelu_erf(x: Any) -> Any:
    return ops.gelu(x, approximate="none")


def gelu_tanh(x: Any) -> Any:
    return ops.gelu(x, approximate="tanh")


def softmax(x: Any, axis: int) -> Any:
    return ops.softmax(x, axis)


def stack(some: list[Any], axis: int) -> Any:
    return ops.stack(some, axis)


def concatenate(some: list[Any]) -> Any:
    return ops.cat(some)


def one_hot(labels: Any, classes: int) -> Any:
    return ops.one_hot(labels, classes)


def log_softmax(x: Any) -> Any:
    return ops.log_softmax(x, -1)


def like(numbers: Any, x: Any) -> Any:
    """Numbers in the dtype of a tensor."""
    return mindspore.Tensor(np.asarray(numbers), x.dtype)
