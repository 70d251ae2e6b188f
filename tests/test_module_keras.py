"""Keras 3 models, asked part by part: on PyTorch here, on JAX in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from common.contract.kinds import takes
from common.contract.net import Asked
from common.contract.root import ROOT
from common.errors import Refused

pytest.importorskip("torch")
pytest.importorskip("keras")

import keras
import torch
from keras import layers
from torch import nn

from backends.keras_model import walked
from backends.torch.module import KINDS, Net
from compare import check
from tests.conftest import BACKENDS

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="Keras computes in another framework here"
)

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(6, 4))


class Block(layers.Layer):
    """Asks for no `training`, and passes it on."""

    def __init__(self) -> None:
        super().__init__()
        self.dense, self._norm = layers.Dense(3, activation="relu"), layers.BatchNormalization()
        self.scale = self.add_weight(shape=(3,), initializer="ones")

    def call(self, x: Any) -> Any:
        return self._norm(self.dense(x)) * self.scale


class Subclassed(keras.Model):
    def __init__(self, frozen: bool = False) -> None:
        super().__init__()
        self.blocks, self.frozen = [Block(), Block()], frozen
        self.base = keras.Sequential([keras.Input((3,)), Block()], name="inside")

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.base(x, training=False) if self.frozen else self.base(x)


def subclassed(**given: Any) -> Any:
    model = Subclassed(**given)
    model(X[:1])
    return model


def values_of(net: Net, dtype: str = "float64") -> dict[str, Any]:
    draw = np.random.default_rng(1)
    return {
        leaf.name: draw.uniform(0.5, 1.5, leaf.value.shape).astype(dtype) for leaf in net.leaves()
    }


def test_found_by_its_bases() -> None:
    assert takes(keras.Sequential([layers.Dense(1)])) == "torch"
    assert tuple(KINDS) == BACKENDS["torch"].info.modules


def test_leaves_are_named_by_attributes_and_by_layers() -> None:
    leaves = {leaf.name: leaf for leaf in Net(subclassed()).leaves()}
    names = list(leaves)
    assert names[:7] == [
        f"blocks.0.{name}"
        for name in (
            "scale",
            "dense.kernel",
            "dense.bias",
            "norm.gamma",
            "norm.beta",
            "norm.moving_mean",
            "norm.moving_variance",
        )
    ]
    assert [name.rpartition(".")[2] for name in names if not leaves[name].trained] == [
        *("moving_mean", "moving_variance") * 3
    ]
    assert leaves["blocks.0.dense.kernel"].owners == ("blocks.0.dense",)
    assert any(name.startswith("base.block") for name in names)


def test_each_call_alone_is_what_it_was() -> None:
    """A model inside that is frozen stays so, though its layers are not told themselves."""
    net = Net(subclassed(frozen=True))
    values = values_of(net)
    calls, outputs = net.record(values, (X,), True)
    assert len({call.key for call in calls}) == len(calls) == 11
    assert calls[-1].key == ("", 0)
    np.testing.assert_array_equal(calls[-1].outputs[0], outputs[0])
    assert (calls[0].outputs[0] < 0).any(), "the activation is no part of the layer"
    for call in calls:
        cotangents = tuple(np.ones_like(one) for one in call.outputs)
        answer = net.run(Asked(values, call.inputs, call.key, train=True, cotangents=cotangents))
        np.testing.assert_allclose(answer.outputs[0], call.outputs[0], atol=1e-14)
        slopes = answer.slopes.values()
        assert call.path.startswith("base") or all(slope.any() for slope in slopes), call.key


def test_computes_in_doubles_and_leaves_the_model_as_it_is() -> None:
    model = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3), layers.BatchNormalization(momentum=0.75)]
    )
    before = [np.array(one) for one in model.variables]
    net = Net(model)
    values = values_of(net)
    answer = net.run(Asked(values, (X,), train=True))
    (kernel, bias, gamma, beta, mean, variance) = values.values()
    x = X @ kernel + bias
    wanted = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3) * gamma + beta
    np.testing.assert_allclose(answer.outputs[0], wanted, atol=1e-12)
    assert answer.outputs[0].dtype == np.float64
    moved = [0.75 * mean + 0.25 * x.mean(0), 0.75 * variance + 0.25 * x.var(0)]
    np.testing.assert_allclose(list(answer.buffers.values()), moved, atol=1e-13)
    narrow = {name: value.astype("float32") for name, value in values.items()}
    single = net.run(Asked(narrow, (X.astype("float32"),), train=True)).outputs[0]
    assert single.dtype == np.float32
    assert 0 < np.abs(single - wanted).max() < 1e-4
    for one, other in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(np.array(one), other)
    assert keras.config.floatx() == "float32"
    assert {layer.compute_dtype for _, layer in walked(model)} == {"float32"}
    assert keras.backend.result_type("float64", "float32") == "float32"
    assert model(X).dtype == torch.float32


def test_what_is_random_stays_random() -> None:
    for kind in (layers.Dropout(0.5), layers.Lambda(lambda x: keras.random.dropout(x, 0.5))):
        net = Net(keras.Sequential([keras.Input((4,)), kind]))
        one, other = (net.run(Asked({}, (X,), train=True)).outputs[0] for _ in "ab")
        assert (one != other).any()
    net = Net(keras.Sequential([keras.Input((4,)), layers.Dropout(0.5)]))
    np.testing.assert_array_equal(net.run(Asked({}, (X,))).outputs[0], X)


def test_masks_reach_a_layer_that_is_asked_alone() -> None:
    embed, rnn = layers.Embedding(9, 4, mask_zero=True, name="embed"), layers.LSTM(3, name="rnn")
    net = Net(keras.Sequential([keras.Input((5,)), embed, rnn]))
    tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
    values = values_of(net)
    calls, outputs = net.record(values, (tokens,), False)
    call = next(call for call in calls if call.path == "rnn")
    assert [one.dtype.kind for one in call.inputs] == ["f", "b"]
    assert call.outputs[0].shape == (2, 5, 3), "the last step is chosen behind the layer"
    np.testing.assert_array_equal(call.outputs[0][:, -1], outputs[0])
    answer = net.run(Asked(values, call.inputs, call.key))
    np.testing.assert_allclose(answer.outputs[0], call.outputs[0], atol=1e-15)


def test_inputs_as_a_functional_model_takes_them() -> None:
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    listed = keras.Model([a, b], layers.Subtract()([a, b]))
    told = keras.Model({"a": a, "b": b}, layers.Subtract()([a, b]))
    for net in (Net(listed), Net(listed, ("a", "b")), Net(told, ("a", "b"))):
        _, (outputs,) = net.record({}, (X, 2 * X), False)
        np.testing.assert_allclose(outputs, -X)


def test_refused() -> None:
    with pytest.raises(Refused, match="has no weights yet; call the model once before"):
        Net(keras.Sequential([layers.Dense(1)]))
    with pytest.raises(Refused, match="take mode 'eager', or Keras on JAX"):
        Net(subclassed(), mode="jit")
    layer = type("Layer", (), {"__module__": "keras.src.layers.layer"})
    with pytest.raises(Refused, match="set KERAS_BACKEND=torch or jax before"):
        takes(type("Elsewhere", (layer,), {})())


# ---- against PyTorch ---------------------------------------------------------------------------


def pictures() -> tuple[Any, Any]:
    return DRAW.normal(size=(6, 3, 8, 8)).astype("float32"), np.arange(6) % 5


def original() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 5),
    )


def port(padding: str = "zeros", **norm: Any) -> Any:
    before = [layers.ZeroPadding2D(1)] if padding == "zeros" else []
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *before,
            layers.Conv2D(4, 3, 2, "valid" if before else "same", use_bias=False, name="conv"),
            layers.BatchNormalization(**{"momentum": 0.9, "epsilon": 1e-5, **norm}, name="norm"),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(5, name="head"),
        ]
    )


def test_a_right_port_in_training() -> None:
    report = check(port(), original(), *pictures(), train=True, steps=1)
    assert report.verdict == "declared", str(report)


@pytest.mark.parametrize(
    ("slip", "train", "layer", "words"),
    [
        ({"padding": "same"}, False, "0", ""),
        ({"epsilon": 1e-3}, False, "1", "eps 0.001 where the original has eps 1e-05"),
        ({"momentum": 0.1}, True, "1", "momentum 0.9"),
    ],
)
def test_planted(slip: dict[str, Any], train: bool, layer: str, words: str) -> None:
    """Keras pads "same" at the end only where a stride of two leaves it the choice."""
    report = check(port(**slip), original(), *pictures(), train=train, steps=0)
    assert report.verdict == "differs"
    assert report.first.place.layer == layer, str(report)
    assert words in str(report)


# ---- on JAX ------------------------------------------------------------------------------------

ON_JAX = """
import numpy as np, keras
from keras import layers
from backends.jax.module import Net
from common.contract.net import Asked

