"""Layers that models are made of, in NumPy, and their gradients.

`<layer>_back` takes the gradient in what a layer returned, adds those of its
parameters to `grads`, and returns that in what the layer was given.
"""

import numpy as np


def dense(params, layer, inputs):
    """O = X W + b."""
    return inputs @ params[f"{layer}.weight"] + params[f"{layer}.bias"]


def dense_back(params, layer, inputs, doutputs, grads):
    """Add dW = Xᵀ dO and db = Σ dO to the gradients; dX = dO Wᵀ."""
    weight, bias = f"{layer}.weight", f"{layer}.bias"
    flat = inputs.reshape(-1, inputs.shape[-1])
    dflat = doutputs.reshape(-1, doutputs.shape[-1])
    grads[weight] = grads.get(weight, 0) + flat.T @ dflat
    grads[bias] = grads.get(bias, 0) + dflat.sum(axis=0)
    return doutputs @ params[weight].T


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, height, width, in); add a bias."""
    sums = correlation(params[f"{layer}.weight"], images, padding, stride=1)
    return sums + params[f"{layer}.bias"]


def convolved_back(params, layer, images, padding, doutputs, grads):
    """Add dK and db = Σ dO to the gradients."""
    kernel = params[f"{layer}.weight"]
    of_kernel = kernel_gradient(kernel, images, padding, 1, doutputs)
    grads[f"{layer}.weight"] = of_kernel
    grads[f"{layer}.bias"] = doutputs.sum(axis=(0, 1, 2))


def correlation(kernel, images, padding, stride):
    """Sum what a kernel sees at every place, edges padded by 0."""
    seen = windows(images, kernel, padding, stride)
    return np.tensordot(seen, kernel, ([4, 5, 3], [0, 1, 2]))


def kernel_gradient(kernel, images, padding, stride, doutputs):
    """What each number of a kernel saw, times dO."""
    seen = windows(images, kernel, padding, stride)
    dkernel = np.tensordot(seen, doutputs, ([0, 1, 2], [0, 1, 2]))
    return dkernel.transpose(1, 2, 0, 3)


def images_gradient(kernel, images, padding, stride, doutputs):
    """What an output got from a place of its window goes back to that place."""
    dimages = np.zeros_like(padded(images, padding))
    _, rows, columns, _ = doutputs.shape
    down, along = stride * (rows - 1) + 1, stride * (columns - 1) + 1
    for i, j in np.ndindex(kernel.shape[:2]):
        place = dimages[:, i : i + down : stride, j : j + along : stride]
        place += doutputs @ kernel[i, j].T
    _, height, width, _ = images.shape
    return dimages[:, padding : padding + height, padding : padding + width]


def padded(images, padding):
    """Put zeros around images."""
    around = (padding, padding)
    return np.pad(images, ((0, 0), around, around, (0, 0)))


def windows(images, kernel, padding, stride):
    """What a kernel sees: (n, rows, columns, in, height, width), a view."""
    view = np.lib.stride_tricks.sliding_window_view
    seen = view(padded(images, padding), kernel.shape[:2], axis=(1, 2))
    return seen[:, ::stride, ::stride]


def pooled(images):
    """The mean of each 2 x 2; an odd last row or column is left out."""
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, : 2 * rows, : 2 * columns]
    images = images.reshape(n, rows, 2, columns, 2, channels)
    return images.mean(axis=(2, 4))


def pooled_back(images, dpooled):
    """Give each of the four a quarter."""
    n, height, width, channels = images.shape
    dpooled = dpooled.reshape(n, height // 2, width // 2, channels) / 4
    spread = dpooled.repeat(2, axis=1).repeat(2, axis=2)
    odd = (0, height % 2), (0, width % 2)
    return np.pad(spread, ((0, 0), *odd, (0, 0)))


def relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


def sigmoid(x):
    """1 / (1 + exp(-x)); of a negative x exp(x) / (1 + exp(x)), lest it overflow."""
    power = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, power) / (1 + power)


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
    mean, variance, m = moments(inputs)
    next_mean = (1 - SHARE) * params[f"{layer}.mean"] + SHARE * mean
    held = params[f"{layer}.variance"]
    next_variance = (1 - SHARE) * held + SHARE * (variance * m / (m - 1))
    outputs = scaled(params, layer, inputs, mean, variance)
    return outputs, (next_mean, next_variance)


def normalised_back(params, layer, inputs, doutputs, grads):
    """Add dγ = Σ dO x̂ and dβ = Σ dO to the gradients, and next statistics.

    x̂ is x less its mean, over its deviation, both of which all x share:
    dX = γ / sqrt(σ² + ε) (dO - Σ dO / m - x̂ Σ dO x̂ / m).
    """
    mean, variance, m = moments(inputs)
    deviation, axes = np.sqrt(variance + EPS), tuple(range(inputs.ndim - 1))
    standard = (inputs - mean) / deviation
    dscale = (doutputs * standard).sum(axis=axes)
    dshift = doutputs.sum(axis=axes)
    grads[f"{layer}.scale"], grads[f"{layer}.shift"] = dscale, dshift
    _, statistics = normalised(params, layer, inputs)
    grads[f"{layer}.mean"], grads[f"{layer}.variance"] = statistics
    centred = doutputs - dshift / m - standard * (dscale / m)
    return params[f"{layer}.scale"] / deviation * centred


def standardised(params, layer, inputs):
    """Batch normalisation in evaluation: by the running statistics, which stay."""
    mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
    return scaled(params, layer, inputs, mean, variance), (mean, variance)


def scaled(params, layer, inputs, mean, variance):
    """γ (x - μ) / sqrt(σ² + ε) + β."""
    standard = (inputs - mean) / np.sqrt(variance + EPS)
    return params[f"{layer}.scale"] * standard + params[f"{layer}.shift"]


def moments(inputs):
    """Mean and variance of each channel, the last axis; of how many numbers."""
    axes = tuple(range(inputs.ndim - 1))
    mean = inputs.mean(axis=axes)
    variance = ((inputs - mean) ** 2).mean(axis=axes)
    # A float: NumPy 1 makes float64 of float32 and an int above 65535.
    return mean, variance, inputs.size / inputs.shape[-1]
