"""A session whose answers are read where they arrive, however they get here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from common.contract.arrays import Array, Arrays
from common.entrants import answers
from common.entrants.session import Evaluated, Inferred, Opened, Session, Trained, WarmedUp


class CheckedSession(ABC):
    """A session over somebody who may answer anything; see `common.entrants.answers`.

    Whoever carries the calls defines `_call` and `close`.
    """

    #: The parameters training begins with; their names and shapes are those it must end with.
    _began: Arrays

    @abstractmethod
    def _call(self, name: str, *arguments: Any) -> Any:
        """Make a call of `Session`; its answer, as it came."""

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """As `Session.open`."""
        self._began = data["initial"]
        return answers.read(Opened, "open", self._call("open", plan, choices, data))

    def warm_up(self, order: Array) -> WarmedUp:
        """As `Session.warm_up`."""
        return answers.read(WarmedUp, "warm_up", self._call("warm_up", order))

    def initial(self, seed: int) -> Arrays:
        """As `Session.initial`."""
        return answers.params("initial", self._call("initial", seed), self._began)

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """As `Session.load`."""
        self._call("load", params, state)

    def train(self, order: Array) -> Trained:
        """As `Session.train`."""
        return answers.trained(self._call("train", order), len(order))

    def evaluate(self) -> Evaluated:
        """As `Session.evaluate`."""
        return answers.read(Evaluated, "evaluate", self._call("evaluate"))

    def params(self) -> Arrays:
        """As `Session.params`."""
        return answers.params("params", self._call("params"), self._began)

    def state(self) -> Arrays:
        """As `Session.state`."""
        return answers.memory("state", self._call("state"))

    def fingerprint(self, order: Array) -> str:
        """As `Session.fingerprint`."""
        return answers.digest("fingerprint", self._call("fingerprint", order))

    def batch(self, index: Array) -> tuple[Array, Array]:
        """As `Session.batch`."""
        found = self._call("batch", index)
        images, labels = answers.several("batch", found, answers.numbers, answers.numbers)
        return images, labels

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """As `Session.logits`."""
        return answers.real("logits", self._call("logits", params, images, compiled))

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """As `Session.gradient`."""
        found = self._call("gradient", logits, labels, compiled)
        value, dlogits = answers.several("gradient", found, answers.real, answers.real)
        return value, dlogits

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """As `Session.backward`."""
        found = self._call("backward", params, images, dlogits, compiled)
        return answers.tensors("backward", found)

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """As `Session.gradients`."""
        found = self._call("gradients", params, images, labels, compiled)
        readers = answers.real, answers.real, answers.tensors
        value, logits, grads = answers.several("gradients", found, *readers)
        return value, logits, grads

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """As `Session.update`."""
        found = self._call("update", params, grads, state, compiled)
        moved, memory = answers.several("update", found, answers.tensors, answers.memory)
        return moved, memory

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """As `Session.correct`."""
        return answers.count("correct", self._call("correct", logits, labels, compiled))

    def component_seconds(self, index: Array) -> dict[str, float]:
        """As `Session.component_seconds`."""
        found = self._call("component_seconds", index)
        return answers.table(answers.duration)("component_seconds", found)

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """As `Session.infer`."""
        return answers.inferred(self._call("infer", params, index, calls, within), calls)

    def predict(self) -> Array:
        """As `Session.predict`."""
        return answers.vector(answers.integers)("predict", self._call("predict"))


class CheckedHere(CheckedSession):
    """An entrant in this process.

    Args:
        session: who answers.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def _call(self, name: str, *arguments: Any) -> Any:
        return getattr(self._session, name)(*arguments)

    def close(self, *, at_once: bool = False) -> None:
        """As `Session.close`."""
        self._session.close(at_once=at_once)
