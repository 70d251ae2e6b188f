"""Flax NNX, linen and Equinox modules, asked part by part."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from common.check import check
from common.contract.kinds import takes
from common.contract.net import Asked, Call
from common.contract.root import ROOT
from common.errors import Refused

pytest.importorskip("jax")
pytest.importorskip("flax")
pytest.importorskip("equinox")

import equinox as eqx
import jax
import jax.numpy as jnp
from flax import linen, nnx

from backends.jax.module import KINDS, Net
from tests.conftest import BACKENDS


class OfNnx(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(4, 3, rngs=rngs)
        self.norm = nnx.BatchNorm(3, rngs=rngs)
        self.tied = nnx.Linear(3, 3, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.tied(nnx.relu(self.tied(nnx.relu(self.norm(self.first(x))))))


class TokensNnx(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.embed = nnx.Embed(7, 2, rngs=rngs)
        self.rnn = nnx.RNN(nnx.GRUCell(2, 2, rngs=rngs))
        self.drop = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, tokens: Any) -> Any:
        return self.drop(self.rnn(self.embed(tokens)))


class TokensLinen(linen.Module):
    @linen.compact
    def __call__(self, tokens: Any, deterministic: bool) -> Any:
        x = linen.Embed(7, 2, name="embed")(tokens)
        x = linen.RNN(linen.GRUCell(2), name="rnn")(x)
        return linen.Dropout(0.5, name="drop")(x, deterministic)


class TokensEquinox(eqx.Module):
    embed: eqx.nn.Embedding
    rnn: eqx.nn.GRUCell
    drop: eqx.nn.Dropout

    def __init__(self, key: Any) -> None:
        one, two = jax.random.split(key)
        self.embed = eqx.nn.Embedding(7, 2, key=one)
        self.rnn = eqx.nn.GRUCell(2, 2, key=two)
        self.drop = eqx.nn.Dropout(0.5)

    def __call__(self, tokens: Any, key: Any) -> Any:
        x = jax.vmap(self.embed)(tokens)
        return self.drop(self.rnn(x[0], x[1]), key=key)


class OfLinen(linen.Module):
    @linen.compact
    def __call__(self, x: Any, *, train: bool) -> Any:
        x = linen.Dense(3, name="first")(x)
        x = linen.relu(linen.BatchNorm(use_running_average=not train, name="norm")(x))
        tied = linen.Dense(3, name="tied")
        return tied(linen.relu(tied(x)))


class OfEquinox(eqx.Module):
    first: eqx.nn.Linear
    norm: eqx.nn.BatchNorm
    tied: eqx.nn.Linear

    def __init__(self, key: Any) -> None:
        one, two = jax.random.split(key)
        self.first = eqx.nn.Linear(4, 3, key=one)
        self.norm = eqx.nn.BatchNorm(3, axis_name="batch", mode="batch")
        self.tied = eqx.nn.Linear(3, 3, key=two)

    def __call__(self, x: Any, state: Any) -> Any:
        x, state = self.norm(self.first(x), state)
        return self.tied(jax.nn.relu(self.tied(jax.nn.relu(x)))), state


@cache
def of_nnx() -> Any:
    return OfNnx(nnx.Rngs(0))


@cache
def of_linen() -> Any:
    module = OfLinen()
    return module, module.init(jax.random.key(0), jnp.ones((1, 4)), train=False)


@cache
def of_equinox() -> Any:
    return eqx.nn.make_with_state(OfEquinox)(jax.random.key(0))


MAKERS = [of_nnx, of_linen, of_equinox]
DRAW = np.random.default_rng(3)
INPUTS = DRAW.normal(size=(5, 4))
COTANGENT = DRAW.normal(size=(5, 3))


@pytest.fixture(autouse=True)
def _precision() -> Iterator[None]:
    """What is computed in is set for the whole process."""
    before = jax.config.jax_enable_x64
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def given(request: pytest.FixtureRequest) -> Any:
    return request.param()


def values_of(net: Net, dtype: str = "float64") -> dict[str, Any]:
    return {leaf.name: leaf.value.astype(dtype) for leaf in net.leaves()}


def layers(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call.path]


def test_found_by_its_bases(given: Any) -> None:
    assert takes(given) == "jax"
    assert tuple(KINDS) == BACKENDS["jax"].info.modules


def test_leaves(given: Any) -> None:
    leaves = {leaf.name: leaf for leaf in Net(given).leaves()}
    trained = [leaf for leaf in leaves.values() if leaf.trained]
    assert {leaf.owners for leaf in leaves.values()} == {("first",), ("norm",), ("tied",)}
    assert len(trained) == 6
    assert len(leaves) == 8
    assert all(name.startswith(leaf.owners[0]) for name, leaf in leaves.items())


def test_what_comes_alone_is_refused() -> None:
    with pytest.raises(Refused, match="came alone: give the pair"):
        Net(OfLinen())
    with pytest.raises(Refused, match="came alone: give the pair"):
        Net(OfEquinox(jax.random.key(0)))


@pytest.mark.slow
def test_only_what_is_needed_is_imported() -> None:
    code = """
