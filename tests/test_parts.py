"""What a network is made of, in which order a port has its axes, and one tensor held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from common.contract.arrays import Array
from common.contract.net import Answer, Asked, Call, Leaf
from common.modules.expected import Expectation
from common.modules.held import Held, Place, hold
from common.modules.layout import CHANNELS_FIRST, CHANNELS_LAST, Flattened, layouts, nearest
from common.modules.links import linked, only, there
from common.modules.parts import Pair, layers_of, pairs

DRAW = np.random.default_rng(0)


def leaf(name: str, *owners: str) -> Leaf:
    return Leaf(name, owners or (name.rpartition(".")[0],), "Linear", np.zeros(1), True)


def call(path: str, number: int = 0) -> Call:
    return Call(path, number, "Linear", (), ())


def test_a_layer_is_the_innermost_module_that_was_seen() -> None:
    leaves = [leaf("body.0.weight"), leaf("body.0.deep.bias"), leaf("table")]
    calls = [call("body.0"), call("body"), call("")]
    assert layers_of(leaves, calls) == {
        "body.0.weight": frozenset({"body.0"}),
        "body.0.deep.bias": frozenset({"body.0"}),
        "table": frozenset(),
    }


def test_what_has_layers_in_it_is_the_wirings() -> None:
    leaves = [leaf("block.scale"), leaf("block.fc.weight")]
    calls = [call("block.fc"), call("block"), call("")]
    assert layers_of(leaves, calls) == {
        "block.scale": frozenset(),
        "block.fc.weight": frozenset({"block.fc"}),
    }


def test_several_for_one_are_gathered_in_the_smallest_module_around_them() -> None:
    links = [("a.q.w", ["m.qkv"]), ("a.k.w", ["m.qkv"]), ("a.o.w", ["m.o"]), ("h.w", ["h.w"])]
    reference = {"m.qkv": frozenset({"m"}), "m.o": frozenset({"m"}), "h.w": frozenset({"h"})}
    port = {n: frozenset({n.rpartition(".")[0]}) for n in ("a.q.w", "a.k.w", "a.o.w", "h.w")}
    calls = [call("m"), call("h"), call("")], [
        *(call(f"a.{n}") for n in "qko"), call("a"), call("h"), call(""),
    ]  # fmt: skip
    assert pairs(links, (reference, port), calls) == [Pair("m", "a", 1), Pair("h", "h", 1)]


def test_another_number_of_calls_is_left_to_the_wiring() -> None:
    links = [("x.w", ["x.w"]), ("y.w", ["y.w"])]
    layers = {"x.w": frozenset({"x"}), "y.w": frozenset({"y"})}
    calls = [call("x"), call("x", 1), call("y")], [call("x"), call("y")]
    assert pairs(links, (layers, layers), calls) == [Pair("y", "y", 1)]


@pytest.mark.parametrize(
    ("shape", "turned"),
    [((5, 3, 8, 6), (0, 2, 3, 1)), ((5, 8, 6, 3), (0, 3, 1, 2)), ((5, 7, 4), (1, 0, 2))],
    ids=["channels last", "channels first", "tokens first"],
)
def test_axes_are_turned_and_turned_back(shape: tuple[int, ...], turned: tuple[int, ...]) -> None:
    array = DRAW.normal(0, 1, shape)
    port = array.transpose(turned)
    layout = nearest(layouts(shape, port.shape), array, port)
    assert layout is not None
    assert layout.axes == turned
    assert np.array_equal(layout.there(array), port)
    assert np.array_equal(layout.back(port), array)


def test_numbers_choose_where_shapes_do_not() -> None:
    array = DRAW.normal(0, 1, (4, 4, 4, 4))
    layout = nearest(layouts(array.shape, array.shape), array, array.transpose(0, 2, 3, 1))
    assert layout is not None
    assert layout.axes == (0, 2, 3, 1)


@pytest.mark.parametrize(
    ("sizes", "order", "seen"),
    [((3, 4, 6), CHANNELS_LAST, (3, 8, 12)), ((4, 6, 3), CHANNELS_FIRST, (8, 12, 3))],
    ids=["from channels first", "from channels last"],
)
def test_what_was_flattened_after_pooling(
    sizes: tuple[int, int, int], order: tuple[int, int, int], seen: tuple[int, int, int]
) -> None:
    maps = DRAW.normal(0, 1, (5, *sizes))
    mine, theirs = maps.reshape(5, -1), maps.transpose(0, *(1 + i for i in order)).reshape(5, -1)
    (link,) = linked((mine,), (theirs,), [seen])
    assert link is not None
    assert link.layout.flattened == Flattened(sizes, order)
    assert np.array_equal(link.layout.there(mine), theirs)
    assert np.array_equal(link.layout.back(theirs), mine)


def test_only_what_is_linked_crosses() -> None:
    a, b = DRAW.normal(0, 1, (5, 3)), DRAW.normal(0, 1, (5, 4))
    links = linked((a, b), (b, np.zeros((2, 2))))
    first, second = there(links, (a, b))
    assert first is b or np.array_equal(np.asarray(first), b)
    assert second is None
    assert only(links, (a, b))[0] is None


class Sum:
    """x Σ over n ones; noise moves it as far as it is told."""

    def __init__(self, own: float, noise: float) -> None:
        self._own, self._noise = own, noise

    def run(self, asked: Asked) -> Answer:
        (x,) = asked.inputs
        error = (
            self._own if x.dtype == np.float32 else self._noise if asked.noise is not None else 0
        )
        return Answer((np.asarray(x * (1 + error), x.dtype),))


def held(
    value: Array,
    exactly: Array | None,
    own: float = 0.0,
    noise: float = 0.0,
    port_noise: float | None = None,
) -> Held:
    x = np.linspace(1, 2, 5, dtype="float32")
    expected = Expectation(Sum(own, noise), Asked({}, (x,)), "float32")
    place = Place("layer", "layer", "forward", "layer", "output")
    return hold(
        place,
        expected,
        [("output", 0)],
        (value, exactly),
        lambda some: some[0],
        own_noise=lambda draws: port_noise,
    )


X = np.linspace(1, 2, 5, dtype="float32")
X64 = X.astype("float64")


def test_right_in_both() -> None:
    found = held(X, X64)
    assert found.right
    assert found.judged == "float64 and rounding"


def test_float64_decides_about_the_mathematics() -> None:
    found = held(X, X64 * (1 + 1e-9))
    assert not found.right
    assert found.dtype == "float64"


def test_float32_alone_may_be_wrong() -> None:
    found = held(X * np.float32(1 + 1e-3), X64)
    assert not found.right
    assert found.dtype == "float32"


def test_a_sum_may_round_as_far_as_random_rounding_leads() -> None:
    wrong = X * np.float32(1 + 1e-4)
    assert not held(wrong, X64, noise=1e-6).right
    found = held(wrong, X64, noise=1e-4)
    assert found.right
    assert found.judged == "sums"


def test_a_port_may_round_as_far_as_its_own_operations_lead() -> None:
    wrong = X * np.float32(1 + 1e-4)
    assert not held(wrong, X64, port_noise=1e-5).right
    found = held(wrong, X64, port_noise=1e-3)
    assert found.right
    assert found.judged == "own rounding"


def test_and_in_float64_as_far_as_that_rounds() -> None:
    cancelled = X64 * (1 + 4e-12)
    assert not held(X, cancelled, port_noise=1e-4).right
    assert held(X, cancelled, port_noise=1e-2).judged == "own rounding"
    # What float32 itself would round is nothing that float64 may be off by.
    assert not held(X, X64 * (1 + 1e-9), port_noise=1e-2).right


def test_half_of_the_digits_stay() -> None:
    found = held(X * np.float32(1 + 1e-2), X64, port_noise=1.0)
    assert (found.right, found.judged) == (False, "sums")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is missing"),
        (X[:4], "has shape (4,), expected (5,)"),
        (X64, "has dtype float64, expected float32"),
        (X.astype("int64"), "has dtype int64, expected float64"),
    ],
    ids=["missing", "shape", "dtype", "kind"],
)
def test_what_has_no_numbers_to_compare_is_a_fault(value: Array | None, words: str) -> None:
    found = held(value, None)  # type: ignore[arg-type]
    assert not found.right
    assert found.fault == words
    assert (found.fault_kind, found.loose, found.elements) == ("form", 0, 0)


def test_where_the_reference_overflows_nothing_else_is_excused() -> None:
    class Overflowing(Sum):
        def run(self, asked: Asked) -> Answer:
            (found,) = super().run(asked).outputs
            if found.dtype == np.float32:
                found[0] = np.inf
            return Answer((found,))

    expected = Expectation(Overflowing(0.0, 0.0), Asked({}, (X,)), "float32")
    place = Place("layer", "layer", "forward", "layer", "output")
    value = X.copy()
    value[0] = np.inf
    right = hold(place, expected, [("output", 0)], (value, X64), lambda some: some[0])
    assert (right.right, right.loose) == (True, 1)
    value[3] *= np.float32(1.01)
    wrong = hold(place, expected, [("output", 0)], (value, X64), lambda some: some[0])
    assert (wrong.right, wrong.index) == (False, (3,))


def test_nan_in_one_is_a_difference() -> None:
    value = X.copy()
    value[2] = np.nan
    found = held(value, X64)
    assert not found.right
    assert found.index == (2,)
    assert replace(found, right=True).share == float("inf")


class Rare:
    """x, of which one random rounding in ten leads further than the others."""

    def __init__(self) -> None:
        self.draws = 0

    def run(self, asked: Asked) -> Answer:
        (x,) = asked.inputs
        if asked.noise is None:
            return Answer((x,))
        self.draws += 1
        return Answer((x * (1 + (1e-4 if asked.noise % 10 == 7 else 1e-5)),))


@pytest.mark.parametrize(
    ("off", "right", "draws"),
    [(1.5e-5, True, 3), (6e-5, True, 16), (1e-3, False, 3)],
    ids=["near", "further", "far beyond"],
)
def test_more_random_roundings_are_asked_near_the_bound(
    off: float, right: bool, draws: int
) -> None:
    net, x = Rare(), np.linspace(1, 2, 5, dtype="float32")
    expected = Expectation(net, Asked({}, (x,)), "float32")
    place = Place("layer", "layer", "forward", "layer", "output")
    value = (x * np.float32(1 + off)).astype("float32")
    answers = (value, x.astype("float64"))
    found = hold(place, expected, [("output", 0)], answers, lambda some: some[0])
    assert (found.right, net.draws) == (right, draws)
