"""Known slips, each planted in a copy of every backend that can have it, and found by diagnose.

    python -m tests.planted [--backends torch jax ...] [--only NAME ...] [--json FILE]

opens each copy anew, has `diagnose` look at it, and holds what it says against where
the slip is: step, stage, tensor, and words of the likely cause. One process per backend; exit
code 1 if anything was missed, or if anything is said of a copy as it is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common.agreement.diagnose import Patient, diagnose
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.contract.entrant import Entrant
from common.contract.info import Info
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.contract.registry import extend_path
from common.contract.root import ROOT
from common.data import draws
from common.entrants.local import LocalSession
from common.learning.exercises import slips
from common.measure.machine import available_cores
from tests.conftest import BACKENDS, CLASSES, EXAMPLES, FEATURES, make_plan, shape_of, write_images

Edits = Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Plant:
    """One slip, and where it must be found.

    Attributes:
        file: of a backend.
        edits: backend -> (text as it is, text with the slip).
        stage: where the slip is.
        tensors: the first that a slip there makes wrong; any of them.
        cause: words of the likely cause.
        step: the first at which it makes a difference.
        style: scratch, or concise where there is one.
        modes: backend -> mode; eager where it is not named.
        plan: fields of `Plan`.
        absent: backend -> why it cannot have this slip.
    """

    file: str
    edits: Edits
    stage: str
    tensors: tuple[str, ...]
    cause: str
    step: int = 1
    style: str = "scratch"
    modes: Mapping[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def can_be_in(self, backend: str) -> bool:
        """Whether a backend can have this slip."""
        return backend in self.edits and backend not in self.absent


NAMES = ("numpy", "torch", "jax", "mindspore")
#: As most users run them.
COMPILED = {"jax": "jit", "mindspore": "jit"}
OUTPUT = ("output.weight", "output.bias")
MLP = {"model": "mlp"}
MOMENTUM = {"optimizer": "momentum", "momentum": 0.9}
ADAM = {"optimizer": "adam", "lr": 0.01}
DECAY = {"weight_decay": 0.1}
SCHEDULE = {"schedule": "cosine", "warm_up": 3}
WEIGHTS = tuple(0.5 + 0.25 * one for one in range(CLASSES))
BY_HAND = {"numpy": "its gradient is written by hand: the loss alone would be wrong"}


SLIPS = slips()


def everywhere(right: str, wrong: str) -> Edits:
    """The same edit in every backend."""
    return dict.fromkeys(NAMES, (right, wrong))


def exercised(name: str, **more: tuple[str, str]) -> Edits:
    """Those of an exercise, and of backends that it is not in."""
    return {**SLIPS[name].edits, **more}


def before_update(*lines: str) -> Edits:
    """Lines more before a step's update."""
    update = "        params, state = update(params, grads, state)\n"
    return everywhere(update, "".join(f"        {line}\n" for line in lines) + update)


