"""What is handed to `check`: arrays of any kind, trees; what is none of these is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.contract.given import as_array, as_arrays, rebuilt
from common.errors import Refused


class Tensor:
    """As a framework's: differentiated, and NumPy may read it only once it is detached."""

    def __init__(self, *, detached: bool = False) -> None:
        self.detached = detached

    def detach(self) -> Tensor:
        return Tensor(detached=True)

    def cpu(self) -> Tensor:
        return self

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        assert self.detached
        return np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        pytest.param([1, 2], np.array([1, 2]), id="list"),
        pytest.param([[1.0, 2], [3, 4]], np.array([[1.0, 2], [3, 4]]), id="rows"),
        pytest.param(np.arange(6.0)[::-2], np.array([5.0, 3, 1]), id="view"),
        pytest.param(Tensor(), np.ones(3, np.float32), id="tensor"),
        pytest.param(2.5, np.array(2.5), id="number"),
        pytest.param(np.ones((2, 2), bool), np.ones((2, 2), bool), id="bool"),
    ],
)
def test_read(given: Any, right: np.ndarray) -> None:
    found = as_array("images", given)
    assert (found.dtype, found.flags.c_contiguous) == (right.dtype, True)
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    "given",
    ["words", None, [[1, 2], [3]], {"a": 1}, np.array([1j]), np.array(["x"]), object()],
    ids=["text", "none", "ragged", "dict", "complex", "words", "object"],
)
def test_no_array(given: Any) -> None:
    with pytest.raises(Refused, match="images of type") as told:
        as_array("images", given)
    assert "\n" not in str(told.value)


def test_a_flat_dict_needs_no_ways() -> None:
    arrays, paths = as_arrays({"a.b": [1.0], "c": 2.0})
    assert list(arrays) == ["a.b", "c"]
    assert paths is None


def test_a_matrix_may_be_a_list_of_rows() -> None:
    arrays, _ = as_arrays({"w": [[1.0, 2.0], [3.0, 4.0]]})
    assert arrays["w"].shape == (2, 2)


def test_a_tree_and_back() -> None:
    tree = {"params": {"Dense_0": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)}}, "scale": [1.0]}
    arrays, paths = as_arrays(tree)
    assert list(arrays) == ["params.Dense_0.kernel", "params.Dense_0.bias", "scale"]
    assert paths is not None
    again = rebuilt(arrays, paths)
    assert again["params"]["Dense_0"]["kernel"] is arrays["params.Dense_0.kernel"]
    assert list(again["params"]["Dense_0"]) == ["kernel", "bias"]
    assert again["scale"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        pytest.param([np.ones(2)], "params of type list", id="list"),
        pytest.param({}, "params is empty", id="empty"),
        pytest.param({"a": {}}, "params['a'] is empty", id="branch"),
        pytest.param({"a": {"b": 1.0}, "a.b": 2.0}, "two parameters are called 'a.b'", id="twice"),
        pytest.param({"a": [np.ones(2), np.ones(2)]}, "params['a'] is a list", id="layers"),
        pytest.param({"a": "x"}, "params['a'] of type str", id="text"),
    ],
)
def test_no_parameters(tree: Any, words: str) -> None:
    with pytest.raises(Refused) as told:
        as_arrays(tree)
    assert words in str(told.value)
    assert "\n" not in str(told.value)
