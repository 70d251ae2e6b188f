"""Models that attend to the patches of a picture, in JAX."""

import math

import jax.numpy as jnp

import jax

from .layers import dense

SIDE, HEADS = 7, 4  # of a patch; of attention
EPS = 1e-5  # added to a variance
LOWEST = -1e30  # what is masked; of infinities the difference is no number


def attention_scratch(params, shape):
    """Self-attention among the patches of a picture, from scratch.

        x = patches of 7 x 7 W + b + positions, 32 numbers each
        x = x + projection(attention(norm1(x)))    4 heads of 8, causal
        x = x + dense2(gelu(dense1(norm2(x))))     64, gelu by erf
        logits = output(mean of x over the patches)

    A patch attends to itself and those before it, in the order of reading:
    softmax(q kᵀ / √8) v of those, for each head.

    Args:
        params: patch.weight (32, 49 * channels), position.weight
            (patches, 32), attention.weight (96, 32): query, key and value,
            32 rows each; projection.weight (32, 32), dense1.weight (64, 32),
            dense2.weight (32, 64), output.weight (10, 32), and a bias (out,)
            of each but position; norm1 and norm2: scale and shift (32,).
        shape: (height, width, channels) of one image; what fills no patch
            is left out.

    Returns:
        forward(params, images) -> logits (n, 10).

    See: Vaswani et al., Attention is all you need, 2017, 3.2; Dosovitskiy et
    al., An image is worth 16x16 words, 2021, 3.1.
    """

    def forward(params, images):
        seen = patches(images, shape)
        start = dense(params, "patch", seen) + params["position.weight"]
        first = normed(params, "norm1", start)
        joined = attended(dense(params, "attention", first))
        middle = start + dense(params, "projection", joined)
        second = normed(params, "norm2", middle)
        wide = gelu(dense(params, "dense1", second))
        last = middle + dense(params, "dense2", wide)
        return dense(params, "output", last.mean(axis=1))

    return forward


def attention_concise(params, shape):
    """The same with `jax.nn`: standardize, dot_product_attention, gelu.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: gelu is by tanh unless it is told otherwise; softmax inside of
    attention is of float32 whatever it is given (0.7.1), so that in float64
    attention is from scratch.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.dot_product_attention.html
    """

    def forward(params, images):
        seen = patches(images, shape)
        start = dense(params, "patch", seen) + params["position.weight"]
        asked = dense(params, "attention", norm(params, "norm1", start))
        double = asked.dtype == jnp.float64
        joined = attended(asked) if double else attention(asked)
        middle = start + dense(params, "projection", joined)
        wide = dense(params, "dense1", norm(params, "norm2", middle))
        wide = jax.nn.gelu(wide, approximate=False)
        last = middle + dense(params, "dense2", wide)
        return dense(params, "output", last.mean(axis=1))

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


def attended(asked):
    """What all heads find, side by side: (n, patches, 32).

    Args:
        asked: queries, keys and values, (n, patches, 96).
    """
    n, count, width = asked.shape
    asked = asked.reshape(n, count, 3, HEADS, -1).transpose(2, 0, 3, 1, 4)
    queries, keys, values = asked  # (n, heads, patches, 8) each
    scores = queries @ keys.swapaxes(2, 3) / math.sqrt(width / 3 / HEADS)
    earlier = jnp.tri(count, dtype=bool)
    weights = softmax(jnp.where(earlier, scores, LOWEST))
    return (weights @ values).swapaxes(1, 2).reshape(n, count, -1)


def attention(asked):
    """The same as `attended`, by `jax.nn`."""
    n, count, _ = asked.shape
    asked = asked.reshape(n, count, 3, HEADS, -1).transpose(2, 0, 1, 3, 4)
    found = jax.nn.dot_product_attention(*asked, is_causal=True)
    return found.reshape(n, count, -1)


def normed(params, layer, inputs):
    """Layer normalisation: (x - mean) / √(variance + eps) times w, plus b."""
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    scaled = centred / jnp.sqrt(variance + EPS)
    return scaled * params[f"{layer}.scale"] + params[f"{layer}.shift"]


def softmax(x):
    """exp(x) / Σ exp(x) along the last axis, shifted by its maximum."""
    exps = jnp.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def gelu(x):
    """x Φ(x), Φ the normal distribution by erf, not by its tanh."""
    return x * ((1 + jax.lax.erf(x / math.sqrt(2))) / 2)


def norm(params, layer, inputs):
    """The same as `normed`, by `jax.nn`.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.nn.standardize.html
    """
    scaled = jax.nn.standardize(inputs, axis=-1, epsilon=EPS)
    return scaled * params[f"{layer}.scale"] + params[f"{layer}.shift"]
