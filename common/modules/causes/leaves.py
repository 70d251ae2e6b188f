"""A layer that uses its parameters otherwise: the reference asked with other values of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations, islice, permutations
from math import prod

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Leaf
from common.modules.causes.case import Batch, Case, Guess, Predicted
from common.modules.layout import CHANNELS_FIRST

#: So many other layers' parameters are tried.
MOST_OTHERS = 12

#: So many pairs of leaves that are in no layer are exchanged.
MOST_PAIRS = 60

#: Gates of a GRU and of an LSTM.
GATES = (3, 4)


def leaf_guesses(case: Case) -> Iterator[Guess]:
    """Every way to use a leaf that is tried."""
    yield mode_guess(case)
    for name, leaf in case.leaves.items():
        value = case.batches[0].asked.values[name]
        if leaf.trained:
            yield from counted(name, value)
            yield from turned(name, value)
            yield from scaled(case, name, value)
    yield from exchanged(case)
    yield from gates(case)
    yield from flattened(case)


def loose_guesses(case: Case) -> Iterator[Guess]:
    """Leaves that are in no layer of both: left out, used otherwise, or one for another."""
    values = case.batches[0].asked.values
    for name in case.leaves:
        yield from counted(name, values[name])
    pairs = combinations([name for name, leaf in case.leaves.items() if leaf.trained], 2)
    for one, two in islice(pairs, MOST_PAIRS):
        if values[one].shape == values[two].shape:
            yield exchange(one, two, values)


def asked_with(leaves: Mapping[str, Array]) -> Predicted:
    """The reference's answer with other values of some leaves."""
    return lambda batch: batch.with_leaves(leaves)


def mode_guess(case: Case) -> Guess:
    """The reference in its other mode."""
    train = case.batches[0].unit.asked.train
    modes = ("training", "evaluation") if train else ("evaluation", "training")
    words = f"{modes[1]} mode where the original is in {modes[0]} mode"

    def predicted(batch: Batch) -> Mapping[tuple[object, ...], Array]:
        return batch.again(replace(batch.asked, train=not train))

    return Guess("mode", words, "print the layer's mode when it is called", predicted)


def counted(name: str, value: Array) -> Iterator[Guess]:
    """Left out, taken twice, taken with another sign."""
    has = f"look for {name} in the port's call"
    for kind, words, other in (
        ("left out", f"{name} left out (as if it were zero)", np.zeros_like(value)),
        ("left out", f"{name} left out (as if it were one)", np.ones_like(value)),
        ("taken twice", f"{name} taken twice", 2 * value),
        ("sign", f"{name} taken with the other sign", -value),
    ):
        yield Guess(kind, f"{words} where the original uses it", has, asked_with({name: other}))
    if value.ndim == 1:
        words = f"{name} taken as 1 + {name} where the original takes it as it is"
        yield Guess("offset", words, has, asked_with({name: 1 + value}))


def turned(name: str, value: Array) -> Iterator[Guess]:
    """Its axes in another order, or backwards."""
    has = f"print {name} as the layer uses it"
    axes = tuple(range(value.ndim))
    for order in permutations(axes):
        if order != axes and value.transpose(order).shape == value.shape:
            words = f"{name} with its axes in the order {order}"
            if value.ndim == 2:
                words = f"{name} transposed"
            yield Guess(
                "axes",
                f"{words} where the original has it as it is",
                has,
                asked_with({name: value.transpose(order)}),
            )
    long = [axis for axis in axes if value.shape[axis] > 1]
    for count in (1, 2):
        for some in combinations(long, count):
            words = f"{name} backwards along {'axes' if count > 1 else 'axis'} "
            words += " and ".join(map(str, some))
            if value.ndim > 2 and count == value.ndim - 2:
                words += " (a convolution for a correlation)"
            yield Guess(
                "backwards",
                f"{words} where the original has it as it is",
                has,
                asked_with({name: np.flip(value, some)}),
            )


def scaled(case: Case, name: str, value: Array) -> Iterator[Guess]:
    """Times a number, which the answer without it tells, if it is linear in it."""
    tensor = case.tensors[0]
    key = tensor.names[0]
    batch = case.batches[0]
    without = batch.with_leaves({name: np.zeros_like(value)})[key]
    factor = fitted(batch.right[key] - without, case.value(batch, tensor) - without)
    if factor is not None and all(abs(factor - one) > 1e-5 for one in (0, 1, 2, -1)):
        yield Guess(
            "scale",
            f"{name} times {number(factor, value.shape)} where the original has it as it is",
            f"compare the scale of {name} as the layer uses it",
            asked_with({name: factor * value}),
        )


