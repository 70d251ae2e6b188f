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
    grads[f"{layer}.weight"] = inputs.T @ doutputs
    grads[f"{layer}.bias"] = doutputs.sum(axis=0)
    return doutputs @ params[f"{layer}.weight"].T


def convolved(params, layer, images, padding):
    """Slide a kernel over images (n, height, width, in), edges padded by 0."""
    kernel, bias = params[f"{layer}.weight"], params[f"{layer}.bias"]
    seen = windows(images, kernel, padding)
    return np.tensordot(seen, kernel, ([4, 5, 3], [0, 1, 2])) + bias


def kernel_back(params, layer, images, padding, doutputs, grads):
    """Add the gradients of a kernel and its bias: what each saw times dO."""
    seen = windows(images, params[f"{layer}.weight"], padding)
    dkernel = np.tensordot(seen, doutputs, ([0, 1, 2], [0, 1, 2]))
    grads[f"{layer}.weight"] = dkernel.transpose(1, 2, 0, 3)
    grads[f"{layer}.bias"] = doutputs.sum(axis=(0, 1, 2))


def convolved_back(params, layer, images, doutputs):
    """The gradient of images that were not padded.

    What an output got from a place of its window goes back to that place.
    """
    kernel, dimages = params[f"{layer}.weight"], np.zeros_like(images)
    _, rows, columns, _ = doutputs.shape
    for i, j in np.ndindex(kernel.shape[:2]):
        place = dimages[:, i : i + rows, j : j + columns]
        place += doutputs @ kernel[i, j].T
    return dimages


def padded(images, padding):
    """Put zeros around images."""
    around = (padding, padding)
    return np.pad(images, ((0, 0), around, around, (0, 0)))


def windows(images, kernel, padding):
    """What a kernel sees: (n, rows, columns, in, height, width), a view."""
    view = np.lib.stride_tricks.sliding_window_view
    return view(padded(images, padding), kernel.shape[:2], axis=(1, 2))


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


def sigmoid(x):
    """1 / (1 + exp(-x)), as a tanh, which no number makes overflow."""
    return (1 + np.tanh(x / 2)) / 2
