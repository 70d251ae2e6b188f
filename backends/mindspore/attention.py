"""Models that attend to the patches of a picture, in MindSpore."""

import math

import mindspore
import numpy as np
from mindspore import Tensor, nn, ops

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

    earlier = before(shape)

    def forward(params, images):
        seen = patches(images, shape)
        start = dense(params, "patch", seen) + params["position.weight"]
        first = normed(params, "norm1", start)
        joined = attended(dense(params, "attention", first), earlier)
        middle = start + dense(params, "projection", joined)
        second = normed(params, "norm2", middle)
        wide = gelu(dense(params, "dense1", second))
        last = middle + dense(params, "dense2", wide)
        return dense(params, "output", last.mean(axis=1))

    return forward


def attention_concise(params, shape):
    """The same with `nn`: Dense, LayerNorm, MultiheadAttention, GELU.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: a mask of truths says where not to attend; LayerNorm adds 1e-7
    and GELU is by tanh unless they are told otherwise. In float64 LayerNorm
    is 2e-7 off (2.10.0): from scratch then.

    See: https://www.mindspore.cn/docs/en/master/api_python/nn/mindspore.nn.MultiheadAttention.html
    """
    if params["patch.weight"].dtype == mindspore.float64:
        return attention_scratch(params, shape)
    net = Block(params, ~before(shape))

    def forward(params, images):
        return net(patches(images, shape))

    return forward


class Block(nn.Cell):
    """From patches to logits; layers bear our names."""

    def __init__(self, params, later):
        super().__init__()
        width, features = params["patch.weight"].shape
        wider, outputs = (
            len(params["dense1.bias"]),
            len(params["output.bias"]),
        )
        self.later, self.position = later, params["position.weight"]
        self.patch = nn.Dense(features, width)
        self.norm1 = nn.LayerNorm((width,), epsilon=EPS)
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.norm2 = nn.LayerNorm((width,), epsilon=EPS)
        self.dense1 = nn.Dense(width, wider)
        self.gelu = nn.GELU(approximate=False)
        self.dense2 = nn.Dense(wider, width)
        self.output = nn.Dense(width, outputs)
        for name in ("patch", "dense1", "dense2", "output"):
            give(getattr(self, name), params, name)
        give(self.attention.out_proj, params, "projection")
        self.attention.in_proj_weight = params["attention.weight"]
        self.attention.in_proj_bias = params["attention.bias"]
        for name in ("norm1", "norm2"):
            getattr(self, name).gamma = params[f"{name}.scale"]
            getattr(self, name).beta = params[f"{name}.shift"]

    def construct(self, seen):
        """Of patches (n, patches, 49 * channels)."""
        start = self.patch(seen) + self.position
        first = self.norm1(start)
        joined, _ = self.attention(first, first, first, attn_mask=self.later)
        middle = start + joined
        wide = self.gelu(self.dense1(self.norm2(middle)))
        return self.output((middle + self.dense2(wide)).mean(axis=1))


def give(layer, params, name):
    """Give a dense layer these Parameters."""
    layer.weight, layer.bias = (
        params[f"{name}.weight"],
        params[f"{name}.bias"],
    )


def attended(asked, earlier):
    """What all heads find, side by side: (n, patches, 32).

    Args:
        asked: queries, keys and values, (n, patches, 96).
        earlier: which patches each attends to.
    """
    n, count, width = asked.shape
    asked = ops.reshape(asked, (n, count, 3, HEADS, width // 3 // HEADS))
    asked = ops.transpose(asked, (2, 0, 3, 1, 4))
    keys = ops.transpose(asked[1], (0, 1, 3, 2))
    scores = ops.matmul(asked[0], keys)
    scores = scores / number(math.sqrt(width / 3 / HEADS), scores)
    scores = ops.where(earlier, scores, ops.full_like(scores, LOWEST))
    found = ops.matmul(softmax(scores), asked[2])
    return ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (n, count, -1))


def before(shape):
    """Which patches each attends to: itself and those before it."""
    count = (shape[0] // SIDE) * (shape[1] // SIDE)
    return Tensor(np.tri(count, dtype=bool))


def patches(images, shape):
    """Patches in the order of reading: (n, patches, 49 * channels)."""
    height, width, channels = shape
    rows, columns = height // SIDE, width // SIDE
    images = ops.reshape(images, (-1, height, width, channels))
    images = images[:, : rows * SIDE, : columns * SIDE]
    split = (len(images), rows, SIDE, columns, SIDE, channels)
    images = ops.transpose(ops.reshape(images, split), (0, 1, 3, 2, 4, 5))
    return ops.reshape(images, (len(images), rows * columns, -1))


def normed(params, layer, inputs):
    """Layer normalisation: (x - mean) / √(variance + eps) times w, plus b."""
    centred = inputs - ops.mean(inputs, -1, True)
    variance = ops.mean(centred * centred, -1, True)
    scaled = centred / ops.sqrt(variance + number(EPS, inputs))
    return scaled * params[f"{layer}.scale"] + params[f"{layer}.shift"]


def softmax(x):
    """exp(x) / Σ exp(x) along the last axis, shifted by its maximum."""
    exps = ops.exp(x - x.max(axis=-1, keepdims=True))
    return exps / exps.sum(axis=-1, keepdims=True)


def gelu(x):
    """x Φ(x), Φ the normal distribution by erf, not by its tanh."""
    return x * ((1 + ops.erf(x / number(math.sqrt(2), x))) / 2)


def number(value, like):
    """A number of a tensor's type.

    Differs: a Python float meets a float64 rounded to float32 (2.10.0).
    """
    return Tensor(value, like.dtype)
