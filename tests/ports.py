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
        tree: whether the parameters are given as a tree of dicts.
    """

    port: str
    original: str | None
    verdict: str | None = "rounding"
    stage: str | None = None
    cause: str = ""
    data: Callable[[Arrays], dict[str, Any]] = dict
    asked: dict[str, Any] = field(default_factory=dict)
    tree: bool = False


def wide(data: Arrays) -> Arrays:
    """Pixels as bytes."""
    pixels = np.clip(128 + 40 * data["images"], 0, 255).astype(np.uint8)
    return {**data, "images": pixels}


def in_dict(data: Arrays) -> dict[str, Any]:
    """The images as one of several inputs, by name."""
    return {**data, "images": {"x": data["images"]}}


def in_tuple(data: Arrays) -> dict[str, Any]:
    """The images as two inputs in order."""
    return {**data, "images": (data["images"], data["images"])}


def regression(data: Arrays) -> Arrays:
    """Targets instead of classes."""
    return {**data, "labels": data["images"][:, :1] * 2 - 1}


def columns(data: Arrays) -> Arrays:
    """Three targets for each example."""
    return {**data, "labels": data["images"][:, :3] * 2 - 1}


def flat(data: Arrays) -> Arrays:
    """One target for each example, in a vector."""
    return {**data, "labels": data["images"][:, 0] * 2 - 1}


def tensors(data: Arrays) -> Arrays:
    """Tensors of a framework, one of which is differentiated; labels in a list."""
    images = importlib.import_module("torch").tensor(data["images"], requires_grad=True)
    return {"images": images, "labels": data["labels"].tolist()}


def tokens(data: Arrays) -> Arrays:
    """Whole numbers, rows of a table."""
    draw = np.random.default_rng(3)
    return {**data, "images": draw.integers(0, FEATURES, (EXAMPLES, 5))}


def nothing(data: Arrays) -> Arrays:
    """No example."""
    return {name: array[:0] for name, array in data.items()}


def decided(data: Arrays) -> Arrays:
    """Labels that are true or false."""
    return {**data, "labels": data["labels"] > 0}


def many(data: Arrays) -> Arrays:
    """Pictures."""
    return {**data, "images": data["images"].reshape(-1, 3, 2, 2)}


CASES = {
    # Nothing is compiled: the quickest.
    "torch, a summed loss": Case(
        "torch:summed", "torch", "differs", "loss", "summed over the batch of 32"
    ),
    "torch, a loss of each example": Case(
        "torch:unreduced", "torch", None, cause="shape (32,): one number for each example"
    ),
    "torch, an original whose loss is of each example": Case(
        "torch", "torch:unreduced", None, cause="the reference's loss returns shape (32,)"
    ),
    "torch, a loss that takes too much": Case(
        "torch:four", "torch", None, cause="loss is called with (logits, labels): missing"
    ),
    "torch, a loss of other shapes": Case(
        "torch:unfit", "torch", None, cause="no output of shape (32, 3) with labels of shape (32,)"
    ),
    "torch, an object for an update": Case(
        "torch:object update", "torch", None, cause="a value of type dict is no function"
    ),
    "torch, a class for an update": Case(
        "torch:class update", "torch", None, cause="no pair of a state and a function"
    ),
    "torch, an update that makes no pair": Case(
        "torch:single update", "torch", None, cause="it returns a dict; give state, update"
    ),
    "torch, images in a dict": Case(
        "torch", "torch", None, cause="one array; hold the networks", data=in_dict
    ),
    "torch, images in a tuple": Case(
        "torch", "torch", None, cause="images is a tuple, and", data=in_tuple
    ),
    "torch, an optimizer that is not there": Case(
        "torch", "torch", None, cause="given as update= of both", asked={"optimizer": "adadelta"}
    ),
    "torch, an update for another optimizer": Case(
        "torch:own update",
        "torch",
        None,
        cause="(params, lr, betas, eps, weight_decay): too many",
        asked={"optimizer": "adam"},
    ),
    "torch, two outputs": Case("torch:two", "torch", None, cause="forward returns a tuple"),
    "torch, a forward that raises": Case(
        "torch:raising", "torch", None, cause="the port's forward raised KeyError: 'none'"
    ),
    "torch, an original that raises": Case(
        "torch", "torch:raising", None, cause="the reference's forward raised KeyError"
    ),
    "torch, no example": Case("torch", "torch", None, cause="no example is in them", data=nothing),
    "torch, an original at random": Case(
        "torch", "torch:random", None, cause="two answers when called twice with the same inputs"
    ),
    "torch, an original with float32 inside": Case(
        "torch", "torch:narrow", None, cause="float32 somewhere inside"
    ),
    # Whole trainings.
    "torch, a loss that takes parameters": Case("torch:penalty", "torch:penalty"),
    "torch, a penalty for a decay": Case(
        "torch:penalty",
        "torch",
        "differs",
        "loss",
        "first 0.2 for 0.1, twice",
        asked={"weight_decay": 0.1},
    ),
    "torch, a penalty that is a constant": Case(
        "torch:closed penalty", "torch", "differs", "loss", "something constant"
    ),
    "torch, a state of other names": Case(
        "torch:rms tuple update",
        "torch:rms update",
        asked={"batch_size": 16},
    ),
    "torch, eps inside the root": Case(
        "torch:rms inside update", "torch:rms update", "differs", "update", "eps, 0.01, is inside"
    ),
    "torch, a gradient clipped": Case(
        "torch:clip update",
        "torch:own update",
        "differs",
        "update",
        "the gradients are clipped otherwise: to a norm of 0.1",
    ),
    "torch, a schedule one step late": Case(
        "torch:late warm update",
        "torch:warm update",
        "differs",
        "update",
        "its rate at step t is the referee's at t - 1",
    ),
    "torch, no schedule": Case(
        "torch", "torch:warm update", "differs", "update", "the same from step 3 on"
    ),
    "torch, weights divided by another count": Case(
        "torch:weighted mean", "torch:weighted", "differs", "loss", "by another count than"
    ),
    "torch, of tokens": Case("torch:tokens", "torch:tokens", data=tokens),
    "torch, a row that is padding": Case(
        "torch:tokens",
        "torch:padding",
        "differs",
        "gradient",
        "only row 0 of first differs: the referee's is zero",
        data=tokens,
    ),
    "torch, another eps": Case(
        "torch", "torch", asked={"optimizer": "adam", "lr": 0.01, "eps": 1e-3, "betas": (0.8, 0.9)}
    ),
    "torch, decay after the step": Case(
        "torch:late decay",
        "torch",
        "differs",
        "update",
        "taken off what the step has made",
        asked={"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1},
    ),
    "torch, an original with a branch detached": Case("torch:detached", "torch:detached"),
    "torch, half precision": Case(
        "torch:half", "torch", "differs", "forward", "its forward pass returns float16, given"
    ),
    "torch, of true and false": Case("torch", "torch", data=decided),
    "torch, a port at random": Case(
        "torch:random", "torch", "differs", "forward", "called twice with the same inputs"
    ),
    "torch, a slope that is infinite": Case(
        "torch:root", "torch:safe root", "differs", "gradient", "first is nan though"
    ),
    "torch, of tensors": Case("torch", "torch", data=tensors),
    "torch, of pictures": Case("torch:pictures", "torch:pictures", data=many),
    "torch, a tree": Case("torch:tree", "torch:tree", tree=True),
    "torch, targets of three numbers": Case("torch:columns", "torch:columns", data=columns),
    "torch, three numbers summed": Case(
        "torch:summed columns",
        "torch:columns",
        "differs",
        "loss",
        "over the 3 numbers of a target",
        data=columns,
    ),
    "torch, targets in a vector": Case("torch:flat", "torch:flat", data=flat),
    "torch, every target with every prediction": Case(
        "torch:pairs",
        "torch:flat",
        "differs",
        "loss",
        "(n, 1) against (n,) is broadcast",
        data=flat,
    ),
    "torch, momentum and decay": Case(
        "torch", "torch", asked={"optimizer": "momentum", "momentum": 0.9, "weight_decay": 0.01}
    ),
    "torch, of bytes": Case("torch", "torch", data=wide),
    "torch, of a regression": Case("torch:regression", "torch:regression", data=regression),
    "torch, one batch": Case("torch", "torch", asked={"batch_size": 70, "epochs": 1}),
    "torch, a transposed weight": Case(
        "torch:transposed", "torch", "differs", "forward", "transposed"
    ),
    "torch, no ReLU": Case("torch:no ReLU", "torch", "differs", "forward"),
    "torch, a softmax too many": Case(
        "torch:softmax", "torch", "differs", "forward", "the model ends in a softmax"
    ),
    "torch, an update of its own": Case("torch:own update", "torch"),
    "torch, a hasty update": Case(
        "torch:hasty update", "torch", "differs", "update", "1.001 times"
    ),
    "torch, a generous count": Case("torch:generous", "torch", "differs", "accuracy", "off by +1"),
    "torch, a slip that float32 hides": Case("torch:float32 constant", "torch", "rounding"),
    "torch, and float64 shows": Case(
        "torch:float32 constant", "torch", "differs", "forward", asked={"dtype": "float64"}
    ),
    "torch, a registered model": Case("torch:softmax model", None, asked={"model": "softmax"}),
    "torch, a registered regression": Case(
        "torch:linear model", None, data=regression, asked={"model": "linear"}
    ),
    "torch, a wrong registered network": Case(
        "torch:mlp without ReLU",
        None,
        "differs",
        "forward",
        "no activation at all",
        asked={"model": "mlp"},
    ),
    "torch, an original that rounds": Case(
        "torch", "torch:rounds", None, cause="the reference computes float32 from float64"
    ),
    # One framework.
    "jax, fused": Case("jax", "jax", asked={"mode": "fused"}),
    "jax, in float64": Case("jax", "jax", asked={"dtype": "float64"}),
    "jax, adam": Case("jax", "jax", asked={"optimizer": "adam", "lr": 0.01}),
    "jax, a registered network": Case("jax:mlp model", None, asked={"model": "mlp"}),
    # Two frameworks, each way.
    "torch to jax": Case("jax", "torch"),
    "torch to jax, compiled": Case("jax", "torch", asked={"mode": "jit"}),
    "torch to jax, adamw": Case(
        "jax", "torch", asked={"optimizer": "adamw", "weight_decay": 0.01, "lr": 0.01}
    ),
    "torch to jax, transposed": Case("jax:transposed", "torch", "differs", "forward", "transposed"),
    "torch to jax, no ReLU": Case("jax:no ReLU", "torch", "differs", "forward"),
    "torch to jax, softmax": Case(
        "jax:softmax", "torch", "differs", "forward", "the model ends in a softmax"
    ),
    "jax to torch, compiled": Case("torch", "jax", asked={"mode": "jit"}),
    "jax to torch, summed": Case(
        "torch:summed", "jax", "differs", "loss", "summed over the batch of 32"
    ),
    "torch to mindspore": Case("mindspore", "torch"),
    "torch to mindspore, summed": Case(
        "mindspore:summed", "torch", "differs", "loss", "summed over the batch of 32"
    ),
}
EVERYDAY = [name for name, case in CASES.items() if name.startswith("torch, ") and not case.verdict]
EVERYDAY += ["torch, a summed loss"]
EAGER = [name for name in CASES if name.startswith("torch, ") and name not in EVERYDAY]
ONE_FRAMEWORK = [name for name in CASES if name.startswith("jax, ")]
SEVERAL = [name for name in CASES if name not in EVERYDAY + EAGER + ONE_FRAMEWORK]


#: Whose loss is a squared error.
SQUARED = ("linear model", "regression", "flat", "pairs", "columns", "summed columns")


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
            self.drop = lambda x: torch.nn.functional.dropout(x, 0.1)
            self.detach = lambda x: x.detach()
            self.root = torch.sqrt
            self.arange = torch.arange
            self.embedding = torch.nn.functional.embedding
            self.where = torch.where
            self.cross_entropy = torch.nn.functional.cross_entropy
            self.each = lambda o, y: torch.nn.functional.cross_entropy(o, y, reduction="none")
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
        if slip == "tree":
            params = {**params["body"], "last": params["head"]["last"]}
        if slip == "pictures":
            images = images.reshape(len(images), -1)
        before = images @ params["first"] + params["first_b"]
        hidden = relu(before)
        if slip == "random":
            hidden = f.drop(hidden)
        if slip == "narrow":
            hidden = f.round(hidden).to(images.dtype)
        if slip == "detached":
            hidden = hidden + f.detach(hidden)
        if slip.endswith("root"):  # of what is not chosen, too, unless that is kept from it
            safe = f.where(before > 0, before, 1.0) if slip == "safe root" else before
            hidden = f.where(before > 0, f.root(safe), 0.0)
        square = params["square"].T if slip == "transposed" else params["square"]
        logits = relu(hidden @ square) @ params["last"]
        if slip == "float32 constant":
            logits = logits * float(np.float32(1 / 3)) * 3
        if slip == "rounds":
            logits = f.round(logits)
        if slip == "raising":
            logits = logits + params["none"]
        if slip == "half":
            return logits.half()
        if slip == "two":
            return logits, hidden
        return f.softmax(logits) if slip == "softmax" else logits

    def one_layer(params: Any, images: Any) -> Any:
        return images @ params["output.weight"] + params["output.bias"]

    def two_layers(params: Any, images: Any) -> Any:
        hidden = relu(images @ params["hidden.weight"] + params["hidden.bias"])
        return hidden @ params["output.weight"] + params["output.bias"]

    def predict(params: Any, images: Any) -> Any:
        return relu(images @ params["first"] + params["first_b"]) @ params["last"][:, :1]

    def embedded(params: Any, images: Any) -> Any:
        row = 0 if slip == "padding" else None
        return f.embedding(images, params["first"], padding_idx=row).mean(1) @ params["last"]

    def several(params: Any, images: Any) -> Any:
        return relu(images @ params["first"] + params["first_b"]) @ params["last"]

    def cross_entropy(logits: Any, labels: Any) -> Any:
        if slip == "unreduced":
            return f.each(logits, labels)
        if slip.startswith("weighted"):
            weights = f.arange(1, 1 + CLASSES, dtype=logits.dtype)[labels]
            whole = (weights * f.each(logits, labels)).sum()
            return whole / (weights.sum() if slip == "weighted" else len(labels))
        mean = f.cross_entropy(logits, labels)
        return mean * len(labels) if slip == "summed" else mean

    def squared_error(logits: Any, labels: Any) -> Any:
        if slip == "flat":
            logits = logits[:, 0]
        squares = (logits - labels) ** 2 / 2
        return squares.sum(1).mean() if slip == "summed columns" else squares.mean()

    def descent(params: Any, lr: float, momentum: float, decay: float) -> Any:
        rate = lr * (1.001 if slip == "hasty update" else 1)

        def update(params: Any, grads: Any, state: Any) -> Any:
            return {n: p - rate * grads[n] for n, p in params.items()}, state

        return {}, update

    def scheduled(params: Any, lr: float, momentum: float, decay: float) -> Any:
        first = 0.0 if slip.startswith("late") else 1.0

        def update(params: Any, grads: Any, state: Any) -> Any:
            rate = lr * min(1.0, (float(state["step"]) + first) / 3)
            moved = {n: p - rate * grads[n] for n, p in params.items()}
            return moved, {"step": state["step"] + 1}

        return {"step": f.arange(1, dtype=next(iter(params.values())).dtype)[0]}, update

    def clipping(params: Any, lr: float, momentum: float, decay: float) -> Any:
        def update(params: Any, grads: Any, state: Any) -> Any:
            norm = sum((grad**2).sum() for grad in grads.values()) ** 0.5
            share = min(1.0, 0.1 / float(norm))
            return {n: p - lr * share * grads[n] for n, p in params.items()}, state

        return {}, update

    def rmsprop(params: Any, lr: float, momentum: float, decay: float) -> Any:
        def update(params: Any, grads: Any, state: Any) -> Any:
            squares = state[0]["square_avg"] if slip == "rms tuple update" else state
            moved, kept = {}, {}
            for name, param in params.items():
                kept[name] = 0.9 * squares[name] + 0.1 * grads[name] ** 2
                inside = slip == "rms inside update"
                root = f.root(kept[name] + 0.01) if inside else f.root(kept[name]) + 0.01
                moved[name] = param - lr * grads[name] / root
            return moved, ({"square_avg": kept},) if slip == "rms tuple update" else kept

        begin = {name: param * 0 for name, param in params.items()}
        return ({"square_avg": begin},) if slip == "rms tuple update" else begin, update

    def late_decay(params: Any, lr: float, betas: Any, eps: float, decay: float) -> Any:
        adamw = importlib.import_module(f"backends.{framework}.adaptive").adamw_scratch
        state, step = adamw(params, lr, betas, eps, 0.0)

        def update(params: Any, grads: Any, state: Any) -> Any:
            moved, state = step(params, grads, state)
            return {n: p - lr * decay * p for n, p in moved.items()}, state

        return state, update

    def penalised(params: Any, logits: Any, labels: Any) -> Any:
        return cross_entropy(logits, labels) + 0.1 * (params["first"] ** 2).sum()

    def four(params: Any, images: Any, logits: Any, labels: Any) -> Any:
        return cross_entropy(logits, labels)

    def closed(logits: Any, labels: Any) -> Any:
        return cross_entropy(logits, labels) + 0.25

    def generous(logits: Any, labels: Any) -> Any:
        return f.right(logits, labels) + 1

    forwards = {
        "softmax model": one_layer,
        "linear model": one_layer,
        "mlp model": two_layers,
        "mlp without ReLU": two_layers,
        "regression": predict,
        "flat": predict,
        "pairs": predict,
        "tokens": embedded,
        "padding": embedded,
        "columns": several,
        "summed columns": several,
    }
    losses = {"penalty": penalised, "four": four, "closed penalty": closed}
    losses["unfit"] = lambda logits, labels: (logits - labels).mean()
    updates = {"late decay": late_decay, "penalty": descent}
    if slip.endswith("update"):
        kinds = {"rms": rmsprop, "warm": scheduled, "object": {}, "class": dict, "clip": clipping}
        kinds["single"] = lambda params, lr, momentum, decay: {}
        updates[slip] = next((made for kind, made in kinds.items() if kind in slip), descent)
    return Port(
        framework,
        forwards.get(slip, forward),
        losses.get(slip, squared_error if slip in SQUARED else cross_entropy),
        updates.get(slip),
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
    given: Any = params
    if case.tree:
        body = {name: array for name, array in params.items() if name != "last"}
        given = {"body": body, "head": {"last": params["last"]}}
    original = port_of(case.original) if case.original else None
    try:
        report = check(port_of(case.port), original, params=given, **case.data(data), **case.asked)
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