def exchanged(case: Case) -> Iterator[Guess]:
    """Parameters of another layer, or another of its own of the same shape."""
    matched = case.batches[0].matched
    values = case.batches[0].asked.values
    path = case.first.place.layer
    own = {name: leaf for name, leaf in case.leaves.items() if leaf.trained}
    others: dict[str, dict[str, Leaf]] = {}
    for name, leaf in matched.reference.leaves.items():
        if leaf.trained and name not in own:
            others.setdefault(leaf.owners[0], {})[leaf.role] = leaf
    for owner, leaves in list(others.items())[:MOST_OTHERS]:
        taken = {
            name: values[leaves[leaf.role].name]
            for name, leaf in own.items()
            if leaf.role in leaves and leaves[leaf.role].value.shape == leaf.value.shape
        }
        confirm = f"print the parameters that the port's {case.first.place.port_layer} holds"
        if len(taken) > 1 and len(taken) == len(own):
            words = f"the parameters of {owner} where the original has those of {path}"
            yield Guess("other leaves", words, confirm, asked_with(taken))
        for name, other in taken.items():
            words = f"{leaves[own[name].role].name} where the original has {name}"
            yield Guess("other leaves", words, confirm, asked_with({name: other}))
    for one, two in combinations(own, 2):
        if values[one].shape == values[two].shape:
            yield exchange(one, two, values)


def exchange(one: str, two: str, values: Mapping[str, Array]) -> Guess:
    """One leaf in the place of another, and the reverse."""
    return Guess(
        "other leaves",
        f"{one} and {two} exchanged where the original has them in their places",
        "print both as the layer uses them, and the mapping of the weights",
        asked_with({one: values[two], two: values[one]}),
    )


def gates(case: Case) -> Iterator[Guess]:
    """Blocks of the leaves' first or last axes in another order."""
    values = case.batches[0].asked.values
    own = {name: values[name] for name, leaf in case.leaves.items() if leaf.trained}
    for count in GATES:
        sizes = {value.shape[0] for value in own.values() if value.ndim} | {
            value.shape[-1] for value in own.values() if value.ndim
        }
        for size in (s for s in sizes if s % count == 0 and s > count and len(own) > 1):
            for order in list(permutations(range(count)))[1:]:
                taken = {
                    name: moved
                    for name, value in own.items()
                    if (moved := blocks(value, size, order)) is not None
                }
                yield Guess(
                    "blocks",
                    f"the {count} blocks of {' and '.join(taken)} in the order {order} where the "
                    f"original has them in the order {tuple(range(count))}",
                    "compare the order of the gates, or of query, key and value",
                    asked_with(taken),
                )


def flattened(case: Case) -> Iterator[Guess]:
    """Weights in the order of another flattening than their input has."""
    batch = case.batches[0]
    links = batch.matched.inputs[case.first.place.layer, case.first.place.number]
    order = next((link.layout.flattened for link in links if link and link.layout.flattened), None)
    if order is None:
        return
    columns = order.columns

    def predicted(batch: Batch) -> Mapping[tuple[object, ...], Array]:
        first, *rest = batch.asked.inputs
        return batch.with_inputs((first[..., columns], *rest))

    last, as_it_is = ("channels last", "first")
    if order.order == CHANNELS_FIRST:
        last, as_it_is = "channels first", "last"
    yield Guess(
        "flattened",
        f"a picture flattened with {last}, and weights for one with channels {as_it_is}, where "
        "the original has both alike",
        "load the weights with their columns in the order in which the port flattens",
        predicted,
    )


def blocks(value: Array, size: int, order: tuple[int, ...]) -> Array | None:
    """Blocks of the axis of this size in another order; None if it has none."""
    axis = next((a for a in (0, value.ndim - 1) if value.ndim and value.shape[a] == size), None)
    if axis is None:
        return None
    parts = np.split(value, len(order), axis)
    moved: Array = np.concatenate([parts[i] for i in order], axis)
    return moved


def fitted(right: Array, value: Array) -> float | None:
    """The factor from one to the other; None if there is nothing to fit."""
    square = float((right * right).sum())
    if not square or right.shape != value.shape:
        return None
    return float((right * value).sum()) / square


def number(value: float, shape: tuple[int, ...] = ()) -> str:
    """A factor with the name it may have."""
    sizes = dict.fromkeys([*shape, prod(shape)])
    named = {f"1/sqrt({d})": d**-0.5 for d in sizes} | {f"sqrt({d})": d**0.5 for d in sizes}
    named |= {f"1/{d}": 1 / d for d in sizes if d} | {"sqrt(2)": 2**0.5}
    words = f"{value:.6g}"
    for name, one in named.items():
        if abs(value / one - 1) < 1e-6 and name != words:
            return f"{words} = {name}"
    return words
