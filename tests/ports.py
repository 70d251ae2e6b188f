"""Ports to be checked, right and wrong; run in a process of their own, which may import anything.

    python -m tests.ports NAME ...

prints, for each, a line of JSON after `RESULT`: what `common.check.check` reported or refused.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.check import check
from common.entrants.port import Port
from common.errors import CompareError

RESULT = "port: "
FEATURES, WIDTH, CLASSES, EXAMPLES = 12, 8, 3, 70
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One call of `check`.

    Attributes:
        port, original: framework and slip, "jax" or "jax:summed"; no original: NumPy's model.
        verdict: what must be said; None: refused, in the words of `cause`.
        stage: where the difference must be.
        cause: words of the likely cause.
        data: changes of images and labels.
        asked: arguments of `check`.
    """

    port: str
    original: str | None
    verdict: str | None = "rounding"
    stage: str | None = None
    cause: str = ""
    data: Callable[[Arrays], Arrays] = dict
    asked: dict[str, Any] = field(default_factory=dict)


def wide(data: Arrays) -> Arrays:
    """Pixels as bytes."""
    pixels = np.clip(128 + 40 * data["images"], 0, 255).astype(np.uint8)
    return {**data, "images": pixels}


def regression(data: Arrays) -> Arrays:
    """Targets instead of classes."""
    return {**data, "labels": data["images"][:, :1] * 2 - 1}


CASES = {
    # Nothing is compiled: the quickest.
    "torch, a summed loss": Case(
        "torch:summed", "torch", "differs", "loss", "summed over the batch of 32"
    ),
    # One framework.
    "jax as it is": Case("jax", "jax"),
    "jax, compiled": Case("jax", "jax", asked={"mode": "jit"}),
    "jax, fused": Case("jax", "jax", asked={"mode": "fused"}),
    "jax, in float64": Case("jax", "jax", asked={"dtype": "float64"}),
    "jax, momentum and decay": Case(
        "jax", "jax", asked={"optimizer": "momentum", "momentum": 0.9, "weight_decay": 0.01}
    ),
    "jax, adam": Case("jax", "jax", asked={"optimizer": "adam", "lr": 0.01}),
    "jax, of bytes": Case("jax", "jax", data=wide),
    "jax, of a regression": Case("jax:regression", "jax:regression", data=regression),
    "jax, one batch": Case("jax", "jax", asked={"batch_size": 70, "epochs": 1}),
    "jax, a summed loss": Case(
        "jax:summed", "jax", "differs", "loss", "summed over the batch of 32"
    ),
    "jax, a transposed weight": Case("jax:transposed", "jax", "differs", "forward", "transposed"),
    "jax, no ReLU": Case("jax:no ReLU", "jax", "differs", "forward"),
    "jax, a softmax too many": Case(
        "jax:softmax", "jax", "differs", "forward", "the model ends in a softmax"
    ),
    "jax, an update of its own": Case("jax:own update", "jax"),
    "jax, a hasty update": Case("jax:hasty update", "jax", "differs", "update", "1.001 times"),
    "jax, a generous count": Case("jax:generous", "jax", "differs", "accuracy", "off by +1"),
    "jax, a slip that float32 hides": Case("jax:float32 constant", "jax", "rounding"),
    "jax, and float64 shows": Case(
        "jax:float32 constant", "jax", "differs", "forward", asked={"dtype": "float64"}
    ),
    "jax, a registered model": Case("jax:softmax model", None, asked={"model": "softmax"}),
    "jax, a registered network": Case("jax:mlp model", None, asked={"model": "mlp"}),
    "jax, a registered regression": Case(
        "jax:linear model", None, data=regression, asked={"model": "linear"}
    ),
    "jax, a wrong registered network": Case(
        "jax:mlp without ReLU",
        None,
        "differs",
        "forward",
        "no activation at all",
        asked={"model": "mlp"},
    ),
    "jax, an original that rounds": Case(
        "jax", "jax:rounds", None, cause="the reference computes float32 from float64"
    ),
    # Two frameworks, each way.
    **{
        f"{original} to {port}{', ' + slip if slip else ''}{words}": Case(
            f"{port}:{slip}" if slip else port,
            original,
            "differs" if slip else "rounding",
            stage,
            cause,
            asked=asked,
        )
        for original, port in (("torch", "jax"), ("jax", "torch"))
        for slip, stage, cause, words, asked in (
            ("", None, "", "", {}),
            ("", None, "", ", compiled", {"mode": "jit"}),
            ("", None, "", ", adamw", {"optimizer": "adamw", "weight_decay": 0.01, "lr": 0.01}),
            ("summed", "loss", "summed over the batch of 32", "", {}),
            ("transposed", "forward", "transposed", "", {}),
            ("no ReLU", "forward", "", "", {}),
            ("softmax", "forward", "the model ends in a softmax", "", {}),
        )
    },
    "torch to torch, an original that rounds": Case(
        "torch", "torch:rounds", None, cause="the reference computes float32 from float64"
    ),
    "torch to mindspore": Case("mindspore", "torch"),
    "torch to mindspore, summed": Case(
        "mindspore:summed", "torch", "differs", "loss", "summed over the batch of 32"
    ),
}
EVERYDAY = ["torch, a summed loss"]
ONE_FRAMEWORK = [name for name in CASES if name.startswith("jax, ") or name == "jax as it is"]
SEVERAL = [name for name in CASES if name not in EVERYDAY + ONE_FRAMEWORK]


