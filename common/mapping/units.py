"""Which leaves of a network belong together: a module's, a cell's, queries with keys and values.

What one framework packs into a leaf, another splits over several modules: PyTorch's
`weight_ih_l0` (4H, F) holds what Flax keeps in `ii`, `if`, `ig` and `io`. A unit is what is the
same in both: its parts are named alike, however many leaves hold them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod

from common.contract.net import Leaf
from common.mapping.layouts import Piece
from common.mapping.names import ROLES, kind_of, path_of

#: The gates of a cell by how many, in PyTorch's order and letters.
GATES = {4: "ifgo", 3: "rzn"}

_QKV = re.compile(r"(.*_)?(qkv|c_attn|in_proj|query_key_value|wqkv|qkv_proj)(_.*)?")
_ONE_OF_QKV = re.compile(
    r"(to_|linear_|w)?(?P<which>q|k|v|query|key|value)(_proj|_lin|_layer|_linear)?", re.IGNORECASE
)


@dataclass(frozen=True)
class Part:
    """What one leaf or several hold: a weight, or the gates of a cell's input.

    Attributes:
        pieces: one, or one for each block.
        blocks: which of the unit's blocks (gates; queries, keys, values) it has, in order.
    """

    pieces: tuple[Piece, ...]
    blocks: tuple[int, ...] = (0,)

    @property
    def packed(self) -> bool:
        """Whether one leaf holds several blocks."""
        return len(self.pieces) < len(self.blocks)


@dataclass(frozen=True)
class Unit:
    """Leaves that belong together.

    Attributes:
        path: of the module that holds all of them.
        kind: "module", "cell" or "qkv".
        parts: by name: "weight", "bias", "mean", "variance"; "ih", "hh", "ih bias", "hh bias".
        about: what kind of module, in one word for all frameworks.
        suffix: what follows the path in its name: a layer and direction of a recurrent module.
        place: in order of execution.
        blocks: how many gates; 3 for queries, keys and values.
        whole: the path of the module that stacks it with others, if one does.
        named: whether names say which block is which.
    """

    path: str
    kind: str
    parts: Mapping[str, Part]
    about: str = ""
    suffix: str = ""
    place: float = 0.0
    blocks: int = 1
    whole: str = ""
    named: bool = False

    @property
    def module(self) -> str:
        """The path of the module that can be run."""
        return self.whole or self.path

    @property
    def split(self) -> bool:
        """Whether queries, keys and values are in a module each."""
        return self.kind == "qkv" and len(self.main.pieces) > 1

    @property
    def name(self) -> str:
        """What it is called."""
        return ".".join(filter(None, (path_of(self.path), self.suffix)))

    @property
    def pieces(self) -> list[Piece]:
        """All it has."""
        return [piece for part in self.parts.values() for piece in part.pieces]

    @cached_property
    def main(self) -> Part:
        """The largest of its parts."""
        return max(self.parts.values(), key=lambda part: sum(prod(p.shape) for p in part.pieces))

    @cached_property
    def size(self) -> int:
        """How many numbers its largest part has: the same in every layout."""
        return sum(prod(piece.shape) for piece in self.main.pieces)


Held = dict[str, list[Piece]]


def units(
    leaves: Sequence[Leaf], order: Mapping[str, int], apart: Collection[str] = ()
) -> list[Unit]:
    """The units of a network.

    A leaf with several owners is in a unit of each; what is not said to be executed earlier
    shares it last, as an output layer does with the embedding.

    Args:
        leaves: in order of definition.
        order: the place of a module's first call; what lacks one follows what is defined before.
        apart: paths whose queries, keys and values in a module each are no unit.
    """
    held: Held = defaultdict(list)
    shared: list[tuple[str, Piece]] = []
    for leaf in leaves:
        if leaf.value.dtype.kind == "f":
            kind = kind_of(leaf.kind)
            piece = Piece(leaf.name, leaf.value.shape, leaf.role, leaf.trained, kind)
            held[leaf.owners[0]].append(piece)
            shared += [(owner, replace(piece, kind="")) for owner in leaf.owners[1:]]
    for owner, piece in shared:
        held[owner].append(piece)
    places = _places(held, order)
    found = [*_packed_cells(held), *_split_cells(held), *_attention(held, apart)]
    for path, pieces in held.items():
        found += _module(path, pieces)
    placed = [replace(unit, place=_place_of(unit, leaves, places, order)) for unit in found]
    return sorted(placed, key=lambda unit: unit.place)


def _places(held: Held, order: Mapping[str, int]) -> dict[str, float]:
    """The place of each module, those without one a little after the one defined before."""
    places: dict[str, float] = {}
    last = -1.0
    for path in held:
        last = float(order[path]) if path in order else last + 1e-4
        places[path] = last
    return places


def _place_of(
    unit: Unit, leaves: Sequence[Leaf], places: Mapping[str, float], order: Mapping[str, int]
) -> float:
    """The first place among the modules that hold a unit's leaves; its layers one by one."""
    if unit.path in places:
        first = places[unit.path]
    else:
        names = {piece.name for piece in unit.pieces}
        first = min(places[leaf.owners[0]] for leaf in leaves if leaf.name in names)
    layer = re.search(r"\d+", unit.suffix)
    return first + 1e-6 * (int(layer[0]) if layer else 0) + 1e-7 * ("reverse" in unit.suffix)


