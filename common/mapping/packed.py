"""How the leaves of a cell, or of queries with keys and values, are made of others.

Both sides are thought of as one matrix (blocks × outputs, inputs): gates in PyTorch's order, or
queries, keys, values. Each way from the reference's leaves to that matrix and on to the port's
is a choice for all leaves of the unit together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

from common.mapping.layouts import Piece, ways
from common.mapping.transforms import Shape, transform_of
from common.mapping.units import Part, Unit

#: So many choices are kept for one unit.
MOST = 64

#: Numbers of heads that are tried where no shape says it.
HEADS = (2, 4, 8, 12, 16, 3, 6)

Blocks = tuple[int, ...]

#: The names of a leaf's sources, and what is done to them.
Made = tuple[tuple[str, ...], str]

#: The sources themselves, each one row where it is a row of a leaf, and what is done to them.
Gathered = tuple[list[Piece], str]


@dataclass(frozen=True)
class Choice:
    """How the blocks of the port lie in the reference.

    Attributes:
        order: which of the reference's is the port's first, second, ...
        layout: 0 by the frameworks' habits, 1 turned where that fits, too.
        heads: of the reference and the port, if these have q, k, v within each head; 0: not so.
    """

    order: Blocks
    layout: int = 0
    heads: tuple[int, int] = (0, 0)


def choices(reference: Unit, port: Unit, most: int = MOST) -> list[dict[str, Made]]:
    """How each leaf of the port's unit can be made, in order of plausibility, so many at most."""
    found: list[dict[str, Made]] = []
    for choice in _choices(reference, port):
        made = _made(reference, port, choice)
        if made and made not in found:
            found.append(made)
        if len(found) == most:
            break
    return [made for made in found if set(made) == set(found[0])]


def _choices(reference: Unit, port: Unit) -> list[Choice]:
    """All of them, those with the fewest surprises first.

    An order that the names of both sides say is not doubted.
    """
    count = reference.blocks
    orders = [tuple(range(count))]
    if not (reference.named and port.named):
        orders = sorted(permutations(range(count)), key=_moved)
    heads = [(0, 0), *_heads(reference, port)] if reference.kind == "qkv" else [(0, 0)]
    found = [Choice(order, layout, pair) for order in orders for layout in (0, 1) for pair in heads]
    return sorted(found, key=lambda one: (one.order != orders[0]) + one.layout + any(one.heads))


def _moved(order: Blocks) -> tuple[bool, int]:
    """How far an order is from PyTorch's: two neighbours exchanged come first."""
    moved = sum(n != block for n, block in enumerate(order))
    return order[-1] != len(order) - 1 and moved != 2, moved


def _heads(reference: Unit, port: Unit) -> Iterator[tuple[int, int]]:
    """The numbers of heads there may be, where q, k and v may lie within each."""
    shapes = [piece.shape for unit in (reference, port) for piece in unit.parts["weight"].pieces]
    said = {shape[-2] for shape in shapes if len(shape) > 2}
    width = max(reference.main.pieces[0].shape) // (3 if reference.main.packed else 1)
    for heads in said or HEADS:
        if width % heads == 0 and 1 < heads < width:
            if reference.main.packed:
                yield heads, 0
            if port.main.packed:
                yield 0, heads


def _made(reference: Unit, port: Unit, choice: Choice) -> dict[str, Made]:
    """Every leaf of the port that can be made with a choice."""
    made: dict[str, Made] = {}
    weights = ("ih", "hh") if reference.kind == "cell" else ("weight", "bias")
    for name in weights:
        if name in reference.parts and name in port.parts:
            made |= _part(reference.parts[name], port.parts[name], choice)
    if reference.kind == "cell":
        made |= _biases(reference, port, choice)
    return made


def _part(one: Part, other: Part, choice: Choice) -> dict[str, Made]:
    """The port's leaves of one part."""
    made = {}
    for piece, blocks in _pieces(other):
        wanted = tuple(choice.order[n] for n in blocks)
        if not set(wanted) <= set(one.blocks):
            continue
        sources, words = gathered(one, wanted)
        found = list(dict.fromkeys(_through(one, sources[0], words, other, piece, blocks, choice)))
        if found:
            text = found[min(choice.layout, len(found) - 1)]
            made[piece.name] = _named(sources, text)
    return made