def starting_values() -> Arrays:
    """A square hidden layer, so that transposing it goes unnoticed."""
    draw = np.random.default_rng(0)
    return {
        "first": draw.normal(0, 0.3, (FEATURES, WIDTH)),
        "first_b": draw.normal(0, 0.1, WIDTH),
        "square": draw.normal(0, 0.3, (WIDTH, WIDTH)),
        "last": draw.normal(0, 0.3, (WIDTH, CLASSES)),
    }


def registered_values() -> Arrays:
    """Parameters of the registered models, in the project's names and layout."""
    draw = np.random.default_rng(0)
    return {
        "hidden.weight": draw.normal(0, 0.3, (FEATURES, WIDTH)),
        "hidden.bias": draw.normal(0, 0.1, WIDTH),
        "output.weight": draw.normal(0, 0.3, (WIDTH, 10)),
        "output.bias": np.zeros(10),
    }


class Functions:
    """One framework's functions by the names they have here."""

    def __init__(self, framework: str) -> None:
        if framework == "torch":
            torch = importlib.import_module("torch")
            self.relu = torch.relu
            self.softmax = lambda o: torch.softmax(o, 1)
            self.round = lambda x: x.float()
            self.cross_entropy = torch.nn.functional.cross_entropy
            self.right = lambda o, y: (o.argmax(dim=1) == y).sum()
        elif framework == "jax":
            jax, optax = map(importlib.import_module, ("jax", "optax"))
            self.relu = jax.nn.relu
            self.softmax = jax.nn.softmax
            self.round = lambda x: x.astype("float32")
            self.cross_entropy = lambda o, y: optax.softmax_cross_entropy_with_integer_labels(
                o, y
            ).mean()
            self.right = lambda o, y: (o.argmax(axis=1) == y).sum()
        else:
            ops = importlib.import_module("mindspore").ops
            self.relu = ops.relu
            self.softmax = lambda o: ops.softmax(o, 1)
            self.cross_entropy = ops.cross_entropy
        self.framework = framework


def port_of(words: str) -> Port:
    """A port in a framework, with a slip or as it is."""
    framework, _, slip = words.partition(":")
    f = Functions(framework)
    relu = (lambda x: x) if slip in ("no ReLU", "mlp without ReLU") else f.relu

    def forward(params: Any, images: Any) -> Any:
        hidden = relu(images @ params["first"] + params["first_b"])
        square = params["square"].T if slip == "transposed" else params["square"]
        logits = relu(hidden @ square) @ params["last"]
        if slip == "float32 constant":
            logits = logits * float(np.float32(1 / 3)) * 3
        if slip == "rounds":
            logits = f.round(logits)
        return f.softmax(logits) if slip == "softmax" else logits

    def one_layer(params: Any, images: Any) -> Any:
        return images @ params["output.weight"] + params["output.bias"]

    def two_layers(params: Any, images: Any) -> Any:
        hidden = relu(images @ params["hidden.weight"] + params["hidden.bias"])
        return hidden @ params["output.weight"] + params["output.bias"]

    def predict(params: Any, images: Any) -> Any:
        return relu(images @ params["first"] + params["first_b"]) @ params["last"][:, :1]

    def cross_entropy(logits: Any, labels: Any) -> Any:
        mean = f.cross_entropy(logits, labels)
        return mean * len(labels) if slip == "summed" else mean

    def squared_error(logits: Any, labels: Any) -> Any:
        return ((logits - labels) ** 2 / 2).mean()

    def descent(params: Any, lr: float, momentum: float, decay: float) -> Any:
        rate = lr * (1.001 if slip == "hasty update" else 1)

        def update(params: Any, grads: Any, state: Any) -> Any:
            return {n: p - rate * grads[n] for n, p in params.items()}, state

        return {}, update

    def generous(logits: Any, labels: Any) -> Any:
        return f.right(logits, labels) + 1

    forwards = {
        "softmax model": one_layer,
        "linear model": one_layer,
        "mlp model": two_layers,
        "mlp without ReLU": two_layers,
        "regression": predict,
    }
    return Port(
        framework,
        forwards.get(slip, forward),
        squared_error if slip in ("linear model", "regression") else cross_entropy,
        descent if slip.endswith("update") else None,
        generous if slip == "generous" else None,
    )


def result_of(case: Case) -> dict[str, Any]:
    """What `check` says."""
    draw = np.random.default_rng(1)
    data = {
        "images": draw.normal(0, 1, (EXAMPLES, FEATURES)),
        "labels": draw.integers(0, CLASSES, EXAMPLES),
    }
    params = starting_values()
    model = case.asked.get("model")
    if model:
        params = registered_values()
        if model != "mlp":
            outputs = 1 if model == "linear" else 10
            weight = draw.normal(0, 0.1, (FEATURES, outputs))
            params = {"output.weight": weight, "output.bias": np.zeros(outputs)}
    original = port_of(case.original) if case.original else None
    try:
        report = check(port_of(case.port), original, params=params, **case.data(data), **case.asked)
    except CompareError as error:
        return {"verdict": None, "refused": str(error), "kind": type(error).__name__}
    first = report.diagnosis.difference
    return {
        "verdict": report.verdict.verdict,
        "agrees": report.agrees,
        "difference": first.asdict() if first else None,
        "same": report.verdict.first_difference is first,
        "compiled": sorted({one.compiled for one in report.diagnosis.checks}),
        "steps": report.diagnosis.steps,
        "printed": str(report),
        "seconds": report.seconds,
    }


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            result = result_of(CASES[name])
        except Exception as error:
            result = {"verdict": "broken", "error": f"{type(error).__name__}: {error}"}
        print(RESULT + json.dumps({"name": name, **result}), flush=True)
