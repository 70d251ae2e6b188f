"""What stands between layers: another activation, pooling, order of flattening, sum, scale.

What arrives at a layer is held against what was given: the outputs of the layers before it and
the inputs of the whole. Where an activation is the identity far above zero, the reference itself
carries another function's values through whatever follows it (flattening, pooling, a sum): it is
asked with those values, moved far up, in the place of what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Asked, Key, Some
from common.modules.causes.case import Batch, Case, Guess, Predicted
from common.modules.causes.functions import FAR, OPEN, Function, leaks, merged
from common.modules.causes.leaves import fitted, number
from common.modules.expected import Name, largest

#: How near a function must come to what the reference does.
NEAR = 1e-9


@dataclass(frozen=True)
class Source:
    """Something that leads to what arrives.

    Attributes:
        words: what it is called.
        key: the call whose output it is; None: an input of the whole.
        at: which of its tensors.
    """

    words: str
    key: Key | None
    at: int

    def of(self, batch: Batch) -> Array:
        """Its value."""
        if self.key is None:
            return batch.asked.inputs[self.at]
        value = batch.asked.given[self.key][self.at]
        assert value is not None
        return value

    def replaced(self, batch: Batch, value: Array) -> Asked:
        """The question with another value of it."""
        if self.key is None:
            inputs = tuple(value if i == self.at else x for i, x in enumerate(batch.asked.inputs))
            return replace(batch.asked, inputs=inputs)
        given: dict[Key, Some] = dict(batch.asked.given)
        given[self.key] = tuple(
            value if i == self.at else x for i, x in enumerate(given[self.key])
        )
        return replace(batch.asked, given=given)

    def again(self, batch: Batch, value: Array) -> Mapping[Name, Array]:
        """What the reference answers with another value of it."""
        return batch.again(self.replaced(batch, value))


def sources(case: Case) -> list[Source]:
    """All that leads to a wrong tensor."""
    batch = case.batches[0]
    names = [name for tensor in case.wrong for name in tensor.names]
    some = [
        Source(f"the output of {key[0]}" + (f", call {key[1] + 1}" if key[1] else ""), key, at)
        for key, given in batch.asked.given.items()
        for at, value in enumerate(given)
        if value is not None and value.dtype.kind == "f"
    ]
    inputs = batch.asked.inputs
    some += [
        Source("the input" if len(inputs) == 1 else f"input {at + 1}", None, at)
        for at, value in enumerate(inputs)
        if value.dtype.kind == "f"
    ]

    def leads(source: Source) -> bool:
        value = source.of(batch)
        moved = source.again(batch, value + np.random.default_rng(1).normal(size=value.shape))
        return any(not np.array_equal(moved[n], batch.right[n]) for n in names)

    return [source for source in some if leads(source)]


def activation_guesses(case: Case) -> Iterator[Guess]:
    """Another activation of what was given, whatever the reference does with it then."""
    batch = case.batches[0]
    for source in sources(case):
        for words, function in carriers(case, source):
            yield from exchanged(case, source, words, function)
    if len(case.wrong) == 1:
        yield from alone(case, batch)


def carriers(case: Case, source: Source) -> Iterator[tuple[str, Function]]:
    """The activation that the reference puts on a source, if its values can be carried."""
    batch = case.batches[0]
    x = source.of(batch)
    linear = carried(case, source, batch, x)
    for words, function in (*OPEN.items(), *leaks_of(case, source)):
        made = carried(case, source, batch, function(x))
        if all(close(made[name], batch.right[name]) for name in made):
            if words != "no activation" or not same(linear, carried(case, source, batch, abs(x))):
                yield words, function
            return


def same(one: Mapping[Name, Array], other: Mapping[Name, Array]) -> bool:
    """Whether two answers are the same."""
    return all(np.array_equal(one[name], other[name]) for name in one)


def leaks_of(case: Case, source: Source) -> Iterator[tuple[str, Function]]:
    """The slope below zero of the reference's activation, if what arrives has the same shape."""
    batch = case.batches[0]
    for tensor in case.wrong:
        yield from leaks(source.of(batch), batch.right[tensor.names[0]])


