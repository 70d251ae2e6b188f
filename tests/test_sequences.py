"""Models of sequences: each of their slips is seen where it is made, forwards."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from common.agreement.checks import checks
from common.agreement.expectations import Expectations, expected_at
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.slips.causes import likely_cause
from common.contract.plan import Plan
from common.contract.precision import cast
from common.data import draws
from common.entrants.local import LocalSession
from tests.conftest import BACKENDS, EXAMPLES, make_plan

SEQUENCES = ("gru", "lstm", "attention")
Data = Callable[[Plan], dict[str, Any]]


def expected_of(model: str, data: Data, **errors: float) -> Expectations:
    """At the start, of an entrant whose functions err so."""
    plan = make_plan(model)
    referee = Referee(plan, data(plan), errors=errors)
    order = draws.order(0, 0, EXAMPLES, plan.batch_size, False)
    schedule = Schedule([order], plan.batch_size)
    referee.exact.load(cast(referee.data["initial"], "float64"))
    return expected_at(referee, referee.state(schedule, 1))


@pytest.fixture(scope="module")
def expected(session_data: Data) -> Callable[[str], Expectations]:
    return cache(lambda model: expected_of(model, session_data))


def wrong(
    model: str, expected: Expectations, session_data: Data
) -> Iterator[tuple[str, str, str | None]]:
    """Stage, tensor and cause of every check that fails; PyTorch's, from scratch."""
    session, plan = LocalSession("torch"), make_plan(model)
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, session_data(plan))
    for outcome in checks(session, expected, BACKENDS["torch"].info, compiled=False):
        if not outcome.check.right:
            slip = likely_cause(expected, outcome)
            yield outcome.check.stage, outcome.check.tensor, slip.words if slip else None


def gates(*order: int) -> Callable[[Any], Any]:
    """What is given comes in another order of gates."""

    def change(own: Any) -> Any:
        def step(params: Any, given: Any, *state: Any) -> Any:
            blocks = given.chunk(len(order), dim=1)
            return own(params, torch().cat([blocks[gate] for gate in order], dim=1), *state)

        return step

    return change


def torch() -> Any:
    return importlib.import_module("torch")


def reset_before(_: Any) -> Any:
    """As the paper has it: the state is reset, then multiplied."""
    layers = importlib.import_module("backends.torch.layers")

    def step(params: Any, given: Any, state: Any) -> Any:
        given_r, given_z, given_m = given.chunk(3, dim=1)
        kept_r, kept_z, _ = layers.dense(params, "recurrent", state).chunk(3, dim=1)
        reset = layers.sigmoid(given_r + kept_r)
        update = layers.sigmoid(given_z + kept_z)
        *_, kept_m = layers.dense(params, "recurrent", reset * state).chunk(3, dim=1)
        return (1 - update) * (given_m + kept_m).tanh() + update * state

    return step


def without(layer: str) -> Callable[[Any], Any]:
    """A layer's bias is left out."""

    def change(own: Any) -> Any:
        def dense(params: Any, name: str, inputs: Any) -> Any:
            outputs = own(params, name, inputs)
            return outputs - params[f"{layer}.bias"] if name == layer else outputs

        return dense

    return change


def with_eps(eps: float) -> Callable[[Any], Any]:
    def change(_: Any) -> Any:
        def normed(params: Any, layer: str, inputs: Any) -> Any:
            norm = torch().nn.functional.layer_norm
            weight, bias = params[f"{layer}.scale"], params[f"{layer}.shift"]
            return norm(inputs, weight.shape, weight, bias, eps)

        return normed

    return change


def by_tanh(_: Any) -> Any:
    return lambda x: torch().nn.functional.gelu(x, approximate="tanh")


def unmasked(_: Any) -> Any:
    def attended(asked: Any) -> Any:
        n, count, width = asked.shape
        queries, keys, values = asked.reshape(n, count, 3, 4, -1).permute(2, 0, 3, 1, 4)
        scores = queries @ keys.transpose(2, 3) / (width / 12) ** 0.5
        return (scores.softmax(3) @ values).transpose(1, 2).reshape(n, count, -1)

    return attended


def undivided(own: Any) -> Any:
    return lambda x: own(x * 8**0.5)


#: model, function of PyTorch's file, what makes another of it, and the cause in words.
SLIPS: dict[str, tuple[str, str, Callable[[Any], Any], str]] = {
    "reset and update exchanged": (
        "gru", "gru_step", gates(1, 0, 2), "reset and update are exchanged in what comes"
    ),
    "reset before the product": (
        "gru", "gru_step", reset_before, "applied to the state before its product"
    ),
    "no second bias": ("gru", "dense", without("recurrent"), "no bias in recurrent"),
    "new and output exchanged": (
        "lstm", "lstm_step", gates(0, 1, 3, 2), "new and output are exchanged in what comes"
    ),
    "input and forget exchanged": (
        "lstm", "lstm_step", gates(1, 0, 2, 3), "input and forget are exchanged in what comes"
    ),
    "no second bias of an LSTM": ("lstm", "dense", without("recurrent"), "no bias in recurrent"),
    "no mask": ("attention", "attended", unmasked, "no mask"),
    "no root of the width": ("attention", "softmax", undivided, "not divided by the root"),
    "eps of 1e-6": ("attention", "normed", with_eps(1e-6), "eps of its norms is 1e-06"),
    "gelu by tanh": ("attention", "gelu", by_tanh, "GELU by tanh"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("model", SEQUENCES)
def test_right(model: str, expected: Callable[[str], Expectations], session_data: Data) -> None:
    assert list(wrong(model, expected(model), session_data)) == []


@pytest.mark.parametrize("slip", SLIPS)
def test_wrong(
    slip: str,
    expected: Callable[[str], Expectations],
    session_data: Data,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, name, change, words = SLIPS[slip]
    file = "attention" if model == "attention" else "recurrent"
    column = importlib.import_module(f"backends.torch.{file}")
    monkeypatch.setattr(column, name, change(getattr(column, name)))
    *place, cause = next(wrong(model, expected(model), session_data))
    assert place == ["forward", "logits"]
    assert words in (cause or ""), cause


@pytest.mark.slow
def test_a_function_that_is_known_to_err(
    expected: Callable[[str], Expectations], session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Info.function_errors` allows what it says, and no slip."""
    lenient = expected_of("gru", session_data, tanh=1e-4)
    column = importlib.import_module("backends.torch.recurrent")
    with monkeypatch.context() as patch:
        own = torch().tanh
        patch.setattr(torch(), "tanh", lambda x: own(x) * (1 + 5e-5))
        assert next(wrong("gru", expected("gru"), session_data))[:2] == ("forward", "logits")
        assert list(wrong("gru", lenient, session_data)) == []
    monkeypatch.setattr(column, "dense", without("recurrent")(column.dense))
    assert next(wrong("gru", lenient, session_data))[:2] == ("forward", "logits")


def test_erf_is_that_of_the_standard_library() -> None:
    import math

    erf = importlib.import_module("backends.numpy.attention").erf
    numbers = np.concatenate([np.linspace(-7, 7, 20001), np.logspace(-12, 0, 50)])
    right = np.array([math.erf(number) for number in numbers])
    np.testing.assert_allclose(erf(numbers), right, rtol=4e-16)
    np.testing.assert_array_equal(erf(np.array([-np.inf, np.inf, np.nan])), [-1, 1, np.nan])
