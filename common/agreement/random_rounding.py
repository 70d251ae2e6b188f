"""Rounding at random: how far another right implementation of the referee's formulas may be off.

NumPy in float64, every operation's result moved, element by element, by a normal number as wide
as the roundings of the run's dtype on its way, u = eps / 2:

    x + y, x - y        u (|x| + |y|): another formula may cancel here
    x * y               u |result|
    x / y, exp(x), ...  FEW u |result|: libraries differ in them
    a sum of n terms    LAMBDA sqrt(n) u sum |terms|; in bfloat16 that of float32, and u |result|
    a factor of matrices in TF32    its own u |factor|
    what only moves or chooses numbers    not at all

A function that an entrant's framework is known to compute less exactly is besides off by as much,
everywhere to one side: such errors do not cancel.

A sum of a hundred thousand terms errs by 0.6 units in the last place in one library and by a
hundred in another, and both are right; the referee's own error in a few orders does not tell.

See: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002, 1997; N. J. Higham and T. Mary, A New
     Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np

from common.agreement.bounds import LAMBDA
from common.contract.arrays import Array
from common.contract.precision import PRECISIONS
from common.contract.registry import Rules
from common.entrants.local import LocalSession

#: Roundings of a function that is no single operation of IEEE 754.
FEW = 4

#: No function errs by more than that.
NONE: Mapping[str, float] = MappingProxyType({})

SUMS = (np.add, np.subtract)

ONE_ROUNDING = (np.multiply, np.square)

EXACT = (
    np.negative, np.absolute, np.sign, np.maximum, np.minimum, np.conjugate, np.positive,
    np.isfinite, np.isnan, np.signbit, np.floor, np.ceil, np.rint, np.copysign,
)  # fmt: skip


@dataclass(frozen=True)
class Units:
    """How much of a number a rounding is.

    Attributes:
        result: of an operation's result; 0: nothing rounds.
        sums: of each addition inside a sum, which is rounded once more if those are finer.
        factors: of what enters a product of matrices; 0 where that is exact.
    """

    result: float
    sums: float
    factors: float = 0.0


EXACTLY = Units(0.0, 0.0)


def units_of(dtype: str) -> Units:
    """Those of a run's dtype: sums are added up in what holds its numbers, at least."""
    precision = PRECISIONS[dtype]
    added = PRECISIONS[precision.held].unit
    is_coarser = precision.factors < precision.digits
    return Units(precision.unit, added, 2.0**-precision.factors if is_coarser else 0.0)


class Rounded(np.ndarray[Any, np.dtype[Any]]):
    """An array whose operations round at random."""

    units: Units
    draw: np.random.Generator
    errors: Mapping[str, float]

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Rounded):
            self.units, self.draw, self.errors = source.units, source.draw, source.errors

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **told: Any
    ) -> Any:
        plain = tuple(plain_of(one) for one in inputs)
        if ufunc is np.matmul:
            plain = self._factors(*plain)
        found = getattr(ufunc, method)(*plain, **told)
        reach = 0.0
        if error := self.errors.get(ufunc.__name__, 0.0):
            found, reach = found * (1 + error), np.abs(found) * error
        elif self.units.result:
            of_sum = ufunc is np.matmul or (method == "reduce" and ufunc is np.add)
            reach = self._reach(reach_of(ufunc, method, plain, found, told), found, of_sum=of_sum)
        return written(self._moved(found, reach), out)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.tensordot and self.units.result:
            one, other, *axes = map(plain_of, args)
            found, reach = tensordot_of(*self._factors(one, other), *axes, **kwargs)
            return self._moved(found, self._reach(reach, found, of_sum=True))
        found = super().__array_function__(func, (Rounded,), args, kwargs)
        return self._like(found) if type(found) is np.ndarray else found

    def _factors(self, *factors: Array) -> tuple[Array, ...]:
        """What enters a product of matrices, rounded if it is."""
        unit, draw = self.units.factors, self.draw
        if not unit:
            return factors
        return tuple(one * (1 + unit * draw.standard_normal(one.shape)) for one in factors)

    def _reach(self, roundings: Any, found: Any, *, of_sum: bool) -> Any:
        """How wide the roundings of a result are, of which so many are known."""
        units = self.units
        if not of_sum or units.sums == units.result:
            return units.result * roundings
        return units.sums * roundings + units.result * np.abs(found)

    def _moved(self, found: Any, reach: Any) -> Any:
        """A result, moved as wide as is said, if anything rounds."""
        if np.ndim(found) == 0 and np.asarray(found).dtype.kind != "f":
            return found
        if self.units.result and np.asarray(found).dtype.kind == "f":
            found = found + reach * self.draw.standard_normal(np.shape(found))
        return self._like(np.asarray(found))

    def _like(self, found: Array) -> Rounded:
        made = found.view(Rounded)
        made.units, made.draw, made.errors = self.units, self.draw, self.errors
        return made


def plain_of(array: Any) -> Any:
    """Without its rounding."""
    return array.view(np.ndarray) if isinstance(array, np.ndarray) else array


def written(found: Any, out: tuple[Any, ...]) -> Any:
    """A result, in the place of `out` if there is one."""
    if not out:
        return found
    plain_of(out[0])[...] = plain_of(found)
    return out[0]


def reach_of(
    ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], found: Any, told: dict[str, Any]
) -> Any:
    """How wide the roundings of a result are, in units."""
    if ufunc in EXACT or (method == "reduce" and ufunc is not np.add):
        return 0.0
    if method == "reduce":
        terms = np.abs(inputs[0])
        count = terms.size / max(1, np.size(found))
        return LAMBDA * math.sqrt(count) * np.add.reduce(terms, **told)
    if ufunc is np.matmul:
        one, other = map(np.abs, inputs)
        return LAMBDA * math.sqrt(inputs[0].shape[-1]) * (one @ other)
    if ufunc in SUMS:
        one, other = map(np.abs, inputs)
        return one + other
    return np.abs(found) * (1 if ufunc in ONE_ROUNDING else FEW)


def tensordot_of(one: Array, other: Array, axes: Any) -> tuple[Array, Array]:
    """A tensor product, and how wide its roundings are, in units."""
    count = math.prod(one.shape[axis] for axis in axes[0])
    terms = np.tensordot(np.abs(one), np.abs(other), axes)
    return np.tensordot(one, other, axes), LAMBDA * math.sqrt(count) * terms


class RoundingSession(LocalSession):
    """The referee in float64, its operations rounding at random as in another dtype.

    Args:
        dtype: that; None: nothing rounds, only functions err, all to one side.
        rules: instead of the plan's.
        errors: function -> how far it errs, relative to its result, if not by a few roundings.
    """

    def __init__(
        self,
        backend: str,
        dtype: str | None,
        seed: int = 0,
        rules: Rules | None = None,
        errors: Mapping[str, float] = NONE,
    ) -> None:
        super().__init__(backend, rules)
        self._errors = errors
        self._units = units_of(dtype) if dtype else EXACTLY
        self._draw = np.random.default_rng(seed)

    def _import(self, component: str) -> Any:
        module = super()._import(component)
        if component != "model":
            return module

        def load(*told: Any) -> Any:
            return {name: self._rounded(param) for name, param in module.load(*told).items()}

        return SimpleNamespace(**{**vars(module), "load": load})

    def _rounded(self, array: Array) -> Rounded:
        made = array.view(Rounded)
        made.units, made.draw, made.errors = self._units, self._draw, self._errors
        return made