import sys
sys.modules["flax"] = None
import equinox, jax
from backends.jax.module import Net
print(len(Net(equinox.nn.Linear(2, 3, key=jax.random.key(0))).leaves()))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr


def test_calls_in_order(given: Any) -> None:
    net = Net(given)
    calls, outputs = net.record(values_of(net), (INPUTS,), True)
    assert [call.key for call in calls] == [
        ("first", 0),
        ("norm", 0),
        ("tied", 0),
        ("tied", 1),
        ("", 0),
    ]
    assert [call.outputs[0].shape for call in calls] == [(5, 3)] * 5
    assert [len(call.inputs) for call in calls] == [1] * 5
    np.testing.assert_array_equal(calls[-1].outputs[0], outputs[0])
    kinds = {leaf.kind for leaf in net.leaves()}
    assert kinds in ({"Linear", "BatchNorm"}, {"Dense", "BatchNorm"})


class Weighted(nnx.Module):
    """Takes its inputs by names that are not in the order of the alphabet."""

    def __init__(self) -> None:
        self.linear = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

    def __call__(self, x: Any, by: Any) -> Any:
        return self.linear(inputs=x) * by


def test_inputs_by_names_in_the_order_that_they_come_in() -> None:
    net = Net(Weighted(), ("x", "by"))
    inputs = INPUTS, np.ones((5, 1))
    values = values_of(net)
    calls, _ = net.record(values, inputs, False)
    assert [one.shape for one in calls[-1].inputs] == [(5, 4), (5, 1)]
    answer = net.run(Asked(values, calls[0].inputs, part=("linear", 0), train=False))
    np.testing.assert_array_equal(answer.outputs[0], calls[0].outputs[0])


def test_chain_rule_closes(given: Any) -> None:
    """Layers by themselves and the wiring between them make the whole's gradients."""
    net = Net(given)
    values = values_of(net)
    calls, _ = net.record(values, (INPUTS,), True)
    whole = net.run(Asked(values, (INPUTS,), train=True, cotangents=(COTANGENT,)))
    slopes = {name: np.zeros_like(slope) for name, slope in whole.slopes.items()}
    outputs = {call.key: call.outputs for call in layers(calls)}
    reached: dict[Any, Any] = {}
    for call in reversed(layers(calls)):
        wiring = net.run(
            Asked(
                values,
                (INPUTS,),
                train=True,
                given=outputs,
                cotangents=(COTANGENT,),
                arrived_cotangents=reached,
            )
        )
        np.testing.assert_allclose(wiring.arrived[call.key][0], call.inputs[0], atol=1e-14)
        answer = net.run(
            Asked(
                values,
                call.inputs,
                part=call.key,
                train=True,
                cotangents=wiring.given_slopes[call.key],
            )
        )
        np.testing.assert_allclose(answer.outputs[0], call.outputs[0], atol=1e-14)
        reached[call.key] = answer.input_slopes
        for name, slope in answer.slopes.items():
            slopes[name] += slope
    for name, slope in whole.slopes.items():
        np.testing.assert_allclose(slopes[name], slope, atol=1e-13, err_msg=name)
        assert np.abs(slope).max() > 0 or name == "first.bias"
    np.testing.assert_allclose(reached["first", 0][0], whole.input_slopes[0], atol=1e-13)


