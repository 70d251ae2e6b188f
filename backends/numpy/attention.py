"""Models that attend to the patches of a picture, in NumPy.

Every forward carries its backward, derived by the chain rule.
"""

import math

import numpy as np

from .layers import dense, dense_back

SIDE, HEADS = 7, 4  # of a patch; of attention
EPS = 1e-5  # added to a variance
LOWEST = -1e30  # what is masked; of infinities the difference is no number
STEP = 2.0**-12
NODES = np.arange(-6, 6 + STEP, STEP)
ERF = np.array([math.erf(node) for node in NODES])


def attention_scratch(params, shape):
    """Self-attention among the patches of a picture, from scratch.

        x = patches of 7 x 7 W + b + positions, 32 numbers each
        x = x + projection(attention(norm1(x)))    4 heads of 8, causal
        x = x + dense2(gelu(dense1(norm2(x))))     64, gelu by erf
        logits = output(mean of x over the patches)

    A patch attends to itself and those before it, in the order of reading:
    softmax(q kᵀ / √8) v of those, for each head.

    Args:
        params: patch.weight (49 * channels, 32), position.weight
            (patches, 32), attention.weight (32, 96): query, key and value,
            32 columns each; projection.weight (32, 32), dense1.weight (32, 64),
            dense2.weight (64, 32), output.weight (32, 10), and a bias (out,)
            of each but position; norm1 and norm2: scale and shift (32,).
        shape: (height, width, channels) of one image; what fills no patch
            is left out.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Vaswani et al., Attention is all you need, 2017, 3.2; Dosovitskiy et
    al., An image is worth 16x16 words, 2021, 3.1.
    """

    def layers(params, images):
        seen = patches(images, shape)
        start = dense(params, "patch", seen) + params["position.weight"]
        first = normed(params, "norm1", start)
        asked = heads(dense(params, "attention", first))
        weights = attention(*asked)
        joined = merged(weights @ asked[2])
        middle = start + dense(params, "projection", joined)
        second = normed(params, "norm2", middle)
        wide = dense(params, "dense1", second)
        mean = (middle + dense(params, "dense2", gelu(wide))).mean(axis=1)
        inner = asked, weights, joined
        return seen, start, first, inner, middle, second, wide, mean

    def forward(params, images):
        *_, mean = layers(params, images)
        return dense(params, "output", mean)

    def backward(params, images, dlogits):
        seen, start, first, inner, middle, second, wide, mean = layers(
            params, images
        )
        (asked, weights, joined), grads = inner, {}
        dmean = dense_back(params, "output", mean, dlogits, grads)
        dlast = np.repeat(dmean[:, None], seen.shape[1], axis=1)
        dlast = dlast / seen.shape[1]
        dwide = dense_back(params, "dense2", gelu(wide), dlast, grads)
        dwide = dwide * gelu_slope(wide)
        dsecond = dense_back(params, "dense1", second, dwide, grads)
        dmiddle = normed_back(params, "norm2", middle, dsecond, grads)
        dmiddle = dmiddle + dlast
        djoined = dense_back(params, "projection", joined, dmiddle, grads)
        dasked = attention_back(asked, weights, djoined)
        dfirst = dense_back(params, "attention", first, dasked, grads)
        dstart = normed_back(params, "norm1", start, dfirst, grads) + dmiddle
        grads["position.weight"] = dstart.sum(axis=0)
        dense_back(params, "patch", seen, dstart, grads)
        return {name: grads[name] for name in params}

    forward.backward = backward
    return forward


def patches(images, shape):
    """Patches in the order of reading: (n, patches, 49 * channels)."""
    height, width, channels = shape
    rows, columns = height // SIDE, width // SIDE
    images = images.reshape(-1, *shape)
    images = images[:, : rows * SIDE, : columns * SIDE]
    images = images.reshape(-1, rows, SIDE, columns, SIDE, channels)
    images = images.transpose(0, 1, 3, 2, 4, 5)
    return images.reshape(len(images), rows * columns, -1)


