"""A session: one entrant, ready to train, wherever it runs.

The parent speaks `Session` only. Its carriers: `LocalSession` (in this process), `WorkerSession`
(a process of its own: runs) and a fake in the tests. Only arrays and plain values go in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Opened:
    """What `open` answers.

    Attributes:
        versions: distribution -> version, of what the entrant computes with.
        settings: what the framework says of itself, plain values.
        import_seconds, open_seconds: what it took.
        framework_memory_bytes: the peak before any data; None where that means nothing.
    """

    versions: dict[str, str]
    settings: dict[str, Any]
    import_seconds: float
    open_seconds: float
    framework_memory_bytes: int | None


@dataclass(frozen=True)
class WarmedUp:
    """What `warm_up` answers.

    Attributes:
        first_step_seconds: of the very first call, without compiling where that is known.
        compile_seconds: of all that was compiled; None where the framework does not tell.
    """

    first_step_seconds: float
    compile_seconds: float | None


@dataclass(frozen=True)
class Trained:
    """What `train` answers.

    Attributes:
        losses: (steps,) the mean loss of every batch, in the run's dtype.
        counts: (steps,) how many examples of it were right.
        seconds: until the parameters are there.
        data_seconds: of them, waiting for a loader; None without one.
        cpu_seconds: of all threads; None where other processes work, too.
        steps_per_call: how many steps one compiled call holds.
        peak_memory_bytes: of the process so far; None where it is not one process.
    """

    losses: Array
    counts: Array
    seconds: float
    data_seconds: float | None
    cpu_seconds: float | None
    steps_per_call: int
    peak_memory_bytes: int | None


@dataclass(frozen=True)
class Evaluated:
    """What `evaluate` answers: mean loss of the test set, number correct, seconds."""

    loss: float
    count: int
    seconds: float


@dataclass(frozen=True)
class Inferred:
    """What `infer` answers.

    Attributes:
        seconds: (calls,) of each call.
        cpu_seconds: of all threads, all together; None where other processes work, too.
    """

    seconds: Array
    cpu_seconds: float | None


class Session(Protocol):
    """What the parent can ask of an entrant; every call may raise `EntrantError`."""

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """Import the framework, place data and parameters; say versions and settings."""

    def warm_up(self, order: Array) -> WarmedUp:
        """Run and forget some steps, both batch sizes."""

    def initial(self, seed: int) -> Arrays:
        """Draw initial parameters as the framework's own layers do, who are told nothing."""

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """Set parameters and optimiser state (None: as before the first step)."""

    def train(self, order: Array) -> Trained:
        """Train along an order."""

    def evaluate(self) -> Evaluated:
        """Measure the test set."""

    def params(self) -> Arrays:
        """Fetch the parameters, neutral names, (in, out)."""

    def state(self) -> Arrays:
        """Fetch the optimiser's state."""

    def fingerprint(self, order: Array) -> str:
        """SHA-256 of the batches of an order as the framework holds them."""

    def batch(self, index: Array) -> tuple[Array, Array]:
        """Fetch one batch as the framework holds it."""

    # The components: arrays in, arrays out; op by op, or each compiled alone.

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """Component `model`, forwards."""

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """Component `loss`: its value and gradient in the logits."""

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """Component `model`, backwards: a gradient for every parameter."""

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """Model and loss differentiated as one: value, logits, a gradient for every parameter."""

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """Component `update`: parameters and state after it."""

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """Component `accuracy`."""

    def component_seconds(self, index: Array) -> dict[str, float]:
        """Time each component by itself on one batch; empty if that means nothing here."""

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """Time the model in evaluation mode, compiled where the entrant compiles.

        A call goes from an array of images in the host's memory to an array of logits there.

        Args:
            params: of the model.
            index: (batches, examples): what the calls are given in turn.
            calls: how many are made at most; one at least.
            within: seconds after which none is begun; None: all are made.
        """

    def predict(self) -> Array:
        """Choose a class for each test image: the largest logit, ties to the lowest index."""

    def close(self, *, at_once: bool = False) -> None:
        """End it, without waiting for what it does if `at_once`; no further call."""
