"""Errors in what stands outside of a module: updates and pixels, in functions of every framework.

`check` trains functions along the original's path; an entry says what the port's are told, the
stage that must be found, and words of the cause.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from common.check import Port, Report, check
from tests.planted_modules.outcome import Outcome

#: Backends whose functions the ports are, and the kits of their frameworks.
KITS = {"torch": "torch", "jax": "nnx", "mindspore": "mindspore"}


@dataclass(frozen=True)
class PlantedUpdate:
    """An error.

    Attributes:
        wrong, right: what `port` is told of the port's functions, and of the original's.
        stage: that must be found.
        says: of the cause.
        asked: arguments of `check`.
    """

    wrong: Mapping[str, Any]
    stage: str
    says: str
    right: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)


CLIPS: dict[str, Callable[..., Any]] = {
    "none": lambda k, grads: grads,
    "value": lambda k, grads: {n: within(k, g, 0.05) for n, g in grads.items()},
    "norm": lambda k, grads: {n: share(k, *grads.values()) * g for n, g in grads.items()},
    "tensor": lambda k, grads: {n: share(k, g) * g for n, g in grads.items()},
}


def within(k: Any, g: Any, most: float) -> Any:
    """Numbers from -most to most."""
    return k.where(g > most, 0 * g + most, k.where(g < -most, 0 * g - most, g))


def share(k: Any, *grads: Any, most: float = 0.1) -> Any:
    """What some gradients are to be times, so that their norm is at most so much."""
    norm = sum((g**2).sum() for g in grads) ** 0.5
    return k.where(norm > most, most / norm, 1 + 0 * norm)


def plain(
    k: Any, clip: str = "none", shift: int | None = None, decayed: str = ""
) -> Callable[..., Any]:
    """W - rate · (clipped gradient + a tenth of what is decayed); with a schedule, lr / (2 + t)."""

    def make(params: Any, lr: float, momentum: float, decay: float) -> Any:
        def update(params: Any, grads: Any, state: Any) -> Any:
            t = state["step"]
            rate = lr if shift is None else lr / (2 + t + shift)
            grads = CLIPS[clip](k, grads)
            grads = {n: g + 0.1 * params[n] if n in decayed else g for n, g in grads.items()}
            return {n: p - rate * grads[n] for n, p in params.items()}, {"step": t + 1}

        return {"step": k.like(0, next(iter(params.values())))}, update

    return make


def adam(k: Any, decay: str) -> Callable[..., Any]:
    """Adam with its decay "coupled", "decoupled", "after" the step or "unscaled" by the rate."""

    def make(params: Any, lr: float, betas: Any, eps: float, wd: float) -> Any:
        def update(params: Any, grads: Any, state: Any) -> Any:
            t, (b1, b2) = state["step"] + 1, betas
            moved, kept = {}, {"step": t}
            for n, p in params.items():
                g = grads[n] + wd * p if decay == "coupled" else grads[n]
                m = kept[f"{n}/m"] = b1 * state[f"{n}/m"] + (1 - b1) * g
                v = kept[f"{n}/v"] = b2 * state[f"{n}/v"] + (1 - b2) * g**2
                step = lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)) ** 0.5 + eps)
                off = {"decoupled": lr * wd * p, "unscaled": wd * p}.get(decay, 0 * p)
                moved[n] = p - off - step
                if decay == "after":
                    moved[n] = moved[n] * (1 - lr * wd)
            return moved, kept

        state = {f"{n}/{one}": 0 * p for n, p in params.items() for one in "mv"}
        return {**state, "step": k.like(0, next(iter(params.values())))}, update

    return make


def port(
    framework: str,
    clip: str = "none",
    shift: int | None = None,
    decay: str = "",
    decayed: str = "",
    pixels: tuple[float, float] = (1.0, 0.0),
) -> Port:
    """Softmax regression and its update."""
    k = importlib.import_module(f"tests.planted_modules.{KITS[framework]}_kit")
    factor, start = pixels

    def forward(params: Any, x: Any) -> Any:
        return (factor * x + start) @ params["w"] + params["b"]

    def loss(logits: Any, labels: Any) -> Any:
        return -(k.like(k.one_hot(labels, 5), logits) * k.log_softmax(logits)).sum() / len(labels)

    return Port(
        framework, forward, loss, adam(k, decay) if decay else plain(k, clip, shift, decayed)
    )


ADAM = {"optimizer": "adam", "lr": 0.01, "weight_decay": 0.1}
ADAMW = {**ADAM, "optimizer": "adamw"}
DECOUPLED = {"decay": "decoupled"}

PLANTED_UPDATES = {
    "gradients clipped by value": PlantedUpdate({"clip": "value"}, "update", "by value"),
    "gradients clipped by norm": PlantedUpdate({"clip": "norm"}, "update", "of all tensors"),
    "gradients clipped per tensor": PlantedUpdate(
        {"clip": "tensor"}, "update", "of each tensor by itself", {"clip": "norm"}
    ),
    "schedule one step late": PlantedUpdate(
        {"shift": -1}, "update", "the referee's at t - 1", {"shift": 0}
    ),
    "schedule one step early": PlantedUpdate(
        {"shift": 1}, "update", "the referee's at t + 1", {"shift": 0}
    ),
    "decay coupled for decoupled": PlantedUpdate(
        {"decay": "coupled"}, "update", "weight decay is coupled", DECOUPLED, ADAMW
    ),
    "decay decoupled for coupled": PlantedUpdate(
        DECOUPLED, "update", "weight decay is decoupled", {"decay": "coupled"}, ADAM
    ),
    "decay after the step": PlantedUpdate(
        {"decay": "after"}, "update", "taken off what the step has made", DECOUPLED, ADAMW
    ),
    "decay not times the rate": PlantedUpdate(
        {"decay": "unscaled"}, "update", "not multiplied by the learning rate", DECOUPLED, ADAMW
    ),
    "a bias that decays, where the original spares it": PlantedUpdate(
        {"decayed": "wb"},
        "update",
        "another weight decay of b: in a step 0.01 of it more",
        {"decayed": "w"},
    ),
    "nothing decays, where the original decays": PlantedUpdate(
        {}, "update", "another weight decay of w, b: in a step 0.01 of it less", {"decayed": "wb"}
    ),
    "pixels divided by 256": PlantedUpdate(
        {"pixels": (255 / 256, 0.0)}, "forward", "divided by 256"
    ),
    "pixels to [-1, 1], of functions": PlantedUpdate(
        {"pixels": (2.0, -1.0)}, "forward", "scaled to [-1, 1]"
    ),
}


def outcome(name: str, framework: str) -> Outcome:
    """Plant an error and look."""
    one = PLANTED_UPDATES[name]
    draw = np.random.default_rng(0)
    params = {"w": draw.normal(0, 0.3, (12, 5)), "b": draw.normal(0, 0.1, 5)}
    images, labels = draw.uniform(0, 1, (96, 12)), draw.integers(0, 5, 96)
    given = {"params": params, "images": images, "labels": labels, "epochs": 1, **one.asked}
    report = check(port(framework, **one.wrong), port("torch", **one.right), **given)
    assert isinstance(report, Report)
    first = report.diagnosis.difference
    if first is None:
        return Outcome(False, "none", report.verdict.verdict)
    said, placed = first.likely_cause or "", first.stage == one.stage
    cause = "none" if not said else "right" if placed and one.says in said else "WRONG"
    return Outcome(placed, cause, said or first.stage)
