"""An entrant that trains in several processes: each takes its share of every batch.

The processes are equal, and each has a pipe of its own to here: what they should all have alike,
parameters and reduced gradients, is held against one another bit by bit, wherever it is asked for.
What they have in parts, a batch and its loss, is put together again. They meet in their
framework's own way, and only there are gradients reduced. No launcher starts them: those of the
frameworks put each process into a session of its own, where it would outlive this one.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.models import MODELS
from common.contract.precision import held
from common.entrants.digests import digest_of
from common.entrants.session import Evaluated, Inferred, Opened, Session, Trained, WarmedUp
from common.errors import EntrantError, Failed, Killed, TimedOut

#: So long the others may take to say why they ended, too, once one has, seconds.
_GRACE = 2.0


#: Why `infer` has nothing to time.
ONE_ANSWERS = "several devices train here, and one answers: time the entrant without them"

#: What a call returns.
T = TypeVar("T")

#: Where ranks may part, in the order in which one leads to the next.
STAGES = ("data", "start", "gradient", "update")


class Part(Session, Protocol):
    """A process's session: it can be ended while another thread waits for its answer."""

    def end(self) -> None:
        """End the process and its children at once."""


@dataclass(frozen=True)
class Apart:
    """The first thing that the processes should have had alike, and had not.

    Attributes:
        stage: one of `STAGES`.
        tensor: its name.
        index, value, first: the first element that differs; of the other process, and of rank 0.
        words: the cause.
        confirm: how to make sure.
    """

    stage: str
    tensor: str
    index: tuple[int, ...]
    value: float
    first: float
    words: str
    confirm: str