def _module(path: str, pieces: Iterable[Piece]) -> Iterable[Unit]:
    """The leaves of one module by what they are in any framework; others alone, by their names."""
    parts: dict[str, Part] = {}
    for piece in pieces:
        role = ROLES.get(piece.role)
        if role is None or role in parts:
            yield Unit(path, "module", {"weight": Part((piece,))}, "", piece.role)
        else:
            parts[role] = Part((piece,))
    if parts:
        yield Unit(path, "module", parts, next(iter(parts.values())).pieces[0].kind)


def _packed_cells(held: Held) -> Iterable[Unit]:
    """PyTorch's, MindSpore's and Equinox's `weight_ih`, and Keras's `recurrent_kernel`."""
    for path, pieces in held.items():
        by_role = {piece.role: piece for piece in pieces}
        for role in [role for role in by_role if role.startswith("weight_hh")]:
            suffix = role.removeprefix("weight_hh")
            wanted = {
                "ih": f"weight_ih{suffix}",
                "hh": role,
                "ih bias": f"bias_ih{suffix}",
                "hh bias": f"bias_hh{suffix}",
            }
            if suffix == "" and "bias" in by_role:  # Equinox: one for both, and the new gate's
                wanted |= {"ih bias": "bias", "hh bias": "bias_n"}
            if wanted["ih"] not in by_role:
                continue
            blocks = by_role[role].shape[0] // by_role[role].shape[1]
            yield _cell(held, path, {k: by_role.get(r) for k, r in wanted.items()}, blocks, suffix)
        if {"kernel", "recurrent_kernel"} <= set(by_role):
            kernel = by_role["recurrent_kernel"]
            blocks = kernel.shape[1] // kernel.shape[0]
            found: dict[str, Piece | None] = {"ih": by_role["kernel"], "hh": kernel}
            found |= _rows(by_role.get("bias"))
            yield _cell(held, path, found, blocks, "")
    for path in [path for path in held if path.rpartition(".")[2] == "dense_h"]:  # NNX
        parent = path.rpartition(".")[0]
        sibling = f"{parent}.dense_i".lstrip(".")
        parts = {
            ("ih" if owner == sibling else "hh") + (" bias" if piece.role == "bias" else ""): piece
            for owner in (sibling, path)
            for piece in held.get(owner, [])
        }
        if {"ih", "hh"} <= set(parts):
            blocks = parts["hh"].shape[1] // parts["hh"].shape[0]
            yield _cell(held, parent, parts, blocks, "")


