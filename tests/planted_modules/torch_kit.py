"""Layers and functions of PyTorch, under the names that all kits have."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

relu, gelu_erf, sigmoid, tanh, where = torch.relu, F.gelu, torch.sigmoid, torch.tanh, torch.where
softmax, stop, arange = torch.softmax, torch.Tensor.detach, torch.arange
one_hot = F.one_hot


class Model(nn.Module):
    """Layers by name, and a function of them and the inputs."""

    def __init__(self, call: Callable[..., Any], **parts: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, part in parts.items():
            self.add_module(name, part)
        for value in self.parameters():
            nn.init.normal_(value, 0, 0.5)
        self.call = call

    def forward(self, *inputs: Any) -> Any:
        return self.call(self, *inputs)


def model(call: Callable[..., Any], shape: tuple[int, ...], **parts: Any) -> Any:
    return Model(call, **parts)


class Held(nn.Module):
    """A layer that is a function of what it holds."""

    def __init__(self, function: Callable[..., Any], shapes: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.function = function
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def forward(self, x: Any) -> Any:
        return self.function(SimpleNamespace(**dict(self.named_parameters())), x)


def held(function: Callable[..., Any], **shapes: tuple[int, ...]) -> Any:
    return Held(function, shapes)


def linear(inputs: int, outputs: int, bias: bool = True) -> Any:
    return nn.Linear(inputs, outputs, bias)


def layer_norm(width: int, eps: float = 1e-5) -> Any:
    return nn.LayerNorm(width, eps)


def batch_norm(width: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    return nn.BatchNorm1d(width, eps, momentum)


class Biased(nn.BatchNorm1d):
    """Keeps the variance divided by n."""

    def forward(self, x: Any) -> Any:
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.copy_(0.9 * self.running_mean + 0.1 * x.mean(0))
            self.running_var.copy_(0.9 * self.running_var + 0.1 * x.var(0, correction=0))
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def biased_norm(width: int) -> Any:
    return Biased(width)


class Same(nn.Conv2d):
    """A convolution that pads as little as gives every stride a pixel, most of it at the end."""

    def forward(self, x: Any) -> Any:
        return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)


def convolution(
    inputs: int, outputs: int, stride: int = 1, padding: Any = 1, dilation: int = 1
) -> Any:
    """Of 3 x 3 pixels."""
    if padding == "SAME":
        return Same(inputs, outputs, 3, stride)
    return nn.Conv2d(inputs, outputs, 3, stride, padding, dilation)


def mean_pool(x: Any, counted: bool) -> Any:
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=counted)


def mean(x: Any) -> Any:
    """Of all pixels of a channel."""
    return x.mean((2, 3))


def flatten(x: Any) -> Any:
    return x.flatten(1)


def gelu_tanh(x: Any) -> Any:
    return F.gelu(x, approximate="tanh")


def stack(some: list[Any], axis: int) -> Any:
    return torch.stack(some, axis)


def concatenate(some: list[Any]) -> Any:
    return torch.cat(some)


def log_softmax(x: Any) -> Any:
    return F.log_softmax(x, -1)


def like(numbers: Any, x: Any) -> Any:
    """Numbers in the dtype of a tensor."""
    return torch.as_tensor(numbers, dtype=x.dtype)


def attention_layer() -> Any:
    """PyTorch's own, of two heads, and linear."""
    layer = nn.MultiheadAttention(8, 2, batch_first=True)
    return Model(
        lambda m, x: m.o(torch.tanh(m.a(x, x, x, need_weights=False)[0])),
        a=layer,
        o=nn.Linear(8, 8),
    )


def gru_layer() -> Any:
    """PyTorch's own, and linear."""
    return recurrent(nn.GRU)


def lstm_layer() -> Any:
    """PyTorch's own, and linear."""
    return recurrent(nn.LSTM)


def recurrent(layer: type[Any]) -> Any:
    return Model(
        lambda m, x: m.fc(m.rnn(x)[0]),
        rnn=layer(8, 5, batch_first=True),
        fc=nn.Linear(5, 6),
    )
