"""An optimiser's state in whatever form its owner has it: dicts, tuples, named tuples, numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.axes import Axes

#: Between the names on the way to a leaf.
DOT = "."


class OwnState:
    """What `update.py` says of a state (`assign_state`, `dump_state`), for a state of any form.

    A state that the backend can name whole, a dict or what its framework's own optimisers keep,
    has the backend's names; any other has the way to each leaf: "1.0.mu.w".

    Args:
        update: the backend's module.
        data: likewise.
        device: where tensors are placed.
    """

    def __init__(self, update: Any, data: Any, device: str) -> None:
        self._update, self._data, self._device = update, data, device
        self._named: bool | None = None

    def dump_state(self, state: Any, axes: Axes) -> Arrays:
        """The arrays by name."""
        if self._backend_names(state, axes):
            return dict(self._update.dump_state(state, axes))
        return {DOT.join(way): self._array(leaf) for way, leaf in leaves(state)}

    def assign_state(self, state: Any, arrays: Arrays, axes: Axes) -> Any:
        """The state with other values, in its own form."""
        if self._backend_names(state, axes):
            return self._update.assign_state(state, arrays, axes)
        return with_leaves(state, (), {name: self._leaf(name, arrays) for name in arrays})

    def _backend_names(self, state: Any, axes: Axes) -> bool:
        """Whether the backend names every leaf; asked once, of the state as it begins."""
        if self._named is None:
            try:
                found = self._update.dump_state(state, axes)
                numbers = all(array.dtype.kind in "fiu" for array in found.values())
                self._named = numbers and len(found) == len(list(leaves(state)))
            except Exception:  # not a form that it knows: it may raise anything
                self._named = False
        return self._named

    def _array(self, leaf: Any) -> Array:
        return np.asarray(leaf) if isinstance(leaf, (int, float)) else self._data.to_array(leaf)

    def _leaf(self, name: str, arrays: Arrays) -> Any:
        return self._data.to_tensor(arrays[name], self._device)


def leaves(tree: Any, way: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every tensor and number of a tree, with the way to it."""
    if hasattr(tree, "shape") or isinstance(tree, (int, float)):
        yield way, tree
        return
    for name, branch in branches(tree).items():
        yield from leaves(branch, (*way, name))


def branches(tree: Any) -> dict[str, Any]:
    """What a node holds, by name; nothing of what has no tensors in it."""
    if isinstance(tree, Mapping):
        return {str(name): branch for name, branch in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return dict(zip(tree._fields, tree, strict=True))
    if isinstance(tree, (tuple, list)):
        return {str(position): branch for position, branch in enumerate(tree)}
    if dataclasses.is_dataclass(tree):
        return {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    return {}


def with_leaves(tree: Any, way: tuple[str, ...], values: Mapping[str, Any]) -> Any:
    """A tree of the same form with other leaves; a plain number stays one."""
    if hasattr(tree, "shape"):
        return values[DOT.join(way)]
    if isinstance(tree, (int, float)):
        return type(tree)(values[DOT.join(way)])
    made = {n: with_leaves(branch, (*way, n), values) for n, branch in branches(tree).items()}
    if isinstance(tree, Mapping):
        return {name: made[str(name)] for name in tree}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(**made)
    if isinstance(tree, (tuple, list)):
        return type(tree)(made.values())
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        return dataclasses.replace(tree, **made)
    return tree