AS_IT_IS = "as it is"
PLANTS: dict[str, Plant] = {
    # Data.
    "pixels divided by 255 twice": Plant(
        "data.py",
        {
            "torch": ("images.float() / 255", "images.float() / 255 / 255"),
            "jax": ("pixels * HIGH + pixels * LOW", "(pixels * HIGH + pixels * LOW) / 255"),
            **dict.fromkeys(
                ("numpy", "mindspore"),
                (
                    "images = images.astype(dtype, copy=False)",
                    "images = images.astype(dtype, copy=False) / np.float32(255)",
                ),
            ),
        },
        "data",
        ("images",),
        "divided by 255 twice",
    ),
    "pixels multiplied by 1/255": Plant(
        "data.py",
        {
            "torch": ("images.float() / 255", "images.float() * (1 / 255)"),
            "jax": ("pixels * HIGH + pixels * LOW", "pixels * np.float32(1 / 255)"),
            **dict.fromkeys(
                ("numpy", "mindspore"),
                ("np.divide(images, np.float32(255)", "np.multiply(images, 1 / 255"),
            ),
        },
        "data",
        ("images",),
        "multiplied by 1/255",
    ),
    "pixels divided by 256": Plant(
        "data.py",
        exercised(
            "data-1",
            numpy=("np.divide(images, np.float32(255)", "np.divide(images, np.float32(256)"),
        ),
        "data",
        ("images",),
        "divided by 256",
    ),
    "labels shifted by one": Plant(
        "data.py",
        {
            **everywhere("labels.astype(np.int32)", "(labels.astype(np.int32) + 1) % 10"),
            "torch": ("labels.astype(np.int64)", "(labels.astype(np.int64) + 1) % 10"),
        },
        "data",
        ("labels",),
        "labels are shifted by +1",
    ),
    "labels in another order than images": Plant(
        "data.py",
        exercised("data-2", numpy=("labels[index]", "labels[index[::-1]]")),
        "data",
        ("labels",),
        "labels are those of the batch in another order",
    ),
    "never shuffled": Plant(
        "data.py",
        {
            name: (held, held + f"    index = {module}.arange(len(index))\n")
            for name, module, held in (
                ("numpy", "np", "    images, labels, dtype = data\n"),
                ("torch", "torch", "    images, labels = data\n"),
                ("jax", "jnp", "    images, labels = data\n"),
                ("mindspore", "ops", "    images, labels = data\n"),
            )
        },
        "data",
        ("images",),
        "the data are not shuffled",
    ),
    "short last batch dropped": Plant(
        "train.py",
        {
            "numpy": (
                "range(0, len(order), batch_size)",
                "range(0, len(order) - batch_size + 1, batch_size)",
            ),
            "torch": (
                "range(0, len(order), batch_size)",
                "range(0, len(order) - batch_size + 1, batch_size)",
            ),
            "jax": (
                "range(start, len(order), batch_size)",
                "range(start, len(order) - batch_size + 1, batch_size)",
            ),
            "mindspore": (
                "range(0, len(order), batch_size)",
                "range(0, len(order) - batch_size + 1, batch_size)",
            ),
        },
        "data",
        ("batch",),
        "short last batch",
        step=3,
        modes={"jax": "fused"},
    ),
    # Model.
    "softmax applied to the pixels": Plant(
        "model.py",
        {
            "numpy": (
                'return images @ params["output.weight"]',
                "images = np.exp(images)\n"
                "        images = images / images.sum(axis=1, keepdims=True)\n"
                '        return images @ params["output.weight"]',
            ),
            "torch": ("return images @", "return torch.softmax(images, 1) @"),
            "jax": ("return images @", "return jax.nn.softmax(images) @"),
            "mindspore": ("ops.matmul(images,", "ops.matmul(ops.softmax(images, 1),"),
        },
        "forward",
        ("logits",),
        "softmax is applied to the pixels",
        modes=COMPILED,
    ),
    "model ends in a softmax": Plant(
        "model.py",
        exercised(
            "model-1",
            numpy=(
                'return images @ params["output.weight"] + params["output.bias"]',
                'images = np.exp(images @ params["output.weight"] + params["output.bias"])\n'
                "        return images / images.sum(axis=1, keepdims=True)",
            ),
        ),
        "forward",
        ("logits",),
        "ends in a softmax",
        style="concise",
    ),
    "ReLU missing": Plant(
        "model.py",
        exercised("model-2", numpy=("hidden = np.maximum(hidden, 0)", "hidden = hidden")),
        "forward",
        ("logits",),
        "no activation at all",
        style="concise",
        plan=MLP,
    ),
    # 0 times the bias, because torch refuses a parameter that the loss does not depend on.
    "bias missing": Plant(
        "model.py",
        {
            **everywhere('+ params["output.bias"]', '+ 0 * params["output.bias"]'),
            "mindspore": ("weight.T) + bias", "weight.T) + 0 * bias"),
        },
        "forward",
        ("logits",),
        "no bias is added",
    ),
    # Loss.
    "loss summed instead of averaged": Plant(
        "loss.py",
        exercised("loss-1", numpy=("(log_sum - picked).mean()", "(log_sum - picked).sum()")),
        "loss",
        ("loss",),
        "summed over the batch",
        modes=COMPILED,
    ),
    "softmax twice in the loss": Plant(
        "loss.py",
        {
            "torch": ("cross_entropy(logits,", "cross_entropy(logits.softmax(1),"),
            "jax": ("integer_labels(logits,", "integer_labels(jax.nn.softmax(logits),"),
            "mindspore": ("log_softmax(logits, 1)", "log_softmax(ops.softmax(logits, 1), 1)"),
        },
        "loss",
        ("loss",),
        "softmax is applied twice",
        style="concise",
        modes=COMPILED,
        absent=BY_HAND,
    ),
    "label smoothing": Plant(
        "loss.py",
        {
            **everywhere('reduction="mean")', 'reduction="mean", label_smoothing=0.1)'),
            "jax": (
                "optax.softmax_cross_entropy_with_integer_labels(logits, labels)",
                "optax.softmax_cross_entropy("
                "logits, optax.smooth_labels(jax.nn.one_hot(labels, 10), 0.1))",
            ),
            "mindspore": (
                "return -picked.mean()",
                "return -(0.9 * picked.mean() + 0.1 * log_chances.mean())",
            ),
        },
        "loss",
        ("loss",),
        "label smoothing of 0.1",
        style="concise",
        absent=BY_HAND,
    ),
    "labels that are not smoothed": Plant(
        "loss.py",
        {
            **dict.fromkeys(
                ("torch", "jax", "mindspore"),
                ("+ smoothing * of_all", "+ smoothing * picked"),
            ),
            "mindspore": ("+ share * of_all", "+ share * picked"),
        },
        "loss",
        ("loss",),
        "no label smoothing, where 0.1 was asked for",
        modes=COMPILED,
        plan={"label_smoothing": 0.1},
        absent=BY_HAND,
    ),
    "smoothed by another share": Plant(
        "loss.py",
        {
            "torch": ("label_smoothing=smoothing", "label_smoothing=2 * smoothing"),
            "jax": ("smooth_labels(one_hot, smoothing)", "smooth_labels(one_hot, 2 * smoothing)"),
            "mindspore": ("label_smoothing=smoothing", "label_smoothing=2 * smoothing"),
        },
        "loss",
        ("loss",),
        "label smoothing of 0.2, where 0.1 was asked for",
        style="concise",
        plan={"label_smoothing": 0.1},
        absent=BY_HAND,
    ),
    "weighted examples divided by their number": Plant(
        "loss.py",
        {
            **everywhere(
                "(counted * (log_sum - picked)).sum() / counted.sum()",
                "(counted * (log_sum - picked)).mean()",
            ),
        },
        "loss",
        ("loss",),
        "divided by the number of examples",
        modes=COMPILED,
        plan={"class_weights": WEIGHTS},
        absent=BY_HAND,
    ),
    "class weights left out": Plant(
        "loss.py",
        {
            "torch": ("labels, weight=weights", "labels"),
            "jax": ("(losses, weights=weights[labels])", "(losses)"),
            "mindspore": ("labels, weight=weights", "labels"),
        },
        "loss",
        ("loss",),
        "no class weights",
        style="concise",
        plan={"class_weights": WEIGHTS},
        absent=BY_HAND,
    ),
    "squared error without the 1/2": Plant(
        "loss.py",
        exercised("loss-2", numpy=("((logits - labels) ** 2 / 2)", "((logits - labels) ** 2)")),
        "loss",
        ("loss",),
        "1/2 of the squared error is missing",
        style="concise",
        plan={"model": "linear", "lr": 0.03},
    ),
    # Gradient.
    "gradient transposed": Plant(
        "train.py",
        {
            "torch": (
                "grads = dict(zip(leaves, grads, strict=True))",
                'grads = {n: g.T if n == "hidden.weight" else g for n, g in zip(leaves, grads)}',
            ),
            "jax": (
                "return value, logits, grads",
                'return value, logits, {**grads, "hidden.weight": grads["hidden.weight"].T}',
            ),
            "mindspore": (
                "{n: g for n, g in zip(params.keys(), grads)}",
                '{n: g.T if n == "hidden.weight" else g for n, g in zip(params.keys(), grads)}',
            ),
            "numpy": (
                "return value, logits, model_gradient(params, images, dlogits)",
                "grads = model_gradient(params, images, dlogits)\n"
                '        grads["hidden.weight"] = grads["hidden.weight"].T\n'
                "        return value, logits, grads",
            ),
        },
        "gradient",
        ("hidden.weight",),
        "hidden.weight is transposed",
        plan={**MLP, "hidden": FEATURES},
    ),
    # 0 times the bias, as above.
    "bias detached": Plant(
        "model.py",
        exercised(
            "gradient-1", numpy=('"output.bias": dlogits.sum', '"output.bias": 0 * dlogits.sum')
        ),
        "gradient",
        ("output.bias",),
        "the gradient of output.bias is zero",
    ),
    "gradient of the previous batch": Plant(
        "train.py",
        before_update('one_step.last, grads = grads, getattr(one_step, "last", grads)'),
        "gradient",
        OUTPUT,
        "gradient of the batch before",
        step=2,
    ),
    "gradients accumulate": Plant(
        "train.py",
        before_update(
            'sums = getattr(one_step, "sums", {})',
            "one_step.sums = grads = {n: g + sums.get(n, 0) for n, g in grads.items()}",
        ),
        "gradient",
        OUTPUT,
        "gradients add up",
        step=2,
    ),
    "gradient clipped": Plant(
        "train.py",
        before_update(
            "norm = sum((g**2).sum() for g in grads.values()) ** 0.5",
            "grads = {n: g * (0.05 / norm) for n, g in grads.items()}",
        ),
        "gradient",
        OUTPUT,
        "clipped to a norm of 0.05",
    ),
    "ReLU not in the gradient": Plant(
        "model.py",
        {
            "numpy": (
                'dhidden = np.where(active, dlogits @ params["output.weight"].T, 0)',
                'dhidden = dlogits @ params["output.weight"].T',
            ),
            "torch": (
                "hidden = torch.where(hidden > 0, hidden, 0)",
                "hidden = hidden + (torch.relu(hidden) - hidden).detach()",
            ),
            "jax": (
                "hidden = jnp.where(hidden > 0, hidden, 0)",
                "hidden = hidden + jax.lax.stop_gradient(jax.nn.relu(hidden) - hidden)",
            ),
            "mindspore": (
                "hidden = ops.where(hidden > 0, hidden, ops.zeros_like(hidden))",
                "hidden = hidden + ops.stop_gradient(ops.relu(hidden) - hidden)",
            ),
        },
        "gradient",
        ("hidden.weight",),
        "through the ReLU as if it were not there",
        plan=MLP,
    ),
    # Update.
    "weight never moves": Plant(
        "update.py",
        {
            **everywhere(
                "for name, param in params.items():", "for name, param in list(params.items())[1:]:"
            ),
            "jax": (
                "moved, buffers, rate = {}, {}, rate_of(lr, state)",
                "moved, buffers, rate = dict(params), {}, rate_of(lr, state)\n"
                "        params = dict(list(params.items())[1:])",
            ),
        },
        "update",
        ("hidden.weight",),
        "hidden.weight does not move",
        plan=MLP,
    ),
    "update divides by the batch size": Plant(
        "train.py",
        before_update("grads = {n: g / len(labels) for n, g in grads.items()}"),
        "update",
        OUTPUT,
        "divides by the batch size, 32",
    ),
    "learning rate off by a millionth": Plant(
        "update.py",
        {
            "numpy": ("param -= rate * step", "param -= 1.000001 * rate * step"),
            "torch": ("lr=rate_of(lr, state),", "lr=1.000001 * rate_of(lr, state),"),
            "jax": ("optax.sgd(schedule(lr),", "optax.sgd(1.000001 * schedule(lr),"),
            "mindspore": (
                "weights, schedule(lr), momentum, weight_decay=decay\n",
                "weights, 1.000001 * schedule(lr), momentum, weight_decay=decay\n",
            ),
        },
        "update",
        OUTPUT,
        "moves 1.000001 times as far",
        style="concise",
        modes=COMPILED,
    ),
    "learning rate off when compiled": Plant(
        "update.py",
        {
            "torch": (
                "param.sub_(rate * step)",
                "param.sub_(rate * (1.001 if torch.compiler.is_compiling() else 1) * step)",
            ),
            "jax": (
                "param - rate * step",
                "param - rate * (1.001 if isinstance(param, jax.core.Tracer) else 1) * step",
            ),
        },
        "update",
        OUTPUT,
        "moves 1.001",
        modes={"torch": "jit", "jax": "fused"},
        absent={
            "numpy": "it compiles nothing",
            "mindspore": "nothing public was found that tells code whether it is compiled",
        },
    ),
    "learning rate rounded to float32": Plant(
        "update.py",
        {
            "numpy": ("param -= rate * step", "param -= float(np.float32(rate)) * step"),
            "torch": ("param.sub_(rate * step)", "param.sub_(torch.tensor(rate).item() * step)"),
            "jax": ("param - rate * step", "param - float(jnp.float32(rate)) * step"),
            "mindspore": ("ops.assign_sub(param, rate * step)", "ops.assign_sub(param, lr * step)"),
        },
        "update",
        OUTPUT,
        "learning rate is rounded to float32",
        plan={"dtype": "float64"},
    ),
    "update made twice": Plant(
        "train.py",
        before_update("params, state = update(params, grads, state)"),
        "update",
        OUTPUT,
        "update is made twice",
        plan=MOMENTUM,
    ),
    "gradient ascent": Plant(
        "update.py",
        {
            "numpy": ("param -= rate * step", "param += rate * step"),
            "torch": ("param.sub_(rate * step)", "param.add_(rate * step)"),
            "jax": ("param - rate * step", "param + rate * step"),
            "mindspore": ("ops.assign_sub(param,", "ops.assign_add(param,"),
        },
        "update",
        OUTPUT,
        "goes up the gradient",
        modes={**COMPILED, "torch": "jit"},
    ),
    # By halving the gradient, which is the same: there is no momentum.
    "learning rate halved from the second epoch": Plant(
        "train.py",
        before_update(
            'one_step.made = getattr(one_step, "made", 0) + 1',
            "grads = {n: g / (1 + (one_step.made > 3)) for n, g in grads.items()}",
        ),
        "update",
        OUTPUT,
        "the learning rate is 0.5 times lr",
        step=4,
    ),
    "schedule a step ahead": Plant(
        "update.py",
        {
            "numpy": ('lr[min(state["step"], len', 'lr[min(state["step"] + 1, len'),
            "torch": ('state["step"].clamp', '(state["step"] + 1).clamp'),
            "jax": ('jnp.minimum(state["step"],', 'jnp.minimum(state["step"] + 1,'),
            "mindspore": ('ops.minimum(state["step"],', 'ops.minimum(state["step"] + 1,'),
        },
        "update",
        OUTPUT,
        "it is a step ahead",
        style="concise",
        modes=COMPILED,
        plan=SCHEDULE,
    ),
    "schedule a step behind": Plant(
        "update.py",
        {
            "numpy": ('lr[min(state["step"], len', 'lr[min(max(state["step"] - 1, 0), len'),
            "torch": ('state["step"].clamp(max=', '(state["step"] - 1).clamp(0, '),
            "jax": ('jnp.minimum(state["step"],', 'jnp.clip(state["step"] - 1, 0,'),
            "mindspore": (
                'ops.minimum(state["step"], rates.shape[0] - 1)',
                'ops.maximum(state["step"] - 1, 0)',
            ),
        },
        "update",
        OUTPUT,
        "it is a step behind",
        step=2,
        plan={**SCHEDULE, **ADAM},
    ),
    "schedule that moves once an epoch": Plant(
        "update.py",
        {
            "numpy": ('lr[min(state["step"], len', 'lr[min(state["step"] // 3, len'),
            "torch": ('state["step"].clamp', '(state["step"] // 3).clamp'),
            "jax": ('jnp.minimum(state["step"],', 'jnp.minimum(state["step"] // 3,'),
            "mindspore": ('ops.minimum(state["step"],', 'ops.minimum(state["step"] // 3,'),
        },
        "update",
        OUTPUT,
        "it moves once an epoch",
        step=2,
        plan={"schedule": "linear"},
    ),
    "warm-up from a rate of 0": Plant(
        "schedule.py",
        {
            "numpy": ("np.arange(1, warm_up + 1)", "np.arange(warm_up)"),
            "torch": ("torch.arange(1, warm_up + 1,", "torch.arange(0, warm_up,"),
            "jax": ("np.arange(1, warm_up + 1)", "np.arange(warm_up)"),
            "mindspore": ("for n in range(1, warm_up + 1)", "for n in range(warm_up)"),
        },
        "update",
        OUTPUT,
        "its warm-up begins with 0",
        plan=SCHEDULE,
    ),
    "warm-up left out": Plant(
        "schedule.py",
        everywhere("    rest = steps", "    warm_up = 0\n    rest = steps"),
        "update",
        OUTPUT,
        "it has no warm-up",
        plan={"schedule": "step", "warm_up": 3},
    ),
    "each tensor clipped by itself": Plant(
        "clip.py",
        {
            "numpy": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: most / max(np.sqrt((g**2).sum()), most) * g for n, g in grads.items()}",
            ),
            "torch": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: most / g.norm().clamp(min=most) * g for n, g in grads.items()}",
            ),
            "jax": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: most / jnp.maximum(jnp.sqrt((g**2).sum()), most) * g\n"
                "            for n, g in grads.items()}",
            ),
            "mindspore": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: limit / ops.maximum(ops.sqrt(ops.square(g).sum()), limit) * g\n"
                "            for n, g in grads.items()}",
            ),
        },
        "update",
        OUTPUT,
        "of each tensor by itself",
        plan={"clip_norm": 0.05},
    ),
    "clipped by value": Plant(
        "clip.py",
        {
            "numpy": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: np.clip(g, -most, most) for n, g in grads.items()}",
            ),
            "torch": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: g.clamp(-most, most) for n, g in grads.items()}",
            ),
            "jax": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: jnp.clip(g, -most, most) for n, g in grads.items()}",
            ),
            "mindspore": (
                "return {n: scale * g for n, g in grads.items()}",
                "return {n: ops.clip_by_value(g, -limit, limit) for n, g in grads.items()}",
            ),
        },
        "update",
        OUTPUT,
        "by value",
        plan={"clip_norm": 0.05, **MOMENTUM},
    ),
    "not clipped": Plant(
        "clip.py",
        {
            "torch": ("grads.values()], most)", "grads.values()], 1e9)"),
            "numpy": ("np.minimum(np.maximum(g, -most), most)", "g"),
            "jax": ("optax.clip(most)", "optax.clip(1e9)"),
            "mindspore": ("ops.clip_by_value(g, -limit, limit)", "g"),
        },
        "update",
        OUTPUT,
        "not at all",
        style="concise",
        modes=COMPILED,
        plan={"clip_value": 0.01},
    ),
    "momentum with dampening": Plant(
        "update.py",
        exercised(
            "update-1",
            numpy=('state[f"{name}/m"] += step', 'state[f"{name}/m"] += (1 - momentum) * step'),
        ),
        "update",
        OUTPUT,
        "momentum has dampening",
        plan=MOMENTUM,
    ),
    "Nesterov": Plant(
        "update.py",
        {
            "numpy": ('step = state[f"{name}/m"]', 'step = step + momentum * state[f"{name}/m"]'),
            "torch": ("nesterov=False", "nesterov=True"),
            "jax": ("momentum=momentum or None", "momentum=momentum or None, nesterov=True"),
            "mindspore": (
                "momentum, weight_decay=decay\n",
                "momentum, weight_decay=decay, nesterov=True\n",
            ),
        },
        "update",
        OUTPUT,
        "Nesterov",
        style="concise",
        plan=MOMENTUM,
    ),
    "Nesterov missing": Plant(
        "update.py",
        {
            "numpy": ('step = step + momentum * state[f"{name}/m"]', 'step = state[f"{name}/m"]'),
            "torch": ("nesterov=True", "nesterov=False"),
            "jax": ("nesterov=True", "nesterov=False"),
            "mindspore": ("nesterov=True", "nesterov=False"),
        },
        "update",
        OUTPUT,
        "Nesterov's step is missing",
        style="concise",
        plan={**MOMENTUM, "nesterov": True},
    ),
    "weight decay left out": Plant(
        "update.py",
        everywhere("if decay:", "if False:"),
        "update",
        OUTPUT,
        "weight decay is left out",
        plan=DECAY,
    ),
    "weight decay spares the bias": Plant(
        "update.py",
        exercised("update-2", numpy=("if decay:", "if decay and param.ndim > 1:")),
        "update",
        ("output.bias",),
        "weight decay spares the biases",
        step=2,
        plan=DECAY,
    ),
    "adam with decoupled decay": Plant(
        "adaptive.py",
        everywhere("\ndef adam_state(", "\nadam_scratch = adamw_scratch\n\n\ndef adam_state("),
        "update",
        OUTPUT,
        "weight decay is decoupled",
        plan={**ADAM, **DECAY},
    ),
    "adamw with coupled decay": Plant(
        "adaptive.py",
        everywhere("\ndef adam_state(", "\nadamw_scratch = adam_scratch\n\n\ndef adam_state("),
        "update",
        OUTPUT,
        "weight decay is coupled",
        plan={**ADAM, **DECAY, "optimizer": "adamw"},
    ),
    "adamw's decay spares the bias": Plant(
        "adaptive.py",
        {
            **everywhere("step + decay * param", "step + (param.ndim > 1) * decay * param"),
            "mindspore": ("step + shrink * param", "step + (param.ndim > 1) * shrink * param"),
        },
        "update",
        ("output.bias",),
        "weight decay spares the biases",
        step=2,
        plan={**ADAM, **DECAY, "optimizer": "adamw"},
    ),
    "adam without bias correction": Plant(
        "adaptive.py",
        exercised("update-3", numpy=("m_hat, v_hat = m / c1, v / c2", "m_hat, v_hat = m, v")),
        "update",
        OUTPUT,
        "bias correction is left out",
        plan=ADAM,
    ),
    "adam's eps inside the root": Plant(
        "adaptive.py",
        {
            "numpy": ("(np.sqrt(v_hat) + eps)", "np.sqrt(v_hat + eps)"),
            "torch": ("(v_hat.sqrt() + eps)", "(v_hat + eps).sqrt()"),
            "jax": ("(jnp.sqrt(v_hat) + eps)", "jnp.sqrt(v_hat + eps)"),
            "mindspore": ("(ops.sqrt(v_hat) + tiny)", "ops.sqrt(v_hat + tiny)"),
        },
        "update",
        OUTPUT,
        "eps is inside the square root",
        plan={**ADAM, "dtype": "float64"},
    ),
    "adam's step count off by one": Plant(
        "adaptive.py",
        {
            "numpy": ('t = state["step"].astype(dtype)', 't = state["step"].astype(dtype) + 1'),
            "torch": (
                't = state["step"].to(param.dtype)',
                't = state["step"].to(param.dtype) + 1',
            ),
            "jax": (
                't, rate = buffers["step"], rate_of',
                't, rate = buffers["step"] + 1, rate_of',
            ),
            "mindspore": (
                't = state["step"].astype(dtype)',
                't = state["step"].astype(dtype) + 1',
            ),
        },
        "update",
        OUTPUT,
        "step count is one ahead",
        plan=ADAM,
    ),
    "rmsprop's eps inside the root": Plant(
        "adaptive.py",
        {
            "numpy": ("(np.sqrt(v) + eps)", "np.sqrt(v + eps)"),
            "torch": ("(v.sqrt() + eps)", "(v + eps).sqrt()"),
            "jax": ("(jnp.sqrt(v) + eps)", "jnp.sqrt(v + eps)"),
            "mindspore": ("(ops.sqrt(v) + tiny)", "ops.sqrt(v + tiny)"),
        },
        "update",
        OUTPUT,
        "eps is inside the square root",
        plan={"optimizer": "rmsprop", "lr": 0.01, "eps": 1e-4},
    ),
    "adagrad's square left out": Plant(
        "adaptive.py",
        {
            "numpy": ("grad / (np.sqrt(v) + eps)", "grad / (np.sqrt(v - grad**2) + eps)"),
            "torch": ("grad / (v.sqrt() + eps)", "grad / ((v - grad**2).abs().sqrt() + eps)"),
            "jax": (
                "grad / (jnp.sqrt(v) + eps)",
                "grad / (jnp.sqrt(jnp.abs(v - grad**2)) + eps)",
            ),
            "mindspore": (
                "grad / (ops.sqrt(v) + tiny)",
                "grad / (ops.sqrt(ops.abs(v - ops.square(grad))) + tiny)",
            ),
        },
        "update",
        OUTPUT,
        "of the squares before this step",
        plan={"optimizer": "adagrad", "lr": 0.01, "eps": 1e-2},
    ),
    # Accuracy, and when it is measured.
    "the smallest logit counts": Plant(
        "accuracy.py",
        everywhere("argmax", "argmin"),
        "accuracy",
        ("correct",),
        "the smallest logit is taken",
    ),
    "ties to the highest index": Plant(
        "accuracy.py",
        {
            **everywhere("logits.argmax(axis=1)", "(9 - logits[:, ::-1].argmax(axis=1))"),
            "torch": ("logits.argmax(dim=1)", "(9 - logits.flip(1).argmax(dim=1))"),
            "mindspore": ("logits.argmax(axis=1)", "(9 - logits.flip((1,)).argmax(axis=1))"),
        },
        "accuracy",
        ("ties",),
        "ties go to the highest index",
    ),
    "count starts at 6": Plant(
        "train.py",
        everywhere("counts.append(count)", "counts.append(count + 6 * (not counts))"),
        "accuracy",
        ("correct",),
        "the count is off by +6",
    ),
    "measured after the update": Plant(
        "train.py",
        everywhere(
            "        value, logits, grads = gradients(params, images, labels)\n"
            "        count = correct(logits, labels)\n"
            "        params, state = update(params, grads, state)\n",
            "        _, _, grads = gradients(params, images, labels)\n"
            "        params, state = update(params, grads, state)\n"
            "        value, logits, _ = gradients(params, images, labels)\n"
            "        count = correct(logits, labels)\n",
        ),
        "loss",
        ("loss",),
        "measured after the update",
    ),
}


