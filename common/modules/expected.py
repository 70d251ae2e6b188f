"""What a reference makes of a part in float64, and how far rounding may lead from it.

A port's tensor is right if both hold:

* *in float64*, where the port computes in it, it is the reference's to 1e-12 of the largest
  value. That decides about the mathematics. Elements on an edge (of a ReLU, between two equal
  maxima), where 16 ulp of the inputs make more than rounding, are not asked; they are counted.
* *in the run's dtype* it is within 8 E + 4 ulp + S, as every component is
  (`common.agreement.expected`): E is the reference's own error in that dtype, S what 16 ulp in
  the inputs change. What is beyond may still be another order of summation: then random
  rounding decides, the reference in float64 with every operation's result moved as far as its
  roundings might (`Asked.noise`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from common.agreement.expected import ERROR_FACTOR, ULPS
from common.agreement.neighbours import NUDGE_ULPS
from common.agreement.probes import magnitude
from common.contract.arrays import Array, Arrays
from common.contract.net import Answer, Asked, Asking, Key, Some
from common.contract.precision import ulp
from common.errors import Refused

if TYPE_CHECKING:
    from common.modules.design import Design

#: What a tensor of an answer is: "output" and which, "slope" and of which leaf, and so on.
Name = tuple[object, ...]

#: How far float64 may lead, of the largest value.
EXACT = 1e-12

#: What the inputs' last places change by more than this share of the largest is on an edge.
EDGE = 1e-4

#: Runs with random rounding, and how far beyond the furthest of them another may lie. Where one
#: element is moved far more than all others, three say little: one in thirty would be further
#: yet. More are asked before that is called a difference.
NOISE_DRAWS, MORE_DRAWS, NOISE_FACTOR = 3, 16, 2.0

#: At a kink, as of ReLU at 0, rounding decides on which side a number is, and with it a slope. What
#: slopes there may be is found by moving all that goes in, each by so many of its last places, up
#: and down: together they lead nowhere but across a kink. No slope may be off by half of itself.
KINK_DRAWS, KINK_ULPS, MOST_OF_A_SLOPE = 2, 1024, 0.5


class UnaskedError(Refused):
    """A kit's network was not asked that when it was written."""


def tensors_of(answer: Answer) -> dict[Name, Array]:
    """Every tensor of an answer under a name; integers have no slopes."""
    found: dict[Name, Array | None] = {}
    for i, one in enumerate(answer.outputs):
        found["output", i] = one
    for key, some in answer.arrived.items():
        found |= {("arrived", key, i): one for i, one in enumerate(some)}
    found |= {("buffer", name): one for name, one in answer.buffers.items()}
    for key, slopes in answer.given_slopes.items():
        found |= {("given slope", key, i): one for i, one in enumerate(slopes)}
    for i, slope in enumerate(answer.input_slopes):
        found["input slope", i] = slope
    found |= {("slope", name): one for name, one in answer.slopes.items()}
    return {name: one for name, one in found.items() if one is not None}


def answer_of(found: Mapping[Name, Array]) -> Answer:
    """The answer that has these tensors: `tensors_of` the other way round."""

    def some(*kind: object) -> tuple[Any, ...]:
        by_number: dict[Any, Array]
        by_number = {name[-1]: one for name, one in found.items() if name[:-1] == kind}
        return tuple(map(by_number.get, range(1 + max(by_number, default=-1))))

    def by_key(kind: str) -> dict[Key, tuple[Any, ...]]:
        keys: dict[Any, None] = dict.fromkeys(name[1] for name in found if name[0] == kind)
        return {key: some(kind, key) for key in keys}

    def by_name(kind: str) -> Arrays:
        return {str(name[1]): one for name, one in found.items() if name[0] == kind}

    return Answer(
        outputs=some("output"),
        arrived=by_key("arrived"),
        buffers=by_name("buffer"),
        input_slopes=some("input slope"),
        slopes=by_name("slope"),
        given_slopes=by_key("given slope"),
    )


def changed(asked: Asked, change: Callable[[Array], Array]) -> Asked:
    """The same question, every tensor of floats in it changed."""

    def one(array: Array) -> Array:
        return change(array) if array.dtype.kind == "f" else array

    def each(some: Some) -> Some:
        return tuple(None if array is None else one(array) for array in some)

    return replace(
        asked,
        values={name: one(array) for name, array in asked.values.items()},
        inputs=tuple(one(array) for array in asked.inputs),
        given={key: each(some) for key, some in asked.given.items()},
        cotangents=None if asked.cotangents is None else each(asked.cotangents),
        arrived_cotangents={key: each(some) for key, some in asked.arrived_cotangents.items()},
    )


def as_dtype(asked: Asked, dtype: str) -> Asked:
    """The same question, its floats in another dtype; what has it already is not copied."""
    return changed(asked, lambda array: array.astype(dtype, copy=False))