embed, rnn = layers.Embedding(9, 4, mask_zero=True, name="embed"), layers.GRU(3, name="rnn")
head, norm = layers.Dense(2, activation="tanh", name="head"), layers.BatchNormalization(name="norm")
net = Net(keras.Sequential([keras.Input((5,)), embed, rnn, layers.Dropout(0.5), norm, head]))
draw = np.random.default_rng(1)
values = {leaf.name: draw.uniform(0.5, 1.5, leaf.value.shape) for leaf in net.leaves()}
tokens = np.array([[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]])
calls, outputs = net.record(values, (tokens,), False)
for call in calls:
    cotangents = tuple(np.ones_like(one) for one in call.outputs)
    answer = net.run(Asked(values, call.inputs, call.key, cotangents=cotangents))
    np.testing.assert_allclose(answer.outputs[0], call.outputs[0], atol=1e-14)
    assert all(slope.any() for slope in answer.slopes.values()), call.key
by = {call.path: call for call in calls}
(x,) = by["norm"].inputs
kernel, bias = values["head.kernel"], values["head.bias"]
gamma, beta, mean, variance = (
    values[f"norm.{n}"] for n in ("gamma", "beta", "moving_mean", "moving_variance")
)
x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
np.testing.assert_allclose(by["head"].outputs[0], x @ kernel + bias, atol=1e-13)
np.testing.assert_allclose(outputs[0], np.tanh(x @ kernel + bias), atol=1e-13)
assert by["rnn"].outputs[0].shape == (2, 5, 3)
one, other = (net.run(Asked(values, (tokens,), train=True)).outputs[0] for _ in "ab")
assert (one != other).any()
print(keras.backend.backend(), "right")
"""


@pytest.mark.slow
def test_on_jax() -> None:
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "jax right", done.stderr
