"""Tensors keep their values under their axes' names, whatever order a backend holds them in."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.contract.axes import from_layout, to_layout
from common.contract.models import MODELS, Model, Size
from tests.conftest import BACKENDS, shape_of

#: No two sizes are equal: a wrong order cannot hide behind a shape.
TENSORS = {
    "dense.weight": (("in", "out"), (5, 3)),
    "line.weight": (("length", "in", "out"), (4, 2, 3)),
    "conv.weight": (("height", "width", "in", "out"), (5, 4, 2, 3)),
    "flat.weight": (("rows", "columns", "in", "out"), (5, 4, 2, 3)),
    "conv.bias": (("out",), (3,)),
}
AXES = {name: dict(zip(axes, sizes, strict=True)) for name, (axes, sizes) in TENSORS.items()}
FLAT = {"flat.weight": (3, 40)}
ROWS_FIRST = {"dense.weight": (3, 5), "line.weight": (3, 2, 4), "conv.weight": (3, 2, 5, 4), **FLAT}
HELD: dict[str, dict[str, tuple[int, ...]]] = {
    "torch": ROWS_FIRST,
    "mindspore": ROWS_FIRST,
    "jax": {"dense.weight": (3, 5), **FLAT},
    "numpy": {"flat.weight": (40, 3)},
}
#: Where a row, a column and a channel of a flattened picture are.
PLACES: dict[str, Callable[[int, int, int], int]] = {
    "torch": lambda row, column, channel: (channel * 5 + row) * 4 + column,
    "mindspore": lambda row, column, channel: (channel * 5 + row) * 4 + column,
    "jax": lambda row, column, channel: (row * 4 + column) * 2 + channel,
    "numpy": lambda row, column, channel: (row * 4 + column) * 2 + channel,
}


def arrays() -> dict[str, np.ndarray]:
    """Every element of every tensor is another number."""
    return {n: np.arange(np.prod(s), dtype="f4").reshape(s) for n, (_, s) in TENSORS.items()}


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
        assert found[name].flags.c_contiguous, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_held_in_the_backends_order_and_handed_back(backend: str) -> None:
    model = importlib.import_module(f"backends.{backend}.model")
    data = importlib.import_module(f"backends.{backend}.data")
    given = arrays()
    params = model.load(given, AXES, "cpu")
    for name, array in given.items():
        assert tuple(params[name].shape) == HELD[backend].get(name, array.shape), name
    kernel = np.asarray(data.to_array(params["conv.weight"]))
    order = model.LAYOUT[tuple(AXES["conv.weight"])]
    place = {"height": 4, "width": 1, "in": 0, "out": 2}
    assert kernel[tuple(place[axis] for axis in order)] == given["conv.weight"][4, 1, 0, 2]
    flat = np.asarray(data.to_array(params["flat.weight"]))
    flat = flat if backend == "numpy" else flat.T
    assert flat[PLACES[backend](4, 1, 0), 2] == given["flat.weight"][4, 1, 0, 2]
    same(model.dump(params, AXES), given)
    other = {name: -array for name, array in given.items()}
    same(model.dump(model.assign(params, other, AXES), AXES), other)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_state_follows_its_parameter(backend: str, optimizer: str) -> None:
    model = importlib.import_module(f"backends.{backend}.model")
    update = importlib.import_module(f"backends.{backend}.update")
    style = BACKENDS[backend].info.styles[-1]
    told: tuple[Any, ...] = (0.1, 0.9, 0.0)
    if optimizer == "adam":
        told = (0.1, (0.9, 0.999), 1e-8, 0.0)
    params = model.load(arrays(), AXES, "cpu")
    file = {"sgd": "update", "adam": "adaptive"}[optimizer]
    functions = importlib.import_module(f"backends.{backend}.{file}")
    state, _ = getattr(functions, f"{optimizer}_{style}")(params, *told)
    given = {f"{name}/m": array for name, array in arrays().items()}
    if optimizer == "adam":
        given |= {f"{name}/v": array + 1 for name, array in arrays().items()}
        given["step"] = np.array(3, np.int32)
    found = update.dump_state(update.assign_state(state, given, AXES), AXES)
    same({name: found[name] for name in given}, given)
    assert found.keys() == given.keys()


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_has_no_axes_is_handed_over_as_it_is(backend: str) -> None:
    """A square weight of somebody's own shows no order by its shape."""
    model = importlib.import_module(f"backends.{backend}.model")
    data = importlib.import_module(f"backends.{backend}.data")
    given = {"square": np.arange(9.0, dtype="f4").reshape(3, 3), **arrays()}
    params = model.load(given, {}, "cpu")
    same({name: np.asarray(data.to_array(p)) for name, p in params.items()}, given)
    same(model.dump(params, {}), given)


def test_other_dimensions_than_axes_are_refused() -> None:
    for turn in (to_layout, from_layout):
        with pytest.raises(ValueError, match=r"shape \(2, 3, 4\) for the axes in 2, out 3$"):
            turn({"a.weight": np.zeros((2, 3, 4))}, {"a.weight": {"in": 2, "out": 3}}, {})


@pytest.mark.parametrize("backend", BACKENDS)
def test_tables_only_reorder(backend: str) -> None:
    layout = importlib.import_module(f"backends.{backend}.model").LAYOUT
    assert list(layout) == [axes for axes, _ in TENSORS.values()][:4]
    for neutral, held in layout.items():
        flat = [axis for one in held for axis in ([one] if isinstance(one, str) else one)]
        assert sorted(flat) == sorted(neutral)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_entries_name_axes_and_sizes(model: Model) -> None:
    sizes = model.sizes(shape_of(model), hidden=5, classes=3)
    assert sizes.keys() == model.parameters.keys()
    assert all(size > 0 for shape in sizes.values() for size in shape)
    assert sizes["output.bias"] == ((3,) if model.classifies else (1,))


def test_a_convolution_can_be_said() -> None:
    kernel: dict[str, Size] = {"height": 5, "width": lambda s: s[1], "in": "channels", "out": 6}
    model = Model("conv", {"conv.weight": kernel}, "cross_entropy", True, 1, 1, 0.1)
    sizes = model.axes((8, 9, 3), hidden=5, classes=3)
    assert sizes == {"conv.weight": {"height": 5, "width": 9, "in": 3, "out": 6}}
    assert model.convolves


def test_who_convolves() -> None:
    convolving = {name for name, model in MODELS.items() if model.convolves}
    assert convolving == {"lenet", "lenet_bn", "resnet"}