def plant(backend: str, name: str, folder: Path) -> str:
    """Copy a backend into a folder with one slip in it; the copy's name."""
    found = BACKENDS[backend]
    copy = f"{backend}_{list(PLANTS).index(name)}" if name in PLANTS else f"{backend}_as_it_is"
    if (folder / copy).exists():
        return copy
    shutil.copytree(found.folder, folder / copy, ignore=shutil.ignore_patterns("__pycache__"))
    if name in PLANTS:
        path = folder / copy / PLANTS[name].file
        right, wrong = PLANTS[name].edits[backend]
        text = path.read_text(encoding="utf-8")
        assert right in text, f"{path.name} of {backend} no longer says {right!r}"
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    return copy


class Ward:
    """Diagnoses copies of one backend in this process; a track for each plan, made once.

    Args:
        backend: whose copies.
        folder: where to put them.
        data: a folder of made-up images.
    """

    def __init__(self, backend: str, folder: Path, data: Path) -> None:
        self.backend, self.folder, self.data = backend, folder, data
        self.info: Info = BACKENDS[backend].info
        self.tracks: dict[Plan, tuple[Track, dict[str, Any]]] = {}
        extend_path(str(folder))

    def settings(self, name: str) -> tuple[Plan, str, str]:
        """What one slip is looked for in: plan, style, mode."""
        wanted = PLANTS[name]
        style = wanted.style if wanted.style in self.info.styles else "scratch"
        return make_plan(**wanted.plan), style, wanted.modes.get(self.backend, "eager")

    def track(self, plan: Plan) -> tuple[Track, dict[str, Any]]:
        """The referee's path, and the data."""
        if plan not in self.tracks:
            model = MODELS[plan.model]
            examples = EXAMPLES if model.classifies else 1000
            shape = shape_of(model)
            start = draws.parameters(model, shape, plan.hidden, CLASSES, plan.seed, plan.dtype)
            data: dict[str, Any] = {"initial": start, "classes": CLASSES}
            if model.classifies:
                inputs = {"kind": "image", "shape": [6, 6, 1]}
                data |= {"folder": str(self.data), "limit": None, "inputs": inputs}
            else:
                data["train"] = draws.synthetic(plan.seed, plan.dtype)
            orders = [
                draws.order(plan.seed, epoch, examples, plan.batch_size, plan.drop_last)
                for epoch in range(plan.epochs)
            ]
            track = Track(Referee(plan, data), Schedule(orders, plan.batch_size))
            self.tracks[plan] = track, data
        return self.tracks[plan]

    def look(self, copy: str, plan: Plan, style: str, mode: str) -> dict[str, Any]:
        """Diagnose one copy."""
        started = time.perf_counter()
        track, data = self.track(plan)
        choices = {"style": style, "mode": mode, "data": "memory"}
        session = LocalSession(copy)

        def reopen() -> None:
            session.open(plan.asdict(), choices, data)

        reopen()
        entrant = Entrant(copy, copy, copy, **choices)
        first = diagnose(Patient(entrant, self.info, session, reopen), track).difference
        session.close()
        seconds = time.perf_counter() - started
        return {"difference": first.asdict() if first else None, "seconds": seconds}

    def results(self, names: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Look at every slip; then, in all settings that took, at a copy as it is."""
        seen = {}
        for name in names:
            settings = self.settings(name)
            seen[settings] = None
            try:
                copy = plant(self.backend, name, self.folder)
                yield {"name": name, **self.look(copy, *settings)}
            except Exception as error:
                yield {"name": name, "difference": None, "seconds": 0.0, "error": repr(error)}
        copy = plant(self.backend, AS_IT_IS, self.folder)
        for plan, style, mode in seen:
            said = (plan.model, plan.hidden, plan.optimizer, plan.weight_decay, plan.dtype)
            words = ", ".join(map(str, (*said, style, mode)))
            yield {"name": f"{AS_IT_IS}: {words}", **self.look(copy, plan, style, mode)}


RESULT = "planted: "


def run_all(backend: str, names: Sequence[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Diagnose the copies of one backend in a process of their own; results as they come."""
    names = [name for name in names if PLANTS[name].can_be_in(backend)]
    if not names:
        return
    raw = folder / "data" / "FashionMNIST" / "raw"
    if not raw.exists():
        raw.mkdir(parents=True)
        write_images(raw)
    filled = BACKENDS[backend].info.variables(available_cores(), "cpu")
    command = [sys.executable, "-m", "tests.planted", "--here", backend, folder, "--only", *names]
    log = folder / f"{backend}.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            env={**os.environ, **filled},
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:  # a framework may print there, too
            if line.startswith(RESULT):
                yield judged(backend, json.loads(line.removeprefix(RESULT)))
    assert process.returncode == 0, log.read_text()[-3000:]


def judged(backend: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """A result, and whether it says what it must."""
    first, wanted = result["difference"], PLANTS.get(result["name"])
    row = {"backend": backend, "slip": wanted is not None, "found": first is not None, **result}
    if wanted is None or first is None:
        right = (wanted is None) == (first is None)
        return {**row, "placed": right, "cause": right}
    where = first["step"], first["stage"]
    placed = where == (wanted.step, wanted.stage) and first["tensor"] in wanted.tensors
    return {**row, "placed": placed, "cause": wanted.cause in (first["likely_cause"] or "")}


COLUMNS = ("slip", "in", "found", "step", "stage", "tensor", "cause", "what is said")


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What was said of every copy; backends of which the same was said share a row."""
    said: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        first = row["difference"] or {}
        where = [str(first.get(name, "")) for name in ("step", "stage", "tensor")]
        words = row.get("error") or first.get("likely_cause") or "nothing"
        found = "yes" if row["placed"] else "ELSEWHERE" if row["found"] else "NO"
        if not row["slip"]:
            found = "BLAMED" if row["found"] else "nothing"
        cells = (row["name"], found, *where, "right" if row["cause"] else "NO", words)
        said.setdefault(cells, []).append(row["backend"])
    shown = Table(*COLUMNS)
    for (name, *cells), backends in said.items():
        shown.add_row(name, " ".join(backends), *cells)
    return shown


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many of them were found."""
    slips = [row for row in rows if row["slip"]]
    others = [row for row in rows if not row["slip"]]
    return (
        f"{sum(row['placed'] for row in slips)} of {len(slips)} found where they are, "
        f"{sum(row['found'] for row in slips)} found at all, "
        f"{sum(row['cause'] for row in slips)} causes right; "
        f"{sum(row['found'] for row in others)} of {len(others)} copies as they are were blamed"
    )


def main() -> int:
    """Plant, look, print; 1 if anything was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--only", nargs="+", default=list(PLANTS), choices=PLANTS, metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--here", nargs=2, metavar=("BACKEND", "FOLDER"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.here:
        backend, folder = asked.here[0], Path(asked.here[1])
        for result in Ward(backend, folder, folder / "data").results(asked.only):
            print(RESULT + json.dumps(result), flush=True)
        return 0
    rows, console = [], Console(width=180)
    with tempfile.TemporaryDirectory() as folder:
        for backend in asked.backends:
            for row in run_all(backend, asked.only, Path(folder)):
                rows.append(row)
                console.print(f"{backend}: {row['name']} ({row['seconds']:.1f} s)", style="dim")
    console.print(table(sorted(rows, key=lambda row: not row["slip"])))
    for backend, name in itertools.product(asked.backends, asked.only):
        if why := PLANTS[name].absent.get(backend):
            console.print(f"{name}: not in {backend}: {why}", style="dim")
    console.print(summary(rows))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(not all(row["placed"] and row["cause"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
