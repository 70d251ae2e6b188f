"""Layers stacked on the first axis of a leaf (for a loop over them), as one unit each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from common.mapping.layouts import Piece
from common.mapping.units import Part, Unit


def unstacked(
    side: Sequence[Unit], other: Sequence[Unit], fits: Callable[[Unit, Unit], float]
) -> list[Unit]:
    """A side's units, those that only fit the other's layer by layer taken apart.

    The layers of a unit stand where it stood, the first layers of all such units before the
    second ones.

    Returns:
        in order of execution.
    """
    found, apart = [], []
    for unit in side:
        layers = _layers(unit)
        alone = any(fits(unit, one) for one in other)
        if layers and not alone and any(fits(layers[0], one) for one in other):
            apart.append((unit, layers))
        else:
            found.append(unit)
    if apart:
        first = min(unit.place for unit, _ in apart)
        span = max(unit.place for unit, _ in apart) - first + 1
        for unit, layers in apart:
            for number, layer in enumerate(layers):
                within = (number + (unit.place - first) / span) / len(layers)
                found.append(replace(layer, place=first + within * span))
    return sorted(found, key=lambda unit: unit.place)


def _layers(unit: Unit) -> list[Unit]:
    """A unit for each layer, if all its leaves may stack as many; their paths are numbered."""
    lengths = {piece.shape[0] if len(piece.shape) > 1 else 0 for piece in unit.pieces}
    if unit.kind == "cell" or len(lengths) != 1 or not (count := lengths.pop()):
        return []
    head, *rest = unit.path.split(".")
    return [
        replace(
            unit,
            path=".".join([head, str(number), *rest]),
            whole=unit.path,
            parts={
                name: Part(tuple(_layer(piece, number) for piece in part.pieces), part.blocks)
                for name, part in unit.parts.items()
            },
        )
        for number in range(count)
    ]


def _layer(piece: Piece, number: int) -> Piece:
    return replace(piece, shape=piece.shape[1:], layer=number)
