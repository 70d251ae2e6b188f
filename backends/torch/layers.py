"""Layers that models are made of, in PyTorch."""

import torch
from torch import nn


def bind(net):
    """Make a module a function of its parameters; layers bear their names.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """

    def forward(params, images):
        return torch.func.functional_call(net, params, (images,))

    return forward


def pictures(images, shape):
    """Rows of numbers as pictures: (n, channels, height, width)."""
    return images.reshape(-1, *shape).permute(0, 3, 1, 2)


def dense(params, layer, inputs):
    """O = X Wᵀ + b."""
    return inputs @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, in, height, width), edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    images = nn.functional.pad(images, [padding] * 4)
    _, _, height, width = kernel.shape
    rows = images.shape[2] - height + 1
    columns = images.shape[3] - width + 1
    seen = [
        images[:, :, i : i + rows, j : j + columns]
        for i in range(height)
        for j in range(width)
    ]
    seen = torch.stack(seen, dim=2)  # (n, in, places, rows, columns)
    seen = seen.reshape(len(images), -1, rows * columns)
    outputs = kernel.flatten(1) @ seen + bias[:, None]
    return outputs.reshape(len(images), -1, rows, columns)


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, :, : 2 * rows, : 2 * columns]
    images = images.reshape(n, channels, rows, 2, columns, 2)
    return images.mean(dim=(3, 5))


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + torch.tanh(x / 2)) / 2
