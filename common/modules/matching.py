"""Put a port beside its reference: run both, map the weights, pair the layers, order the axes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice, product
from pathlib import Path

import numpy as np

from common.agreement.divergence import distance
from common.contract.arrays import Array, Arrays
from common.contract.net import TAP, Asked, Leaf, Net, Tensors
from common.contract.precision import cast
from common.errors import Killed, Refused, TimedOut, Unavailable
from common.mapping.decision import decide
from common.mapping.mapping import Entry, WeightMap, load
from common.mapping.proposal import propose
from common.modules.door import refuse_leaves, refuse_outputs, refuse_tokens
from common.modules.expected import largest
from common.modules.functions import same_leaves
from common.modules.guard import NotRunError, blamed, refusing
from common.modules.layout import USUAL, Layout, Map
from common.modules.links import linked, there
from common.modules.matched import (
    Matched,
    Side,
    maps_of,
    recorded,
    rounded,
    tapped,
    values_of,
    with_links,
)
from common.modules.parts import is_under, pairs, taps
from common.modules.probes import refuse_as_referee
from common.modules.units import filled

#: So many ways to order the axes of all inputs are tried.
MOST_WAYS = 64

#: What is rounding, relative to the largest output.
ENOUGH = {"float64": 1e-10, "float32": 1e-5}


def match(
    reference: Net,
    port: Net,
    inputs: Tensors,
    *,
    train: bool,
    dtype: str,
    seed: int,
    mapping: Path | None = None,
    same: bool = False,
) -> Matched:
    """Put both side by side.

    Args:
        reference, port: the networks.
        inputs: of the whole, as the reference takes them.
        train: whether in training mode.
        dtype: of the run.
        seed: of what is drawn.
        mapping: a file that says how the port's weights are made; None: it is found.
        same: whether both take the same leaves.

    Raises:
        Refused: the reference cannot referee (`refuse_as_referee`); leaves that are no numbers; a
            mapping that does not fit.
        NotRunError: the port raises.
    """
    inputs = rounded(inputs, dtype)
    leaves = leaves_of("reference", reference), leaves_of("port", port)
    original = of_reference(reference, values_of(leaves[0], seed, dtype), inputs, train)
    layouts, ours = of_port(port, inputs, train, dtype, original)

    def matched(weights: WeightMap) -> Matched:
        values = {**ours.values, **weights.apply(original.values, dtype)}
        try:
            side = recorded(port, values, ours.inputs, train)
        except Exception as cause:
            raise NotRunError(original, ours, blamed(cause)) from cause
        calls = list(original.calls.values()), list(side.calls.values())
        found = pairs(
            [(entry.port, entry.source.reference) for entry in weights.entries],
            (original.layers, side.layers),
            calls,
        )
        named = taps(calls, found)
        paths = frozenset(pair.reference for pair in named)
        sides = tapped(original, paths), tapped(side, paths)
        found = sorted([*found, *named], key=lambda pair: original.order[pair.reference])
        both = Matched(
            *sides, weights, found, layouts, {}, {}, (), train=train, dtype=dtype, taps=paths
        )
        return with_links(both)

    leaves = list(original.leaves.values()), list(ours.leaves.values())
    if mapping is not None:
        return matched(load(mapping, *leaves))
    if same:
        return matched(same_leaves(*leaves))
    return decided(matched, lambda maps: propose(*leaves, original.order, ours.order, maps))


def of_reference(net: Net, values: Arrays, inputs: Tensors, train: bool) -> Side:
    """The reference's run in float64, if it may referee."""
    side = recorded(net, cast(values, "float64"), rounded(inputs, "float64"), train)
    refuse_outputs(side.outputs)
    if not getattr(net, "believed", False):
        refuse_as_referee(side, train)
    refuse_tokens(side.calls.values(), side.leaves.values())
    return replace(side, values=values, inputs=inputs)


def leaves_of(who: str, net: Net) -> list[Leaf]:
    """Every parameter and buffer of one side, all of them numbers."""
    with refusing(f"what the {who} holds cannot be read: it"):
        leaves = net.leaves()
    refuse_leaves(who, leaves)
    return leaves


def of_port(
    net: Net, inputs: Tensors, train: bool, dtype: str, original: Side
) -> tuple[list[Layout], Side]:
    """The port's run with its own weights, and in which order it takes the axes of the inputs."""
    leaves = {leaf.name: leaf for leaf in net.leaves()}
    values = cast({name: leaf.value for name, leaf in leaves.items()}, dtype)
    first: tuple[str, Exception] | None = None
    for ways in islice(product(*(list(orders(one)) for one in inputs)), MOST_WAYS):
        try:
            taken = tuple(way.there(one) for way, one in zip(ways, inputs, strict=True))
            return list(ways), recorded(net, values, taken, train)
        except (Killed, Refused, TimedOut, Unavailable):
            raise
        except Exception as cause:
            # Whatever somebody's network raises at inputs that it does not take.
            words = blamed(cause)
            first = first or (words, cause)
    assert first is not None
    unrun = Side(net, leaves, values, inputs, {}, ())
    raise NotRunError(original, unrun, first[0]) from first[1]


