"""Layers that models are made of, in PyTorch."""

import copy

import torch
from torch import nn


def bind(net):
    """Make a module a function of its parameters; layers bear their names.

    See: https://docs.pytorch.org/docs/stable/generated/torch.func.functional_call.html
    """

    def forward(params, images):
        return torch.func.functional_call(net, params, (images,))

    return forward


#: How nn.BatchNorm2d calls what a norm has.
OWN = {
    "scale": "weight",
    "shift": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}


def bind_normalised(net, shape):
    """Make a module with norms a function of parameters and pictures.

    Differs: a module in training changes its statistics in place, and counts
    its batches; it is given copies.
    """
    evaluated = copy.deepcopy(net).eval()
    buffers = {name for name, _ in net.named_buffers()}

    def forward(params, images):
        images = pictures(images, shape)
        return torch.func.functional_call(evaluated, own(params), (images,))

    def training(params, images):
        images = pictures(images, shape)
        params = own(params)
        held = {**dict(net.named_buffers()), **params}
        held = {n: b.clone() if n in buffers else b for n, b in held.items()}
        logits = torch.func.functional_call(net, held, (images,))
        return logits, tuple([held[n] for n in params if n in buffers])

    forward.training = training
    return forward


def own(params):
    """The parameters under the names of `nn`'s layers."""
    found = {}
    for name, value in params.items():
        layer, _, which = name.partition(".")
        found[f"{layer}.{OWN.get(which, which)}"] = value
    return found


def pictures(images, shape):
    """Rows of numbers as pictures: (n, channels, height, width)."""
    return images.reshape(-1, *shape).permute(0, 3, 1, 2)


def dense(params, layer, inputs):
    """O = X Wᵀ + b."""
    return inputs @ params[f"{layer}.weight"].T + params[f"{layer}.bias"]


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, in, height, width); add a bias."""
    sums = correlation(params[f"{layer}.weight"], images, padding, stride=1)
    return sums + params[f"{layer}.bias"][:, None, None]


def correlation(kernel, images, padding, stride):
    """Sum what a kernel sees at every place, edges padded by 0.

    At each place of the window all images are seen at once, shifted; the sum
    over places and channels is one product of matrices.
    """
    images = nn.functional.pad(images, [padding] * 4)
    _, _, height, width = kernel.shape
    rows = (images.shape[2] - height) // stride + 1
    columns = (images.shape[3] - width) // stride + 1
    down, along = stride * (rows - 1) + 1, stride * (columns - 1) + 1
    seen = [
        images[:, :, i : i + down : stride, j : j + along : stride]
        for i in range(height)
        for j in range(width)
    ]
    seen = torch.stack(seen, dim=2)  # (n, in, places, rows, columns)
    seen = seen.reshape(len(images), -1, rows * columns)
    sums = kernel.flatten(1) @ seen
    return sums.reshape(len(images), -1, rows, columns)


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, channels, height, width = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, :, : 2 * rows, : 2 * columns]
    images = images.reshape(n, channels, rows, 2, columns, 2)
    return images.mean(dim=(3, 5))


def relu(x):
    """max(x, 0)."""
    return torch.where(x > 0, x, 0)


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + torch.tanh(x / 2)) / 2


#: Of batch normalisation: added to the variance; the share of a new batch.
EPS, SHARE = 1e-5, 0.1


def normalised(params, layer, inputs):
    """Batch normalisation in training: γ (x - μ) / sqrt(σ² + ε) + β.

    μ and σ² = Σ (x - μ)² / m are those of the batch's m numbers of a channel.

    Returns:
        outputs, and the statistics' next values: 0.9 of the old ones and 0.1
        of μ and of Σ (x - μ)² / (m - 1).

    See: Dive into Deep Learning, 7.5; https://arxiv.org/abs/1502.03167
    """
    axes = [axis for axis in range(inputs.ndim) if axis != 1]
    m = inputs.numel() // inputs.shape[1]
    mean = inputs.mean(axes)
    squares = ((inputs - by_channel(mean, inputs)) ** 2).sum(axes)
    next_mean = (1 - SHARE) * params[f"{layer}.mean"] + SHARE * mean
    held = params[f"{layer}.variance"]
    next_variance = (1 - SHARE) * held + SHARE * (squares / (m - 1))
    outputs = scaled(params, layer, inputs, mean, squares / m)
    return outputs, (next_mean, next_variance)


def standardised(params, layer, inputs):
    """Batch normalisation in evaluation: by the running statistics, which stay."""
    mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
    return scaled(params, layer, inputs, mean, variance), (mean, variance)


def scaled(params, layer, inputs, mean, variance):
    """γ (x - μ) / sqrt(σ² + ε) + β."""
    deviation = by_channel(torch.sqrt(variance + EPS), inputs)
    standard = (inputs - by_channel(mean, inputs)) / deviation
    scale = by_channel(params[f"{layer}.scale"], inputs)
    return scale * standard + by_channel(params[f"{layer}.shift"], inputs)


def by_channel(numbers, inputs):
    """(channels,) as it meets inputs (n, channels, ...)."""
    return numbers.reshape(-1, *[1] * (inputs.ndim - 2))
