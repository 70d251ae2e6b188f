"""Attention between layers or inside of one: its mask, its scale, its heads, its softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.between import Source, close, sources
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.causes.functions import softmax
from common.modules.expected import Name

#: Axes of a batch of sequences.
SEQUENCES = 3

#: So many heads are tried.
MOST_HEADS = 16

#: Which pairs of tokens (those that ask, those that are asked) are masked, of so many tokens.
MASKS: dict[str, Callable[[int], Array]] = {
    "no mask": lambda count: np.zeros((count, count), bool),
    "later tokens masked": lambda count: np.triu(np.ones((count, count), bool), 1),
    "earlier tokens masked (the mask inverted)": lambda count: np.tril(
        np.ones((count, count), bool), 0
    ),
    "earlier tokens masked": lambda count: np.tril(np.ones((count, count), bool), -1),
    "the token itself masked, too": lambda count: np.triu(np.ones((count, count), bool), 0),
}

#: What the scores are multiplied by, of a head's size and of all features.
SCALES: dict[str, Callable[[int, int], float]] = {
    "scaled by 1/sqrt of a head's size": lambda size, whole: float(size) ** -0.5,
    "not scaled": lambda size, whole: 1.0,
    "scaled by 1/sqrt of all features": lambda size, whole: float(whole) ** -0.5,
    "scaled by 1 / a head's size": lambda size, whole: 1 / size,
    "scaled by sqrt of a head's size": lambda size, whole: float(size) ** 0.5,
}


#: How the features are made heads (n, heads, tokens, features).
SPLITS: dict[str, Callable[[Array, int], Array]] = {
    "one head after another": lambda x, heads: x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2),
    "heads interleaved": lambda x, heads: x.reshape(*x.shape[:2], -1, heads).transpose(0, 3, 1, 2),
    "features reshaped to heads without their tokens": lambda x, heads: x.reshape(
        len(x), heads, x.shape[1], -1
    ),
}

#: How heads are made features (n, tokens, heads and features) again.
JOINS: dict[str, Callable[[Array], Array]] = {
    "heads behind the tokens again": lambda x: x.swapaxes(1, 2),
    "heads interleaved again": lambda x: x.transpose(0, 2, 3, 1),
    "heads left before the tokens": lambda x: x,
}

#: How query, key and value lie in one tensor, of so many heads: the axis of the three is last.
PACKINGS: dict[str, Callable[[Array, int], Array]] = {
    "one after another": lambda x, heads: x.reshape(*x.shape[:2], 3, -1).swapaxes(2, 3),
    "within each head": lambda x, heads: (
        x.reshape(*x.shape[:2], heads, 3, -1).swapaxes(3, 4).reshape(*x.shape[:2], -1, 3)
    ),
    "within each feature": lambda x, heads: x.reshape(*x.shape[:2], -1, 3),
}

#: What may be another.
PARTS = (
    "heads",
    "mask",
    "scale",
    "softmax",
    "query, key and value",
    "heads' features",
    "heads joined",
    "packing",
)


@dataclass(frozen=True)
class Attention:
    """softmax(q kᵀ / sqrt(d)) v, of several heads.

    Attributes:
        heads: how many.
        mask, scale, split, joined, packing: names in the tables above.
        axis: of the softmax: -1 are the keys.
        order: which of three are query, key and value.
    """

    heads: int
    mask: str = "no mask"
    scale: str = "scaled by 1/sqrt of a head's size"
    axis: int = -1
    order: tuple[int, ...] = (0, 1, 2)
    split: str = "one head after another"
    joined: str = "heads behind the tokens again"
    packing: str = "one after another"

    def of(self, some: Sequence[Array]) -> Array:
        """What it returns for three tensors (n, tokens, features), or one of all features."""
        if len(some) == 1:
            packed = PACKINGS[self.packing](some[0], self.heads)
            some = [packed[..., i] for i in range(3)]
        query, key, value = (SPLITS[self.split](some[i], self.heads) for i in self.order)
        size, whole = query.shape[-1], some[0].shape[-1]
        scores = query @ key.swapaxes(-1, -2) * SCALES[self.scale](size, whole)
        chances = softmax(np.where(MASKS[self.mask](scores.shape[-1]), -1e300, scores), self.axis)
        found: Array = JOINS[self.joined](chances @ value).reshape(some[0].shape)
        return found

    def words(self) -> tuple[str, ...]:
        """Each of its choices."""
        names = ("query", "key", "value")
        return (
            f"{self.heads} heads" if self.heads > 1 else "one head",
            self.mask,
            self.scale,
            "softmax over the keys" if self.axis == -1 else "softmax over the queries",
            " ".join(names[self.order.index(i)] for i in range(3)),
            self.split,
            self.joined,
            f"query, key and value {self.packing}",
        )


#: Query, key and value of a batch, or one tensor of all three.
Led = Callable[[Batch], list[Array]]

#: What is made of attention afterwards.
After = Callable[[Batch, Array], Array]


def attention_guesses(case: Case) -> Iterator[Guess]:
    """Another attention between layers, where the reference's is found."""
    batch = case.batches[0]
    right = batch.right[case.wrong[0].names[0]]
    led = [one for one in sources(case) if one.of(batch).ndim == SEQUENCES]
    for some in groups(led, batch, right):

        def of(batch: Batch, some: tuple[Source, ...] = some) -> list[Array]:
            return [one.of(batch) for one in some]

        yield from another(case, of, lambda batch, found: found)