class ParallelSession:
    """Several processes that train one model.

    Args:
        parts: a session for each, rank 0 first.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts, self._ranks = parts, len(parts)
        self._least = self._ranks
        self._pool = ThreadPoolExecutor(self._ranks)
        #: what was not alike in all of them, the first time, by stage
        self._apart: dict[str, Apart] = {}

    @property
    def apart(self) -> Apart | None:
        """What was not alike in all of them; of several things the one that others come of."""
        return next((self._apart[stage] for stage in STAGES if stage in self._apart), None)

    def _all(self, call: Callable[[Part], Any]) -> list[Any]:
        """Ask every process at once: each may wait for the others.

        Raises:
            EntrantError: one failed; its rank is named, and the others are ended.
        """
        futures = [self._pool.submit(call, part) for part in self._parts]
        wait(futures, return_when=FIRST_EXCEPTION)
        if not all(future.done() and not future.exception() for future in futures):
            wait(futures, _GRACE)
            failed = {r: f.exception() for r, f in enumerate(futures) if f.done()}
            for part in self._parts:
                part.end()
            wait(futures)
            raise reason({rank: error for rank, error in failed.items() if error is not None})
        return [future.result() for future in futures]

    def _note(self, apart: Apart) -> None:
        self._apart.setdefault(apart.stage, apart)

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """As `Session.open`; the threads are divided among the processes."""
        self._plan, self._apart = plan, {}
        part = {**plan, "threads": max(1, plan["threads"] // self._ranks)}
        opened: list[Opened] = self._all(lambda one: one.open(part, choices, data))
        return replace(
            opened[0],
            import_seconds=max(one.import_seconds for one in opened),
            open_seconds=max(one.open_seconds for one in opened),
            framework_memory_bytes=total([one.framework_memory_bytes for one in opened]),
        )

    def warm_up(self, order: Array) -> WarmedUp:
        """As `Session.warm_up`.

        Raises:
            Failed: the last batch leaves a process without any example.
        """
        last = len(order) % self._plan["batch_size"] or self._plan["batch_size"]
        if last < self._least:
            raise Failed(
                f"a batch of {last} cannot be shared by {self._ranks} processes; choose another "
                "--batch-size, or --drop-last"
            )
        warmed = self._all(lambda one: one.warm_up(order))
        seconds = [one.compile_seconds for one in warmed]
        return WarmedUp(
            max(one.first_step_seconds for one in warmed),
            None if None in seconds else max(seconds),
        )

    def initial(self, seed: int) -> Arrays:
        """As `Session.initial`."""
        return self._one(lambda one: one.initial(seed))

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """As `Session.load`; what each process then has is looked at."""
        self._all(lambda one: one.load(params, state))
        self._hold(
            "start",
            lambda one: one.params(),
            "rank {} starts from other parameters than rank 0: {}",
            "print the sum of each parameter on each rank before the first step",
        )

    def train(self, order: Array) -> Trained:
        """As `Session.train`: mean loss and number correct of all, the time of the slowest."""
        trained = self._all(lambda one: one.train(order))
        if len({len(one.losses) for one in trained}) > 1:
            steps = ", ".join(str(len(one.losses)) for one in trained)
            raise Failed(f"its processes made different numbers of steps: {steps}")
        self._hold(
            "update",
            lambda one: {**one.params(), **one.state()},
            "the parameters of rank {} are not those of rank 0 after training: {}",
            "hold the gradients of both ranks, then their learning rates, against each other",
        )
        first: Trained = trained[0]
        return replace(
            first,
            losses=self._mean([one.losses for one in trained]),
            counts=self._sum([one.counts for one in trained]),
            seconds=max(one.seconds for one in trained),
            cpu_seconds=total([one.cpu_seconds for one in trained]),
            peak_memory_bytes=total([one.peak_memory_bytes for one in trained]),
        )

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """As `Session.gradients`, reduced: they must be the same bits in all processes."""
        found = self._all(lambda one: one.gradients(params, images, labels, compiled))
        first: Arrays = found[0][2]
        odd = {r: names for r, one in enumerate(found) if (names := unlike(first, one[2]))}
        for rank, names in odd.items():
            whole = len(names) == len(first)
            what = "no gradient is" if whole else f"the gradient of {', '.join(names)} is not"
            self._note(
                apart_at(
                    "gradient",
                    names[0],
                    first,
                    found[rank][2],
                    f"{what} reduced: rank {rank} has another than rank 0",
                    "print one gradient on both ranks after the backward pass",
                )
            )
        value = self._mean([one[0] for one in found])
        return value, self._rows("logits", [one[1] for one in found]), first

    def batch(self, index: Array) -> tuple[Array, Array]:
        """As `Session.batch`, put together of what the processes take."""
        images, labels = zip(*self._all(lambda one: one.batch(index)), strict=True)
        self._hold_shares(index, labels)
        return self._rows("batch", images), self._rows("batch", labels)

    def _hold_shares(self, index: Array, labels: Sequence[Array]) -> None:
        """Note where a process takes another share of a batch than every N-th example."""
        for rank, share in enumerate(labels):
            right = len(range(rank, len(index), self._ranks))
            if len(share) != right:
                words = f"rank {rank} takes {len(share)} of {len(index)} examples, not {right}"
                if len(share) > right:
                    words += ": its sampler repeats some, so that all ranks have as many"
                confirm = "count the examples that each rank sees in an epoch"
                shape = float(len(share)), float(right)
                self._note(Apart("data", "labels", (), *shape, words, confirm))

    # What the processes have in parts.

    def _mean(self, losses: Sequence[Array]) -> Array:
        return mean(losses)

    def _sum(self, counts: Sequence[Array]) -> Array:
        whole: Array = np.sum(counts, axis=0)
        return whole

    def _rows(self, name: str, parts: Sequence[Array]) -> Array:
        return interleaved(parts)

    def fingerprint(self, order: Array) -> str:
        """As `Session.fingerprint`."""
        size, plan = self._plan["batch_size"], self._plan
        kind = "<i4" if MODELS[plan["model"]].classifies else held(plan["dtype"])
        starts = range(0, len(order), size)
        batches = (self.batch(order[start : start + size]) for start in starts)
        return digest_of(batches, np.dtype(kind))

    def _hold(self, stage: str, ask: Callable[[Part], Arrays], words: str, confirm: str) -> None:
        """Note where a process has other arrays than rank 0."""
        first, *others = self._all(ask)
        for rank, other in enumerate(others, 1):
            if names := unlike(first, other):
                told = words.format(rank, ", ".join(names))
                self._note(apart_at(stage, names[0], first, other, told, confirm))

    # What is the same in every process.

    def _one(self, call: Callable[[Part], T]) -> T:
        """Ask rank 0."""
        return call(self._parts[0])

    def evaluate(self) -> Evaluated:
        """As `Session.evaluate`: rank 0 measures the whole test set, as one process does."""
        return self._one(lambda one: one.evaluate())

    def params(self) -> Arrays:
        """As `Session.params`."""
        return self._one(lambda one: one.params())

    def state(self) -> Arrays:
        """As `Session.state`."""
        return self._one(lambda one: one.state())

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """As `Session.logits`."""
        return self._one(lambda one: one.logits(params, images, compiled))

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """As `Session.gradient`."""
        return self._one(lambda one: one.gradient(logits, labels, compiled))

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """As `Session.backward`."""
        return self._one(lambda one: one.backward(params, images, dlogits, compiled))

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """As `Session.update`."""
        return self._one(lambda one: one.update(params, grads, state, compiled))

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """As `Session.correct`."""
        return self._one(lambda one: one.correct(logits, labels, compiled))

    def component_seconds(self, index: Array) -> dict[str, float]:
        """As `Session.component_seconds`: nothing, for a part of a batch is another's work."""
        return {}

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """As `Session.infer`: a model that answers is one process's."""
        raise Failed(ONE_ANSWERS)

    def predict(self) -> Array:
        """As `Session.predict`."""
        return self._one(lambda one: one.predict())

    def close(self, *, at_once: bool = False) -> None:
        """As `Session.close`."""
        # Rank 0 last: where the others meet by it, they would end as if it had died.
        for part in reversed(self._parts):
            part.close(at_once=at_once)
        self._pool.shutdown(wait=False)


