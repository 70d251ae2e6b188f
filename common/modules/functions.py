"""A side as a network to be asked: a module, or a Port of functions with its parameters."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from common.contract.arrays import Arrays
from common.contract.given import Paths
from common.contract.kinds import net_of
from common.contract.net import Leaf, Net
from common.contract.registry import find
from common.entrants.port import Port
from common.errors import Refused
from common.mapping.mapping import Entry, Source, WeightMap, taking_part


@dataclass(frozen=True, eq=False)
class Parameters:
    """What a Port's forward takes.

    Attributes:
        arrays: by name.
        paths: the way to each, if they came as a tree.
    """

    arrays: Arrays
    paths: Paths | None


def side_of(
    who: str, given: Any, params: Parameters | None, names: tuple[str, ...] | None, mode: str
) -> Net:
    """A network, of what stands on one side.

    Args:
        who: "port" or "reference", for what is refused.
        given: a module of any framework, or a Port.
        params: of a Port.
        names: of its inputs, if it is called with keywords.
        mode: "eager" or "jit".

    Raises:
        Refused: neither; a Port without parameters, or of what differentiates nobody's functions.
    """
    if not isinstance(given, Port):
        return net_of(given, names, mode)
    backends = {name: one for name, one in find().items() if one.info.modules}
    if given.framework not in backends:
        raise Refused(
            f"the {who} is a Port of {given.framework!r}; functions are taken of "
            f"{', '.join(backends)}"
        )
    if given.update is not None or given.correct is not None:
        raise Refused(
            f"the {who} is a Port with an update or a correct of its own, which nothing is held "
            "against beside a module or taps; leave them out, and check them in a call without"
        )
    if params is None:
        raise Refused(f"the {who} is a Port, which needs params: initial values by name")
    functions = importlib.import_module(f"backends.{given.framework}.functions")
    net: Net = functions.net_of(given, params.arrays, params.paths, names, mode)
    return net


def same_leaves(reference: list[Leaf], port: list[Leaf]) -> WeightMap:
    """Every leaf is the one of its name: two functions of the same parameters."""
    entries = [
        Entry(leaf.name, Source((leaf.name,)), decided="by name")
        for leaf in port
        if leaf.value.dtype.kind == "f"
    ]
    return WeightMap(tuple(entries), taking_part(reference), taking_part(port))
