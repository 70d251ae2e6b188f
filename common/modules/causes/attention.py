"""Attention between layers: its mask, its scale, its heads, the axis of its softmax."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations, product

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.between import Source, close, sources
from common.modules.causes.case import Batch, Case, Guess
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

#: How features are cut: heads of features, or features of heads.
WHOLE, INTERLEAVED = "one head after another", "heads interleaved"

#: What the scores are multiplied by, of a head's size and of all features.
SCALES: dict[str, Callable[[int, int], float]] = {
    "scaled by 1/sqrt of a head's size": lambda size, whole: float(size) ** -0.5,
    "not scaled": lambda size, whole: 1.0,
    "scaled by 1/sqrt of all features": lambda size, whole: float(whole) ** -0.5,
    "scaled by 1 / a head's size": lambda size, whole: 1 / size,
    "scaled by sqrt of a head's size": lambda size, whole: float(size) ** 0.5,
}


@dataclass(frozen=True)
class Attention:
    """softmax(q kᵀ / sqrt(d)) v, of several heads.

    Attributes:
        heads: how many.
        mask, scale: names in `MASKS` and `SCALES`.
        axis: of the softmax: -1 are the keys.
        order: which of three sources are query, key and value.
        split: how features are cut: heads of features, or features of heads (interleaved).
    """

    heads: int
    mask: str = "no mask"
    scale: str = "scaled by 1/sqrt of a head's size"
    axis: int = -1
    order: tuple[int, ...] = (0, 1, 2)
    split: str = WHOLE

    def of(self, three: Sequence[Array]) -> Array:
        """What it returns for three tensors (n, tokens, features)."""
        query, key, value = (self._cut(three[i]) for i in self.order)
        size, whole = query.shape[-1], three[0].shape[-1]
        scores = query @ key.swapaxes(-1, -2) * SCALES[self.scale](size, whole)
        chances = softmax(np.where(MASKS[self.mask](scores.shape[-1]), -1e300, scores), self.axis)
        found = (chances @ value).swapaxes(1, 2)
        if self.split != WHOLE:
            found = found.swapaxes(-1, -2)
        whole_again: Array = found.reshape(three[0].shape)
        return whole_again

    def _cut(self, x: Array) -> Array:
        if self.split == WHOLE:
            return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)
        return x.reshape(*x.shape[:2], -1, self.heads).transpose(0, 3, 1, 2)

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
        )


def attention_guesses(case: Case) -> Iterator[Guess]:
    """Another attention, where the reference's is found."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    right = batch.right[name]
    if right.ndim != SEQUENCES:
        return
    led = [one for one in sources(case) if one.of(batch).ndim == SEQUENCES]
    for some in groups(led, batch, right):
        three = [x[:1] for x in thirds(some, batch)]
        mine = next(
            (one for one in ways(right.shape, False) if close(one.of(three), right[:1])), None
        )
        if mine is None:
            continue
        value = case.value(batch, tensor)[:1]
        for other in ways(right.shape, True):
            if other != mine and case.roughly(other.of(three), value):
                pairs = [(a, b) for a, b in zip(other.words(), mine.words(), strict=True) if a != b]
                has, had = (" and ".join(one) for one in zip(*pairs, strict=True))
                yield Guess(
                    f"{has} in attention where the original has {had}",
                    "print the scores before and after the softmax",
                    partial(predicted, name, some, other),
                )


def groups(led: list[Source], batch: Batch, right: Array) -> Iterator[tuple[Source, ...]]:
    """Three sources of the same shape, or one of three times as many features."""
    same = [one for one in led if one.of(batch).shape == right.shape]
    if len(same) == SEQUENCES:
        yield tuple(same)
    wide = (*right.shape[:-1], 3 * right.shape[-1])
    yield from ((one,) for one in led if one.of(batch).shape == wide)


def thirds(some: tuple[Source, ...], batch: Batch) -> list[Array]:
    """Query, key and value, in some order."""
    if len(some) > 1:
        return [one.of(batch) for one in some]
    return np.split(some[0].of(batch), 3, axis=-1)


def predicted(
    name: Name, some: tuple[Source, ...], other: Attention, batch: Batch
) -> Mapping[Name, Array]:
    """What arrives after another attention."""
    return {name: other.of(thirds(some, batch))}


def ways(shape: tuple[int, ...], every: bool) -> Iterator[Attention]:
    """All that are tried; not `every`: those that somebody may mean."""
    counts = [n for n in range(1, MOST_HEADS + 1) if shape[-1] % n == 0]
    masks = list(MASKS) if every else list(MASKS)[:2]
    scales = list(SCALES) if every else list(SCALES)[:2]
    splits = (WHOLE, INTERLEAVED) if every else (WHOLE,)
    for heads, order, axis, scale, mask, split in product(
        counts, permutations(range(3)), (-1, -2) if every else (-1,), scales, masks, splits
    ):
        if heads > 1 or split == WHOLE:
            yield Attention(heads, mask, scale, axis, order, split)
