"""Parameters so near that no arithmetic tells them apart, and what they make of a tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from common.agreement.inputs import Inputs
from common.contract.arrays import Array, Arrays
from common.contract.precision import PRECISIONS

NUDGE_ULPS = 16

NUDGES = 4

EDGES = (0.125, 0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Neighbours:
    """Parameters near some others, or tensors that were computed from them.

    Attributes:
        moved: from all of them moved at random.
        edges: from hidden biases moved up, then down, by ever more.
    """

    moved: list[Arrays]
    edges: list[list[Arrays]]

    def through(self, function: Callable[[Arrays], Arrays]) -> Neighbours:
        """What a function makes of each."""
        return Neighbours(
            [function(arrays) for arrays in self.moved],
            [[function(arrays) for arrays in way] for way in self.edges],
        )

    def sensitivity(self, name: str, right: Array) -> Array:
        """How far they lead one tensor, element by element: S of the criterion."""
        found: Array = np.zeros_like(right, dtype="float64")
        for other in self.moved:
            found = np.maximum(found, np.abs(other[name] - right))
        for way in self.edges:
            # Ring by ring outwards: what two units switch must not cancel.
            for inner, outer in pairwise([right, *(arrays[name] for arrays in way)]):
                found = found + np.abs(outer - inner)
        return found


NOBODY = Neighbours([], [])


def neighbours(inputs: Inputs) -> Neighbours:
    """The neighbours of a state's parameters."""
    return Neighbours(moved(inputs.params, inputs.dtype), on_edges(inputs))


def moved(params: Arrays, dtype: str) -> list[Arrays]:
    """Parameters moved by up to `NUDGE_ULPS` of a dtype, at random."""
    draw = np.random.default_rng(2)
    relative = NUDGE_ULPS * PRECISIONS[dtype].unit
    return [
        {
            name: array * (1 + relative * draw.uniform(-1, 1, array.shape))
            for name, array in params.items()
        }
        for _ in range(NUDGES)
    ]


def on_edges(inputs: Inputs) -> list[list[Arrays]]:
    """What is added right before a ReLU moved up, and down, by ever more of 16 ulp of the terms.

    Whatever unit that switches on or off is on its edge.
    """
    unit = NUDGE_ULPS * PRECISIONS[inputs.dtype].unit
    reach = {name: unit * terms for name, terms in terms_at_edges(inputs).items()}

    def shifted(share: float) -> Arrays:
        moved = {name: inputs.params[name] + share * array for name, array in reach.items()}
        return {**inputs.params, **moved}

    return [[shifted(sign * share) for share in EDGES] for sign in (1, -1)] if reach else []


def terms_at_edges(inputs: Inputs) -> Arrays:
    """Of each parameter that is added right before a ReLU, how large the terms there are."""
    params, hidden = inputs.params, "hidden.bias"
    if hidden in inputs.model.parameters:
        terms = (np.abs(inputs.images64) @ np.abs(params["hidden.weight"])).max(axis=0)
        return {hidden: terms + np.abs(params[hidden])}
    seen: list[Array] = []

    def relu(x: Array) -> Array:
        seen.append(np.abs(x).max(axis=tuple(range(x.ndim - 1))))
        return np.maximum(x, 0)

    if inputs.model.edges:
        # The forward pass of training comes first; what goes back asks the same once more.
        other = inputs.referee.exact.components.with_layers({"relu": relu})
        other.gradients(params, inputs.images64, inputs.labels64)
    return dict(zip(inputs.model.edges, seen, strict=False))
