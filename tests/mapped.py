"""Leaves of small networks that write the same weights differently, and what these compute."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from common.contract.net import Leaf
from common.mapping.proposal import propose

E, HEADS, H, F = 6, 2, 3, 4


def leaf(name, shape, kind="", trained=True, owners=(), dtype="float64"):
    path = name.removeprefix("params.").removeprefix("batch_stats.").rpartition(".")[0]
    return Leaf(name, owners or (path,), kind, np.zeros(shape, dtype), trained)


def leaves(kinds="", /, **shapes):
    """Leaves by "path__role", their modules of one kind or of several by path."""
    found = []
    for name, shape in shapes.items():
        path = name.rpartition("__")[0].replace("__", ".")
        kind = kinds if isinstance(kinds, str) else kinds[path]
        found.append(leaf(name.replace("__", "."), shape, kind))
    return found


def drawn(of, seed=0):
    rng = np.random.default_rng(seed)
    return {one.name: rng.uniform(0.2, 1, one.value.shape) for one in of}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# What networks compute, each by its own formula: `torch` style outputs first, `flax` style last.


def torch_linear(v, x):
    return x @ v["fc.weight"].T


def flax_linear(v, x):
    return x @ v["fc.kernel"]


def torch_conv(v, x):  # (N, C, H, W)
    windows = sliding_window_view(x, v["conv.weight"].shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, v["conv.weight"])


def flax_conv(v, x):
    windows = sliding_window_view(x.transpose(0, 2, 3, 1), v["conv.kernel"].shape[:2], (1, 2))
    return np.einsum("nhwcij,ijco->nohw", windows, v["conv.kernel"])


def torch_transposed(v, x):
    w = v["up.weight"]  # (in, out, k, k)
    n, _, height, width = x.shape
    y = np.zeros((n, w.shape[1], height + w.shape[2] - 1, width + w.shape[3] - 1))
    for i in range(w.shape[2]):
        for j in range(w.shape[3]):
            y[:, :, i : i + height, j : j + width] += np.einsum("nchw,co->nohw", x, w[:, :, i, j])
    return y


def flax_transposed(v, x):
    kernel = v["up.kernel"]  # (k, k, in, out), over what was padded
    k = kernel.shape[0] - 1
    return flax_conv({"conv.kernel": kernel}, np.pad(x, ((0, 0), (0, 0), (k, k), (k, k))))


def torch_flat(v, x):
    return x.reshape(len(x), -1) @ v["fc.weight"].T


def flax_flat(v, x):
    return x.transpose(0, 2, 3, 1).reshape(len(x), -1) @ v["fc.kernel"]


def attended(q, k, v):  # (N, T, heads, d)
    shares = softmax(np.einsum("nqhd,nkhd->nhqk", q, k))
    return np.einsum("nhqk,nkhd->nqhd", shares, v)


def torch_attention(v, x):
    q, k, val = np.split(x @ v["a.in_proj_weight"].T + v["a.in_proj_bias"], 3, axis=-1)
    heads = [one.reshape(*x.shape[:2], HEADS, E // HEADS) for one in (q, k, val)]
    return attended(*heads).reshape(x.shape) @ v["a.out_proj.weight"].T


def flax_attention(v, x):
    q, k, val = (
        np.einsum("nte,ehd->nthd", x, v[f"a.{name}.kernel"]) + v[f"a.{name}.bias"]
        for name in ("query", "key", "value")
    )
    return np.einsum("nthd,hde->nte", attended(q, k, val), v["a.out.kernel"])


def per_head_attention(v, x):  # q, k and v within each head
    rows = (x @ v["a.qkv.weight"].T + v["a.qkv.bias"]).reshape(*x.shape[:2], HEADS, 3, -1)
    mixed = attended(*(rows[..., n, :] for n in range(3))).reshape(x.shape)
    return mixed @ v["a.proj.weight"].T


def lstm(x, step):
    h = c = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        i, f, g, o = step(x[:, t], h)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def torch_lstm(v, x):
    w = {name.removeprefix("rnn."): array for name, array in v.items()}
    bias = w["bias_ih_l0"] + w["bias_hh_l0"]
    return lstm(
        x, lambda a, h: np.split(a @ w["weight_ih_l0"].T + h @ w["weight_hh_l0"].T + bias, 4, -1)
    )


def flax_lstm(v, x):
    def gate(g, a, h):
        return a @ v[f"c.i{g}.kernel"] + h @ v[f"c.h{g}.kernel"] + v[f"c.h{g}.bias"]

    return lstm(x, lambda a, h: [gate(g, a, h) for g in "ifgo"])


def ifog_lstm(v, x):
    def step(a, h):
        i, f, o, g = np.split(a @ v["c.dense_i.kernel"] + h @ v["c.dense_h.kernel"], 4, -1)
        bias_i, bias_f, bias_o, bias_g = np.split(v["c.dense_h.bias"], 4)
        return i + bias_i, f + bias_f, g + bias_g, o + bias_o

    return lstm(x, step)


def gru(x, step):
    h = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        (ir, iz, i_n), (hr, hz, hn) = step(x[:, t], h)
        z, n = sigmoid(iz + hz), np.tanh(i_n + sigmoid(ir + hr) * hn)
        h = (1 - z) * n + z * h
    return h


def torch_gru(v, x):
    def step(a, h):
        return (
            np.split(a @ v["rnn.weight_ih_l0"].T + v["rnn.bias_ih_l0"], 3, -1),
            np.split(h @ v["rnn.weight_hh_l0"].T + v["rnn.bias_hh_l0"], 3, -1),
        )

    return gru(x, step)


def flax_gru(v, x):
    def step(a, h):
        inputs = [a @ v[f"c.i{g}.kernel"] + v[f"c.i{g}.bias"] for g in "rzn"]
        states = [h @ v[f"c.h{g}.kernel"] for g in "rzn"]
        return inputs, [*states[:2], states[2] + v["c.hn.bias"]]

    return gru(x, step)


def equinox_gru(v, x):
    def step(a, h):
        inputs = np.split(a @ v["c.weight_ih"].T + v["c.bias"], 3, -1)
        states = np.split(h @ v["c.weight_hh"].T, 3, -1)
        return inputs, [*states[:2], states[2] + v["c.bias_n"]]

    return gru(x, step)


def keras_gru(v, x):  # both biases in one leaf, the update gate first
    def step(a, h):
        iz, ir, i_n = np.split(a @ v["c.kernel"] + v["c.bias"][0], 3, -1)
        hz, hr, hn = np.split(h @ v["c.recurrent_kernel"] + v["c.bias"][1], 3, -1)
        return (ir, iz, i_n), (hr, hz, hn)

    return gru(x, step)


def separate(v, x):
    for n in range(3):
        x = np.tanh(x @ v[f"layers.{n}.weight"].T + 0.1 * v[f"layers.{n}.bias"])
    return x


def looped(v, x):
    for kernel, bias in zip(v["blocks.kernel"], v["blocks.bias"], strict=True):
        x = np.tanh(x @ kernel + 0.1 * bias)
    return x


def branches(v, x):
    return x @ v["a.weight"].T * 1 + x @ v["b.weight"].T * 2 + x @ v["c.weight"].T * 3


def other_branches(v, x):
    return x @ v["m.u.kernel"] * 3 + x @ v["m.v.kernel"] * 1 + x @ v["m.w.kernel"] * 2


PER_GATE = {
    f"c__{side}{g}__{role}": shape
    for g in "ifgo"
    for side, role, shape in (
        ("i", "kernel", (F, H)),
        ("h", "kernel", (H, H)),
        ("h", "bias", (H,)),
    )
}
FLAX_GRU = {f"c__i{g}__{r}": s for g in "rzn" for r, s in (("kernel", (F, H)), ("bias", (H,)))}
FLAX_GRU |= {f"c__h{g}__kernel": (H, H) for g in "rzn"} | {"c__hn__bias": (H,)}
ATTENTION = {f"a__{n}__kernel": (E, HEADS, E // HEADS) for n in ("query", "key", "value")}
ATTENTION |= {f"a__{n}__bias": (HEADS, E // HEADS) for n in ("query", "key", "value")}
ATTENTION |= {"a__out__kernel": (HEADS, E // HEADS, E)}
MHA = leaves(a__in_proj_weight=(3 * E, E), a__in_proj_bias=(3 * E,), a__out_proj__weight=(E, E))
PER_HEAD = leaves(a__qkv__weight=(3 * E, E), a__qkv__bias=(3 * E,), a__proj__weight=(E, E))


def torch_rnn(gates):
    return leaves(
        "LSTM" if gates == 4 else "GRU",
        rnn__weight_ih_l0=(gates * H, F),
        rnn__weight_hh_l0=(gates * H, H),
        rnn__bias_ih_l0=(gates * H,),
        rnn__bias_hh_l0=(gates * H,),
    )


IFOG = leaves(
    c__dense_i__kernel=(F, 4 * H), c__dense_h__kernel=(H, 4 * H), c__dense_h__bias=(4 * H,)
)
EQUINOX_GRU = leaves(
    "GRUCell", c__weight_ih=(3 * H, F), c__weight_hh=(3 * H, H), c__bias=(3 * H,), c__bias_n=(H,)
)
KERAS_GRU = leaves("GRU", c__kernel=(F, 3 * H), c__recurrent_kernel=(H, 3 * H), c__bias=(2, 3 * H))
LAYERS = leaves(
    "Linear",
    **{f"layers__{n}__{r}": s for n in range(3) for r, s in (("weight", (E, E)), ("bias", (E,)))},
)
LOOPED = leaves("Linear", blocks__kernel=(3, E, E), blocks__bias=(3, E))
SEQUENCE, TOKENS, IMAGE = (5, 4, F), (5, 4, E), (2, 3, 5, 5)
CASES = {
    "square": (
        leaves("Linear", fc__weight=(F, F)), torch_linear,
        leaves("Dense", fc__kernel=(F, F)), flax_linear, (5, F), {"fc.kernel": "permute 1 0"},
    ),
    "convolution": (
        leaves("Conv2d", conv__weight=(3, 3, 3, 3)), torch_conv,
        leaves("Conv", conv__kernel=(3, 3, 3, 3)), flax_conv, IMAGE,
        {"conv.kernel": "permute 2 3 1 0"},
    ),
    "transposed": (
        leaves("ConvTranspose2d", up__weight=(3, 2, 3, 3)), torch_transposed,
        leaves("ConvTranspose", up__kernel=(3, 3, 3, 2)), flax_transposed, IMAGE,
        {"up.kernel": "permute 2 3 0 1; flip 0 1"},
    ),
    "flatten": (
        leaves("Linear", fc__weight=(4, 75)), torch_flat,
        leaves("Dense", fc__kernel=(75, 4)), flax_flat, IMAGE,
        {"fc.kernel": "regroup 1 3x5x5 1 2 0; permute 1 0"},
    ),
    "attention": (
        MHA, torch_attention, leaves(**ATTENTION), flax_attention, TOKENS,
        {"a.key.kernel": "blocks 1 of 3; permute 1 0; reshape 6 2 3",
         "a.out.kernel": "permute 1 0; reshape 2 3 6"},
    ),
    "attention back": (
        leaves(**ATTENTION), flax_attention, MHA, torch_attention, TOKENS,
        {"a.in_proj_weight": "reshape 6 6; permute 1 0; join 0"},
    ),
    "within heads": (
        leaves(**ATTENTION), flax_attention, PER_HEAD, per_head_attention, TOKENS,
        {"a.qkv.weight": "reshape 6 6; permute 1 0; join 0; regroup 0 3x2x3 1 0 2"},
    ),
    "lstm": (
        torch_rnn(4), torch_lstm, leaves(**PER_GATE), flax_lstm, SEQUENCE,
        {"c.hg.kernel": "blocks 2 of 4; permute 1 0", "c.hg.bias": "blocks 2 of 4; sum"},
    ),
    "lstm back": (
        leaves(**PER_GATE), flax_lstm, torch_rnn(4), torch_lstm, SEQUENCE,
        {"rnn.weight_hh_l0": "permute 1 0; join 0", "rnn.bias_ih_l0": "join 0; zeros"},
    ),
    "lstm, gates in another order": (
        torch_rnn(4), torch_lstm, IFOG, ifog_lstm, SEQUENCE,
        {"c.dense_i.kernel": "blocks 0 1 3 2 of 4; permute 1 0"},
    ),
    "gru": (
        torch_rnn(3), torch_gru, leaves(**FLAX_GRU), flax_gru, SEQUENCE,
        {"c.ir.bias": "blocks 0 of 3; sum", "c.hn.bias": "blocks 2 of 3"},
    ),
    "gru back": (
        leaves(**FLAX_GRU), flax_gru, torch_rnn(3), torch_gru, SEQUENCE,
        {"rnn.bias_hh_l0": "join 0; zeros 0 1 of 3"},
    ),
    "gru, packed": (
        torch_rnn(3), torch_gru, EQUINOX_GRU, equinox_gru, SEQUENCE,
        {"c.bias": "sum 0 1 of 3", "c.bias_n": "blocks 2 of 3"},
    ),
    "gru, packed, back": (
        EQUINOX_GRU, equinox_gru, torch_rnn(3), torch_gru, SEQUENCE,
        {"rnn.bias_hh_l0": "join 0; blocks 0 1 3 of 4; zeros 0 1 of 3"},
    ),
    "gru, two biases in a leaf": (
        KERAS_GRU, keras_gru, torch_rnn(3), torch_gru, SEQUENCE,
        {"rnn.bias_hh_l0": "take 1; blocks 1 0 2 of 3"},
    ),
    "gru, two biases in a leaf, to one and a half": (
        KERAS_GRU, keras_gru, EQUINOX_GRU, equinox_gru, SEQUENCE,
        {"c.bias": "take 0 1; blocks 1 0 2 of 3; sum 0 1 of 3"},
    ),
    "gru, two biases in a leaf, to one for each gate": (
        KERAS_GRU, keras_gru, leaves(**FLAX_GRU), flax_gru, SEQUENCE,
        {"c.ir.bias": "take 0 1; blocks 1 of 3; sum", "c.hn.bias": "take 1; blocks 2 of 3"},
    ),
    "gru, of one and a half": (
        EQUINOX_GRU, equinox_gru, KERAS_GRU, keras_gru, SEQUENCE,
        {"c.bias": "join 0; blocks 1 0 2 1 0 3 of 4; zeros 3 4 of 6; reshape 2 9"},
    ),
    "gru, of one for each gate": (
        leaves(**FLAX_GRU), flax_gru, KERAS_GRU, keras_gru, SEQUENCE,
        {"c.bias": "join 0; blocks 0 1 2 0 1 3 of 4; zeros 3 4 of 6; reshape 2 9"},
    ),
    "stacked": (LAYERS, separate, LOOPED, looped, (5, E),
                {"blocks.kernel": "permute 1 0; stack 0", "blocks.bias": "stack 0"}),
    "stacked back": (LOOPED, looped, LAYERS, separate, (5, E),
                     {"layers.1.weight": "take 1; permute 1 0", "layers.2.bias": "take 2"}),
}  # fmt: skip


def case(name):
    reference, theirs, port, ours, shape, words = CASES[name]
    values = drawn(reference)
    x = np.random.default_rng(7).normal(size=shape)
    flattened = {"fc": (3, 5, 5)} if name == "flatten" else None
    mapping = propose(reference, port, flattened=flattened)

    def residual(given, module):
        return float(np.abs(ours(given, x) - theirs(values, x)).max())

    return mapping, values, residual, words
