"""Small networks over a kit of any framework, right by default; what is said makes them wrong.

Written for one example or for a batch of them: Equinox takes one. All have the same few shapes,
so that JAX compiles each operation once for all of them.
"""

from __future__ import annotations

from typing import Any

VECTORS, PICTURES, TOKENS = (5, 6), (4, 2, 6, 6), (2, 5, 8)
HEADS = 2


def plain(x: Any) -> Any:
    return x


def perceptron(
    k: Any,
    activation: str = "gelu_erf",
    bias: bool = True,
    pixels: tuple[float, float] = (1.0, 0.0),
    detached: bool = False,
    squared: bool = False,
) -> Any:
    """Linear, activation, linear; the inputs may be times a number, and shifted, or squared."""
    factor, shift = pixels

    def call(m: Any, x: Any) -> Any:
        x = x * abs(x) if squared else factor * x + shift
        hidden = getattr(k, activation)(m.a(x))
        return m.b(k.stop(hidden) if detached else hidden)

    return k.model(call, VECTORS, a=k.linear(6, 6, bias), b=k.linear(6, 6))


def normed(k: Any, norm: str = "layer_norm", **settings: float) -> Any:
    """Linear, a normalisation, linear."""
    layer = by_hand(k) if norm == "by hand" else getattr(k, norm)(6, **settings)
    return k.model(
        lambda m, x: m.b(k.tanh(m.n(m.a(x)))), VECTORS, a=k.linear(6, 6), n=layer, b=k.linear(6, 6)
    )


def by_hand(k: Any) -> Any:
    """Layer normalisation by a variance that is divided by n - 1."""

    def function(w: Any, x: Any) -> Any:
        apart = x - x.sum(-1)[..., None] / 6
        variance = (apart**2).sum(-1)[..., None] / 5
        return apart / (variance + 1e-5) ** 0.5 * w.weight + w.bias

    return k.held(function, weight=(6,), bias=(6,))


def pictures(k: Any, pooled: str = "", **settings: Any) -> Any:
    """A convolution, ReLU, and a linear layer of what is flattened.

    Args:
        k: the kit.
        pooled: before the flattening: "" not at all; the mean of windows, padding "counted" or
            "not counted"; the mean of the "whole" picture.
        settings: of the convolution.
    """
    settings = {"stride": 1 if "counted" in pooled else 2, **settings}

    def call(m: Any, x: Any) -> Any:
        y = k.relu(m.conv(x))
        if pooled == "whole":
            return m.fc(k.mean(y))
        return m.fc(k.flatten(k.mean_pool(y, pooled == "counted") if pooled else y))

    conv = k.convolution(2, 4, **settings)
    return k.model(call, PICTURES, conv=conv, fc=k.linear(4 if pooled == "whole" else 36, 6))


def swapped(x: Any, one: int, two: int) -> Any:
    """Two axes, counted from the last, exchanged."""
    axes = list(range(len(x.shape)))
    axes[one], axes[two] = axes[two], axes[one]
    return x.permute(*axes) if hasattr(x, "permute") else x.transpose(*axes)


def attended(
    k: Any,
    three: list[Any],
    mask: str = "later",
    scaled: float | None = None,
    axis: int = -1,
    joined: bool = True,
) -> Any:
    """Attention of two heads to the tokens before.

    Args:
        k: the kit.
        three: query, key and value (..., tokens, heads, features of a head).
        mask: which tokens are masked: "later", "none" or "earlier" ones.
        scaled: what the scores are times; None: 1 / sqrt(d).
        axis: of the softmax.
        joined: whether the heads are brought behind the tokens again.
    """
    q, key, v = (swapped(one, -2, -3) for one in three)
    scores = q @ swapped(key, -1, -2) * (scaled or q.shape[-1] ** -0.5)
    at = k.arange(scores.shape[-1])
    masked = {"later": at[None] > at[:, None], "earlier": at[None] <= at[:, None], "none": None}
    if mask != "none":
        scores = k.where(masked[mask], k.like(-1e9, scores), scores)
    found = k.softmax(scores, axis) @ v
    found = swapped(found, -2, -3) if joined else found
    return found.reshape(*three[0].shape[:-2], -1)


def cut(x: Any, *sizes: int) -> Any:
    """The last axis in parts."""
    return x.reshape(*x.shape[:-1], *sizes)


def attention(k: Any, **settings: Any) -> Any:
    """Query, key and value by layers of their own, attention between layers, linear."""

    def call(m: Any, x: Any) -> Any:
        three = [cut(part(x), HEADS, -1) for part in (m.q, m.k, m.v)]
        return m.o(attended(k, three, **settings))

    return k.model(call, TOKENS, **{name: k.linear(8, 8) for name in "qkvo"})


#: How query, key and value lie in the features of one layer: an order of (three, heads, features).
PACKINGS = {"three heads features": (0, 1, 2), "heads three features": (1, 0, 2)}


def packed(k: Any, packing: str = "three heads features", exchanged: bool = False) -> Any:
    """Query, key and value by one layer."""

    def call(m: Any, x: Any) -> Any:
        if packing == "three heads features":
            rows = cut(m.qkv(x), 3, HEADS, -1)
            three = [rows[..., n, :, :] for n in range(3)]
        else:
            rows = cut(m.qkv(x), HEADS, 3, -1)
            three = [rows[..., n, :] for n in range(3)]
        if exchanged:
            three = [three[1], three[0], three[2]]
        return m.o(attended(k, three))

    return k.model(call, TOKENS, qkv=k.linear(8, 24), o=k.linear(8, 8))


