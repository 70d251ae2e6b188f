"""docs/adding-a-model.md to the letter: a model of one convolution, put in and judged."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from common.contract.info import CONTRACT
from common.contract.models import MODELS, Model
from common.data import draws
from common.entrants.local import LocalSession
from common.errors import Unavailable
from common.learning.source import functions
from common.measure.limit import work
from tests.conftest import PICTURE, make_plan
from tests.test_parity import judged
from tests.test_reference import MOST, close, numerical

#: Step 1 and 2: its parameters with the sizes of their axes, what it can take, and how often an
#: example meets its kernel.
TOY = Model(
    "toy",
    {
        "conv.weight": {"height": 3, "width": 3, "in": "channels", "out": 2},
        "conv.bias": {"out": 2},
        "output.weight": {
            "rows": lambda shape: shape[0] - 2,
            "columns": lambda shape: shape[1] - 2,
            "in": 2,
            "out": "classes",
        },
        "output.bias": {"out": "classes"},
    },
    "cross_entropy",
    classifies=True,
    epochs=2,
    batch_size=32,
    lr=0.1,
    initial="xavier",
    smallest=(3, 3),
    uses={"conv.weight": lambda shape: (shape[0] - 2) * (shape[1] - 2)},
)


def toy_numpy(params: Any, shape: Any) -> Any:
    """Step 3, with its backward by hand."""
    layers = importlib.import_module("backends.numpy.layers")

    def hidden(params: Any, images: Any) -> Any:
        return layers.sigmoid(layers.convolved(params, "conv", images, 0))

    def forward(params: Any, images: Any) -> Any:
        maps = hidden(params, images.reshape(-1, *shape))
        return layers.dense(params, "output", maps.reshape(len(maps), -1))

    def backward(params: Any, images: Any, dlogits: Any) -> Any:
        images, grads = images.reshape(-1, *shape), {}
        maps = hidden(params, images)
        flat = maps.reshape(len(maps), -1)
        dflat = layers.dense_back(params, "output", flat, dlogits, grads)
        dmaps = dflat.reshape(maps.shape) * maps * (1 - maps)
        layers.convolved_back(params, "conv", images, 0, dmaps, grads)
        return grads

    forward.backward = backward  # type: ignore[attr-defined]
    return forward


def toy_torch(params: Any, shape: Any) -> Any:
    layers = importlib.import_module("backends.torch.layers")

    def forward(params: Any, images: Any) -> Any:
        maps = layers.convolved(params, "conv", layers.pictures(images, shape), 0)
        return layers.dense(params, "output", layers.sigmoid(maps).flatten(1))

    return forward


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.setitem(MODELS, "toy", TOY)
    monkeypatch.setitem(CONTRACT["convolutional.py"], "toy_scratch", ("params", "shape"))
    for backend, function in (("numpy", toy_numpy), ("torch", toy_torch)):
        file = importlib.import_module(f"backends.{backend}.convolutional")
        monkeypatch.setattr(file, "toy_scratch", function, raising=False)
    return TOY


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_it_agrees_with_the_referee(backend: str, toy: Model, session_data: Any) -> None:
    plan, session = make_plan("toy", momentum=0.9), LocalSession(backend)
    source = session_data(plan)
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, source)
    verdict = judged(session, backend, plan, source)
    assert (verdict.verdict, verdict.first_difference) == ("rounding", None)


def test_a_slip_in_it_is_found(
    toy: Model, session_data: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = importlib.import_module("backends.torch.convolutional")

    def slipped(params: Any, shape: Any) -> Any:
        right = toy_torch(params, shape)
        return lambda params, images: right(params, images.flip(1))

    monkeypatch.setattr(file, "toy_scratch", slipped)
    plan, session = make_plan("toy"), LocalSession("torch")
    source = session_data(plan)
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, source)
    first = judged(session, "torch", plan, source).first_difference
    assert first is not None
    assert (first.stage, first.tensor) == ("forward", "logits")


def test_who_has_it_not_says_so(toy: Model, session_data: Any) -> None:
    plan, session = make_plan("toy"), LocalSession("torch")
    choices = {"style": "concise", "mode": "eager", "data": "memory"}
    with pytest.raises(Unavailable, match="torch has no toy_concise; it belongs into its conv"):
        session.open(plan.asdict(), choices, session_data(plan))


def test_its_gradient_against_central_differences(toy: Model, referee: Any) -> None:
    session, draw = referee(make_plan("toy", dtype="float64")), np.random.default_rng(3)
    sizes = toy.sizes(PICTURE, 0, 10)
    params = {name: draw.normal(0, 1, size) for name, size in sizes.items()}
    images, labels = draw.random((5, 168)), np.arange(5, dtype=np.int32)
    _, _, grads = session.gradients(params, images, labels)
    for name, param in params.items():
        expected = numerical(
            lambda: float(session.gradient(session.logits(params, images), labels)[0]), param, MOST
        )
        close(grads[name], expected, name)


def test_its_operations_are_counted(toy: Model) -> None:
    start = draws.parameters(toy, PICTURE, 0, 10, 0, "float32")
    flops, _ = work(toy, start, PICTURE, 70)
    places = 10 * 12
    assert flops == 2 * 70 * (9 * 2 * places * 2 + places * 2 * 10 * 3)


def test_it_is_shown(toy: Model) -> None:
    assert "toy_scratch" in (functions("model", "toy", "scratch") or [])
