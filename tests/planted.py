"""Backends with one error each, made by copying a backend and changing one line.

Run as a script it judges such copies in this process:
`python -m tests.planted FOLDER DATA NAME ...` prints {name: verdict} as JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np

from common import initial, parity
from common.models import MODELS
from common.registry import find
from common.session import LocalSession, extend_path
from tests.conftest import BACKENDS, make_plan

#: what is wrong -> file -> backend -> (right line, wrong line)
PLANTS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    # The loss a hundredth of a percent too large.
    "loss": (
        "loss.py",
        {
            "numpy": ("(log_sum - picked).mean()", "(log_sum - picked).mean() * 1.0001"),
            "torch": (
                'cross_entropy(logits, labels, reduction="mean")',
                'cross_entropy(logits, labels, reduction="mean") * 1.0001',
            ),
            "jax": ("return losses.mean()", "return losses.mean() * 1.0001"),
            "mindspore": (
                'cross_entropy(logits, labels, reduction="mean")',
                'cross_entropy(logits, labels, reduction="mean") * 1.0001',
            ),
        },
    ),
    # The gradient likewise, where the step takes it: no component alone shows it.
    "gradient": (
        "train.py",
        {
            "numpy": (
                "model_gradient(params, images, dlogits)",
                "model_gradient(params, images, 1.0001 * dlogits)",
            ),
            "torch": (
                "grads = dict(zip(leaves, grads, strict=True))",
                "grads = {n: 1.0001 * g for n, g in zip(leaves, grads)}",
            ),
            "jax": (
                "return value, logits, grads",
                "return value, logits, {n: 1.0001 * g for n, g in grads.items()}",
            ),
            "mindspore": ("{n: g for n, g in zip", "{n: 1.0001 * g for n, g in zip"),
        },
    ),
    # The learning rate wrong by a millionth.
    "update": (
        "update.py",
        {
            "numpy": ("param -= lr * step", "param -= 1.000001 * lr * step"),
            "torch": ("lr=lr,", "lr=1.000001 * lr,"),
            "jax": ("optax.sgd(lr,", "optax.sgd(1.000001 * lr,"),
            "mindspore": ("nn.SGD(weights, lr,", "nn.SGD(weights, 1.000001 * lr,"),
        },
    ),
    # The weights of the model alone never move.
    "frozen": (
        "update.py",
        {
            "numpy": (
                "        return params, state",
                "        param += lr * step\n        return params, state",
            ),
            "torch": ("list(params.values()),", "[p.clone() for p in params.values()],"),
            "jax": ("optax.apply_updates(params, updates), state", "params, state"),
            "mindspore": ("        optimizer(tuple([g for g in grads.values()]))\n", ""),
        },
    ),
}
#: where the checks must find it
STAGES = {"loss": "loss", "gradient": "step", "update": "update", "frozen": "update"}


def plant(backend: str, what: str, folder: Path) -> str:
    """Copy a backend into a folder with one error in it; the copy's name."""
    file, lines = PLANTS[what]
    right, wrong = lines[backend]
    name = f"{backend}_{what}"
    shutil.copytree(
        BACKENDS[backend].folder, folder / name, ignore=shutil.ignore_patterns("__pycache__")
    )
    path = folder / name / file
    text = path.read_text(encoding="utf-8")
    assert right in text, f"{file} of {backend} no longer says {right!r}"
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    return name


def judge_here(name: str, mode: str | None, info: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Train and judge a backend in this process."""
    plan = make_plan("softmax")
    session = LocalSession(name)
    style = "concise" if "concise" in info.styles else "scratch"
    choices = {"style": style, "mode": mode or info.usual_mode, "data": "memory"}
    orders = [initial.order(0, epoch, 70, plan.batch_size, False) for epoch in range(2)]
    session.open(plan.asdict(), choices, data)
    losses = np.concatenate([session.train(order)["losses"] for order in orders])
    fingerprint = session.fingerprint(orders[0])
    referee = parity.Referee(plan, data)
    path = referee.path(orders)
    return parity.judge(session, info, losses, fingerprint, referee, path, orders).asdict()


def main(folder: str, data_folder: str, *names: str) -> None:
    """Judge the named copies in a folder."""
    extend_path(folder)
    found = find(Path(folder))
    model = MODELS["softmax"]
    start = initial.parameters(model, 36, 16, 0, "float32")
    data = {"folder": data_folder, "limit": None, "initial": start}
    verdicts = {name: judge_here(name, None, found[name].info, data) for name in names}
    print(json.dumps(verdicts))


if __name__ == "__main__":
    main(*sys.argv[1:])