def orders(array: Array) -> Iterator[Layout]:
    """The usual orders of an input's axes, its own first."""
    yield Layout(tuple(range(array.ndim)))
    yield from (Layout(order) for order in USUAL if len(order) == array.ndim)


def decided(
    matched: Callable[[WeightMap], Matched], proposed: Callable[[dict[str, Map]], WeightMap]
) -> Matched:
    """Choose by numbers among the ways in which the port's leaves may be made."""
    found = matched(proposed({}))
    maps = dict(flattened(found))
    if maps:
        found = matched(proposed(maps))
    if not any(entry.candidates for entry in found.mapping.entries):
        return found
    weights = told_by(found)
    kind = "float64" if found.port.net.doubles else found.dtype
    values = cast(found.reference.values, kind)
    asked = replace(found, mapping=weights)
    chosen = decide(weights, values, partial(residual, asked), ENOUGH[kind])
    return found if chosen.entries == weights.entries else matched(chosen)


def told_by(matched: Matched) -> WeightMap:
    """The mapping, each entry with modules that stand for each other.

    Where one module holds what several hold on the other side (all weights of a network, say),
    or more than its counterpart does (queries, keys and values in no module of their own), the
    layers around them are asked, or the whole.
    """
    entries = matched.mapping.entries
    asked = {(entry.module, entry.counterpart) for entry in entries}
    ours, theirs = (Counter(pair[side] for pair in asked) for side in (0, 1))
    unlike = {
        (module, counterpart)
        for module, counterpart in asked
        if any(is_under(e.module, module) != is_under(e.counterpart, counterpart) for e in entries)
    }

    def around(entry: Entry) -> tuple[str, str]:
        """The smallest pair of layers that holds both."""
        found = [
            (pair.port, pair.reference)
            for pair in matched.pairs
            if is_under(entry.module, pair.port) and is_under(entry.counterpart, pair.reference)
        ]
        return max(found, key=lambda paths: len(paths[0]), default=("", ""))

    made = []
    for entry in entries:
        both = entry.module, entry.counterpart
        if ours[entry.module] > 1 or theirs[entry.counterpart] > 1 or both in unlike:
            module, counterpart = around(entry)
            entry = replace(entry, module=module, counterpart=counterpart)
        made.append(entry)
    return matched.mapping.with_entries(made)


def residual(matched: Matched, values: Arrays, module: str) -> float:
    """How far a module of the port is from its counterpart on equal inputs, with given weights.

    Args:
        matched: both, by a mapping that is in question.
        values: of the port's leaves, in the dtype that is computed in.
        module: of the port.

    Returns:
        the largest distance relative to the largest output; infinity if it cannot run, or
        nothing that it returns can be held against anything.
    """
    reference, port = matched.reference, matched.port
    counterparts = {"": "", **matched.mapping.counterparts}
    if module not in counterparts:
        return float("inf")
    path = counterparts[module]
    mine, theirs = reference.calls.get((path, 0)), port.calls.get((module, 0))
    if mine is None or theirs is None or theirs.kind == TAP:
        return float("inf")
    dtype = next(one.dtype.name for one in values.values() if one.dtype.kind == "f")
    inputs = linked(mine.inputs, theirs.inputs, maps_of(reference))
    asked = Asked(
        {**cast(dict(port.values), dtype), **values},
        filled(there(inputs, rounded(mine.inputs, dtype)), theirs.inputs, dtype),
        theirs.key if module else None,
        train=matched.train,
    )
    try:
        outputs = port.net.run(asked).outputs
    except Exception as cause:
        # Weights of another shape, or another kind: not this one.
        blamed(cause)
        return float("inf")
    far = []
    for link, value in zip(linked(mine.outputs, outputs), outputs, strict=True):
        if link is not None and value.dtype.kind == "f":
            right = link.layout.there(mine.outputs[link.at])
            apart = float(np.max(distance(value, right), initial=0.0))
            far.append(apart / (largest(right) or 1.0))
    return max(far, default=float("inf"))


def flattened(matched: Matched) -> Iterable[tuple[str, Map]]:
    """The layers that take a feature map which the port flattened in another order."""
    for (path, _), links in matched.inputs.items():
        for link in links:
            if link is not None and link.layout.flattened is not None:
                yield path, link.layout.flattened.channels_first
