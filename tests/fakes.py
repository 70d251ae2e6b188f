"""Stand-ins: a session without a framework, and copies of a backend with something wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.entrants.checked import CheckedSession
from common.entrants.local import LocalSession
from common.entrants.session import Evaluated, Inferred, Opened, Trained, WarmedUp

ROOT = Path(__file__).resolve().parent.parent
SHA256 = "0" * 64
MEGABYTE = 10**6
OUTPUTS = 10


class FakeSession(CheckedSession):
    """A carrier of `common.entrants.session.Session`: made-up numbers, no framework.

    Args:
        losses: step losses; taken in turn, from the start again after every `load`.
        seconds: what the epochs take, taken in turn and never from the start again.
        correct: how many examples every step gets right.
        test_loss, test_count: what `evaluate` finds, in `eval_seconds`.
        data_seconds: time spent waiting for data.
        cpu_seconds: what all threads work in an epoch.
        bias: the parameters it ends with; what tells two fakes apart.
        classes: what `predict` answers.
        raises: name of a call -> (which one of them, from 1; the exception it raises).
        answers: name of a call -> what it answers instead of the usual.
        verdict: what a made-up referee should say of it.
    """

    def __init__(
        self,
        losses: Sequence[float] = (2.0, 1.0),
        seconds: Sequence[float] = (0.5,),
        correct: int = 1,
        test_loss: float = 1.5,
        test_count: int = 3,
        data_seconds: float | None = None,
        cpu_seconds: float | None = 0.75,
        bias: float = 0.0,
        classes: Array | None = None,
        raises: Mapping[str, tuple[int, BaseException]] | None = None,
        answers: Mapping[str, Any] | None = None,
        verdict: str = "rounding",
    ) -> None:
        self.losses, self.correct_count = losses, correct
        self.seconds = cycle(seconds)
        self.tested = Evaluated(test_loss, test_count, seconds=0.125)
        self.data_seconds, self.cpu_seconds = data_seconds, cpu_seconds
        self.bias, self.verdict = bias, verdict
        self.classes = np.zeros(5, np.uint8) if classes is None else classes
        self.raises, self.answers = dict(raises or {}), dict(answers or {})
        self.calls: list[str] = []
        self.closed: list[bool] = []
        self.step = 0

    def _call(self, name: str, *arguments: Any) -> Any:
        """Note a call; raise if this is the one that was to raise."""
        usual = getattr(self, f"_{name}")(*arguments)
        self.called(name)
        return self.answers.get(name, usual)

    def called(self, name: str) -> None:
        """Note that something was called, which the fake may have been told to raise at."""
        self.calls.append(name)
        number, error = self.raises.get(name, (0, None))
        if error is not None and self.calls.count(name) == number:
            raise error

    def _open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        self.plan, self.data = plan, data
        return Opened({"fake": "1.0"}, {"fake": True}, 0.25, 0.5, 45 * MEGABYTE)

    def _warm_up(self, order: Array) -> WarmedUp:
        return WarmedUp(first_step_seconds=0.75, compile_seconds=0.125)

    def _initial(self, seed: int) -> Arrays:
        return dict(self.data["initial"])

    def _load(self, params: Arrays, state: Arrays | None) -> None:
        self.step = 0

    def _train(self, order: Array) -> Trained:
        steps = -(-len(order) // self.plan["batch_size"])
        losses = list(islice(cycle(self.losses), self.step, self.step + steps))
        self.step += steps
        return Trained(
            losses=np.array(losses, self.plan["dtype"]),
            counts=np.full(steps, self.correct_count),
            seconds=next(self.seconds),
            data_seconds=self.data_seconds,
            cpu_seconds=self.cpu_seconds,
            steps_per_call=1,
            peak_memory_bytes=123 * MEGABYTE,
        )

    def _evaluate(self) -> Evaluated:
        return self.tested

    def _params(self) -> Arrays:
        return {n: np.full_like(array, self.bias) for n, array in self.data["initial"].items()}

    def _state(self) -> Arrays:
        return {}

    def _fingerprint(self, order: Array) -> str:
        return SHA256

    def _batch(self, index: Array) -> tuple[Array, Array]:
        features = len(self.data["initial"]["output.weight"])
        images = np.zeros((len(index), features), self.plan["dtype"])
        return images, np.zeros(len(index), np.int32)

    def _logits(self, params: Arrays, images: Array, compiled: bool) -> Array:
        return np.zeros((len(images), OUTPUTS), images.dtype)

    def _gradient(self, logits: Array, labels: Array, compiled: bool) -> tuple[Array, Array]:
        return np.zeros((), logits.dtype), np.zeros_like(logits)

    def _backward(self, params: Arrays, images: Array, dlogits: Array, compiled: bool) -> Arrays:
        return {name: np.zeros_like(array) for name, array in params.items()}

    def _gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool
    ) -> tuple[Array, Array, Arrays]:
        logits = self._logits(params, images, compiled)
        return np.zeros((), images.dtype), logits, self._backward(params, images, logits, compiled)

    def _update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool
    ) -> tuple[Arrays, Arrays]:
        return params, state

    def _correct(self, logits: Array, labels: Array, compiled: bool) -> int:
        return 0

    def _component_seconds(self, index: Array) -> dict[str, float]:
        return {"forward": 1e-4, "loss": 2e-4}

    def _infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        return Inferred(np.full(min(calls, 4), next(self.seconds)), self.cpu_seconds)

    def _predict(self) -> Array:
        return self.classes

    def close(self, *, at_once: bool = False) -> None:
        self.closed.append(at_once)


class Repeating(LocalSession):
    """NumPy that trains on one batch of every call twice, if the call has so many whole batches.

    Args:
        batch: which one, counted from 1.
    """

    def __init__(self, batch: int) -> None:
        super().__init__("numpy")
        self._batch = batch

    def _run(self, order: Array) -> tuple[Array, Array]:
        end = self._batch * self._plan["batch_size"]
        if len(order) >= end:
            order = np.concatenate([order[:end], order[end - self._plan["batch_size"] :]])
        return super()._run(order)


def copy_backend(folder: Path, name: str, source: str = "numpy", **appended: str) -> Path:
    """Copy a backend's folder to folder/name and append code to its files.

    Args:
        folder: for `--backend-path`; made if need be.
        name: of the copy.
        source: which backend.
        appended: component (`init` for the INFO's file) -> code; a function defined again
            stands in for the original.

    Returns:
        folder/name.
    """
    copy = folder / name
    shutil.copytree(
        ROOT / "backends" / source, copy, ignore=shutil.ignore_patterns("__pycache__", ".*")
    )
    for component, code in appended.items():
        path = copy / ("__init__.py" if component == "init" else f"{component}.py")
        assert path.is_file(), path
        path.write_text(f"{path.read_text(encoding='utf-8')}\n\n{code}\n", encoding="utf-8")
    return copy


RAISES = """
def correct(logits, labels):
    raise ValueError("boom [red] <b>\\nand a second line")
"""

EXITS = """
import os


def correct(logits, labels):
    os._exit(3)
"""

ABORTS = """
import os


def correct(logits, labels):
    os.abort()
"""

HANGS = """
def correct(logits, labels):
    while True:
        pass
"""

#: Writes its child's process id to a file named `child` beside the component.
HANGS_WITH_CHILD = """
import pathlib
import subprocess
import sys


def correct(logits, labels):
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    child = subprocess.Popen(sleep)
    whole = pathlib.Path(__file__).with_name("child")
    part = whole.with_name("part")
    part.write_text(str(child.pid))
    part.rename(whole)
    while True:
        pass
"""

NOISY = """
import os
import sys

_quiet = correct


def correct(logits, labels):
    print("printed to stdout")
    print("printed to stderr", file=sys.stderr)
    os.write(1, b"written to descriptor 1\\n")
    os.write(2, b"written to descriptor 2\\n")
    return _quiet(logits, labels)
"""

#: A learning rate one part in a thousand too large.
HASTY = """
_right = sgd_scratch


def sgd_scratch(params, lr, momentum, decay):
    return _right(params, lr * 1.001, momentum, decay)
"""

#: The labels of every batch are those of the next class.
SHIFTED = """
_as_it_is = take


def take(data, index):
    images, labels = _as_it_is(data, index)
    return images, (labels + 1) % 10
"""

#: Logits a hundredth of a percent too large.
STRETCHED = """
_as_it_is = softmax_scratch


def softmax_scratch(params):
    forward = _as_it_is(params)

    def stretched(params, images):
        return forward(params, images) * images.dtype.type(1.0001)

    stretched.backward = forward.backward
    return stretched
"""

#: The loss summed over the batch, and its gradient.
SUMMED = """
_mean, _slope = cross_entropy_scratch, cross_entropy_derivative


def cross_entropy_scratch(logits, labels):
    return _mean(logits, labels) * len(labels)


def _summed_slope(logits, labels):
    return _slope(logits, labels) * len(labels)


cross_entropy_scratch.derivative = _summed_slope
"""

#: One more right than there are.
GENEROUS = """
_as_it_is = correct


def correct(logits, labels):
    return _as_it_is(logits, labels) + 1
"""

#: The loss divided by the largest batch so far instead of by this one: right until the short one.
BY_LARGEST = """
_mean, _slope, _largest = cross_entropy_scratch, cross_entropy_derivative, [0]


def _share(labels):
    _largest[0] = max(_largest[0], len(labels))
    return np.float32(len(labels) / _largest[0])


def cross_entropy_scratch(logits, labels):
    return _mean(logits, labels) * _share(labels)


def _shared_slope(logits, labels):
    return _slope(logits, labels) * _share(labels)


cross_entropy_scratch.derivative = _shared_slope
"""

#: The gradient doubled from step 5 on.
LATE = """
_as_it_is = step


def step(gradients, update, correct):
    made = [0]

    def doubled(params, grads, state):
        made[0] += 1
        factor = np.float32(2 if made[0] >= 5 else 1)
        return update(params, {n: factor * g for n, g in grads.items()}, state)

    return _as_it_is(gradients, doubled, correct)
"""

#: The short last batch is left out.
DROPS_LAST = """
_as_it_is = epoch


def epoch(step, data, mode, batch_size):
    whole = _as_it_is(step, data, mode, batch_size)

    def run(params, state, order):
        return whole(params, state, order[: len(order) // batch_size * batch_size])

    run.steps_per_call = whole.steps_per_call
    return run
"""

#: The learning rate is rounded to float32, which a run in float32 cannot tell.
ROUNDED_RATE = """
_as_it_is = sgd_scratch


def sgd_scratch(params, lr, momentum, decay):
    return _as_it_is(params, float(np.float32(lr)), momentum, decay)
"""

#: An INFO with a difference by design: Adam's eps, as MindSpore's nn.Adam has it.
LEDGER = """
import dataclasses

from common.contract.info import Declared

_DECLARED = Declared(
    function="adam_scratch",
    dtypes=("float32",),
    rule="adam",
    bound="as large as eps",
    reason="eps before the bias correction",
    version="1.26.4",
)
INFO = dataclasses.replace(INFO, declared=(_DECLARED,))
"""

#: The update of that difference.
UNSCALED_EPS = """
def adam_scratch(params, lr, betas, eps, decay):
    from . import declared

    return declared.adam(params, lr, betas, eps, decay)
"""

#: An INFO that wants a distribution nobody has.
NOT_INSTALLED = """
import dataclasses

INFO = dataclasses.replace(INFO, packages=("numpy", "no-such-distribution-9f3c"), extra="torch")
"""


def alive(pid: int) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def cpu_seconds(pid: int) -> float:
    """User and system time a process has used, with the children it waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Process ids of a process's direct children."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == pid:
                found.append(int(folder.name))
    return found