def one_layer(k: Any, **settings: Any) -> Any:
    """Attention inside one layer that holds its four matrices as PyTorch's does."""

    def function(w: Any, x: Any) -> Any:
        rows = cut(x @ w.in_proj_weight.T + w.in_proj_bias, 3, HEADS, -1)
        three = [rows[..., n, :, :] for n in range(3)]
        settled = {"mask": "none", **settings}
        return attended(k, three, **settled) @ w.out_weight.T + w.out_bias

    layer = k.held(
        function,
        in_proj_weight=(24, 8),
        in_proj_bias=(24,),
        out_weight=(8, 8),
        out_bias=(8,),
    )
    return k.model(lambda m, x: m.o(k.tanh(m.a(x))), TOKENS, a=layer, o=k.linear(8, 8))


#: Where the reset gate is: on the state before its matrix, or on what that makes of it.
RESETS = ("after", "before", "after, no bias")


def gru(k: Any, reset: str = "after", update: str = "new") -> Any:
    """A GRU that holds its weights as PyTorch's does, all its states, linear."""

    def step(w: Any, x: Any, h: Any) -> Any:
        ir, iz, i_n = cells(x @ w.weight_ih_l0.T + w.bias_ih_l0, 3)
        hr, hz, hn = cells(h @ w.weight_hh_l0.T + w.bias_hh_l0, 3)
        r, z = k.sigmoid(ir + hr), k.sigmoid(iz + hz)
        weight, bias = w.weight_hh_l0[10:], w.bias_hh_l0[10:]
        inner = {
            "after": r * hn,
            "before": (r * h) @ weight.T + bias,
            "after, no bias": r * (h @ weight.T) + bias,
        }[reset]
        n = k.tanh(i_n + inner)
        z = {"new": z, "old": 1 - z, "squared": z * z}[update]
        return (1 - z) * n + z * h

    return recurrent(k, step, 3)


def lstm(k: Any, gates: str = "ifgo") -> Any:
    """An LSTM that holds its weights as PyTorch's does, all its states, linear."""

    def step(w: Any, x: Any, state: Any) -> Any:
        h, c = state[..., :5], state[..., 5:]
        rows = cells(x @ w.weight_ih_l0.T + w.bias_ih_l0 + h @ w.weight_hh_l0.T + w.bias_hh_l0, 4)
        i, f, g, o = (rows[gates.index(gate)] for gate in "ifgo")
        c = k.sigmoid(f) * c + k.sigmoid(i) * k.tanh(g)
        h = k.sigmoid(o) * k.tanh(c)
        return k.stack([h, c], -2).reshape(*h.shape[:-1], -1)

    return recurrent(k, step, 4)


def cells(x: Any, count: int) -> list[Any]:
    """The features of each gate."""
    rows = cut(x, count, -1)
    return [rows[..., n, :] for n in range(count)]


def recurrent(k: Any, step: Any, gates: int) -> Any:
    """What steps make of the tokens, and a linear layer of all their states."""

    def function(w: Any, x: Any) -> Any:
        zero = 0 * x[..., 0, :1] + 0 * w.bias_hh_l0[:5]
        state = zero if gates == 3 else k.stack([zero, zero], -2).reshape(*zero.shape[:-1], -1)
        states = []
        for n in range(x.shape[-2]):
            state = step(w, x[..., n, :], state)
            states.append(state[..., :5])
        return k.stack(states, -2)

    layer = k.held(
        function,
        weight_ih_l0=(gates * 5, 8),
        weight_hh_l0=(gates * 5, 5),
        bias_ih_l0=(gates * 5,),
        bias_hh_l0=(gates * 5,),
    )
    return k.model(lambda m, x: m.fc(m.rnn(x)), TOKENS, rnn=layer, fc=k.linear(5, 6))


WEIGHTS = (0.5, 1.0, 2.0, 4.0, 8.0, 1.0)


def cross_entropy(
    k: Any,
    smoothing: float = 0.0,
    weighted: bool = False,
    ignored: int | None = None,
    over: str = "counted",
) -> Any:
    """(outputs, labels) -> softmax cross-entropy of six classes.

    Args:
        k: the kit.
        smoothing: of the labels.
        weighted: whether the classes have weights.
        ignored: the label that is left out.
        over: what it is divided by: the weights that are "counted", or "all" examples; "masked":
            those that are not left out mask a mean over all.
    """

    def masked(outputs: Any, labels: Any) -> Any:
        mean = cross_entropy(k, smoothing, weighted)(outputs, labels)
        one = k.like(1.0, outputs)
        return (mean * k.where(labels == ignored, 0 * one, one)).sum() / len(labels)

    def loss(outputs: Any, labels: Any) -> Any:
        wanted = k.like(k.one_hot(labels, 6), outputs)
        weights = wanted @ k.like(WEIGHTS if weighted else (1.0,) * 6, outputs)
        if ignored is not None:
            weights = k.where(labels == ignored, 0 * weights, weights)
        wanted = (1 - smoothing) * wanted + smoothing / 6
        losses = -(wanted * k.log_softmax(outputs)).sum(-1) * weights
        return losses.sum() / (weights.sum() if over == "counted" else len(labels))

    return masked if over == "masked" else loss
