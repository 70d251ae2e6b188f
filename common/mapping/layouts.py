"""In what ways a leaf of one shape can be a leaf of another shape: the plausible first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from math import prod

from common.mapping.names import OUTPUTS_LAST, TRANSPOSED
from common.mapping.transforms import Shape

#: So many ways are kept for one leaf.
MOST = 8

#: The axes of a weight that are not in space.
CHANNELS = ("out", "in")


@dataclass(frozen=True)
class Piece:
    """A leaf, or one of the layers that are stacked in one.

    Attributes:
        name: of the leaf.
        shape: of the piece.
        role: "weight", "kernel", "scale", ... as its framework says it.
        trained: whether it is a parameter.
        kind: of its module, one word for all frameworks.
        layer: its place on the first axis of the leaf, if that stacks layers.
        row: its place there, if that holds both biases of a cell.
    """

    name: str
    shape: Shape
    role: str
    trained: bool = True
    kind: str = ""
    layer: int | None = None
    row: int | None = None

    @property
    def outputs_last(self) -> bool:
        """Whether its framework writes (in, out) and (height, width, in, out)."""
        return self.role in OUTPUTS_LAST

    @property
    def axes(self) -> tuple[str, ...]:
        """What its axes are, by the habits of its framework."""
        space = tuple(f"space{n}" for n in range(len(self.shape) - 2))
        if self.outputs_last:
            return (*space, "in", "out")
        if self.kind == TRANSPOSED:
            return ("in", "out", *space)
        return ("out", "in", *space)


def ways(one: Piece, other: Piece, flattened: Shape | None = None) -> list[str]:
    """How `one` (the reference's) can be `other` (the port's), in the words of transforms.py.

    Args:
        one, other: leaves.
        flattened: (C, H, W) of the feature map that was made one axis before it, if it was.

    Returns:
        none, if it cannot.
    """
    if prod(one.shape) != prod(other.shape):
        return []
    if len(one.shape) < 2 and one.shape == other.shape:
        return ["identity"]
    if len(one.shape) != len(other.shape):
        return list(dict.fromkeys(_reshaped(one, other)))[:MOST]
    orders = _orders(one, other)
    found = [_permute(order) for order in orders]
    if flattened and len(one.shape) == 2 and found:
        found = _with_flattened(one, other, flattened, found)
    if len(one.shape) > 2:
        found = _with_flips(one, other, orders, found)
    return list(dict.fromkeys(found))[:MOST]


def _orders(one: Piece, other: Piece) -> list[tuple[int, ...]]:
    """All orders of axes that fit: by habit, as it is, inputs for outputs, then the rest."""
    axes = one.axes
    usual = tuple(axes.index(axis) for axis in other.axes)
    swap = {"in": "out", "out": "in"}
    swapped = tuple(axes.index(swap.get(axis, axis)) for axis in other.axes)
    same = tuple(range(len(axes)))
    fitting = [
        order for order in permutations(same) if tuple(one.shape[n] for n in order) == other.shape
    ]

    def implausible(order: tuple[int, ...]) -> tuple[bool, ...]:
        space = [axes[n] for n in order if axes[n] not in CHANNELS]
        return order != usual, order != same, order != swapped, space != sorted(space)

    return sorted(fitting, key=implausible)


def _permute(order: tuple[int, ...]) -> str:
    if order == tuple(range(len(order))):
        return "identity"
    return "permute " + " ".join(map(str, order))


def _with_flattened(one: Piece, other: Piece, map_: Shape, found: list[str]) -> list[str]:
    """Columns of (C, H, W) as (H, W, C), or back, before each of what was found."""
    axis = one.axes.index("in")
    if prod(map_) != one.shape[axis]:
        return found
    channels, height, width = map_
    words = f"regroup {axis} {channels}x{height}x{width} 1 2 0"
    if one.outputs_last:
        words = f"regroup {axis} {height}x{width}x{channels} 2 0 1"
    otherwise = [words if way == "identity" else f"{words}; {way}" for way in found]
    if one.outputs_last != other.outputs_last:
        found, otherwise = otherwise, found
    return [way for pair in zip(found, otherwise, strict=True) for way in pair]


def _with_flips(
    one: Piece, other: Piece, orders: list[tuple[int, ...]], found: list[str]
) -> list[str]:
    """The kernel backwards in space, too: first where habits differ in that, else last."""
    space = [n for n, axis in enumerate(other.axes) if axis not in CHANNELS]
    if all(other.shape[n] == 1 for n in space):
        return found
    flip = "flip " + " ".join(map(str, space))
    flipped = [flip if way == "identity" else f"{way}; {flip}" for way in found]
    if TRANSPOSED not in (one.kind, other.kind):
        return found + flipped[:1]
    # PyTorch's is the gradient of a correlation, JAX's a correlation with what was spread out.
    if one.outputs_last != other.outputs_last:
        found, flipped = flipped, found
    return [way for pair in zip(found, flipped, strict=True) for way in pair]


def _reshaped(one: Piece, other: Piece) -> Iterator[str]:
    """Axes of size 1 more or less, and one axis as two: (E, heads × d) as (E, heads, d)."""
    lengths = [n for n in one.shape if n != 1], [n for n in other.shape if n != 1]
    if lengths[0] == lengths[1]:
        yield _reshape(other.shape)
        return
    if len(one.shape) < len(other.shape):
        for way, matrix in _turned(one, other):
            if _groups(other.shape, matrix):
                yield "; ".join(filter(None, (way, _reshape(other.shape))))
        return
    for back, matrix in _turned(other, one):
        if _groups(one.shape, matrix):
            yield "; ".join(filter(None, (_reshape(matrix), back)))


def _turned(one: Piece, other: Piece) -> list[tuple[str, Shape]]:
    """A matrix as it is and turned, by habit first; other shapes as they are."""
    if len(one.shape) != 2:
        return [("", one.shape)]
    found: list[tuple[str, Shape]] = [("", one.shape), ("permute 1 0", one.shape[::-1])]
    return found[::-1] if one.outputs_last != other.outputs_last else found


def _reshape(shape: Shape) -> str:
    return "reshape " + " ".join(map(str, shape))


def _groups(fine: Shape, coarse: Shape) -> bool:
    """Whether neighbouring axes of one shape, taken together, are the axes of another."""
    rest = list(fine)
    for length in coarse:
        size = 1
        while rest and size < length:
            size *= rest.pop(0)
        if size != length:
            return False
    return all(length == 1 for length in rest)