def heads(asked):
    """Queries, keys and values, of each head: (3, n, heads, patches, 8)."""
    n, count, _ = asked.shape
    asked = asked.reshape(n, count, 3, HEADS, -1)
    return asked.transpose(2, 0, 3, 1, 4)


def merged(values):
    """What all heads found, side by side: (n, patches, 32)."""
    n, _, count, _ = values.shape
    return values.transpose(0, 2, 1, 3).reshape(n, count, -1)


def attention(queries, keys, _):
    """The weights: softmax(q kᵀ / √8) of what is not later."""
    count, width = queries.shape[2:]
    scores = queries @ keys.swapaxes(2, 3) / math.sqrt(width)
    earlier = np.tri(count, dtype=bool)
    return softmax(np.where(earlier, scores, LOWEST))


def attention_back(asked, weights, djoined):
    """From the gradient in what all heads found to that in q, k and v."""
    queries, keys, values = asked
    n, count, width = djoined.shape
    dfound = djoined.reshape(n, count, HEADS, -1).transpose(0, 2, 1, 3)
    dvalues = weights.swapaxes(2, 3) @ dfound
    dweights = dfound @ values.swapaxes(2, 3)
    dscores = softmax_back(weights, dweights) / math.sqrt(width / HEADS)
    dqueries, dkeys = dscores @ keys, dscores.swapaxes(2, 3) @ queries
    dasked = [merged(one) for one in (dqueries, dkeys, dvalues)]
    return np.concatenate(dasked, axis=2)


def normed(params, layer, inputs):
    """Layer normalisation: (x - mean) / √(variance + eps) times w, plus b."""
    scaled, _ = standard(inputs)
    return scaled * params[f"{layer}.scale"] + params[f"{layer}.shift"]


def normed_back(params, layer, inputs, doutputs, grads):
    """The mean and the variance of each row have slopes, too."""
    scaled, deviation = standard(inputs)
    axes = tuple(range(inputs.ndim - 1))
    grads[f"{layer}.scale"] = (doutputs * scaled).sum(axis=axes)
    grads[f"{layer}.shift"] = doutputs.sum(axis=axes)
    dscaled = doutputs * params[f"{layer}.scale"]
    along = (dscaled * scaled).mean(axis=-1, keepdims=True)
    middle = dscaled.mean(axis=-1, keepdims=True)
    return (dscaled - middle - scaled * along) / deviation


def standard(inputs):
    """Rows of mean 0 and variance 1, and what they were divided by."""
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    deviation = np.sqrt(variance + EPS)
    return centred / deviation, deviation


def softmax(x):
    """exp(x) / Σ exp(x) along the last axis, shifted by its maximum."""
    exps = np.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def softmax_back(chances, dchances):
    """p (dp - Σ p dp)."""
    along = (chances * dchances).sum(axis=-1, keepdims=True)
    return chances * (dchances - along)


def gelu(x):
    """x Φ(x), Φ the normal distribution by erf, not by its tanh."""
    return x * ((1 + erf(x / math.sqrt(2))) / 2)


def gelu_slope(x):
    """Φ(x) + x φ(x), φ = exp(-x² / 2) / √(2 π)."""
    density = np.exp(-(x * x) / 2) / math.sqrt(2 * math.pi)
    return (1 + erf(x / math.sqrt(2))) / 2 + x * density


def erf(x):
    """Of the nearest node, and three terms of the series about it.

    NumPy has none. At half of 2⁻¹² what is left out is below 1e-16. What is
    no number has the node of -6, and stays none.
    """
    bounded = np.clip(x, -6, 6)
    near = np.rint((np.fmax(bounded, -6) + 6) / STEP).astype(int)
    node = NODES[near].astype(x.dtype)
    left = bounded - node
    slope = 2 / math.sqrt(math.pi) * np.exp(-(node * node))
    series = 1 - node * left + (2 * node * node - 1) / 3 * left * left
    return ERF[near].astype(x.dtype) + slope * left * series
