"""`--init framework`: initial values as each framework's own layers draw them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.stats import ks_2samp

from common.contract.arrays import Arrays
from common.contract.models import MODELS
from common.data import draws
from common.measure.starts import distributions
from tests.conftest import CLASSES, LONG, Command, checked, make_plan, shape_of

OWN = ("torch", "jax", "mindspore")
DRAWN = ("mlp", "lenet", "lenet_bn", "resnet", "gru", "lstm", "attention")
#: Of so many numbers the deviation is known to a tenth.
MANY = 500


def start_of(model: str) -> Arrays:
    return draws.parameters(MODELS[model], shape_of(MODELS[model]), 16, CLASSES, 0, "float32")


def fan_in(model: str, name: str) -> int:
    sizes = MODELS[model].axes(shape_of(MODELS[model]), 16, CLASSES)[name]
    return math.prod(size for axis, size in sizes.items() if axis != "out")


def reach(model: str, layer: str) -> float:
    """Of the uniform law by which PyTorch and MindSpore draw a layer's weights."""
    inputs = fan_in(model, f"{layer}.weight")
    if layer == "attention":
        return math.sqrt(6 / (inputs + 3 * inputs))
    state = fan_in(model, "recurrent.weight") if layer in ("input", "recurrent") else inputs
    return 1 / math.sqrt(state)


@pytest.mark.slow
@pytest.mark.parametrize("model", DRAWN)
@pytest.mark.parametrize("backend", OWN)
def test_by_its_own_law(backend: str, model: str, opened: Any) -> None:
    given = start_of(model)
    session = opened(backend, make_plan(model), "concise")
    drawn = session.initial(3)
    assert list(drawn) == list(given)
    for name, values in drawn.items():
        layer, _, part = name.partition(".")
        if part not in ("weight", "bias") or layer == "position":
            np.testing.assert_array_equal(values, given[name], name)
            continue
        assert values.shape == given[name].shape
        assert not np.array_equal(values, given[name]) or (part == "bias" and not values.any())
        if backend == "jax":
            deviation = 1 / math.sqrt(fan_in(model, f"{layer}.weight")) if part == "weight" else 0
        elif name == "attention.bias" or (name, backend) == ("projection.bias", "torch"):
            deviation = 0
        else:
            most = reach(model, layer)
            deviation = most / math.sqrt(3)
            assert np.abs(values).max() <= most * (1 + 1e-6), name
        if not deviation:
            assert not values.any(), name
        elif values.size > MANY:
            assert values.std() == pytest.approx(deviation, rel=0.1), name
    again, other = session.initial(3), session.initial(4)
    for name, values in drawn.items():
        np.testing.assert_array_equal(again[name], values, name)
        if name.endswith(".weight") and name != "position.weight":
            assert not np.array_equal(other[name], values), name


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gru", "lstm"])
def test_jax_draws_orthogonal_gates(model: str, opened: Any) -> None:
    weight = opened("jax", make_plan(model), "concise").initial(0)["recurrent.weight"]
    for gate in np.split(weight, weight.shape[1] // len(weight), axis=1):
        np.testing.assert_allclose(gate @ gate.T, np.eye(len(gate)), atol=1e-5)


@pytest.mark.slow
def test_flax_draws_by_the_same_law(opened: Any) -> None:
    nnx, jnp = pytest.importorskip("flax.nnx"), pytest.importorskip("jax.numpy")
    drawn = opened("jax", make_plan("lenet"), "concise").initial(0)
    for name, layer in {
        "conv2.weight": nnx.Conv(6, 16, (5, 5), rngs=nnx.Rngs(1)),
        "dense2.weight": nnx.Linear(120, 84, rngs=nnx.Rngs(1)),
    }.items():
        theirs = np.asarray(layer.kernel.value, dtype=jnp.float32).ravel()
        assert ks_2samp(drawn[name].ravel(), theirs).pvalue > 1e-3, name
        assert ks_2samp(1.1 * drawn[name].ravel(), theirs).pvalue < 0.1, "it tells nothing"


def test_distributions() -> None:
    draw = np.random.default_rng(0)
    one, other = draw.uniform(-1, 1, (2, 4000)).astype(np.float32)
    wider, zeros = 1.2 * one, np.zeros(4000, np.float32)
    starts = {"a": one, "b": other, "c": wider, "d": zeros, "e": zeros.copy()}
    (found,) = distributions({label: {"w": array} for label, array in starts.items()})
    alike = {pair["a"] + pair["b"] for pair in found["pairs"] if pair["p"] >= 0.001}
    assert (found["name"], alike) == ("w", {"ab", "de"})
    assert found["entrants"]["c"]["deviation"] == pytest.approx(1.2 / math.sqrt(3), rel=0.05)
    assert found["entrants"]["d"] == {"mean": 0, "deviation": 0, "low": 0, "high": 0}


@pytest.mark.slow
def test_each_is_held_against_a_referee_that_began_as_it_did(compare: Command) -> None:
    compare.page = True
    words = ("--model", "mlp", "--hidden", 16, "--init", "framework", "--check-float64", *LONG)
    entrants = ("torch", "numpy", "torch:scratch")
    done = compare(*compare.small("--out", "out", "--backends", *entrants, *words))
    assert done.returncode == 0, done.stderr
    folder = compare.folder / "out"
    found = checked((folder / "results.json").read_text(encoding="utf-8"))
    verdicts = {label: one["verdict"] for label, one in found["parity"]["entrants"].items()}
    assert verdicts == {"torch": "rounding", "numpy": "rounding", "torch:scratch": "rounding"}
    assert found["parity"]["referee_losses"] == []
    of = {label: one["referee_losses"] for label, one in found["parity"]["entrants"].items()}
    assert of["torch"] == of["torch:scratch"] != of["numpy"]
    assert all(one["float64_drift"] < 1e-12 for one in found["parity"]["entrants"].values())
    laws = {start["name"]: start["pairs"] for start in found["starts"]}
    assert {(one["a"], one["b"]): one["p"] < 0.001 for one in laws["hidden.weight"]} == {
        ("torch", "torch:scratch"): False,
        ("torch", "the book's"): True,
        ("torch:scratch", "the book's"): True,
    }
    start = load_file(folder / "initial-torch.safetensors")
    assert start.keys() == load_file(folder / "initial.safetensors").keys()
    assert not (folder / "initial-numpy.safetensors").exists()
    assert "begins with the book's weights" in str(found["entrants"][1]["notes"])

    assert "initial values: standard deviation, least to largest" in done.stdout
    assert "a referee that began as it did" in done.stdout
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "may be of one law" in page
    assert "initial.py" in page
    assert "--init framework" in page


def test_diagnose_refuses_it(compare: Command) -> None:
    done = compare("diagnose", *compare.small("--backends", "numpy", "--init", "framework"))
    assert done.returncode == 2
    assert "from the same weights" in done.stderr
