"""Named axes: tensors in the neutral order of their model's entry, or as a backend holds them.

    axes      parameter -> its axes' names, in the neutral order: ("height", "width", "in", "out")
    layout    those axes -> the order in which a backend holds them; what is not in it stays

Optimiser state follows its parameter: `conv.weight/m` has the axes of `conv.weight`. A tensor
without axes (a count, a parameter of somebody's own function) is handed over as it is.

Imports only NumPy: worker processes in other interpreters use it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from common.contract.arrays import Array, Arrays

Names = tuple[str, ...]

Axes = Mapping[str, Names]

Layout = Mapping[Names, Names]


def to_layout(arrays: Mapping[str, Array], axes: Axes, layout: Layout) -> Arrays:
    """Transpose every tensor from the neutral order to a backend's; contiguous.

    Raises:
        ValueError: a tensor has more or fewer dimensions than axes.
    """
    return {
        name: _transposed(array, neutral, layout.get(neutral, neutral))
        for name, array, neutral in _with_axes(arrays, axes)
    }


def from_layout(arrays: Mapping[str, Array], axes: Axes, layout: Layout) -> Arrays:
    """Transpose every tensor from a backend's order to the neutral one; contiguous.

    Raises:
        ValueError: a tensor has more or fewer dimensions than axes.
    """
    return {
        name: _transposed(array, layout.get(neutral, neutral), neutral)
        for name, array, neutral in _with_axes(arrays, axes)
    }


def _with_axes(arrays: Mapping[str, Array], axes: Axes) -> list[tuple[str, Array, Names]]:
    """Name, tensor and axes, those of the parameter for its state; dimensions where it has none."""
    return [
        (name, array, axes.get(name.partition("/")[0]) or _numbered(array))
        for name, array in arrays.items()
    ]


def _numbered(array: Array) -> Names:
    return tuple(str(k) for k in range(array.ndim))


def _transposed(array: Array, old: Names, new: Names) -> Array:
    if array.ndim != len(old):
        raise ValueError(f"a tensor of shape {array.shape} for the axes {', '.join(old)}")
    return np.array(array.transpose([old.index(name) for name in new]), order="C")
