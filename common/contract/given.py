"""What somebody hands over, as NumPy has it: tensors, lists and trees become arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.errors import Refused

#: Between the names on the way to a leaf of a tree.
DOT = "."

#: The names on the way to each leaf.
Paths = dict[str, tuple[str, ...]]


def as_array(what: str, given: Any) -> Array:
    """An array of numbers from an array, a list or a framework's tensor; views are copied.

    Args:
        what: its name, for the refusal.
        given: whatever NumPy reads; a tensor that is differentiated is detached.

    Raises:
        Refused: anything else, or numbers of a dtype NumPy has not, bfloat16 for instance.
    """
    tensor = given.detach().cpu() if hasattr(given, "detach") else given
    try:
        array = np.ascontiguousarray(tensor) if np.ndim(tensor) else np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as cause:
        raise Refused(f"{what} of type {type(given).__name__} is no array of numbers") from cause
    if array.dtype.kind not in "biuf":
        raise Refused(
            f"{what} of type {type(given).__name__} has the dtype {array.dtype}; "
            "give integers, or numbers in float32 or float64"
        )
    return array


def as_labels(given: Any) -> Array:
    """Labels; true and false are the classes 1 and 0.

    Raises:
        Refused: what is no array of numbers.
    """
    array = as_array("labels", given)
    return array.astype("int64") if array.dtype == bool else array


def as_pixels(array: Array) -> Array:
    """Bytes as pixels from 0 to 1; anything else as it is."""
    return array / np.float32(255) if array.dtype == np.uint8 else array


def as_arrays(tree: Mapping[str, Any]) -> tuple[Arrays, Paths | None]:
    """Parameters by name from a dict, or from a tree of dicts: {"a": {"b": x}} is "a.b".

    Returns:
        the arrays; the way to each, None if the dict was flat.

    Raises:
        Refused: no dict, a branch without leaves, two leaves of one name.
    """
    arrays: Arrays = {}
    paths: Paths = {}

    def walk(branch: Any, way: tuple[str, ...]) -> None:
        name = DOT.join(way)
        if not isinstance(branch, Mapping):
            if isinstance(branch, Sequence) and any(hasattr(one, "shape") for one in branch):
                raise Refused(f"params[{name!r}] is a {type(branch).__name__}; give a dict by name")
            if name in arrays:
                raise Refused(f"two parameters are called {name!r}; rename one")
            arrays[name], paths[name] = as_array(f"params[{name!r}]", branch), way
            return
        if not branch and way:
            raise Refused(f"params[{name!r}] is empty; leave it out")
        for key, value in branch.items():
            walk(value, (*way, str(key)))

    if not isinstance(tree, Mapping):
        raise Refused(f"params of type {type(tree).__name__}; give a dict, name -> array")
    walk(tree, ())
    if not arrays:
        raise Refused("params is empty; give at least one parameter")
    return arrays, paths if any(len(way) > 1 for way in paths.values()) else None


def rebuilt(flat: Mapping[str, Any], paths: Paths) -> dict[str, Any]:
    """The tree that parameters by name were."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        *branches, leaf = paths[name]
        branch = tree
        for key in branches:
            branch = branch.setdefault(key, {})
        branch[leaf] = value
    return tree
