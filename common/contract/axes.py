"""Named axes: tensors in the neutral order of their model's entry, or as a backend holds them.

    axes      parameter -> axis -> size, in the neutral order: {"in": 784, "out": 10}
    layout    the axes' names -> the order in which a backend holds them; axes that it holds as one
              stand in a tuple of their own: ("out", ("in", "rows", "columns")); what is not in it
              stays

Optimiser state follows its parameter: `conv.weight/m` has the axes of `conv.weight`. A tensor
without axes (a count, a parameter of somebody's own function) is handed over as it is.

Imports only NumPy: worker processes in other interpreters use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from common.contract.arrays import Array, Arrays

Names = tuple[str, ...]

Sizes = Mapping[str, int]

Axes = Mapping[str, Sizes]

Layout = Mapping[Names, tuple[str | Names, ...]]


def to_layout(arrays: Mapping[str, Array], axes: Axes, layout: Layout) -> Arrays:
    """Transpose every tensor from the neutral order to a backend's; contiguous.

    Raises:
        ValueError: a tensor has other dimensions than its axes.
    """
    found = {}
    for name, array, sizes in _with_axes(arrays, axes):
        if array.shape != tuple(sizes.values()):
            raise ValueError(f"a tensor of shape {array.shape} for the axes {_told(sizes)}")
        neutral, held = tuple(sizes), _held(sizes, layout)
        turned = array.transpose([neutral.index(axis) for axis in _flat(held)])
        found[name] = np.array(turned, order="C").reshape(_shape(held, sizes))
    return found


def from_layout(arrays: Mapping[str, Array], axes: Axes, layout: Layout) -> Arrays:
    """Transpose every tensor from a backend's order to the neutral one; contiguous.

    Raises:
        ValueError: a tensor has other dimensions than a backend holds of its axes.
    """
    found = {}
    for name, array, sizes in _with_axes(arrays, axes):
        held = _held(sizes, layout)
        if array.shape != _shape(held, sizes):
            raise ValueError(f"a tensor of shape {array.shape} for the axes {_told(sizes)}")
        order = _flat(held)
        array = array.reshape([sizes[axis] for axis in order])
        found[name] = np.array(array.transpose([order.index(axis) for axis in sizes]), order="C")
    return found


def sized(names: Mapping[str, Iterable[str]], arrays: Mapping[str, Array]) -> Axes:
    """Axes with the sizes that arrays have: parameter -> axis -> size.

    Args:
        names: parameter -> its axes, in the neutral order.
        arrays: the parameters, in that order.
    """
    return {name: dict(zip(axes, arrays[name].shape, strict=True)) for name, axes in names.items()}


def _with_axes(arrays: Mapping[str, Array], axes: Axes) -> Iterator[tuple[str, Array, Sizes]]:
    """Name, tensor and axes, those of the parameter for its state; dimensions where it has none."""
    for name, array in arrays.items():
        numbered = {str(axis): size for axis, size in enumerate(array.shape)}
        yield name, array, axes.get(name.partition("/")[0], numbered)


def _held(sizes: Sizes, layout: Layout) -> tuple[str | Names, ...]:
    neutral = tuple(sizes)
    return layout.get(neutral, neutral)


def _flat(held: tuple[str | Names, ...]) -> list[str]:
    """The axes one after the other, those held as one among them."""
    return [axis for one in held for axis in ((one,) if isinstance(one, str) else one)]


def _shape(held: tuple[str | Names, ...], sizes: Sizes) -> tuple[int, ...]:
    """Of the tensor as it is held."""
    groups = ((one,) if isinstance(one, str) else one for one in held)
    return tuple(int(np.prod([sizes[axis] for axis in group])) for group in groups)


def _told(sizes: Sizes) -> str:
    return ", ".join(f"{axis} {size}" for axis, size in sizes.items())