def moved_by(array: Array, share: float, way: Array) -> Array:
    """Numbers moved by a share of themselves, up or down; a mask's infinities stay."""
    return np.asarray(array + share * magnitude(array) * way)


def nudged(asked: Asked, dtype: str, draw: Callable[[Array], Array]) -> Asked:
    """The same question, what is put in moved by ulps of a dtype: by `draw` of each element."""
    share = NUDGE_ULPS * float(np.finfo(dtype).eps) / 2
    put_in = Asked({}, asked.inputs, given=asked.given)
    moved = changed(put_in, lambda array: moved_by(array, share, draw(array)))
    return replace(asked, inputs=moved.inputs, given=moved.given)


#: A relative move that float64 sees, and float32 rounds away.
SMALL = 1e-10


def barely_moved(asked: Asked) -> Asked:
    """The same question in float64, all that goes in moved by less than float32 can see.

    Up or down is told by each number itself, so that another order of axes moves it likewise.
    """

    def move(array: Array) -> Array:
        with np.errstate(invalid="ignore"):  # the sine of a mask's infinities
            way = np.where(np.sin(1e3 * array) < 0, -1.0, 1.0)
        return moved_by(array, SMALL, way)

    return changed(asked, move)


@dataclass
class Expectation:
    """What is expected of a part.

    Args:
        net: the reference, or its loss.
        asked: of it, in the run's dtype.
        dtype: that.
        exp_error: of the port's framework's exp, relative.
    """

    net: Asking
    asked: Asked
    dtype: str
    exp_error: float = 0.0
    _furthest: dict[Name, Array] = field(default_factory=dict)
    _drawn: int = 0

    @cached_property
    def exact(self) -> Mapping[Name, Array]:
        """In float64."""
        return tensors_of(self.net.run(as_dtype(self.asked, "float64")))

    @cached_property
    def own(self) -> Mapping[Name, Array]:
        """In the run's own arithmetic."""
        return tensors_of(self.net.run(as_dtype(self.asked, self.dtype)))

    @cached_property
    def near(self) -> list[Mapping[Name, Array]]:
        """In float64, the inputs moved: all up, all down, at random and the other way round."""
        exact = as_dtype(self.asked, "float64")

        def all_by(sign: int) -> Callable[[Array], Array]:
            return lambda array: np.full(array.shape, sign)

        def at_random(seed: int, sign: int) -> Callable[[Array], Array]:
            rng = np.random.default_rng(seed)
            return lambda array: sign * rng.choice([-1.0, 1.0], array.shape)

        ways = [all_by(1), all_by(-1)]
        ways += [at_random(seed, sign) for seed, sign in ((6, 1), (6, -1))]
        return [tensors_of(self.net.run(nudged(exact, self.dtype, way))) for way in ways]

    @cached_property
    def moved(self) -> Mapping[Name, Array] | None:
        """In float64, all that goes in barely moved; None of a kit."""
        try:
            return tensors_of(self.net.run(barely_moved(as_dtype(self.asked, "float64"))))
        except Refused:  # a kit answers what it was asked when it was written
            return None

    def is_constant(self, name: Name) -> bool:
        """Whether a tensor depends on no number that goes in: a mask, positions."""
        return self.moved is not None and np.array_equal(self.moved[name], self.exact[name])

    def noise(self, name: Name, draws: int = NOISE_DRAWS) -> Array:
        """How far so many random roundings, or more, led from the exact value, each element."""
        while self._drawn < draws:
            asked = replace(as_dtype(self.asked, "float64"), exp_error=self.exp_error)
            for other, moved in tensors_of(self.net.run(replace(asked, noise=self._drawn))).items():
                apart = furthest(self.exact[other], [moved])
                before = self._furthest.get(other, apart)
                self._furthest[other] = np.maximum(before, apart)
            self._drawn += 1
        return self._furthest[name]

    def sensitivity(self, name: Name) -> Array:
        """What the inputs' last places change, element by element."""
        return furthest(self.exact[name], [one[name] for one in self.near])

    def own_rounding(self, name: Name) -> Array:
        """8 E + 4 ulp; in float64, where the reference has no finer arithmetic, as `exactly`.

        Infinite where the reference's own arithmetic overflows, and there alone.
        """
        exact = self.exact[name]
        if self.dtype == "float64":
            return self.exactly(name)
        apart = furthest(exact, [self.own[name]])
        allowed = ERROR_FACTOR * largest(apart) + ULPS * ulp(largest(exact), self.dtype)
        return np.where(np.isfinite(apart), allowed, np.inf)

    def allowed(self, name: Name) -> Array:
        """How far rounding may lead: 8 E + 4 ulp + S."""
        allowed: Array = self.own_rounding(name) + self.sensitivity(name)
        return allowed

    def allowed_of_sums(self, name: Name, draws: int = NOISE_DRAWS) -> Array:
        """How far another order of summation may lead."""
        finer = float(np.finfo(self.dtype).eps / np.finfo("float32").eps)
        noise = finer * float(np.max(self.noise(name, draws), initial=0.0))
        allowed: Array = NOISE_FACTOR * noise + self.sensitivity(name)
        return np.maximum(self.allowed(name), allowed)

    def allowed_of_more(self, name: Name) -> Array:
        """The same, by more draws."""
        return self.allowed_of_sums(name, MORE_DRAWS)

    @cached_property
    def across(self) -> list[tuple[Mapping[Name, Array], Mapping[Name, Array]]]:
        """In float64, all that goes in moved one way and the other, as far as a kink may be."""
        exact = as_dtype(self.asked, "float64")
        share = KINK_ULPS * float(np.finfo(self.dtype).eps) / 2

        def moved(seed: int, sign: float) -> Mapping[Name, Array]:
            rng = np.random.default_rng(seed)

            def move(array: Array) -> Array:
                return moved_by(array, sign * share, rng.choice([-1.0, 1.0], array.shape))

            return tensors_of(self.net.run(changed(exact, move)))

        return [(moved(seed, 1), moved(seed, -1)) for seed in range(KINK_DRAWS)]

    def kinks(self, name: Name) -> float:
        """How far a few numbers on the other side of a kink lead, at most."""
        exact = self.exact[name]
        apart = [np.abs(up[name] + down[name] - 2 * exact) for up, down in self.across]
        return float(np.max(apart, initial=0.0, where=np.isfinite(apart)))

    def allowed_of_kinks(self, name: Name) -> Array:
        """How far rounding may lead a slope, that puts numbers on the other side of a kink."""
        most = MOST_OF_A_SLOPE * largest(self.exact[name])
        kinks = min(NOISE_FACTOR * self.kinks(name), most)
        allowed: Array = np.maximum(self.allowed_of_sums(name), kinks)
        return allowed

    def by_design(self, design: Design) -> Expectation:
        """What is expected if one buffer is another by design."""
        return ByDesign(self.net, self.asked, self.dtype, self.exp_error, made=self, design=design)

    def exactly(self, name: Name) -> Array:
        """How far float64 may lead."""
        exact = self.exact[name]
        return np.full(exact.shape, EXACT * largest(exact) + float(np.finfo("float64").tiny))

    def exactly_off_edges(self, name: Name) -> Array:
        """The same, and what 16 of float64's ulp in the inputs change; infinitely on an edge."""
        moved = self.sensitivity(name)
        edge = moved > EDGE * largest(self.exact[name])
        finer = float(np.finfo("float64").eps / np.finfo(self.dtype).eps)
        return np.where(edge, np.inf, self.exactly(name) + finer * moved)