def reason(failed: Mapping[int, BaseException]) -> BaseException:
    """Why an entrant ended, by what its ranks say: one that died before those that missed it."""
    for kind in (Killed, TimedOut, EntrantError):
        alike = {rank: error for rank, error in failed.items() if isinstance(error, kind)}
        # Who missed another may have ended itself; who was ended did not.
        ended = {r: e for r, e in alike.items() if getattr(e, "signal", None) != signal.SIGABRT}
        if alike := ended or alike:
            named = " and ".join(f"rank {rank}" for rank in alike)
            error = next(iter(alike.values()))
            return type(error)(f"{named}: {error}")
    return next(iter(failed.values()))


def interleaved(parts: Sequence[Array]) -> Array:
    """Rows r, r + N, r + 2 N, ... of part r; of parts that do not fit so, one after the other."""
    ranks, rows = len(parts), sum(map(len, parts))
    if any(len(part) != len(range(r, rows, ranks)) for r, part in enumerate(parts)):
        return np.concatenate(parts)
    whole = np.empty((rows, *parts[0].shape[1:]), parts[0].dtype)
    for rank, part in enumerate(parts):
        whole[rank::ranks] = part
    return whole


def mean(values: Sequence[Array]) -> Array:
    """The mean over the processes, in the dtype they have."""
    found: Array = np.mean(values, axis=0, dtype="float64").astype(values[0].dtype)
    return found


def total(numbers: Sequence[Any]) -> Any:
    """Their sum; None if one of them is not known."""
    return None if None in numbers else sum(numbers)


def unlike(one: Arrays, other: Arrays) -> list[str]:
    """Names of the arrays that are not the same bits."""
    return [name for name in one if one[name].tobytes() != other[name].tobytes()]


def apart_at(
    stage: str, name: str, first: Arrays, other: Arrays, words: str, confirm: str
) -> Apart:
    """Where two arrays differ first."""
    one, two = first[name], other[name]
    odd = np.argwhere(one != two)
    index = tuple(int(i) for i in odd[0]) if len(odd) else (0,) * one.ndim
    return Apart(stage, name, index, float(two[index]), float(one[index]), words, confirm)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