def test_computes_in_doubles(given: Any) -> None:
    """Against the formulas in NumPy; weights of Equinox are (out, in)."""
    net = Net(given)
    values = values_of(net)
    narrow = {name: value.astype("float32") for name, value in values.items()}
    single = net.run(Asked(narrow, (INPUTS.astype("float32"),), train=True)).outputs[0]
    double = net.run(Asked(values, (INPUTS,), train=True)).outputs[0]
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    assert 0 < np.abs(single - double).max() < 1e-5

    def layer(name: str, x: Any) -> Any:
        if f"{name}.weight" in values:
            return x @ values[f"{name}.weight"].T + values[f"{name}.bias"]
        return x @ values[f"{name}.kernel"] + values[f"{name}.bias"]

    x = layer("first", INPUTS)
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    x = layer("tied", np.maximum(layer("tied", np.maximum(x, 0)), 0))
    np.testing.assert_allclose(double, x, atol=1e-12)


def test_buffers_afterwards(given: Any) -> None:
    net = Net(given)
    values = values_of(net)
    calls, _ = net.record(values, (INPUTS,), True)
    asked = Asked(values, calls[1].inputs, part=("norm", 0), train=True)
    mean = next(name for name in net.run(asked).buffers if name.endswith(("mean", ".0")))
    trained = net.run(asked).buffers[mean]
    expected = 0.99 * values[mean] + 0.01 * calls[1].inputs[0].mean(0)
    np.testing.assert_allclose(trained, expected, atol=1e-12)
    still = net.run(Asked(values, calls[1].inputs, part=("norm", 0))).buffers[mean]
    np.testing.assert_array_equal(still, values[mean])


def test_compiled_is_the_same_to_rounding(given: Any) -> None:
    answers = []
    for mode in ("eager", "jit"):
        net = Net(given, mode=mode)
        values = values_of(net)
        calls, _ = net.record(values, (INPUTS,), True)
        asked = {"part": ("norm", 0), "train": True, "cotangents": (COTANGENT,)}
        answers.append(net.run(Asked(values, calls[1].inputs, **asked)))
    eager, compiled = answers
    np.testing.assert_allclose(compiled.outputs[0], eager.outputs[0], atol=1e-14)
    np.testing.assert_allclose(compiled.input_slopes[0], eager.input_slopes[0], atol=1e-13)
    for name, slope in eager.slopes.items():
        np.testing.assert_allclose(compiled.slopes[name], slope, atol=1e-13)


TOKENS = np.array([[1, 2], [3, 6], [0, 5]])


@cache
def tokens_nnx() -> Any:
    return TokensNnx(nnx.Rngs(0))


@cache
def tokens_linen() -> Any:
    module = TokensLinen()
    return module, module.init(jax.random.key(0), jnp.zeros((1, 2), int), True)


