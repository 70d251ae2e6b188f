"""How alike the names are that two frameworks' people give to the same thing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher
from functools import cache

#: Where linen and NNX keep variables; says nothing about which.
COLLECTIONS = frozenset({"params", "batch_stats", "params_axes"})

_SAME = (
    "linear dense fc",
    "classifier head fc logits",
    "norm bn ln batch layernorm batchnorm rmsnorm groupnorm",
    "downsample down shortcut proj projection skip identity",
    "embed embedding embeddings wte tok token tokens",
    "pos position positional wpe",
    "attn attention mha",
    "mlp ffn feedforward ff",
    "q query wq",
    "k key wk",
    "v value wv",
    "out o output wo proj",
    "block layer stage blocks layers stages h",
    "encoder enc",
    "decoder dec",
    "stem init",
    "lstm gru rnn cell",
)
_CLASSES: dict[str, set[int]] = defaultdict(set)
for _number, _line in enumerate(_SAME):
    for _word in _line.split():
        _CLASSES[_word].add(_number)

_ROLES = {
    "weight": "weight kernel w gamma scale embedding embedding_table embeddings",
    "bias": "bias beta b offset",
    "mean": "running_mean moving_mean mean",
    "variance": "running_var moving_variance moving_var var",
}

#: Roles of leaves in every framework's words -> one of them.
ROLES = {word: role for role, words in _ROLES.items() for word in words.split()}

CONVOLUTION, TRANSPOSED = "convolution", "transposed convolution"

#: Roles whose axes are (height, width, in, out) or (in, out), outputs last.
OUTPUTS_LAST = frozenset({"kernel", "recurrent_kernel", "w"})

#: What a module is, for all frameworks, by the first of these that is in its type's name.
_KINDS = (
    (TRANSPOSED, r"transpose"),
    (CONVOLUTION, r"conv"),
    ("norm", r"norm"),
    ("embedding", r"embed"),
    ("recurrent", r"lstm|gru|rnn"),
    ("attention", r"attention"),
    ("linear", r"linear|dense|einsum"),
)


def path_of(name: str) -> str:
    """A dotted name without the collections that a framework puts before it."""
    parts = name.split(".")
    return ".".join(parts[1:] if parts[0] in COLLECTIONS else parts)


def kind_of(kind: str) -> str:
    """What a type of module is, in one word for all frameworks; "" if its name does not say."""
    for word, pattern in _KINDS:
        if re.search(pattern, kind.lower()):
            return word
    return ""


def renumbered(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The words of every path, numbers counted from 0 among siblings of the same word.

    "features.0", "features.3" and "features_1", "features_2" say the same.
    """
    numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
    paths = list(paths)
    for path in paths:
        parts = path_of(path).split(".")
        for depth, part in enumerate(parts):
            stem, number = _parted(part)
            numbers[".".join(parts[:depth]), stem].add(number)
    found = {}
    for path in paths:
        parts, words = path_of(path).split("."), []
        for depth, part in enumerate(parts):
            stem, number = _parted(part)
            words += _words(stem)
            words.append(str(sorted(numbers[".".join(parts[:depth]), stem]).index(number)))
        found[path] = tuple(words)
    return found


def _parted(part: str) -> tuple[str, int]:
    """A word and the number behind it; -1: none."""
    match = re.fullmatch(r"(.*?)_?(\d*)", part)
    assert match
    return match[1], int(match[2] or -1)


def _words(stem: str) -> list[str]:
    """ "DownSample" and "down_sample" in words; the parts of "downsample" are joined."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", stem)
    joined = "".join(parts).lower()
    return [joined] if joined in _CLASSES else [part.lower() for part in parts]


@cache
def _alike(one: str, other: str) -> float:
    """How alike two words are, from 0 to 1."""
    if one == other:
        return 1.0
    if one.isdigit() or other.isdigit():
        return 0.0
    if _CLASSES.get(one, set()) & _CLASSES.get(other, set()):
        return 0.8
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio > 0.7 else 0.0


@cache
def similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """How alike two paths are, from 0 to 1: the words that match in order, of all."""
    best = [[0.0] * (len(other) + 1) for _ in range(len(one) + 1)]
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], best[i][j] + _alike(a, b))
    return 2 * best[-1][-1] / max(len(one) + len(other), 1)
