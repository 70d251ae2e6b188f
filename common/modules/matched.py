"""A reference and a port that were put side by side: weights, layers, axes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.net import FUNCTIONS, TAP, Call, Key, Leaf, Net, Tensors
from common.contract.precision import cast
from common.mapping.mapping import WeightMap
from common.mapping.names import ROLES
from common.modules.layout import Layout, Map
from common.modules.links import Links, linked
from common.modules.parts import Layers, Pair, layers_of

#: Axes of a batch of pictures.
PICTURES = 4


@dataclass(frozen=True, eq=False)
class Side:
    """One network, its leaves and its own run.

    Attributes:
        net: itself.
        leaves: by name.
        values: of the leaves, in the run's dtype.
        inputs: of the whole, as it takes them.
        calls: of the run, by key, in order.
        outputs: of the run.
    """

    net: Net
    leaves: Mapping[str, Leaf]
    values: Arrays
    inputs: Tensors
    calls: Mapping[Key, Call]
    outputs: Tensors

    @property
    def order(self) -> dict[str, int]:
        """Module -> the place of its first call."""
        return {path: i for i, path in enumerate(dict.fromkeys(path for path, _ in self.calls))}

    @property
    def layers(self) -> Layers:
        """Leaf -> the layers that hold it."""
        return layers_of(self.leaves.values(), self.calls.values())


@dataclass(frozen=True, eq=False)
class Matched:
    """Both, and what stands for what.

    Attributes:
        reference, port: the sides.
        mapping: of the weights.
        pairs: the layers, in order.
        layouts: of the inputs of the whole.
        inputs, outputs: of each pair's call, by the reference's key.
        returned: of the outputs of the whole.
        train: whether in training mode.
        dtype: of the run.
        taps: the paths among the pairs that stand for what is returned there: no layers.
        merged: layers of the reference that are no pairs because they begin or end elsewhere in
            the port, and are judged with the wiring around them.
    """

    reference: Side
    port: Side
    mapping: WeightMap
    pairs: Sequence[Pair]
    layouts: Sequence[Layout]
    inputs: Mapping[Key, Links]
    outputs: Mapping[Key, Links]
    returned: Links
    train: bool
    dtype: str
    taps: frozenset[str] = frozenset()
    merged: tuple[str, ...] = ()

    @property
    def unlinked(self) -> list[str]:
        """Outputs that only one side has, in words."""
        ats = {link.at for link in self.returned if link is not None}
        words = [
            f"output {at} {one.shape} of the reference has no counterpart in the port"
            for at, one in enumerate(self.reference.outputs)
            if at not in ats
        ]
        return words + [
            f"output {at} {one.shape} of the port has no counterpart in the reference"
            for at, (one, link) in enumerate(zip(self.port.outputs, self.returned, strict=True))
            if link is None
        ]

    @property
    def trained_apart(self) -> list[str]:
        """Leaves that one side alone trains, or that the port alone trains apart, in words."""
        words = []
        for entry in self.mapping.entries:
            mine = [self.reference.leaves[name] for name in entry.source.reference]
            theirs = self.port.leaves[entry.port]
            names = " and ".join(leaf.name for leaf in mine)
            if not theirs.trained and any(leaf.trained for leaf in mine):
                words.append(f"{names} is trained in the reference, and {entry.port} is not")
            # Functions do not say which of their parameters are trained.
            says = theirs.kind not in (TAP, FUNCTIONS)
            if theirs.trained and says and mine and not any(leaf.trained for leaf in mine):
                words.append(f"{entry.port} is trained in the port, and {names} is not")
        for tied in self.mapping.tied:
            if all(self.port.leaves[name].trained for name in tied):
                words.append(
                    f"{' and '.join(tied)} are one leaf of the reference, and {len(tied)} of the "
                    "port's, which training moves apart"
                )
        return words

    @property
    def keys(self) -> list[tuple[Key, Key]]:
        """Every call of every pair, in the order in which the reference makes them."""
        port = {pair.reference: pair.port for pair in self.pairs}
        return [(key, (port[key[0]], key[1])) for key in self.reference.calls if key[0] in port]


def tapped(side: Side, paths: Iterable[str]) -> Side:
    """A side whose calls of some paths are made with what they return."""
    calls = {
        key: replace(call, inputs=call.outputs) if call.path in paths else call
        for key, call in side.calls.items()
    }
    return replace(side, calls=calls)


def values_of(leaves: Iterable[Leaf], seed: int, dtype: str) -> Arrays:
    """The leaves' values, in the run's dtype; what is constant is spread, so that nothing hides.

    Scales that are all one, biases and running means that are all zero, would let a layer pass
    that uses them wrongly, or not at all. Whole numbers are counters and stay.
    """
    draw = np.random.default_rng(seed)
    found = {}
    for leaf in leaves:
        value = leaf.value
        # Another buffer may be a constant of the function, which a port has in its code.
        used = leaf.trained or is_statistic(leaf)
        if used and value.dtype.kind == "f" and (value.size == 1 or np.ptp(value) == 0):
            spread = draw.uniform(0.6, 1.4, value.shape)
            value = value * spread if value.any() else draw.normal(0, 0.1, value.shape)
        found[leaf.name] = value
    return cast(found, dtype)


def is_statistic(leaf: Leaf) -> bool:
    """Whether a buffer is the mean or the variance of a normalisation, by its name."""
    named = ROLES.get(leaf.role) in ("mean", "variance")
    return named and (leaf.role not in ("mean", "var") or "norm" in leaf.kind.lower())


def recorded(net: Net, values: Arrays, inputs: Tensors, train: bool) -> Side:
    """Run a network and keep what it did."""
    calls, outputs = net.record(values, inputs, train)
    leaves = {leaf.name: leaf for leaf in net.leaves()}
    return Side(net, leaves, values, inputs, {call.key: call for call in calls}, outputs)


def maps_of(side: Side) -> list[Map]:
    """The feature maps of a run that may have been flattened, the last first."""
    shapes = [one.shape for call in side.calls.values() for one in (*call.inputs, *call.outputs)]
    found = [(a, b, c) for _, a, b, c in (s for s in shapes if len(s) == PICTURES)]
    return list(dict.fromkeys(reversed(found)))


def with_links(matched: Matched) -> Matched:
    """Say which tensor stands for which, by the two runs."""
    reference, port = matched.reference, matched.port
    maps = maps_of(reference)
    inputs, outputs = {}, {}
    for mine, theirs in matched.keys:
        one, other = reference.calls[mine], port.calls[theirs]
        inputs[mine] = linked(one.inputs, other.inputs, maps)
        outputs[mine] = linked(one.outputs, other.outputs)
    returned = linked(reference.outputs, port.outputs)
    return replace(matched, inputs=inputs, outputs=outputs, returned=returned)


def rounded(tensors: Iterable[Array], dtype: str) -> Tensors:
    """Tensors in the run's dtype."""
    return tuple(one.astype(dtype) if one.dtype.kind == "f" else one for one in tensors)
