"""Put a port beside its reference: run both, map the weights, pair the layers, order the axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice, product
from pathlib import Path

import numpy as np

from common.agreement.probes import parted
from common.contract.arrays import Array, Arrays, cast
from common.contract.net import Asked, Net, Tensors
from common.errors import Refused, one_line
from common.mapping.decision import decide
from common.mapping.mapping import WeightMap, load
from common.mapping.proposal import propose
from common.modules.expected import largest
from common.modules.layout import USUAL, Layout, Map
from common.modules.links import linked, there
from common.modules.matched import (
    Matched,
    Side,
    maps_of,
    recorded,
    rounded,
    values_of,
    with_links,
)
from common.modules.parts import pairs
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
) -> Matched:
    """Put both side by side.

    Args:
        reference, port: the networks.
        inputs: of the whole, as the reference takes them.
        train: whether in training mode.
        dtype: of the run.
        seed: of what is drawn.
        mapping: a file that says how the port's weights are made; None: it is found.

    Raises:
        Refused: the reference answers at random, or computes in another dtype than it is given;
            the port does not run on the inputs; a mapping that does not fit.
    """
    inputs = rounded(inputs, dtype)
    original = of_reference(reference, values_of(reference.leaves(), seed, dtype), inputs, train)
    layouts, ours = of_port(port, inputs, train, dtype)

    def matched(weights: WeightMap) -> Matched:
        values = {**ours.values, **weights.apply(original.values, dtype)}
        side = recorded(port, values, ours.inputs, train)
        found = pairs(
            [(entry.port, entry.source.reference) for entry in weights.entries],
            (original.layers, side.layers),
            (list(original.calls.values()), list(side.calls.values())),
        )
        both = Matched(
            original, side, weights, found, layouts, {}, {}, (), train=train, dtype=dtype
        )
        return with_links(both)

    leaves = list(original.leaves.values()), list(ours.leaves.values())
    if mapping is not None:
        return matched(load(mapping, *leaves))
    return decided(matched, lambda maps: propose(*leaves, original.order, ours.order, maps))


def of_reference(net: Net, values: Arrays, inputs: Tensors, train: bool) -> Side:
    """The reference's run in float64, if it may referee."""
    exact = cast(values, "float64"), rounded(inputs, "float64"), train
    side = recorded(net, *exact)
    again = net.record(*exact)[1]
    first, second = ({str(i): one for i, one in enumerate(some)} for some in (side.outputs, again))
    if parted(first, second, {}) is not None:
        raise Refused(
            "the reference gives two answers when called twice with the same inputs; switch its "
            "dropout off, or give it the same random numbers each time"
        )
    for one in side.outputs:
        if one.dtype.kind == "f" and one.dtype != np.float64:
            raise Refused(
                f"the reference computes {one.dtype} from float64; it must keep the dtype it is "
                "given to be held against"
            )
    return Side(net, side.leaves, values, inputs, side.calls, side.outputs)


def of_port(net: Net, inputs: Tensors, train: bool, dtype: str) -> tuple[list[Layout], Side]:
    """The port's run with its own weights, and in which order it takes the axes of the inputs."""
    values = cast({leaf.name: leaf.value for leaf in net.leaves()}, dtype)
    first: Exception | None = None
    for ways in islice(product(*(list(orders(one)) for one in inputs)), MOST_WAYS):
        try:
            taken = tuple(way.there(one) for way, one in zip(ways, inputs, strict=True))
            return list(ways), recorded(net, values, taken, train)
        except Exception as cause:
            # Whatever somebody's network raises at inputs that it does not take.
            first = first or cause
    assert first is not None
    shapes = ", ".join(str(one.shape) for one in inputs)
    raise Refused(f"the port does not run on inputs of shape {shapes}: {one_line(first)}")


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
    weights = found.mapping
    if not any(entry.candidates for entry in weights.entries):
        return found
    kind = "float64" if found.port.net.doubles else found.dtype
    values = cast(found.reference.values, kind)
    chosen = decide(weights, values, partial(residual, found), ENOUGH[kind])
    return found if chosen.entries == weights.entries else matched(chosen)


def residual(matched: Matched, values: Arrays, module: str) -> float:
    """How far a module of the port is from its counterpart on equal inputs, with given weights.

    Args:
        matched: both, by a mapping that is in question.
        values: of the port's leaves, in the dtype that is computed in.
        module: of the port.

    Returns:
        the largest distance relative to the largest output; infinity if it cannot run.
    """
    reference, port = matched.reference, matched.port
    path = matched.mapping.counterparts.get(module, "")
    if not ((module, 0) in port.calls and (path, 0) in reference.calls):
        return float("inf")
    mine, theirs = reference.calls[path, 0], port.calls[module, 0]
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
    except Exception:
        # Weights of another shape, or another kind: not this one.
        return float("inf")
    far = 0.0
    for link, value in zip(linked(mine.outputs, outputs), outputs, strict=True):
        if link is not None and value.dtype.kind == "f":
            right = link.layout.there(mine.outputs[link.at])
            far = max(far, float(np.max(np.abs(value - right)) / (largest(right) or 1.0)))
    return far


def flattened(matched: Matched) -> Iterable[tuple[str, Map]]:
    """The layers that take a feature map which the port flattened in another order."""
    for (path, _), links in matched.inputs.items():
        for link in links:
            if link is not None and link.layout.flattened is not None:
                yield path, link.layout.flattened.channels_first
