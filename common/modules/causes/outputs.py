"""A layer whose answer is the reference's with something done to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import permutations

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.case import Batch, Case, Guess, Predicted
from common.modules.causes.functions import identity, merged
from common.modules.causes.leaves import fitted, number
from common.modules.expected import Name

#: Of so long an axis a permutation is still listed.
MOST_LISTED = 16


def output_guesses(case: Case) -> Iterator[Guess]:
    """Everything that is tried on the reference's answer, of the first wrong tensor."""
    batch = case.batches[0]
    tensor = case.wrong[0]
    name, (right, value) = (
        tensor.names[0],
        (batch.right[tensor.names[0]], case.value(batch, tensor)),
    )
    yield from multiplied(case, name, right, value)
    yield from followed(case, name, right, value)
    yield from rearranged(name, right)
    yield from permuted(name, right, value)


def done(name: Name, function: Callable[[Array], Array]) -> Predicted:
    """One tensor of the reference's with something done to it."""

    def predicted(batch: Batch) -> Mapping[Name, Array]:
        return {name: function(batch.right[name])}

    return predicted


def multiplied(case: Case, name: Name, right: Array, value: Array) -> Iterator[Guess]:
    """A constant multiple of every wrong tensor."""
    factor = fitted(right, value)
    if factor:
        names = [tensor.names[0] for tensor in case.wrong]
        yield Guess(
            "scale",
            f"times {number(factor, right.shape)} where the original has times 1",
            "divide the port's numbers by the original's",
            lambda batch: {name: factor * batch.right[name] for name in names},
        )


def followed(case: Case, name: Name, right: Array, value: Array) -> Iterator[Guess]:
    """A function of every number, after the layer or inside it."""
    where = "on its output" if case.first.place.unit == "layer" else "on what arrives"
    for words, function in merged(right, value):
        if function is not identity:
            yield Guess(
                "activation",
                f"{words} {where} where the original has none",
                "look for an activation in the port's layer",
                done(name, function),
            )


def rearranged(name: Name, right: Array) -> Iterator[Guess]:
    """Axes exchanged, backwards, or moved along."""
    axes = tuple(range(right.ndim))
    for order in permutations(axes):
        if order != axes and right.transpose(order).shape == right.shape:
            yield Guess(
                "axes",
                f"the axes in the order {order} where the original has {axes}",
                "compare the shapes that both return for a size of its own on each axis",
                done(name, partial(np.transpose, axes=order)),
            )


def permuted(name: Name, right: Array, value: Array) -> Iterator[Guess]:
    """The numbers along one axis in another order."""
    for axis in range(right.ndim):
        order = order_of(right, value, axis)
        if order is not None:
            words, was = order_words(order)
            yield Guess(
                "order" if interleaving(order) is None else "interleaved",
                f"{words} along axis {axis} where the original has {was}",
                f"print both along axis {axis}",
                done(name, partial(np.take, indices=order, axis=axis)),
            )


def order_of(right: Array, value: Array, axis: int) -> Array | None:
    """Which of the reference's is at each place along an axis; None if it is no new order."""
    size = right.shape[axis]
    if right.shape != value.shape or size < 2:
        return None
    mine, theirs = (np.moveaxis(one, axis, 0).reshape(size, -1) for one in (right, value))
    # A few sums tell them apart; whether they are equal is seen of the whole.
    keys = np.random.default_rng(0).normal(size=(mine.shape[1], 2))
    apart = np.abs((theirs @ keys)[:, None] - (mine @ keys)[None]).sum(axis=-1)
    order: Array = apart.argmin(axis=1)
    return None if (order == np.arange(size)).all() else order


def order_words(order: Array) -> tuple[str, str]:
    """An order, and the one it stands for, in words."""
    size = len(order)
    if (order == np.arange(size)[::-1]).all():
        return "backwards", "forwards"
    shift = int(order[0])
    if (order == np.roll(np.arange(size), -shift)).all():
        return f"moved by {shift} places", "them in their places"
    if (sizes := interleaving(order)) is not None:
        outer, inner, block = sizes
        return (
            f"blocks of {block} in {inner} groups of {outer}",
            f"them in {outer} groups of {inner}",
        )
    if len(set(order.tolist())) < size:
        return f"some of them several times ({listed(order)})", "each once"
    return f"another order ({listed(order)})", "its own"


def interleaving(order: Array) -> tuple[int, int, int] | None:
    """Groups, blocks in each, and a block's size, if an order is that of their two axes turned."""
    size = len(order)
    for outer in (n for n in range(2, size) if size % n == 0):
        for inner in (n for n in range(2, size) if size % (outer * n) == 0):
            blocks = np.arange(size).reshape(outer, inner, -1)
            if np.array_equal(order, blocks.swapaxes(0, 1).ravel()):
                return outer, inner, blocks.shape[-1]
    return None


def listed(order: Array) -> str:
    """The first of many."""
    return " ".join(map(str, order[:MOST_LISTED])) + (" ..." if len(order) > MOST_LISTED else "")
