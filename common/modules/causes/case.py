"""What a cause is told from: the unit that is wrong, asked on two batches.

The first batch is the recorded one. The second is drawn anew from the values of the first, so
that what was positive, or zero, or a token stays it. The port is asked in float64 where it
computes in it, and must be explained to 1e-9; elsewhere within its own rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from common.agreement.cause import Cause
from common.agreement.divergence import distance
from common.contract.arrays import Array
from common.contract.net import Asked, Leaf, Tensors
from common.modules.expected import Expectation, Name, as_dtype, largest, tensors_of
from common.modules.held import Held, There
from common.modules.matched import Matched
from common.modules.units import Unit

#: How near an explanation must come in float64, of the largest value.
NEAR = 1e-9

#: The same in float32, before it is held to its bound.
ROUGHLY = 1e-4

#: How many times further than an explanation's distance the reference must be.
CONTRAST = 30.0

#: The bounds in float32 are those of the original's rule; the port's own, which is another, rounds
#: otherwise. So many of them an explanation may be away.
OTHER_ROUNDING = 4.0


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the unit that is held.

    Attributes:
        names: what it is made of in the reference's answer.
        own: what it is in the port's.
        there: brings the reference's into the port's order.
        back: the other way; None where several leaves make it.
    """

    names: tuple[Name, ...]
    own: Name
    there: There
    back: Callable[[Array], Array] | None = None


@dataclass(frozen=True, eq=False)
class Batch:
    """One set of inputs, and what both made of it.

    Attributes:
        matched: whose calls hold these inputs.
        unit: what was asked.
        expected: of the reference.
        port: what the port answered.
        ask_port: asks the port something else, in a dtype.
    """

    matched: Matched
    unit: Unit
    expected: Expectation
    port: Mapping[Name, Array]
    ask_port: Callable[[Asked, str], Mapping[Name, Array]]

    @property
    def right(self) -> Mapping[Name, Array]:
        """What the reference answered, in float64."""
        return self.expected.exact

    @cached_property
    def asked(self) -> Asked:
        """What it was asked, in float64."""
        return as_dtype(self.unit.asked, "float64")

    def again(self, asked: Asked) -> Mapping[Name, Array]:
        """What the reference answers to another question."""
        return tensors_of(self.expected.net.run(as_dtype(asked, "float64")))

    def with_leaves(self, leaves: Mapping[str, Array]) -> Mapping[Name, Array]:
        """What it answers with other values of some leaves."""
        return self.again(replace(self.asked, values={**self.asked.values, **leaves}))

    def with_inputs(self, inputs: Tensors) -> Mapping[Name, Array]:
        """What it answers to other inputs."""
        return self.again(replace(self.asked, inputs=inputs))


#: What the reference's tensors would be if something were as it is in the port; those that are
#: not in it would be as they are.
Predicted = Callable[[Batch], Mapping[Name, Array]]


@dataclass(frozen=True, eq=False)
class Guess:
    """One hypothesis.

    Attributes:
        kind, words, confirm: of the cause that it would be.
        predicted: its answer on a batch.
        parts: what it says is otherwise, a noun and what the port has; empty: it is one thing.
    """

    kind: str
    words: str
    confirm: str
    predicted: Predicted
    parts: frozenset[tuple[str, str]] = frozenset()

    @property
    def cause(self) -> Cause:
        """What is said if it is believed."""
        return Cause(self.kind, self.words, self.confirm)

    def more_than(self, other: Guess) -> bool:
        """Whether it says all that another says, and more."""
        return bool(other.parts) and other.parts < self.parts


def in_parts(parts: Iterable[tuple[str, str, str]]) -> tuple[str, str, str]:
    """The kind of cause, what the port has, and what the original has, where they differ.

    Args:
        parts: of a rule: a noun for it, the port's, and the original's.
    """
    apart = [(kind, has, had) for kind, has, had in parts if has != had]
    kind, has, had = (" and ".join(some) for some in zip(*apart, strict=True))
    return kind, has, had


