"""What stands between layers: another activation, pooling, order of flattening, sum, scale.

What arrives at a layer is held against what was given: the outputs of the layers before it and
the inputs of the whole. Where an activation is the identity far above zero, the reference itself
carries another function's values through whatever follows it (flattening, pooling, a sum): it is
asked with those values, moved far up, in the place of what it was given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product

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
        given[self.key] = tuple(value if i == self.at else x for i, x in enumerate(given[self.key]))
        return replace(batch.asked, given=given)

    def again(self, batch: Batch, value: Array) -> Mapping[Name, Array]:
        """What the reference answers with another value of it."""
        return batch.again(self.replaced(batch, value))


def sources(case: Case) -> list[Source]:
    """All that leads to a wrong tensor, as slopes tell."""
    batch = case.batches[0]
    asked = batch.asked
    names = {name for tensor in case.wrong for name in tensor.names}
    ones: dict[Name, Array] = {n: np.cos(np.arange(batch.right[n].size)) for n in names}

    def cotangents(kind: tuple[object, ...], count: int) -> Some:
        some = [ones.get((*kind, at)) for at in range(count)]
        return tuple(
            None if one is None else one.reshape(batch.right[*kind, at].shape)
            for at, one in enumerate(some)
        )

    key = case.first.place.layer, case.first.place.number
    if key[0]:
        count = len(batch.matched.reference.calls[key].inputs)
        question = replace(asked, arrived_cotangents={key: cotangents(("arrived", key), count)})
    else:
        count = len(batch.matched.reference.outputs)
        question = replace(asked, cotangents=cotangents(("output",), count))
    slopes = batch.again(question)
    found = []
    for kind, at in [(n[1], n[2]) for n in slopes if n[0] == "given slope"]:
        assert isinstance(kind, tuple)
        assert isinstance(at, int)
        call = f", call {kind[1] + 1}" if kind[1] else ""
        if slopes["given slope", kind, at].any():
            found.append(Source(f"the output of {kind[0]}{call}", kind, at))
    for at in range(len(asked.inputs)):
        if ("input slope", at) in slopes and slopes["input slope", at].any():
            words = "the input" if len(asked.inputs) == 1 else f"input {at + 1}"
            found.append(Source(words, None, at))
    return found


@dataclass(frozen=True, eq=False)
class Chain:
    """The reference's way from a source: an activation, what follows, one more at the end.

    Attributes:
        case: of the unit.
        source: where it begins.
        words: of the two activations.
        functions: those.
    """

    case: Case
    source: Source
    words: tuple[str, str]
    functions: tuple[Function, Function]

    def carried(self, batch: Batch, function: Function) -> dict[Name, Array]:
        """What is before the end, with another activation at the beginning."""
        return carried(self.case, self.source, batch, function(self.source.of(batch)))

    def guess(self, words: tuple[str, str], functions: tuple[Function, Function]) -> Guess:
        """That the port has others."""
        places = f"on {self.source.words}", "at the end of what leads here"
        changes = [
            (f"{new} {place}", f"{old} {place}" if new != old else "")
            for new, old, place in zip(words, self.words, places, strict=True)
            if new != old
        ]
        has, had = (" and ".join(some) for some in zip(*changes, strict=True))
        if len(changes) == 1:
            had = next(old for new, old in zip(words, self.words, strict=True) if new != old)

        def predicted(batch: Batch) -> Mapping[Name, Array]:
            before = self.carried(batch, functions[0])
            return {name: functions[1](one) for name, one in before.items()}

        return Guess(
            "activation",
            f"{has} where the original has {had}",
            "look at the activations there",
            predicted,
        )


@lru_cache(maxsize=1)
def chains(case: Case) -> tuple[Chain, ...]:
    """The reference's way from each source, where its activations are found."""
    batch = case.batches[0]
    made_of: list[Chain] = []
    for source in sources(case):
        x = source.of(batch)
        first = [*OPEN.items(), *leaks_of(case, source)]
        before = [carried(case, source, batch, function(x)) for _, function in first]
        found = next(
            (
                Chain(case, source, (words, last), (function, end))
                for last, end in OPEN.items()
                for (words, function), made in zip(first, before, strict=True)
                if all(close(end(one), batch.right[name]) for name, one in made.items())
            ),
            None,
        )
        if found is not None:
            made_of.append(found)
    return tuple(made_of)


def activation_guesses(case: Case) -> Iterator[Guess]:
    """Another activation of what was given, whatever the reference does with it then."""
    batch = case.batches[0]
    value = case.value(batch, case.wrong[0])
    seen = set()
    for chain in chains(case):
        seen.add(chain.source)
        x = chain.source.of(batch)
        made = chain.functions[0](x)
        for words, function in merged(x, value):
            if not np.array_equal(function(x), made):
                yield chain.guess((words, chain.words[1]), (function, chain.functions[1]))
    yield from alone(case, seen)


def end_guesses(case: Case) -> Iterator[Guess]:
    """Another activation of all that leads to what arrives, together."""
    batch = case.batches[0]
    name, value = case.wrong[0].names[0], case.value(batch, case.wrong[0])
    for chain in chains(case):
        before = chain.carried(batch, chain.functions[0])[name]
        for words, function in merged(before, value):
            if not close(function(before), chain.functions[1](before)):
                yield chain.guess((chain.words[0], words), (chain.functions[0], function))


def moved_guesses(case: Case) -> Iterator[Guess]:
    """Both activations others: before a sum where the original has it after, or the reverse."""
    for chain in chains(case):
        x = chain.source.of(case.batches[0])
        value = case.value(case.batches[0], case.wrong[0])
        for (one, first), (two, last) in product(merged(x, value), OPEN.items()):
            if chain.words[0] not in one and two != chain.words[1]:
                yield chain.guess((one, two), (first, last))


def leaks_of(case: Case, source: Source) -> Iterator[tuple[str, Function]]:
    """The slope below zero of the reference's activation, if what arrives has the same shape."""
    batch = case.batches[0]
    for tensor in case.wrong:
        yield from leaks(source.of(batch), batch.right[tensor.names[0]])


def carried(case: Case, source: Source, batch: Batch, value: Array) -> dict[Name, Array]:
    """What arrives, if this were what the activation returns."""
    up = FAR + 2 * sum(largest(one) for one in batch.right.values()) + 2 * largest(value)
    found = source.again(batch, value + up)
    names = [name for tensor in case.wrong for name in tensor.names]
    return {name: found[name] - up for name in names}


def alone(case: Case, seen: set[Source]) -> Iterator[Guess]:
    """A function of one source, in its shape or flattened, that is not open above."""
    batch, tensor = case.batches[0], case.wrong[0]
    name = tensor.names[0]
    right = batch.right[name]
    for source in sources(case):
        x = source.of(batch)
        if x.size != right.size or source in seen:
            continue
        for was, function in merged(x, right.reshape(x.shape)):
            if not close(function(x).reshape(right.shape), right):
                continue
            for words, other in merged(x, case.value(batch, tensor).reshape(x.shape)):
                if words != was:
                    yield Guess(
                        "activation",
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
                "left out",
                f"{source.words} left out where the original adds it",
                confirm,
                scaling(source, 0.0),
            )
        yield Guess(
            "taken twice",
            f"{source.words} taken twice where the original takes it once",
            confirm,
            scaling(source, 2.0),
        )
        yield Guess(
            "sign",
            f"{source.words} taken with the other sign where the original has its own",
            confirm,
            scaling(source, -1.0),
        )
        for factor in factors(case, source, value):
            yield Guess(
                "scale",
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
