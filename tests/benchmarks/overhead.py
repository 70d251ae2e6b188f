"""This project's entrants against loops written by hand, Keras, and the machine.

    python -m tests.benchmarks.overhead [--pairs 20] [--backends torch jax ...] [--keras]
    python -m tests.benchmarks.overhead --model lenet [--limit 6000]

All train softmax regression on Fashion-MNIST, batch 256, float32, concise (NumPy from scratch), on
the same orders, Keras on its own; or the book's LeNet, each framework as it is usually run.
One process a backend, in its environment, holds every mode's entrant and its loop by hand; the
epochs of all of them alternate, one at a time, in an order that is shuffled in each turn. Printed:
median seconds, and ratios of the epochs of a turn with their 95 % interval. A goal is missed
where the whole interval lies beyond it. Losses are compared in each turn: it is the same work.

MindSpore runs once more without its tuned settings (`INFO.tuned`, `INFO.tuned_convolutions`), as
`mindspore:stock` does: of softmax regression most of its epochs are quicker, and some take many
times as long; of LeNet all do, on a processor with AVX-512. That is what the settings are for.
`--keras` needs Keras 3 (`pip install -e '.[bench]'`); it fits on PyTorch and on JAX, in processes
of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from common.contract import registry
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.data import datasets, draws
from common.entrants.local import LocalSession
from common.measure import limit, statistics
from common.measure.machine import available_cores, limit_cores
from tests.benchmarks.loops import BATCH, LOOPS, keras_fit

WARM_UP = 2
#: At most so many times the loop by hand, of the same framework and mode.
OVERHEAD = 1.05
KERAS = ("torch", "jax")
#: A process by that name has its framework's settings out of the box.
STOCK = "mindspore stock"


@dataclass(frozen=True)
class Goal:
    """What one median ratio should be: `least` or `most`."""

    slow: str
    quick: str
    least: float | None = None
    most: float | None = None

    def missed(self, low: float, high: float) -> bool:
        """Whether a whole interval lies beyond it."""
        if self.least is not None:
            return high < self.least
        return self.most is not None and low > self.most

    def __str__(self) -> str:
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


GOALS = [
    *(Goal(f"{b} {m}", f"{b} {m} by hand", most=OVERHEAD) for b, m in LOOPS["softmax"]),
    Goal("torch eager by hand", "torch fused", least=2),
    Goal("jax jit by hand", "jax fused", least=2.5),
    Goal("mindspore fused", "torch eager by hand", most=1),
    Goal("mindspore jit", "torch eager", most=1.5),
    Goal("keras on torch", "torch eager", least=3.5),
    Goal("keras on torch", "torch fused", least=8),
    Goal("keras on jax", "jax jit", least=1.3),
    Goal("keras on jax", "jax fused", least=3.5),
]


def start_of(model: str) -> dict[str, np.ndarray]:
    """Initial values of a model, in neutral axes."""
    return draws.parameters(MODELS[model], (28, 28, 1), 256, 10, 0, "float32")


def entrant(model: str, backend: str, mode: str) -> Callable[[np.ndarray], float]:
    """An epoch of the project's own: its mean loss."""
    start, found = start_of(model), datasets.load(say=lambda words: None)
    plan = Plan(
        model=model, optimizer="sgd", lr=MODELS[model].lr, momentum=0.0, weight_decay=0.0, epochs=1,
        batch_size=BATCH, seed=0, dtype="float32", device="cpu", threads=available_cores(),
        workers=0, hidden=256, drop_last=False, limit=None, resize=None, rounds=1,
    )  # fmt: skip
    info = registry.find()[backend].info
    session = LocalSession(backend)
    style = "concise" if "concise" in info.styles else "scratch"
    choices = {"style": style, "mode": mode, "data": "memory"}
    data = {"folder": str(found.folder), "limit": None, "inputs": found.inputs.asdict()}
    session.open(plan.asdict(), choices, {**data, "initial": start, "classes": 10})
    session.warm_up(draws.order(0, 0, 60000, BATCH, False))
    session.load(start)
    return lambda order: float(session.train(order).losses.mean())


def by_hand(model: str, name: str, mode: str) -> Callable[[np.ndarray], float]:
    """An epoch of a loop by hand, or of Keras: its mean loss."""
    pixels, labels = datasets.load(say=lambda words: None).train()
    images = (pixels.astype(np.float32) / np.float32(255)).reshape(len(pixels), 28, 28, 1)
    if model == "softmax":
        images = images.reshape(len(images), -1)
    make = keras_fit if name == "keras" else LOOPS[model][name, mode]
    epoch = make(model, images, labels.astype(np.int32), start_of(model))
    return lambda order: float(epoch(order)[0].mean())


def serve(model: str, name: str, examples: int) -> None:
    """Make every epoch of one process, then run the ones that are asked for."""
    backend = name.removeprefix("keras on ")
    epochs = {}
    if name == STOCK:
        epochs[f"{STOCK} jit"] = entrant(model, "mindspore", "jit")
    elif backend == name:
        for mode in (mode for one, mode in LOOPS[model] if one == backend):
            epochs[f"{backend} {mode}"] = entrant(model, backend, mode)
            epochs[f"{backend} {mode} by hand"] = by_hand(model, backend, mode)
    else:
        epochs[name] = by_hand(model, "keras", "fit")
    print("READY " + json.dumps(list(epochs)), flush=True)
    for line in sys.stdin:
        asked, number = json.loads(line)
        order = draws.order(0, number, examples, BATCH, False)
        started = time.perf_counter()
        loss = epochs[asked](order)
        print("DONE " + json.dumps([time.perf_counter() - started, loss]), flush=True)