@dataclass
class ByDesign(Expectation):
    """What is expected if one buffer is another by design: of the runs that `made` makes.

    A network has many such buffers, and each run of it may take seconds.
    """

    made: Expectation = field(kw_only=True)
    design: Design = field(kw_only=True)

    @cached_property
    def exact(self) -> Mapping[Name, Array]:
        """In float64."""
        return self._moved(self.made.exact)

    @cached_property
    def own(self) -> Mapping[Name, Array]:
        """In the run's own arithmetic."""
        return self._moved(self.made.own)

    @cached_property
    def near(self) -> list[Mapping[Name, Array]]:
        """In float64, the inputs moved."""
        return list(map(self._moved, self.made.near))

    def noise(self, name: Name, draws: int = NOISE_DRAWS) -> Array:
        """As `Expectation.noise`: what the buffer moves by is its factor of what it would."""
        factor = self.design.factor if name == ("buffer", self.design.name) else 1.0
        return factor * self.made.noise(name, draws)

    def _moved(self, found: Mapping[Name, Array]) -> Mapping[Name, Array]:
        """A run's tensors, the buffer as the port would leave it."""
        name = "buffer", self.design.name
        old = self.asked.values[self.design.name].astype(found[name].dtype)
        return {**found, name: self.design.of(found[name], old)}


def expectation(net: Asking, asked: Asked, dtype: str, exp_error: float) -> Expectation:
    """What is expected of a part of a network; a kit has it written down."""
    written: Callable[[Asked, str], Expectation] | None = getattr(net, "expectation", None)
    return Expectation(net, asked, dtype, exp_error) if written is None else written(asked, dtype)


def largest(array: Array) -> float:
    """The largest magnitude among the numbers."""
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))


def furthest(exact: Array, others: list[Array]) -> Array:
    """The largest distance of others from the exact value, element by element."""
    with np.errstate(invalid="ignore"):
        apart = [np.abs(other.astype("float64") - exact) for other in others]
    found: Array = np.nan_to_num(np.max(apart, axis=0), nan=0.0, posinf=np.inf)
    return found
