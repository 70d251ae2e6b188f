"""What numbers a run's dtype has, those that NumPy lacks among them.

Arrays cross between the parts of this project in a dtype that NumPy has. Numbers of bfloat16 are
held in float32, which has all of them; TF32 is no dtype of tensors at all: they are float32, and
only what enters a product is rounded.

See: https://en.wikipedia.org/wiki/Bfloat16_floating-point_format;
     https://docs.nvidia.com/cuda/cublas/ (CUBLAS_COMPUTE_32F_FAST_TF32)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Precision:
    """The numbers of one dtype.

    Attributes:
        held: the dtype of NumPy whose arrays hold them.
        digits: of a significand, in bits, the one that is not stored among them.
        factors: the same of what enters a product.
    """

    held: str
    digits: int
    factors: int

    @property
    def eps(self) -> float:
        """Distance from 1 to the next larger number."""
        return 2.0 ** (1 - self.digits)

    @property
    def unit(self) -> float:
        """The largest relative error of one rounding."""
        return self.eps / 2

    @property
    def max(self) -> float:
        """The largest number."""
        whole = float(np.finfo(self.held).max)
        return whole / (2 - float(np.finfo(self.held).eps)) * (2 - self.eps)

    @property
    def tiny(self) -> float:
        """The smallest normal number."""
        return float(np.finfo(self.held).tiny)

    @property
    def narrow(self) -> bool:
        """Whether it has fewer numbers than the dtype that holds them."""
        return self.digits < np.finfo(self.held).nmant + 1

    @property
    def own(self) -> bool:
        """Whether NumPy computes in it by itself."""
        return not self.narrow and self.factors == self.digits


PRECISIONS = {
    "float32": Precision("float32", 24, 24),
    "float64": Precision("float64", 53, 53),
    "bfloat16": Precision("float32", 8, 8),
    "tfloat32": Precision("float32", 24, 11),
}


def held(dtype: str) -> str:
    """The dtype of NumPy in whose arrays a run's numbers are."""
    return PRECISIONS[dtype].held


def has_all(dtype: str, array: Array) -> bool:
    """Whether a dtype has every number of an array that holds its numbers."""
    if not PRECISIONS[dtype].narrow:
        return True
    return np.array_equal(array, cast_one(array, dtype), equal_nan=True)


def cast(arrays: Arrays, dtype: str) -> Arrays:
    """Round (or widen) every array of real numbers."""
    return {name: cast_one(array, dtype) for name, array in arrays.items()}


def cast_one(array: Array, dtype: str) -> Array:
    """Round (or widen) an array of real numbers; a count stays what it is."""
    if array.dtype.kind != "f":
        return array
    precision = PRECISIONS[dtype]
    with np.errstate(over="ignore"):
        made = array.astype(precision.held)
    return rounded_to(made, precision.digits) if precision.narrow else made


def rounded_to(array: Array, digits: int) -> Array:
    """Round float32 to so many digits of the significand, ties to even; NaN stays NaN.

    Half of the last digit that stays is added to the bits, which carry into the exponent where
    they must, up to infinity.
    """
    lost = 24 - digits
    bits = np.asarray(array, np.float32).view(np.uint32)
    even = (bits >> lost) & 1
    found = ((bits + ((1 << (lost - 1)) - 1) + even) >> lost) << lost
    made: Array = np.where(np.isnan(array), array, found.astype(np.uint32).view(np.float32))
    return made


def ulp(value: float, dtype: str) -> float:
    """Distance from |value| to the next larger number of a dtype."""
    return float(spacing(np.asarray(value), dtype))


def spacing(values: Array, dtype: str) -> Array:
    """One unit in the last place of each, in float64; NaN of what the dtype cannot hold."""
    precision = PRECISIONS[dtype]
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.spacing(np.abs(cast_one(np.asarray(values, "float64"), dtype)))
    coarser = 2.0 ** (np.finfo(precision.held).nmant + 1 - precision.digits)
    units: Array = near.astype("float64") * coarser
    return units


def neighbour(array: Array, up: Array, dtype: str) -> Array:
    """The next number of a dtype: the larger where `up` is true, else the smaller."""
    precision = PRECISIONS[dtype]
    if not precision.narrow:
        towards = np.where(up, np.inf, -np.inf).astype(array.dtype)
        found: Array = np.nextafter(array, towards)
        return found
    last = np.uint32(1 << (24 - precision.digits))
    bits = np.asarray(array, np.float32).view(np.uint32)
    away = np.where(up, array > 0, array < 0)
    moved = np.where(away, bits + last, bits - last)
    # From zero: the smallest number there is, with its sign.
    beside = np.where(up, last, last | np.uint32(1 << 31))
    made: Array = np.where(array == 0, beside, moved).astype(np.uint32).view(np.float32)
    return made