def layer_attention_guesses(case: Case) -> Iterator[Guess]:
    """Another attention inside a layer that holds its matrices packed, (out, in)."""
    batch = case.batches[0]
    values = batch.asked.values
    sequences = [i for i, x in enumerate(batch.asked.inputs) if x.ndim == SEQUENCES]
    if len(sequences) != 1:
        return
    width = batch.asked.inputs[sequences[0]].shape[-1]
    shapes = ((3 * width, width), (3 * width,), (width, width), (width,))
    held = [[n for n in case.leaves if values[n].shape == shape] for shape in shapes]
    if any(len(some) > 1 for some in held) or not held[0] or not held[2]:
        return

    def leaf(batch: Batch, which: int) -> Any:
        return batch.asked.values[held[which][0]] if held[which] else 0.0

    for first in (True, False):  # the examples, or the tokens

        def turned(x: Array, first: bool = first) -> Array:
            return x if first else x.swapaxes(0, 1)

        def of(batch: Batch, turned: Callable[[Array], Array] = turned) -> list[Array]:
            x = turned(batch.asked.inputs[sequences[0]])
            return [x @ leaf(batch, 0).T + leaf(batch, 1)]

        def after(batch: Batch, x: Array, turned: Callable[[Array], Array] = turned) -> Array:
            return turned(x @ leaf(batch, 2).T + leaf(batch, 3))

        yield from another(case, of, after)


def another(case: Case, led: Led, after: After) -> Iterator[Guess]:
    """Attention of another rule than the reference's, if that is found."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    right, value = batch.right[name], case.value(batch, tensor)
    if right.ndim != SEQUENCES:
        return
    some = led(batch)
    width = some[0].shape[-1] // (3 if len(some) == 1 else 1)
    mine = next((one for one in usual(width) if close(after(batch, one.of(some)), right)), None)
    if mine is None:
        return
    seen: list[list[Array]] = []
    for other in others(mine, width):

        def predicted(batch: Batch, other: Attention = other) -> Mapping[Name, Array]:
            return {name: after(batch, other.of(led(batch)))}

        if case.roughly(predicted(batch)[name], value):
            made = [predicted(one)[name] for one in case.batches]
            if any(all(map(close, made, earlier)) for earlier in seen):
                continue  # the same as what changes less
            seen.append(made)
            kind, has, had = in_parts(zip(PARTS, other.words(), mine.words(), strict=True))
            yield Guess(
                kind,
                f"{has} in attention where the original has {had}",
                "print the scores before and after the softmax",
                predicted,
            )


def groups(led: list[Source], batch: Batch, right: Array) -> Iterator[tuple[Source, ...]]:
    """Three sources of the same shape, or one of three times as many features."""
    same = [one for one in led if one.of(batch).shape == right.shape]
    if len(same) == SEQUENCES:
        yield tuple(same)
    wide = (*right.shape[:-1], 3 * right.shape[-1])
    yield from ((one,) for one in led if one.of(batch).shape == wide)


def counts(width: int) -> list[int]:
    """How many heads so many features may have."""
    return [n for n in range(1, MOST_HEADS + 1) if width % n == 0]


def usual(width: int) -> Iterator[Attention]:
    """What somebody may mean."""
    for heads, order, scale, mask in product(
        counts(width), permutations(range(3)), list(SCALES)[:2], list(MASKS)[:2]
    ):
        yield Attention(heads, mask, scale, order=order)


def others(mine: Attention, width: int) -> Iterator[Attention]:
    """Those with one choice another, then with two."""
    choices: dict[str, Any] = {
        "heads": counts(width),
        "mask": MASKS,
        "scale": SCALES,
        "axis": (-1, -2),
        "order": permutations(range(3)),
        "split": SPLITS,
        "joined": JOINS,
        "packing": PACKINGS,
    }
    changes = [
        {part: one} for part, some in choices.items() for one in some if one != getattr(mine, part)
    ]
    every = [(one,) for one in changes] + list(combinations(changes, 2))
    for some in every:
        if len({part for one in some for part in one}) == len(some):
            yield replace(mine, **{part: value for one in some for part, value in one.items()})
