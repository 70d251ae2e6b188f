"""What a trained model makes of one picture on the way, and the statistics that it keeps.

Computed from the parameters of a result folder by the referee's formulas, in float64: what every
entrant would see there, whatever framework trained it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from common.contract.arrays import Array, Arrays
from common.contract.info import REFEREE
from common.contract.models import MODELS
from common.contract.precision import cast
from common.entrants.local import LocalSession
from common.results.document import Document

#: Layers whose answer on a picture is drawn, where it has one number for each place and map.
MAPPED = ("sigmoid", "relu")

#: The layer that answers with how much each patch attends to each.
ATTENTION = "attention"


@dataclass(frozen=True)
class Inside:
    """What stands between one picture and its logits.

    Attributes:
        picture: (height, width, channels), uint8.
        maps: of each layer, in order: (height, width, maps).
        heads: of each layer that attends: (heads, patches, patches); rows attend to columns.
    """

    picture: Array
    maps: list[Array]
    heads: list[Array]


def looks(
    folder: Path, found: Document, pictures: Mapping[str, Array]
) -> tuple[dict[str, Inside], float]:
    """What each entrant's parameters make of the first test image.

    Returns:
        label -> that; and how far entrants are apart at most, in the largest number of a layer.
    """
    model, first = MODELS[found.plan.model], pictures.get("first/images")
    inputs = found.data.inputs
    if model.smallest is None or inputs is None or first is None or not len(first):
        return {}, 0.0
    if first.shape[1:] != tuple(inputs.shape):  # somebody's own file
        return {}, 0.0
    seen = {label: look(found, params, first[0]) for label, params in parameters(folder, found)}
    layers = [[*one.maps, *one.heads] for one in seen.values()]
    return (seen if any(layers) else {}), apart(layers)


def parameters(folder: Path, found: Document) -> Iterator[tuple[str, Arrays]]:
    """Of each entrant that ended with numbers, in the initial shapes: its label and those."""
    initial = shapes(read(folder / "initial.safetensors"))
    for entrant in found.entrants:
        params = read(folder / f"params-{entrant.slug}.safetensors")
        numbers = all(np.isfinite(array).all() for array in params.values())
        if params and shapes(params) == initial and numbers:
            yield entrant.label, params


def read(path: Path) -> Arrays:
    """The arrays of a file; none if it is not there."""
    return load_file(path) if path.is_file() else {}


def shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    """Name -> shape."""
    return {name: array.shape for name, array in arrays.items()}


def look(found: Document, params: Arrays, picture: Array) -> Inside:
    """Through the referee's layers, which tell what they answer."""
    seen = Inside(picture, [], [])

    def hear(layer: str, answer: Array) -> None:
        if layer == ATTENTION:
            seen.heads.append(answer[0])
        elif answer.ndim == 4:
            seen.maps.append(answer[0])

    session, row = LocalSession(REFEREE), picture.reshape(1, -1)
    session.open(
        {**found.plan.asdict(), "dtype": "float64", "device": "cpu"},
        {"style": "scratch", "mode": "eager", "data": "memory"},
        {
            "train": (row, np.zeros(1, np.uint8)),
            "initial": cast(params, "float64"),
            "classes": len(found.data.classes) or 1,
            "inputs": {"shape": picture.shape},
        },
    )
    heard = session.components.heard((*MAPPED, ATTENTION), hear)
    heard.logits(cast(params, "float64"), row / 255)
    session.close()
    return seen


def apart(layers: Sequence[Sequence[Array]]) -> float:
    """How far layers are apart at most, each in its largest number."""
    distances = [
        float(np.ptp(np.stack(same), axis=0).max() / (np.abs(same[0]).max() or 1))
        for same in zip(*layers, strict=True)
    ]
    return max(distances, default=0.0)


@dataclass(frozen=True)
class Statistic:
    """A running mean or variance.

    Attributes:
        name: of the parameter.
        label: of the first entrant that ended with numbers.
        least, middle, most: of its channels, as that one has them; middle: the median.
        apart: how far entrants are apart at most, in the largest of its numbers.
    """

    name: str
    label: str
    least: float
    middle: float
    most: float
    apart: float


def statistics(folder: Path, found: Document) -> Iterator[Statistic]:
    """The running statistics at the end."""
    held = dict(parameters(folder, found))
    for name in MODELS[found.plan.model].statistics if held else ():
        values = [params[name].astype("float64") for params in held.values()]
        least, middle, most = np.quantile(values[0], (0, 0.5, 1))
        yield Statistic(
            name,
            next(iter(held)),
            float(least),
            float(middle),
            float(most),
            apart([[v] for v in values]),
        )