@cache
def tokens_equinox() -> Any:
    return TokensEquinox(jax.random.key(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        tokens_nnx,
        pytest.param(tokens_linen, marks=pytest.mark.slow),
        pytest.param(tokens_equinox, marks=pytest.mark.slow),
    ],
)
def test_tokens(make: Any) -> None:
    """What runs inside of a scan or a vmap is its caller's; dropout stays random."""
    net = Net(make())
    values = values_of(net)
    calls, outputs = net.record(values, (TOKENS,), False)
    mapped = make is tokens_equinox
    inner = [("rnn", 0), ("drop", 0), ("", 0)]
    assert [call.key for call in calls] == (inner if mapped else [("embed", 0), *inner])
    assert outputs[0].dtype == np.float64
    seeds = (np.ones_like(outputs[0]),)
    whole = net.run(Asked(values, (TOKENS,), cotangents=seeds))
    assert whole.input_slopes == (None,)
    rnn = next(call for call in calls if call.path == "rnn")
    part = net.run(Asked(values, rnn.inputs, part=rnn.key, cotangents=seeds))
    assert {name for name in values if "embed" not in name} == set(part.slopes)
    for name, slope in part.slopes.items():
        np.testing.assert_allclose(slope, whole.slopes[name], atol=1e-14)
    once, twice = (net.run(Asked(values, (TOKENS,), train=True)).outputs[0] for _ in "12")
    assert not np.array_equal(once, twice)


class Squares(nnx.Module):
    """Flax's variance is the mean of squares less the square of the mean."""

    def __init__(self) -> None:
        self.norm = nnx.BatchNorm(3, momentum=0.9, epsilon=1e-5, rngs=nnx.Rngs(0))
        self.out = nnx.Linear(108, 5, rngs=nnx.Rngs(0))

    def __call__(self, x: Any) -> Any:
        x = self.norm(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return self.out(x.reshape(len(x), -1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mean", "steps", "agrees"), [(0, 1, True), (20, 0, True), (20, 1, True), (1000, 1, False)]
)
def test_a_variance_of_squares_rounds_more_and_is_right_while_digits_stay(
    mean: float, steps: int, agrees: bool
) -> None:
    """Of the layer alone, and of the whole network."""
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(1).normal(mean, 1, (16, 3, 6, 6)).astype("float32")
    torch.manual_seed(0)
    layers = torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(108, 5)
    labels = np.arange(16) % 5
    report = check(Squares(), torch.nn.Sequential(*layers), x, labels, train=True, steps=steps)
    assert report.agrees == agrees, str(report)
    assert ("formulas that round more" in str(report)) == (mean == 20)


@pytest.mark.slow
def test_groups_of_channels_against_pytorch() -> None:
    """JAX turns two axes and joins them, in one reshape, for the slopes of what goes in."""
    torch = pytest.importorskip("torch")
    reference = torch.nn.Conv2d(4, 6, 3, groups=2)
    port = nnx.Conv(4, 6, (3, 3), padding="VALID", feature_group_count=2, rngs=nnx.Rngs(0))
    x = DRAW.normal(size=(5, 4, 7, 6)).astype("float32")
    report = check(port, reference, x, None)
    assert report.verdict == "rounding", str(report)


def test_loss(given: Any) -> None:
    outputs, labels = COTANGENT, np.array([0, 2, 1, 1, 0])
    value, (slope,) = Net(given).loss(None, (outputs,), labels)
    odds = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    np.testing.assert_allclose(value, -np.log(odds[np.arange(5), labels]).mean(), atol=1e-14)
    np.testing.assert_allclose(slope, (odds - np.eye(3)[labels]) / 5, atol=1e-14)
    value, (slope,) = Net(given).loss(None, (outputs,), outputs - 1)
    np.testing.assert_allclose((value, *slope[0]), (1, *[2 / 15] * 3), atol=1e-14)


def test_source(given: Any) -> None:
    net = Net(given)
    net.record(values_of(net), (np.ones((2, 4)),), train=False)
    kind = type(given[0] if isinstance(given, tuple) else given).__name__
    assert f"\nclass {kind}(" in str(net.source(""))
    code = str(net.source("norm"))
    assert code.startswith("# BatchNorm(")
    assert "momentum=0.99" in code.partition("\n")[0]
    assert "def __call__" in code
    assert net.source("nowhere") is None
