"""A run's own arithmetic, where NumPy has none: the referee's formulas, rounded as they go.

Sums and products of matrices add up in float32 and are rounded once, as frameworks do it; a product
of matrices in TF32 rounds its factors, and nothing else.

See: https://docs.nvidia.com/cuda/cublas/ (cublasComputeType_t);
     https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from common.agreement.random_rounding import plain_of, written
from common.contract.arrays import Array
from common.contract.precision import PRECISIONS, Precision, cast_one, rounded_to
from common.contract.registry import Rules
from common.entrants.local import LocalSession


class Coarse(np.ndarray[Any, np.dtype[Any]]):
    """An array of float32 whose operations round as a precision says."""

    precision: Precision

    def __array_finalize__(self, source: Any) -> None:
        if isinstance(source, Coarse):
            self.precision = source.precision

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **told: Any
    ) -> Any:
        plain = tuple(plain_of(one) for one in inputs)
        if ufunc is np.matmul:
            plain = tuple(map(self._factor, plain))
        return written(self._like(getattr(ufunc, method)(*plain, **told)), out)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.tensordot:
            one, other, *axes = map(plain_of, args)
            return self._like(func(self._factor(one), self._factor(other), *axes, **kwargs))
        found = super().__array_function__(func, (Coarse,), args, kwargs)
        return self._like(found) if type(found) is np.ndarray else found

    def _factor(self, array: Array) -> Array:
        """What enters a product of matrices."""
        return rounded_to(array, self.precision.factors)

    def _like(self, found: Any) -> Any:
        array = np.asarray(found)
        if array.dtype.kind != "f":
            return found
        return coarse(array, self.precision)


def coarse(array: Array, precision: Precision) -> Coarse:
    """Rounded, and rounding from here on."""
    numbers = rounded_to(array, precision.digits) if precision.narrow else array
    made = numbers.view(Coarse)
    made.precision = precision
    return made


class CoarseSession(LocalSession):
    """The referee's formulas in a precision that NumPy lacks.

    Args:
        dtype: that.
        rules: instead of the plan's.
    """

    def __init__(self, backend: str, dtype: str, rules: Rules | None = None) -> None:
        super().__init__(backend, rules)
        self._dtype = dtype

    def _import(self, component: str) -> Any:
        module = super()._import(component)
        precision = PRECISIONS[self._dtype]

        def load(*told: Any) -> Any:
            return {name: coarse(param, precision) for name, param in module.load(*told).items()}

        def to_tensor(array: Array, device: str) -> Any:
            made = module.to_tensor(array, device)
            return coarse(made, precision) if made.dtype.kind == "f" else made

        def place(images: Array, labels: Array, dtype: str, device: str) -> Any:
            if images.dtype == np.uint8:
                images = np.divide(images, np.float32(255), dtype=np.float32)
                labels = labels.astype(np.int32)
            return module.place(cast_one(images, self._dtype), labels, dtype, device)

        replaced: dict[str, dict[str, Any]] = {
            "model": {"load": load},
            "data": {"to_tensor": to_tensor, "place": place},
        }
        if component not in replaced:
            return module
        return SimpleNamespace(**{**vars(module), **replaced[component]})
