"""One tensor of a port held against what is expected of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from common.agreement.divergence import distance
from common.contract.arrays import Array
from common.contract.precision import ulp
from common.modules.expected import (
    MORE_DRAWS,
    NOISE_DRAWS,
    NOISE_FACTOR,
    Expectation,
    Name,
    largest,
)

#: Makes the port's tensor of the reference's: of one in another order of axes, or of several
#: leaves.
There = Callable[[Sequence[Array]], Array]

#: How a tensor is judged that is rounded to float32 on the way, though given float64.
INSIDE = "float32 inside"

#: How a tensor is judged that needs what the port's own operations round, one by one.
OWN = "own rounding"

#: The power of eps that a tensor may be off by, in shares of its largest value, which only the
#: port's own rounding explains: half of the digits stay.
HALF_THE_DIGITS = 0.5

#: More random roundings are asked for what lies beyond a bound by no more than this.
CLOSE = 4.0

#: How a slope of the whole is judged that numbers on the other side of a kink explain.
KINKS = "kinks"

#: Unit -> how far the reference is led, to which what the port's own operations round is added: a
#: layer is given the same numbers, and within the whole each gives its own to the next.
NEAR: Mapping[str, Callable[[Expectation], Callable[[Name], Array]]] = {
    "layer": lambda expected: expected.sensitivity,
    "whole": lambda expected: expected.allowed_of_sums,
}

#: How an input is judged that has another value: by what its layer makes of it.
EFFECT = "its effect"


@dataclass(frozen=True)
class Place:
    """Where a tensor belongs.

    Attributes:
        layer: of the reference; "" is the whole network, or what leaves it.
        port_layer: the port's.
        stage: "forward", "loss", "backward".
        unit: "layer", run alone; "wiring", what leads into it; "tap", what leads to it; "whole".
        tensor: in words.
        number: which call of the layer, from 0.
    """

    layer: str
    port_layer: str
    stage: str
    unit: str
    tensor: str
    number: int = 0


@dataclass(frozen=True)
class Held:
    """What was found of one tensor.

    Attributes:
        place: where it belongs.
        right: whether only rounding differs, or what is declared.
        error, bound: the largest |port - reference|, or the one furthest beyond its bound, and
            that bound; NaN if there are no numbers to compare.
        ulps: the error in units in the last place of the tensor's largest value.
        index, value, reference: that element, in the port's order of axes.
        dtype: in which it was judged wrong, or judged last.
        judged: by what: "float64 and rounding", "rounding", "sums" (the bound of other orders of
            summation was needed), "kinks" (numbers on their other side explain it),
            "own rounding" (that of the port's own operations was),
            "float32 inside" (rounding alone: given float64 it rounds to float32), "exactly" (whole
            numbers), "its effect" (another value, of which the layer makes the same).
        loose: elements that no bound holds: in float64 on an edge, in the run's dtype where the
            reference's own arithmetic overflows.
        elements: how many there are.
        fault: in words, what is wrong other than its numbers.
        fault_kind: "raised", "random", "form" (none, or of another shape or dtype), "NaN"; "" where
            there is no fault.
        declared: the buffer, and in words the difference by design that was followed.
        from_own: the largest distance from what the reference itself answers in the run's dtype: 0
            where both give the same numbers; None if there are none to compare.
        likely_cause: in words, of the first that is wrong, if one is believed.
    """

    place: Place
    right: bool
    error: float
    bound: float
    ulps: float
    index: tuple[int, ...]
    value: float
    reference: float
    dtype: str
    judged: str
    loose: int
    elements: int
    fault: str | None = None
    declared: tuple[str, str] | None = None
    fault_kind: str = ""
    from_own: float | None = None
    likely_cause: str | None = None

    @property
    def layer(self) -> str:
        """Which of the reference's it belongs to."""
        return self.place.layer

    @property
    def stage(self) -> str:
        """ "forward", "loss", "backward"."""
        return self.place.stage

    @property
    def tensor(self) -> str:
        """Which it is, in words."""
        return self.place.tensor

    @property
    def share(self) -> float:
        """The error as a share of its bound; of what was judged by its effect, 0."""
        if self.judged == EFFECT:
            return 0.0
        if np.isnan(self.error):
            return float("inf")
        return self.error / self.bound if self.bound else float(np.inf if self.error else 0.0)


def faulty(place: Place, words: str, dtype: str, kind: str = "form") -> Held:
    """What cannot be compared at all."""
    nan = float("nan")
    return Held(
        place,
        right=False,
        error=nan,
        bound=nan,
        ulps=nan,
        index=(),
        value=nan,
        reference=nan,
        dtype=dtype,
        judged="not compared",
        loose=0,
        elements=0,
        fault=words,
        fault_kind=kind,
    )


def failure(place: Place, words: str, dtype: str) -> Held:
    """What the port raised instead of an answer."""
    return faulty(replace(place, tensor="output"), f"raised {words}", dtype, "raised")


def hold(
    place: Place,
    expected: Expectation,
    names: Sequence[Name],
    values: tuple[Array | None, Array | None],
    there: There,
    rounds_inside: Callable[[], bool] = lambda: False,
    own_noise: Callable[[int], float | None] = lambda draws: None,
    *,
    composed: bool = False,
) -> Held:
    """Hold one tensor against the reference's.

    Args:
        place: where it belongs.
        expected: of the part.
        names: of the tensors in it that the port's is made of.
        values: the port's, in the run's dtype, and in float64 if it computes in that.
        there: brings a tensor of the reference's into the port's order.
        rounds_inside: whether the port, though given float64, rounds to float32 on the way.
        own_noise: (draws) -> how far rounding each of the port's own operations at random leads
            from what it answers in float64, at most; None if it cannot be asked.
        composed: whether it is a slope of the whole, whose parts are right from equal numbers: what
            rounding may still lead to is that others are on the other side of a kink.
    """
    one = _Tensor(place, expected, names, there, rounds_inside, own_noise, composed)
    return one.held(*values)


@dataclass(frozen=True)
class _Tensor:
    """One tensor of the reference's, and what may be asked of it; the fields are `hold`'s."""

    place: Place
    expected: Expectation
    names: Sequence[Name]
    there: There
    rounds_inside: Callable[[], bool]
    own_noise: Callable[[int], float | None]
    composed: bool

    def wanted(self, one: Callable[[Name], Array]) -> Array:
        """Something of the reference's tensors, in the port's order."""
        return self.there([one(name) for name in self.names])

    @cached_property
    def right(self) -> Array:
        """What is right, in float64."""
        return self.wanted(self.expected.exact.__getitem__)

    def held(self, value: Array | None, exactly: Array | None) -> Held:
        """The port's, in the run's dtype, and in float64 if it computes in that."""
        place, right, dtype = self.place, self.right, self.expected.dtype
        if value is None:
            return faulty(place, "is missing", dtype)
        if value.shape != right.shape:
            return faulty(place, f"has shape {value.shape}, expected {right.shape}", dtype)
        if value.dtype.kind != right.dtype.kind:
            return faulty(place, f"has dtype {value.dtype}, expected {right.dtype}", dtype)
        if right.dtype.kind != "f":
            return found(place, value, right, np.zeros(right.shape), dtype, "exactly")
        if value.dtype != dtype:
            return faulty(place, f"has dtype {value.dtype}, expected {dtype}", dtype)
        judged, loose = "rounding", 0
        if exactly is not None:
            in_float64, judged = self._in_float64(exactly)
            if not in_float64.right:
                return in_float64
            loose = in_float64.loose
        rounded = self._rounded(value, judged)
        if not rounded.right:
            decided = exactly is not None or dtype == "float64"
            rounded = self._longer(rounded, value, judged, decided=decided)
        own = right if dtype == "float64" else self.wanted(self.expected.own.__getitem__)
        from_own = float(np.max(distance(value, own), initial=0.0))
        return replace(rounded, loose=max(rounded.loose, loose), from_own=from_own)

    def _in_float64(self, exactly: Array) -> tuple[Held, str]:
        """The port's in float64, and how the tensor is judged then."""
        # What takes further runs of the reference is asked only where it is needed.
        ways = [(self.expected.exactly, "float64"), (self.expected.exactly_off_edges, "float64")]
        held = self._by(exactly, ways, "float64")
        if held.right:
            return held, "float64 and rounding"
        ways = [(self.expected.own_rounding, ""), (self.expected.allowed, "")]
        ways += [(self.expected.allowed_of_kinks, "")] if self.composed else []
        if self._by(exactly, ways, self.expected.dtype).right and self.rounds_inside():
            return replace(held, right=True), INSIDE
        again = self._of_own(held, exactly, "float64")
        return (held, "") if again is None else (again, OWN)

    def _rounded(self, value: Array, judged: str) -> Held:
        """The port's in the run's dtype, by ever wider bounds of rounding."""
        expected, dtype = self.expected, self.expected.dtype
        sums, kinks = (judged if judged in (INSIDE, OWN) else word for word in ("sums", KINKS))
        ways = [
            (expected.own_rounding, judged),
            (expected.allowed, judged),
            (expected.allowed_of_sums, sums),
        ]
        held = self._by(value, ways, dtype)
        if not held.right and self.composed and dtype != "float64":
            held = self._by(value, [(expected.allowed_of_kinks, kinks)], dtype)
        return held

    def _longer(self, wrong: Held, value: Array, judged: str, *, decided: bool) -> Held:
        """What is all but right by more random roundings, the port's own where it may be asked.

        The cheaper first: of a layer those are the port's, and of a buffer, whose layer is asked;
        of the whole the reference's.
        """
        dtype = self.expected.dtype
        may = decided and judged != INSIDE
        # A layer's, or a buffer's, whose layer alone is asked.
        cheap = self.place.unit == "layer" or self.names[0][0] == "buffer"
        if may and cheap and (held := self._of_own(wrong, value, dtype)):
            return held
        if wrong.share <= CLOSE:
            sums = judged if judged in (INSIDE, OWN) else "sums"
            again = self._by(value, [(self.expected.allowed_of_more, sums)], dtype)
            own = self._of_own(wrong, value, dtype) if may and not (cheap or again.right) else None
            return again if again.right else own or wrong
        return wrong

    def _of_own(self, wrong: Held, value: Array, dtype: str) -> Held | None:
        """The same mathematics, perhaps by a formula that rounds more; None if that is not it.

        Of a whole network it is asked only near the bound: it takes JAX minutes.
        """
        unit, expected = self.place.unit, self.expected
        most = float(np.finfo(dtype).eps) ** HALF_THE_DIGITS * largest(self.right)
        if unit not in NEAR or not wrong.error <= most:
            return None
        near = expected.exactly_off_edges if dtype == "float64" else NEAR[unit](expected)
        finer = float(np.finfo(dtype).eps / np.finfo("float32").eps)
        for draws in (NOISE_DRAWS, MORE_DRAWS):
            if (noise := self.own_noise(draws)) is None:
                return None
            limit = self.wanted(near) + NOISE_FACTOR * finer * noise
            again = found(self.place, value, self.right, limit, dtype, OWN)
            if again.right or not again.share <= CLOSE:
                break
        return again if again.right and again.error <= most else None

    def _by(
        self, value: Array, ways: Sequence[tuple[Callable[[Name], Array], str]], dtype: str
    ) -> Held:
        """Hold numbers by ever wider bounds, until they are within one; by the last, if by none."""
        for limit_of, judged in ways:
            held = found(self.place, value, self.right, self.wanted(limit_of), dtype, judged)
            if held.right:
                break
        return held


def found(place: Place, value: Array, right: Array, limit: Array, dtype: str, judged: str) -> Held:
    """Hold numbers against numbers."""
    error = np.where(alike(value, right), distance(value, right), np.inf)
    within = error <= limit
    is_right = within.all()
    if is_right:
        worst = np.where(np.isinf(limit), 0.0, error).argmax()
    else:
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            beyond = np.where(limit > 0, error / limit, np.inf)
        worst = np.where(within, 0.0, beyond).argmax()
    index = tuple(int(i) for i in np.unravel_index(worst, error.shape))
    fault = None if is_right else missing(value, right)
    return Held(
        place,
        bool(is_right),
        float(error[index]),
        float(limit[index]),
        float(error[index]) / ulp(largest(right), dtype)
        if right.dtype.kind == "f"
        else float(error[index]),
        index,
        float(value[index]),
        float(right[index]),
        dtype,
        judged,
        int(np.isinf(limit).sum()),
        right.size,
        fault,
        fault_kind="NaN" if fault else "",
    )


def alike(value: Array, right: Array) -> Array:
    """Where both have a number, or both NaN, or the same infinity."""
    numbers = np.isfinite(value) | np.isfinite(right)
    found: Array = numbers | (value == right) | (np.isnan(value) & np.isnan(right))
    return found


def missing(value: Array, right: Array) -> str | None:
    """In words, where one has NaN and the other a number."""
    ours, theirs = np.isnan(value), np.isnan(right)
    for only, words, other in (
        (ours & ~theirs, "is NaN", right),
        (theirs & ~ours, "of the reference is NaN", value),
    ):
        if only.any():
            at = tuple(int(i) for i in np.argwhere(only)[0])
            who = "reference" if other is right else "port"
            return (
                f"{words} in {only.sum()} of {right.size} elements, first at {list(at)}, where "
                f"the {who} has {other[at]:.9g}"
            )
    return None
