"""Where two runs part: by the values that both make, and by nothing that is not certain."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.agreement.parting import Parting, Run, added, parting
from common.contract.arrays import Array
from common.contract.operations import INPUTS, Operation, Site, Trace
from common.entrants.port import Port
from common.modules.functions import Parameters, side_of
from common.modules.inside import parting_of

#: name -> of which others, and how.
Made = dict[str, tuple[tuple[str, ...], Callable[..., Array]]]

DRAW = np.random.default_rng(0)
GIVEN = {"w": DRAW.normal(0, 1, (6, 6)), "v": DRAW.normal(0, 1, (6, 3))}
INPUT = DRAW.normal(0, 1, (2, 5, 6))


def run_of(made: Made) -> Run:
    """A run whose every operation has a line of its own."""

    def trace(x: Array) -> Trace:
        given = {**GIVEN, "x": x}
        operations = [
            Operation("", value, given=INPUTS if name == "x" else name)
            for name, value in given.items()
        ]
        places = {name: at for at, name in enumerate(given)}
        for line, (name, (of, function)) in enumerate(made.items(), start=1):
            at = tuple(places[one] for one in of)
            site = Site(f"{name}.py", "forward", (line, line), (None, None))
            value = function(*(operations[i].value for i in at))
            places[name] = len(operations)
            operations.append(Operation(name, value, at, site=site))
        return Trace(tuple(operations), (len(operations) - 1,))

    return Run((trace(INPUT[0]), trace(INPUT[1])))


def found(reference: Made, port: Made) -> Parting | None:
    return parting(run_of(reference), run_of(port))


def files(one: Parting | None) -> tuple[str | None, ...] | None:
    """Which operations it names."""
    if one is None:
        return None
    return tuple(site and site.file[:-3] for site in (one.agreed, one.reference, one.port))


HIDDEN: Made = {"hidden": (("x", "w"), np.matmul)}
LAST: Made = {"last": (("hidden", "v"), np.matmul)}


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def test_runs_part_at_the_first_value_that_only_one_makes() -> None:
    rest: Made = {"out": (("between", "v"), np.matmul)}
    reference = HIDDEN | {"between": (("hidden",), relu)} | rest
    # A bias of zero, an axis more and less: other operations, the same values.
    longer: Made = HIDDEN | {"column": (("hidden",), lambda h: h[:, :, None])}
    right = longer | {"between": (("column",), lambda h: relu(h)[..., 0])} | rest
    wrong = longer | {"tanh": (("column",), lambda h: np.tanh(h)[..., 0])}
    wrong |= {"out": (("tanh", "v"), np.matmul)}
    assert found(reference, right) is None
    assert files(found(reference, wrong)) == ("hidden", "between", "tanh")


def test_a_branch_is_named_though_another_agrees_behind_it() -> None:
    def branches(first: Callable[..., Array]) -> Made:
        return {
            "one": (("x", "w"), first),
            "other": (("x", "w"), lambda x, w: np.tanh(x @ w)),
            "sum": (("one", "other"), np.add),
        }

    one = found(branches(lambda x, w: np.sin(x @ w)), branches(lambda x, w: np.cos(x @ w)))
    assert one is not None
    assert one.given == INPUTS
    assert files(one) == (None, "one", "one")


def test_what_is_not_certain_is_not_said() -> None:
    """A factor may stand elsewhere: it is not what is wrong, and something else is."""

    def product(scale: bool, turned: float) -> Made:
        query: Made = {"query": (("x", "w"), lambda x, w: np.sin(x @ w))}
        query |= {"key": (("x", "w"), lambda x, w: np.cos(x @ w))}
        if scale:
            query |= {"scaled": (("query",), lambda q: q / 7)}
        query |= {"turned": (("key",), lambda k: k * np.linspace(1, turned, 6))}
        first = "scaled" if scale else "query"
        query |= {"scores": ((first, "turned"), lambda q, k: q @ k.T)}
        return query if scale else query | {"after": (("scores",), lambda s: s / 7)}

    assert found(product(True, 2.0), product(False, 2.0)) is None
    assert found(product(True, 2.0), product(False, 3.0)) is None
    assert files(found(product(True, 2.0), product(True, 3.0))) == ("key", "turned", "turned")


def test_rows_in_another_order_are_told() -> None:
    order = [3, 0, 4, 1, 5, 2]
    turned: Made = HIDDEN | {"turned": (("hidden",), lambda h: h[:, order])}
    one = found(HIDDEN | LAST, turned | {"out": (("turned", "v"), np.matmul)})
    assert files(one) == ("hidden", "last", "out")
    assert one is not None
    assert one.permuted
    assert "permuted" in str(one.likely_cause)


@pytest.mark.parametrize("axis", [0, 1])
def test_another_eps_is_told(axis: int) -> None:
    def normalised(eps: float, direct: bool) -> Made:
        def spread(h: Array) -> Array:
            return h.var(axis=axis, keepdims=True) + eps

        made: Made = {"mean": (("hidden",), lambda h: h.mean(axis=axis, keepdims=True))}
        if direct:
            made |= {"inverse": (("hidden",), lambda h: 1 / np.sqrt(spread(h)))}
        else:
            made |= {"spread": (("hidden",), spread)}
            made |= {"inverse": (("spread",), lambda s: 1 / np.sqrt(s))}
        made |= {"out": (("hidden", "mean", "inverse"), lambda h, m, i: (h - m) * i)}
        return HIDDEN | made

    one = found(normalised(1e-5, True), normalised(1e-6, False))
    assert one is not None
    assert one.eps == (1e-5, 1e-6)
    assert found(normalised(1e-5, True), normalised(1e-5, False)) is None


def original(params: Any, x: Any) -> Any:
    torch = importlib.import_module("torch")
    hidden = torch.nn.functional.linear(x, params["w"].T)
    hidden.relu_()
    return hidden @ params["v"]


def filled(params: Any, x: Any) -> Any:
    torch = importlib.import_module("torch")
    rows = torch.zeros_like(x)
    for i in range(len(x)):
        rows[i] = x[i] @ params["w"]
    return rows.tanh() @ params["v"]


def ported(params: Any, x: Any) -> Any:
    jax = importlib.import_module("jax")
    hidden = jax.jit(lambda x: x @ params["w"])(x)
    return jax.nn.silu(hidden) @ params["v"]


@pytest.mark.parametrize(
    ("framework", "forward", "words"),
    [
        ("torch", original, None),
        ("torch", filled, None),
        ("jax", ported, "`jax.nn.silu(hidden)`"),
    ],
)
def test_functions_part_at_an_expression(
    framework: str, forward: Callable[..., Any], words: str | None
) -> None:
    given = Parameters(GIVEN, None)
    reference = side_of("reference", Port("torch", original, print), given, None, "eager")
    port = side_of("port", Port(framework, forward, print), given, None, "eager")
    one, other = (INPUT[0],), (INPUT[1],)
    found = parting_of((reference, GIVEN), (port, GIVEN), ((one, one), (other, other)))
    if words is None:
        assert found is None
        return
    assert found is not None
    assert found.agreed is not None
    assert found.port is not None
    assert found.agreed.code == 'torch.nn.functional.linear(x, params["w"].T)'
    assert found.reference.code == "hidden.relu_()"
    assert Path(found.reference.file) == Path(__file__)
    assert words in str(found)


def test_what_is_infinite_has_no_variance() -> None:
    """A mask's infinities warn nobody."""
    run = run_of(
        {
            "masked": (("x",), lambda x: np.where(x > 0, x, -np.inf)),
            "largest": (("masked",), lambda x: x.max(axis=1)),
        }
    )
    masked = next(at for at, one in enumerate(run.operations) if np.isinf(one.value).any())
    assert list(added(run, masked)) == []