def _pieces(part: Part) -> Iterator[tuple[Piece, Blocks]]:
    """The leaves of a part and which blocks each holds."""
    if part.packed:
        yield part.pieces[0], part.blocks
    else:
        for piece, block in zip(part.pieces, part.blocks, strict=True):
            yield piece, (block,)


def gathered(part: Part, blocks: Blocks) -> Gathered:
    """The leaves that hold some blocks, and the words that bring these together."""
    if part.packed:
        numbers = " ".join(str(part.blocks.index(block)) for block in blocks)
        return [part.pieces[0]], f"blocks {numbers} of {len(part.blocks)}"
    pieces = [part.pieces[part.blocks.index(block)] for block in blocks]
    return pieces, "join 0" if len(pieces) > 1 else ""


def _through(
    one: Part, source: Piece, words: str, other: Part, piece: Piece, blocks: Blocks, choice: Choice
) -> Iterator[str]:
    """The ways from a leaf of the reference over the matrix to one of the port."""
    held = len(one.blocks) if one.packed else 1
    for matrix in matrices(source):
        if matrix[0] % held:
            continue
        outputs = matrix[0] // held
        for to in ways(source, Piece("", matrix, "weight"))[:2]:
            steps = [to]
            theirs, ours = choice.heads
            if one.packed and theirs:
                if outputs % theirs:
                    continue
                steps.append(f"regroup 0 {theirs}x{held}x{outputs // theirs} 1 0 2")
            steps.append(words)
            if other.packed and ours:
                if outputs % ours:
                    continue
                steps.append(f"regroup 0 {len(blocks)}x{ours}x{outputs // ours} 1 0 2")
            middle = Piece("", (outputs * len(blocks), *matrix[1:]), "weight")
            for back in ways(middle, piece)[:2]:
                yield str(transform_of(joined([*steps, back])))


def matrices(piece: Piece) -> list[Shape]:
    """The shapes (outputs, inputs) that a leaf may have as a matrix, or (outputs,)."""
    shape = piece.shape
    if len(shape) == 1 or piece.role.endswith("bias"):
        return [(_size(shape),)]
    if len(shape) > 2:
        if piece.outputs_last:
            return [(_size(shape[1:]), shape[0])]
        return [(_size(shape[:-1]), shape[-1])]
    found = [shape, shape[::-1]]
    return found[::-1] if piece.outputs_last else found