def _rows(bias: Piece | None) -> dict[str, Piece | None]:
    """Keras's bias of a cell: one, or the inputs' and the states' in a leaf (2, gates)."""
    if bias is None or len(bias.shape) == 1:
        return {"ih bias": bias}
    rows = enumerate(("ih bias", "hh bias"))
    return {name: replace(bias, shape=bias.shape[1:], row=row) for row, name in rows}


def _cell(
    held: Held, path: str, found: Mapping[str, Piece | None], blocks: int, suffix: str
) -> Unit:
    """A cell whose leaves hold all gates; its leaves are held by nothing else from here on."""
    parts = {}
    for name, piece in found.items():
        if piece is not None:
            gates = (blocks - 1,) if piece.role == "bias_n" else tuple(range(blocks))
            parts[name] = Part((piece,), gates)
            _gone(held, [piece])
    return Unit(path, "cell", parts, "recurrent", suffix, blocks=blocks)


def _split_cells(held: Held) -> Iterable[Unit]:
    """Flax's cells: a dense layer for each gate, `ii` to `ho` or `ir` to `hn`."""
    children: dict[str, dict[str, str]] = defaultdict(dict)
    for path in held:
        parent, _, last = path.rpartition(".")
        children[parent][last.rstrip("_")] = path
    for parent, names in children.items():
        for blocks, gates in GATES.items():
            if not all(side + gate in names for side in "ih" for gate in gates):
                continue
            parts = {}
            for side in "ih":
                for role in ("weight", "bias"):
                    found = {
                        number: piece
                        for number, gate in enumerate(gates)
                        for piece in held[names[side + gate]]
                        if ROLES.get(piece.role) == role
                    }
                    if found:
                        name = f"{side}h" + (" bias" if role == "bias" else "")
                        parts[name] = Part(tuple(found.values()), tuple(found))
                        _gone(held, found.values())
            yield Unit(parent, "cell", parts, "recurrent", blocks=blocks, named=True)


def _attention(held: Held, apart: Collection[str]) -> Iterable[Unit]:
    """Queries, keys and values: packed in one leaf, or in a module each."""
    for path, pieces in list(held.items()):
        last = path.rpartition(".")[2]
        own = [piece for piece in pieces if piece.role.startswith("in_proj_")]
        split = [p for which in "qkv" for p in pieces if p.role == f"{which}_proj_weight"]
        inside = bool(own) or len(split) == 3
        if not own and _QKV.fullmatch(last):
            own = pieces
        parts = {
            "bias" if piece.role.endswith(("bias", "b")) else "weight": Part((piece,), (0, 1, 2))
            for piece in own
        }
        if len(split) == 3:  # PyTorch's, of keys or values of another width; their bias is one
            parts["weight"] = Part(tuple(split), (0, 1, 2))
        if "weight" in parts:
            _gone(held, [piece for part in parts.values() for piece in part.pieces])
            parent = path if inside else path.rpartition(".")[0]
            yield Unit(parent, "qkv", parts, "attention", "qkv", blocks=3, named=inside)
    siblings: dict[str, dict[int, list[Piece]]] = defaultdict(dict)
    for path, pieces in held.items():
        parent, _, last = path.rpartition(".")
        if pieces and (named := _ONE_OF_QKV.fullmatch(last)):
            siblings[parent]["qkv".index(named["which"][0].lower())] = pieces
    for parent, three in siblings.items():
        if len(three) < 3 or parent in apart:
            continue
        parts = {}
        for role in ("weight", "bias"):
            found = {n: p for n in range(3) for p in three[n] if ROLES.get(p.role) == role}
            if found:
                parts[role] = Part(tuple(found.values()), tuple(found))
                _gone(held, found.values())
        yield Unit(parent, "qkv", parts, "attention", "qkv", blocks=3, named=True)


def _gone(held: Held, pieces: Iterable[Piece]) -> None:
    """Take leaves out of what is still held by modules alone."""
    names = {piece.name for piece in pieces}
    for path, own in held.items():
        held[path] = [piece for piece in own if piece.name not in names]