def carried(case: Case, source: Source, batch: Batch, value: Array) -> dict[Name, Array]:
    """What arrives, if this were what the activation returns."""
    up = FAR + largest(value)
    found = source.again(batch, value + up)
    names = [name for tensor in case.wrong for name in tensor.names]
    return {name: found[name] - up for name in names}


def exchanged(case: Case, source: Source, was: str, function: Function) -> Iterator[Guess]:
    """Every other function in the place of one."""
    batch = case.batches[0]
    x = source.of(batch)
    made = function(x)
    for words, other in merged(x, case.value(batch, case.wrong[0])):
        if np.array_equal(other(x), made):
            continue

        def predicted(batch: Batch, other: Function = other) -> Mapping[Name, Array]:
            return carried(case, source, batch, other(source.of(batch)))

        yield Guess(
            f"{words} on {source.words} where the original has {was}",
            "look at the activation there",
            predicted,
        )


def alone(case: Case, batch: Batch) -> Iterator[Guess]:
    """A closed function of the reference's, of one source of the same shape or flattened."""
    tensor = case.wrong[0]
    name = tensor.names[0]
    right = batch.right[name]
    for source in sources(case):
        x = source.of(batch)
        if x.size != right.size:
            continue
        for was, function in merged(x, right):
            if was in OPEN or not close(function(x).reshape(right.shape), right):
                continue
            for words, other in merged(x, case.value(batch, tensor)):
                if words != was:
                    yield Guess(
                        f"{words} on {source.words} where the original has {was}",
                        "look at the activation there",
                        partial(reshaped, source, name, other),
                    )


def reshaped(source: Source, name: Name, function: Function, batch: Batch) -> dict[Name, Array]:
    """A function of a source, in the shape of what arrives."""
    return {name: function(source.of(batch)).reshape(batch.right[name].shape)}


def close(one: Array, other: Array) -> bool:
    """Whether two are equal but for rounding."""
    return one.shape == other.shape and bool(
        np.max(np.abs(one - other), initial=0.0) <= NEAR * largest(other)
    )


def sum_guesses(case: Case) -> Iterator[Guess]:
    """One of the sources left out, taken twice, with the other sign, or times a number."""
    batch = case.batches[0]
    led = sources(case)
    for source in led:
        value = source.of(batch)
        confirm = f"look where {source.words} is used"
        if len(led) > 1:
            yield Guess(
                f"{source.words} left out where the original adds it",
                confirm,
                scaling(source, 0.0),
            )
        yield Guess(
            f"{source.words} taken twice where the original takes it once",
            confirm,
            scaling(source, 2.0),
        )
        yield Guess(
            f"{source.words} taken with the other sign where the original has its own",
            confirm,
            scaling(source, -1.0),
        )
        for factor in factors(case, source, value):
            yield Guess(
                f"{source.words} times {number(factor, value.shape)} where the original has "
                "it times 1",
                confirm,
                scaling(source, factor),
            )


def scaling(source: Source, factor: float) -> Predicted:
    """The reference's answer with a source times a number."""
    return lambda batch: source.again(batch, factor * source.of(batch))


def factors(case: Case, source: Source, value: Array) -> list[float]:
    """The number that a line through two answers tells, and roots of lengths."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    without = source.again(batch, 0 * value)[name]
    fit = fitted(batch.right[name] - without, case.value(batch, tensor) - without)
    found = [] if fit is None else [float(f"{fit:.12g}")]
    for size in {n for one in value.shape for n in range(2, one + 1) if one % n == 0}:
        found += [size**-0.5, size**0.5]
    kept: list[float] = []
    for one in found:
        if all(abs(one - other) > 1e-6 for other in (0.0, 1.0, 2.0, -1.0, *kept)):
            kept.append(one)
    return kept