def _size(shape: Sequence[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def joined(steps: Sequence[str]) -> str:
    """Steps in a line."""
    return "; ".join(step for step in steps if step and step != "identity") or "identity"


def _biases(reference: Unit, port: Unit, choice: Choice) -> dict[str, Made]:
    """The biases of a cell, of which there may be one or two.

    Two are as good as their sum, but for the new gate of a GRU: r × (W h + b) is no sum.
    """
    theirs = [reference.parts.get(f"{side} bias") for side in ("ih", "hh")]
    ours = [port.parts.get(f"{side} bias") for side in ("ih", "hh")]
    new = choice.order[-1] if reference.blocks == 3 else None
    made: dict[str, Made] = {}
    rows: dict[str, list[Gathered | None]] = defaultdict(list)
    for number, part in enumerate(ours):
        for piece, blocks in _pieces(part) if part is not None else ():
            wanted = tuple(choice.order[n] for n in blocks)
            rows[piece.name].append(_bias(theirs, ours, number, wanted, new))
            found = _stacked(rows[piece.name])
            if piece.row and found is None:
                found = _rows(theirs, wanted, new)
            if found is None:
                made.pop(piece.name, None)
                continue
            pieces, words = found
            (flat,) = matrices(piece)
            back = "" if piece.row else ways(Piece("", flat, "bias"), piece)[0]
            made[piece.name] = _named(pieces, joined([words, back]))
    return made


def _stacked(rows: Sequence[Gathered | None]) -> Gathered | None:
    """A leaf of its rows, if all are made and in the same way."""
    found = [row for row in rows if row]
    if len(found) == len(rows) == 1:
        return found[0]
    if len(found) < len(rows) or len({words for _, words in found}) > 1:
        return None
    return [piece for pieces, _ in found for piece in pieces], joined([found[0][1], "stack 0"])


def _rows(theirs: list[Part | None], wanted: Blocks, new: int | None) -> Gathered | None:
    """A leaf of both rows, block by block; zeros where a row has none of its own."""
    blocks: list[tuple[Piece, int]] = []
    zeros = []
    for part, other in (theirs, theirs[::-1]):
        for block in wanted:
            holder = part
            if part is None or block not in part.blocks:
                zeros.append(str(len(blocks)))
                holder = other if block != new else None
            if holder is None or block not in holder.blocks:
                return None
            at = holder.blocks.index(block)
            blocks.append((holder.pieces[0], at) if holder.packed else (holder.pieces[at], 0))
    many = {
        piece: len(part.blocks) if part.packed else 1
        for part in theirs
        if part is not None
        for piece in part.pieces
    }
    first, total = {}, 0
    for piece, _ in blocks:
        if piece not in first:
            first[piece], total = total, total + many[piece]
    numbers = " ".join(str(first[piece] + at) for piece, at in blocks)
    size = len(blocks) * matrices(blocks[0][0])[0][0] // many[blocks[0][0]]
    steps = ["join 0", f"blocks {numbers} of {total}", f"reshape 2 {size // 2}"]
    if zeros:
        steps.insert(2, f"zeros {' '.join(zeros)} of {len(blocks)}")
    return list(first), joined(steps)


def _bias(
    theirs: list[Part | None], ours: list[Part | None], number: int, wanted: Blocks, new: int | None
) -> Gathered | None:
    """One leaf of a bias: `wanted` blocks, `new` is the one that may not be summed."""
    mine, other = theirs[number], theirs[1 - number]
    additive = [block for block in wanted if block != new]
    whole = ours[1 - number]
    spare = other is not None and (whole is None or not set(additive) <= set(whole.blocks))
    if mine is not None and set(wanted) <= set(mine.blocks):
        if other is None or not spare or not additive or not set(additive) <= set(other.blocks):
            return gathered(mine, wanted)
        return _sum(mine, other, wanted, additive)
    if other is None or not set(additive) <= set(other.blocks):
        return None
    if mine is None and spare and new not in wanted:  # the only bias, on the other side
        return gathered(other, wanted)
    return _beside(mine, other, wanted, additive)


def _named(pieces: Sequence[Piece], words: str) -> Made:
    """The leaves by their names; of those that hold both biases the row is taken first."""
    rows = [str(piece.row) for piece in pieces if piece.row is not None]
    taken = f"take {' '.join(rows[:1] if len(set(rows)) == 1 else rows)}" if rows else ""
    return tuple(piece.name for piece in pieces), joined([taken, words])


def _sum(mine: Part, other: Part, wanted: Blocks, additive: Sequence[int]) -> Gathered | None:
    """Both terms in one leaf; of several leaves a sum is not made at once."""
    (first, words), (second, others) = gathered(mine, wanted), gathered(other, wanted)
    if len(first) > 1 or len(second) > 1 or words != others:
        return None
    if len(additive) == len(wanted):
        total = "sum"
    else:
        numbers = " ".join(str(n) for n, block in enumerate(wanted) if block in additive)
        total = f"sum {numbers} of {len(wanted)}"
    return [*first, *second], joined([words, total])


def _beside(
    mine: Part | None, other: Part, wanted: Blocks, additive: Sequence[int]
) -> Gathered | None:
    """Zeros beside a term that the port's other leaf has; the new gate's own, if there is one."""
    if len(additive) == len(wanted):
        pieces, words = gathered(other, wanted)
        return pieces, joined([words, "zeros"])
    if mine is None or len(mine.blocks) != 1:
        return None
    (own,) = mine.pieces
    numbers = " ".join(str(n) for n, block in enumerate(wanted) if block in additive)
    zeros = f"zeros {numbers} of {len(wanted)}"
    if not other.packed:
        pieces = [
            other.pieces[other.blocks.index(block)] if block in additive else own
            for block in wanted
        ]
        return pieces, joined(["join 0", zeros])
    count = len(other.blocks)
    order = " ".join(str(block if block in additive else count) for block in wanted)
    words = joined(["join 0", f"blocks {order} of {count + 1}", zeros])
    return [other.pieces[0], own], words
