"""Slopes that are wrong although the values are right: cut off, scaled, clipped, another's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Key
from common.modules.causes.case import Batch, Case, Guess, Tensor
from common.modules.causes.functions import FAR, sigmoid
from common.modules.causes.leaves import fitted, number
from common.modules.expected import Name, largest

#: Slopes of what may stand between layers.
SLOPES: dict[str, Callable[[Array], Array]] = {
    "nothing (a straight-through estimator)": np.ones_like,
    "ReLU": lambda x: np.where(x > 0, 1.0, 0.0),
    "a clip to (-1, 1) (a straight-through estimator)": lambda x: np.where(abs(x) < 1, 1.0, 0.0),
    "tanh": lambda x: 1 - np.tanh(x) ** 2,
    "sigmoid": lambda x: sigmoid(x) * (1 - sigmoid(x)),
    "SiLU": lambda x: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "ReLU turned round": lambda x: np.where(x < 0, 1.0, 0.0),
    "LeakyReLU with slope 0.01": lambda x: np.where(x > 0, 1.0, 0.01),
}


def slope_guesses(case: Case) -> Iterator[Guess]:
    """What explains every slope that is wrong in the unit."""
    batch = case.batches[0]
    wrong = case.wrong
    words = " and ".join(told(tensor) for tensor in wrong)

    def each(change: Callable[[Array], Array]) -> Callable[[Batch], Mapping[Name, Array]]:
        return lambda batch: {
            name: change(batch.right[name]) for tensor in wrong for name in tensor.names
        }

    yield Guess(
        "detached",
        f"no {words} (detached, or a stopped gradient) where the original has one",
        "look for detach or stop_gradient there",
        each(np.zeros_like),
    )
    values = [case.value(batch, tensor) for tensor in wrong]
    right = [tensor.there([batch.right[n] for n in tensor.names]) for tensor in wrong]
    factor = fitted(flat(right), flat([batch.port[tensor.own] for tensor in wrong]))
    if not any(value.any() for value in values):
        return
    if factor:
        shape = batch.asked.inputs[0].shape
        yield Guess(
            "scale",
            f"{words} times {number(factor, shape)} where the original has it times 1",
            "divide the port's slopes by the original's",
            each(lambda array: factor * array),
        )
    most = max(largest(value) for value in values)
    yield Guess(
        "clipped by value",
        f"{words} clipped to {most:.6g} where the original does not clip",
        "look for a clipping by value, or a hook",
        each(lambda array: np.clip(array, -most, most)),
    )
    yield from of_norm(case, words, values)


def told(tensor: Tensor) -> str:
    """A slope in words."""
    kind, *names = tensor.names[0]
    return f"slope of {names[0]}" if kind == "slope" else "slope of its input"


def flat(arrays: list[Array]) -> Array:
    """All numbers in a row."""
    return np.concatenate([array.ravel() for array in arrays])


def of_norm(case: Case, words: str, values: list[Array]) -> Iterator[Guess]:
    """Clipped so that the norm of each, or of all, is at most what it is."""
    wrong = case.wrong
    norm = float(np.linalg.norm(flat(values)))

    def together(batch: Batch) -> Mapping[Name, Array]:
        held = {n: batch.right[n] for tensor in wrong for n in tensor.names}
        share = min(1.0, norm / float(np.linalg.norm(flat(list(held.values())))))
        return {n: share * array for n, array in held.items()}

    yield Guess(
        "clipped by norm",
        f"{words} clipped to a norm of {norm:.6g} where the original does not clip",
        "look for a clipping by norm, or a hook",
        together,
    )


def between_guesses(case: Case) -> Iterator[Guess]:
    """A function between layers that has the slope of another.

    Far above zero the reference's own function has slope 1, so that what comes back to it is
    what comes back from the layers behind.
    """
    batch = case.batches[0]
    key: Key = case.first.place.layer, case.first.place.number
    for tensor in case.wrong:
        name = tensor.names[0]
        at = name[-1]
        assert isinstance(at, int)
        x, behind = at_source(batch, key, at), coming_back(batch, key, at, name)
        for was, slope in SLOPES.items():
            if largest(slope(x) * behind - batch.right[name]) > 1e-9 * largest(batch.right[name]):
                continue
            for words, other in SLOPES.items():
                if words == was:
                    continue

                def predicted(
                    batch: Batch,
                    other: Callable[[Array], Array] = other,
                    at: int = at,
                    name: Name = name,
                ) -> Mapping[Name, Array]:
                    x = at_source(batch, key, at)
                    return {name: other(x) * coming_back(batch, key, at, name)}

                yield Guess(
                    "slope of a function",
                    f"the slope of {words} where the original has that of {was}",
                    "look for a function with a backward of its own there",
                    predicted,
                )


def at_source(batch: Batch, key: Key, at: int) -> Array:
    """What was given there."""
    value = batch.asked.given[key][at]
    assert value is not None
    return value


def coming_back(batch: Batch, key: Key, at: int, name: Name) -> Array:
    """The slope behind the function."""
    x = at_source(batch, key, at)
    given = dict(batch.asked.given)
    given[key] = tuple(x + FAR + largest(x) if i == at else y for i, y in enumerate(given[key]))
    return batch.again(replace(batch.asked, given=given))[name]