@dataclass(frozen=True, eq=False)
class Case:
    """The unit that is wrong.

    Attributes:
        first: the tensor that was found.
        tensors: all that are held together with it.
        batches: two.
        dtype: in which the port was asked.
    """

    first: Held
    tensors: Sequence[Tensor]
    batches: tuple[Batch, Batch]
    dtype: str
    _tolerances: dict[tuple[int, int], float] = field(default_factory=dict)

    def explained(self, number: int, predicted: Mapping[Name, Array], contrast: float = 1) -> bool:
        """Whether a prediction is what the port answered on a batch."""
        batch = self.batches[number]
        return all(
            self.near(number, at, wanted(batch, tensor, predicted), contrast)
            for at, tensor in enumerate(self.tensors)
        )

    def near(self, number: int, at: int, want: Array, contrast: float = 1) -> bool:
        """Whether one tensor of the port's is what it would be."""
        value = self.batches[number].port.get(self.tensors[at].own)
        if value is None or value.shape != want.shape or value.dtype.kind != want.dtype.kind:
            return False
        apart = float(np.max(distance(value, want), initial=0.0))
        return apart <= contrast * self.tolerance(number, at)

    def tolerance(self, number: int, at: int) -> float:
        """How far an explanation may be from a tensor of the port's."""
        batch, tensor = self.batches[number], self.tensors[at]
        if (number, at) not in self._tolerances:
            most = largest(batch.port[tensor.own])
            found = NEAR * most
            if self.dtype != "float64":
                bounds = tensor.there([batch.expected.allowed_of_sums(n) for n in tensor.names])
                grown = max(1.0, most / (largest(wanted(batch, tensor, {})) or 1.0))
                found = grown * float(np.max(bounds, initial=0.0))
            self._tolerances[number, at] = found
        return self._tolerances[number, at]

    @cached_property
    def told(self) -> bool:
        """Whether the reference itself is far from the port on both batches, and these are two.

        A mask is the same on both: whatever makes the port's of it proves nothing.
        """
        if self.first.place.unit == "wiring" and self.first.place.stage == "forward":
            expected = self.batches[0].expected
            if all(expected.is_constant(name) for one in self.wrong for name in one.names):
                return False
        return not any(self.explained(number, {}, CONTRAST) for number in range(2))

    def believed(self, guess: Guess) -> bool:
        """Whether a hypothesis explains both."""
        contrast = 1 if self.dtype == "float64" else OTHER_ROUNDING
        return all(
            self.explained(number, guess.predicted(batch), contrast)
            for number, batch in enumerate(self.batches)
        )

    @cached_property
    def wrong(self) -> list[Tensor]:
        """The tensors that are wrong on the recorded batch."""
        batch = self.batches[0]
        return [
            tensor
            for at, tensor in enumerate(self.tensors)
            if not self.near(0, at, wanted(batch, tensor, {}))
        ]

    def value(self, batch: Batch, tensor: Tensor) -> Array:
        """A tensor of the port's in the reference's order, in float64."""
        value = batch.port[tensor.own]
        return (value if tensor.back is None else tensor.back(value)).astype("float64")

    def roughly(self, made: Array, value: Array) -> bool:
        """Whether numbers may be the port's: what is worth holding against both batches."""
        share = ROUGHLY if self.dtype == "float32" else NEAR
        return made.shape == value.shape and largest(made - value) <= share * largest(value)

    @cached_property
    def leaves(self) -> dict[str, Leaf]:
        """The reference's leaves of real numbers in the layer; of a wiring, those in no layer."""
        matched = self.batches[0].matched
        paths = [self.first.place.layer]
        if self.first.place.unit == "wiring":
            paths = [pair.reference for pair in matched.pairs]

        def inside(leaf: Leaf) -> bool:
            return any(f"{o}.".startswith(f"{path}.") for o in leaf.owners for path in paths)

        return {
            name: leaf
            for name, leaf in matched.reference.leaves.items()
            if leaf.value.dtype.kind == "f" and inside(leaf) == (self.first.place.unit != "wiring")
        }


def wanted(batch: Batch, tensor: Tensor, predicted: Mapping[Name, Array]) -> Array:
    """A tensor as the port would have it."""
    held = [predicted[n] if n in predicted else batch.right[n] for n in tensor.names]
    return tensor.there(held)
