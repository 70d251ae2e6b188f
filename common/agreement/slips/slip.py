"""What a known slip is, and numbers that have a name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from common.agreement.expectations import Expectations
from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Slip:
    """One known slip.

    Attributes:
        predicted: tensor -> what it would be; tensors it does not name would be right.
        words: what it is.
        confirm: how to make sure.
        stage: where it is, if not where it shows.
        elsewhere: of an update, what it would make of other parameters, given those and what would
            be right.
        length: whether it says no more than how far a step went.
    """

    predicted: Arrays
    words: str
    confirm: str
    stage: str | None = None
    elsewhere: Callable[[Arrays, Arrays], Arrays] | None = None
    length: bool = False


def guarded(hypotheses: Iterator[Slip]) -> Iterator[Slip]:
    """Hypotheses of one kind, as far as they can be made.

    They are formulas over whatever somebody's tensors are: one that raises loses those of its
    kind that follow, and no others.
    """
    with suppress(Exception):
        yield from hypotheses


def softmax(logits: Array) -> Array:
    """exp(o) / Σ exp(o), row by row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Array = powers / powers.sum(axis=1, keepdims=True)
    return chances


def has_hidden_layer(expectations: Expectations) -> bool:
    """Whether the model is the one with a hidden layer and a ReLU; not one of somebody's own."""
    return "hidden.weight" in expectations.model.parameters


def factors(expectations: Expectations | None) -> dict[float, tuple[str, str]]:
    """Ratios that have a name: what they mean, and how to confirm it."""
    known: dict[float, tuple[str, str]] = {
        -1.0: ("the sign is turned round", "the loss should fall, not rise"),
        1 / np.log(2): ("the logarithm is to base 2", "the loss at the start should be ln 10"),
    }
    if expectations is not None:
        n, classes = len(expectations.labels), int(np.prod(expectations.logits.shape[1:]))
        batch = "double the batch: it should hardly change"
        if not expectations.model.classifies:
            half = "the 1/2 of the squared error"
            known[2.0] = (f"{half} is missing", "differentiate (y - t)²/2 by hand")
            known[0.5] = (f"{half} is there twice", "differentiate (y - t)²/2 by hand")
            if classes > 1:
                columns = f"over the {classes} numbers of a target"
                known[float(classes)] = (f"it is summed {columns}, not averaged", "take the mean")
                known[1 / classes] = (f"it is averaged {columns}, too, not summed", "take the sum")
        else:
            known[2.0] = ("it is doubled: counted or applied twice", "halve it and compare")
            known[0.5] = ("it is halved: a 1/2 that belongs to squared error", "double it")
            known[1 / classes] = (
                "it is averaged over the classes, too",
                "look for a mean over both axes",
            )
        if n > 1:
            known[float(n)] = (f"it is summed over the batch of {n}, not averaged", batch)
            known[1 / n] = (f"it is divided by the batch size, {n}, once more", batch)
    return known


def ratio_slips(
    parts: Mapping[str, Array], words: str, expectations: Expectations | None = None
) -> Iterator[Slip]:
    """All of some tensors multiplied by one number that has a name."""
    for factor, (meaning, confirm) in factors(expectations).items():
        predicted = {name: factor * array for name, array in parts.items()}
        yield Slip(predicted, f"{words.format(factor)}: {meaning}", confirm)


def fitted(values: Arrays, by: Arrays) -> float:
    """The number c for which c · by is nearest to values."""
    above = sum(float(np.vdot(by[n], values[n])) for n in by)
    below = sum(float(np.vdot(by[n], by[n])) for n in by)
    return above / below if below else 0.0


def as_float64(arrays: Arrays) -> Arrays:
    """Every array widened."""
    return {name: array.astype("float64") for name, array in arrays.items()}
