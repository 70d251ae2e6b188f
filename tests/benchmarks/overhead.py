"""Each backend's usual mode against a loop written by hand in the same framework.

    python -m tests.benchmarks.overhead [--pairs 20] [--backends torch jax ...]

Both train softmax regression on Fashion-MNIST, batch 256, float32, in one process per
backend, in its environment; epochs alternate, in a random order within each pair, on the
same orders. Printed: median seconds of each, and the ratio of the paired epochs with its
95 % interval. The goal is a ratio of at most 1.10; losses are compared first, so that
the two are the same work.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

from common import data, initial, registry, timing
from common.models import MODELS
from common.session import LocalSession, available_cores, limit_cores
from common.spec import Plan
from tests.benchmarks.loops import BATCH, LOOPS, LR

GOAL = 1.10
WARM_UP = 2


def measure(backend: str, mode: str, pairs: int, folder: str) -> dict[str, list[float]]:
    """Alternate epochs of the entrant and of the loop; seconds of each."""
    model = MODELS["softmax"]
    dataset = data.load(say=lambda words: None)
    start = initial.parameters(model, 784, 256, 0, "float32")
    plan = Plan(
        model="softmax", optimizer="sgd", lr=LR, momentum=0.0, weight_decay=0.0, epochs=1,
        batch_size=BATCH, seed=0, dtype="float32", device="cpu", threads=available_cores(),
        workers=0, hidden=256, drop_last=False, limit=None, resize=None, rounds=1,
    )  # fmt: skip
    info = registry.find()[backend].info
    session = LocalSession(backend)
    style = "concise" if "concise" in info.styles else "scratch"
    session.open(
        plan.asdict(),
        {"style": style, "mode": mode, "data": "memory"},
        {"folder": folder, "limit": None, "initial": start},
    )
    pixels, labels = dataset.train()
    images = pixels.astype(np.float32) / np.float32(255)
    loop = LOOPS[backend, mode](images, labels.astype(np.int32), start["output.weight"])
    draw = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {"entrant": [], "loop": []}
    for epoch in range(WARM_UP + pairs):
        order = initial.order(0, epoch, len(labels), BATCH, False)
        losses = {}
        for name in draw.permutation(list(seconds)):
            started = time.perf_counter()
            losses[name] = session.train(order)["losses"] if name == "entrant" else loop(order)[0]
            if epoch >= WARM_UP:
                seconds[name].append(time.perf_counter() - started)
        np.testing.assert_allclose(losses["entrant"], losses["loop"], rtol=1e-4)
    return seconds


def main() -> None:
    """Measure every backend in a process of its own, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--backends", nargs="+", default=[backend for backend, _ in LOOPS])
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        limit_cores(available_cores())
        backend, mode, folder = asked.child
        print(json.dumps(measure(backend, mode, asked.pairs, folder)))
        return
    folder = str(data.load(say=lambda words: None).folder)
    available = registry.find()
    print(f"{'backend':12}{'entrant s':>11}{'loop s':>9}{'ratio':>8}   95 % interval   goal {GOAL}")
    for backend in asked.backends:
        info = available[backend].info
        environment = {**info.environment, **info.tuned}
        filled = {
            name: value.format(threads=available_cores(), device="cpu")
            for name, value in environment.items()
        }
        command = [sys.executable, "-m", "tests.benchmarks.overhead", "--pairs", str(asked.pairs)]
        command += ["--child", backend, info.usual_mode, folder]
        child = subprocess.run(
            command, env={**os.environ, **filled}, stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = json.loads(child.stdout.splitlines()[-1])
        found = timing.compare(seconds["entrant"], seconds["loop"])
        medians = [np.median(seconds[name]) for name in ("entrant", "loop")]
        missed = "  missed" if (found["low"] or 0) > GOAL else ""
        print(
            f"{backend:12}{medians[0]:11.4f}{medians[1]:9.4f}{found['ratio']:8.3f}"
            f"   {found['low']:.3f} to {found['high']:.3f}{missed}",
            flush=True,
        )


if __name__ == "__main__":
    main()
