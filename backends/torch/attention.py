"""Models that attend to the patches of a picture, in PyTorch."""

import math

import torch
from torch import nn

from .layers import dense

SIDE, HEADS = 7, 4  # of a patch; of attention
EPS = 1e-5  # added to a variance
LOWEST = -1e30  # what is masked; of infinities the difference is no number

#: Where `Block` has what is called otherwise here.
NAMES = {
    **{f"{n}.scale": f"{n}.weight" for n in ("norm1", "norm2")},
    **{f"{n}.shift": f"{n}.bias" for n in ("norm1", "norm2")},
    "position.weight": "position",
    "attention.weight": "attention.in_proj_weight",
    "attention.bias": "attention.in_proj_bias",
    "projection.weight": "attention.out_proj.weight",
    "projection.bias": "attention.out_proj.bias",
}


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
        return dense(params, "output", last.mean(dim=1))

    return forward


def attention_concise(params, shape):
    """The same with `nn`: Linear, LayerNorm, MultiheadAttention, GELU.

    Returns:
        forward(params, images) -> logits (n, 10).

    Differs: a mask of truths says where not to attend.

    See: https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiheadAttention.html
    """
    net = Block(params)

    def forward(params, images):
        inner = {NAMES.get(name, name): p for name, p in params.items()}
        seen = (patches(images, shape),)
        return torch.func.functional_call(net, inner, seen)

    return forward


class Block(nn.Module):
    """From patches to logits; layers bear our names, see NAMES."""

    def __init__(self, params):
        super().__init__()
        outputs, width = params["output.weight"].shape
        wider, features = len(params["dense1.bias"]), params["patch.weight"]
        self.patch = nn.Linear(features.shape[1], width)
        self.position = nn.Parameter(params["position.weight"].detach())
        self.norm1 = nn.LayerNorm(width, eps=EPS)
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=EPS)
        self.dense1 = nn.Linear(width, wider)
        self.gelu = nn.GELU(approximate="none")
        self.dense2 = nn.Linear(wider, width)
        self.output = nn.Linear(width, outputs)

    def forward(self, seen):
        """Of patches (n, patches, 49 * channels)."""
        start = self.patch(seen) + self.position
        first, count = self.norm1(start), seen.shape[1]
        later = torch.ones(count, count, dtype=torch.bool).triu(1)
        joined, _ = self.attention(
            *(first, first, first),
            attn_mask=later.to(seen.device),
            need_weights=False,
        )
        middle = start + joined
        wide = self.gelu(self.dense1(self.norm2(middle)))
        return self.output((middle + self.dense2(wide)).mean(dim=1))


def patches(images, shape):
    """Patches in the order of reading: (n, patches, 49 * channels)."""
    height, width, channels = shape
    rows, columns = height // SIDE, width // SIDE
    images = images.reshape(-1, *shape)
    images = images[:, : rows * SIDE, : columns * SIDE]
    images = images.reshape(-1, rows, SIDE, columns, SIDE, channels)
    images = images.permute(0, 1, 3, 2, 4, 5)
    return images.reshape(len(images), rows * columns, -1)


def attended(asked):
    """What all heads find, side by side: (n, patches, 32).

    Args:
        asked: queries, keys and values, (n, patches, 96).
    """
    n, count, width = asked.shape
    asked = asked.reshape(n, count, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
    queries, keys, values = asked  # (n, heads, patches, 8) each
    scores = queries @ keys.transpose(2, 3) / math.sqrt(width / 3 / HEADS)
    earlier = torch.ones(count, count, device=asked.device).tril() > 0
    weights = softmax(torch.where(earlier, scores, LOWEST))
    return (weights @ values).transpose(1, 2).reshape(n, count, -1)


def normed(params, layer, inputs):
    """Layer normalisation: (x - mean) / √(variance + eps) times w, plus b."""
    centred = inputs - inputs.mean(dim=-1, keepdim=True)
    variance = (centred * centred).mean(dim=-1, keepdim=True)
    scaled = centred / torch.sqrt(variance + EPS)
    return scaled * params[f"{layer}.scale"] + params[f"{layer}.shift"]


def softmax(x):
    """exp(x) / Σ exp(x) along the last axis, shifted by its maximum."""
    exps = torch.exp(x - x.amax(dim=-1, keepdim=True))
    return exps / exps.sum(dim=-1, keepdim=True)


def gelu(x):
    """x Φ(x), Φ the normal distribution by erf, not by its tanh."""
    return x * ((1 + torch.erf(x / math.sqrt(2))) / 2)