class Child:
    """A process that runs epochs when asked."""

    def __init__(self, model: str, name: str, examples: int) -> None:
        backend = name.removeprefix("keras on ").removesuffix(" stock")
        info = registry.find()[backend].info
        environment = info.variables(
            available_cores(), "cpu", stock=name == STOCK, convolves=MODELS[model].convolves
        )
        environment["KERAS_BACKEND"] = backend
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.benchmarks.overhead", "--model", model),
                *("--limit", str(examples), "--child", name),
            ],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.epochs: list[str] = json.loads(self._answer("READY "))

    def _answer(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line.removeprefix(word)
        raise SystemExit("a process of the benchmark ended; see above")

    def run(self, name: str, number: int) -> tuple[float, float]:
        """Seconds and mean loss of one epoch."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, number]) + "\n")
        self._process.stdin.flush()
        seconds, loss = json.loads(self._answer("DONE "))
        return seconds, loss

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@contextlib.contextmanager
def children(model: str, names: list[str], examples: int) -> Iterator[dict[str, Child]]:
    """Start them one after the other, so that none is measured while another compiles."""
    started: dict[str, Child] = {}
    try:
        for name in names:
            print(f"starting {name} ...", file=sys.stderr, flush=True)
            started[name] = Child(model, name, examples)
        yield started
    finally:
        for child in started.values():
            child.close()


def measure(started: dict[str, Child], pairs: int) -> dict[str, list[float]]:
    """Seconds of every epoch, in turns; the first few are not kept."""
    owners = {epoch: child for child in started.values() for epoch in child.epochs}
    seconds: dict[str, list[float]] = {epoch: [] for epoch in owners}
    draw = np.random.default_rng(0)
    for turn in range(WARM_UP + pairs):
        losses = {}
        for name in draw.permutation(list(owners)):
            took, losses[name] = owners[name].run(name, turn)
            if turn >= WARM_UP:
                seconds[name].append(took)
        same = [loss for name, loss in losses.items() if "keras" not in name]
        np.testing.assert_allclose(same, same[0], rtol=1e-4)
    return seconds


def main() -> int:
    """Measure, print; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="softmax", choices=LOOPS)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--limit", type=int, default=60000, help="examples an epoch has")
    backends = list(dict.fromkeys(backend for backend, _ in LOOPS["softmax"]))
    parser.add_argument("--backends", nargs="+", default=backends, choices=backends)
    parser.add_argument("--keras", action="store_true", help="Keras's fit, too")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    model, examples = asked.model, asked.limit
    if asked.pairs < statistics.LEAST:
        parser.error(f"--pairs {asked.pairs}: an interval needs {statistics.LEAST}")
    if asked.child:
        limit_cores(available_cores())
        serve(model, asked.child, examples)
        return 0
    names = [name for name in asked.backends if any(name == one for one, _ in LOOPS[model])]
    names += [STOCK] if "mindspore" in names else []
    if model == "softmax":
        names += [f"keras on {b}" for b in KERAS if asked.keras and b in asked.backends]
    with children(model, names, examples) as started:
        rates = limit.machine("float32", available_cores())
        seconds = measure(started, asked.pairs)
    operations, read = limit.work(MODELS[model], start_of(model), (28, 28, 1), examples)
    least = max(operations / rates["flops_per_second"], read / rates["bytes_per_second"])
    print(f"the machine's limit: {least:.4f} s an epoch\n")
    print(f"| {'epoch':24} | median s | least s | most s | × limit |\n|---|---|---|---|---|")
    for name, found in seconds.items():
        span = f"{np.median(found):.4f} | {min(found):.4f} | {max(found):.4f}"
        print(f"| {name:24} | {span} | {np.median(found) / least:.1f} |")
    print(f"\n| {'ratio':44} | median | 95 % interval | goal | |\n|---|---|---|---|---|")
    rows, missed = judged(seconds)
    print("\n".join(rows))
    return int(missed)


def judged(seconds: Mapping[str, Sequence[float]]) -> tuple[list[str], bool]:
    """A row for each goal of two that were timed, and whether one is missed."""
    rows, missed = [], False
    for goal in GOALS:
        if goal.slow not in seconds or goal.quick not in seconds:
            continue
        found = statistics.compare([seconds[goal.slow]], [seconds[goal.quick]])
        beyond = goal.missed(found["low"], found["high"])
        missed |= beyond
        words = f"{goal.slow} / {goal.quick}"
        span = f"{found['low']:.2f} to {found['high']:.2f}"
        ratio = f"{found['ratio']:.2f} | {span} | {goal} | {'missed' * beyond}"
        rows.append(f"| {words:44} | {ratio} |")
    return rows, missed


if __name__ == "__main__":
    sys.exit(main())
