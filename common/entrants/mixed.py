"""A session put together from components: of several backends, or somebody's own functions.

Each step goes batch -> logits -> loss and its gradient -> back to the parameters -> update,
op by op, and every array crosses on the host. That is slow, and the point: a component can be
exchanged for another framework's, and the difference that goes with it is in that component.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant, mix_label, parse, slug_of
from common.contract.info import MIXABLE, MIXED, REFEREE, STYLES, Info
from common.contract.models import MODELS
from common.contract.registry import Backend
from common.entrants.components import timed
from common.entrants.examples import EVALUATION_BATCH, classes_of, mean_over_examples
from common.entrants.local import LocalSession
from common.entrants.session import Evaluated, Inferred, Opened, Session, Trained, WarmedUp
from common.errors import Refused


@dataclass(frozen=True)
class Parts:
    """The components as functions of arrays; `Session` says what each takes and returns.

    Attributes:
        batch, logits, gradient, backward, update, correct: the components.
        zero_state: the optimiser's state before the first step.
        gradients: model and loss differentiated as one, where that is not the sum of the parts.
    """

    batch: Callable[[Array], tuple[Array, Array]]
    logits: Callable[[Arrays, Array], Array]
    gradient: Callable[[Array, Array], tuple[Array, Array]]
    backward: Callable[[Arrays, Array, Array], Arrays]
    update: Callable[[Arrays, Arrays, Arrays], tuple[Arrays, Arrays]]
    correct: Callable[[Array, Array], int]
    zero_state: Callable[[], Arrays]
    gradients: Callable[[Arrays, Array, Array], tuple[Array, Array, Arrays]] | None = None


class ComposedSession:
    """A session whose steps are made here, component by component, once it has them."""

    _parts: Parts
    _params: Arrays
    _state: Arrays

    def compose(
        self, parts: Parts, batch_size: int, test: Callable[[], Iterator[tuple[Array, Array]]]
    ) -> None:
        """Take the components.

        Args:
            parts: the components.
            batch_size: examples in a batch.
            test: the test set, if there is one, in batches of (images, labels).
        """
        self._parts, self._batch_size, self._test = parts, batch_size, test

    def warm_up(self, order: Array) -> WarmedUp:
        """Make the first step once."""
        first = self.train(order[: self._batch_size]).seconds
        return WarmedUp(first_step_seconds=first, compile_seconds=None)

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """As `Session.load`."""
        self._params = dict(params)
        self._state = dict(self._parts.zero_state() if state is None else state)

    def train(self, order: Array) -> Trained:
        """As `Session.train`."""
        losses, counts = [], []
        started = time.perf_counter()
        for start in range(0, len(order), self._batch_size):
            images, labels = self.batch(order[start : start + self._batch_size])
            value, logits, grads = self.gradients(self._params, images, labels)
            counts.append(self._parts.correct(logits, labels))
            self._params, self._state = self._parts.update(self._params, grads, self._state)
            losses.append(value)
        return Trained(
            losses=np.array(losses),
            counts=np.array(counts),
            seconds=time.perf_counter() - started,
            data_seconds=None,
            cpu_seconds=None,
            steps_per_call=1,
            peak_memory_bytes=None,
        )

    def evaluate(self) -> Evaluated:
        """As `Session.evaluate`."""
        started, losses, count, examples = time.perf_counter(), [], 0, 0
        for images, labels in self._test():
            logits = self._parts.logits(self._params, images)
            losses.append(self._parts.gradient(logits, labels)[0])
            count += self._parts.correct(logits, labels)
            examples += len(labels)
        loss = mean_over_examples(np.array(losses), examples, EVALUATION_BATCH)
        return Evaluated(loss, count, time.perf_counter() - started)

    def params(self) -> Arrays:
        """As `Session.params`."""
        return dict(self._params)

    def state(self) -> Arrays:
        """As `Session.state`."""
        return dict(self._state)

    def fingerprint(self, order: Array) -> str:
        """As `Session.fingerprint`."""
        sha = hashlib.sha256()
        for start in range(0, len(order), self._batch_size):
            images, labels = self.batch(order[start : start + self._batch_size])
            kind = "<i4" if labels.dtype.kind in "iu" else labels.dtype
            sha.update(images.tobytes())
            sha.update(labels.astype(kind).tobytes())
        return sha.hexdigest()

    def batch(self, index: Array) -> tuple[Array, Array]:
        """As `Session.batch`."""
        return self._parts.batch(index)

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """As `Session.logits`."""
        return self._parts.logits(params, images)

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """As `Session.gradient`."""
        return self._parts.gradient(logits, labels)

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """As `Session.backward`."""
        return self._parts.backward(params, images, dlogits)

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """As `Session.gradients`: one after the other, unless the parts do it at once."""
        if self._parts.gradients is not None:
            return self._parts.gradients(params, images, labels)
        logits = self._parts.logits(params, images)
        value, dlogits = self._parts.gradient(logits, labels)
        return value, logits, self._parts.backward(params, images, dlogits)

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """As `Session.update`."""
        return self._parts.update(params, grads, state)

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """As `Session.correct`."""
        return self._parts.correct(logits, labels)

    def component_seconds(self, index: Array) -> dict[str, float]:
        """None: they are several frameworks', whose entrants are timed by themselves."""
        return {}

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """As `Session.infer`, op by op."""
        batches = [self.batch(row)[0] for row in index]
        return timed(partial(self._parts.logits, params), batches, calls, within)

    def predict(self) -> Array:
        """As `Session.predict`."""
        parts = [self._parts.logits(self._params, images) for images, _ in self._test()]
        chosen: Array = classes_of(np.concatenate(parts))
        return chosen


class MixedSession(ComposedSession):
    """An entrant whose components come from several backends, each in its own process.

    Args:
        sessions: component -> session; components without one are the referee's, here.
        styles: component -> the style it is opened with.
    """

    def __init__(self, sessions: Mapping[str, Session], styles: Mapping[str, str]) -> None:
        self._sessions, self._styles = dict(sessions), dict(styles)
        self._referee = LocalSession(REFEREE)

    def initial(self, seed: int) -> Arrays:
        """As `Session.initial`: as whose model it is."""
        return self._sessions.get("model", self._referee).initial(seed)

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """Open every session, all at once, and put their components together."""
        started = time.perf_counter()
        here = {"style": "scratch", "mode": "eager", "data": "memory"}
        self._referee.open({**plan, "device": "cpu"}, here, data)

        def open_(name: str) -> Opened:
            theirs = {**here, "style": self._styles[name]}
            return self._sessions[name].open(plan, theirs, data)

        # One session may serve several components; it is opened once.
        names = list({id(session): name for name, session in self._sessions.items()}.values())
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            opened = list(pool.map(open_, names))
        of = {name: self._sessions.get(name, self._referee) for name in MIXABLE}
        parts = Parts(
            of["data"].batch,
            of["model"].logits,
            of["loss"].gradient,
            of["model"].backward,
            of["update"].update,
            of["accuracy"].correct,
            lambda: {n: np.zeros_like(array) for n, array in of["update"].state().items()},
        )
        self.compose(parts, plan["batch_size"], self._referee.test_batches)
        self.load(data["initial"])
        return Opened(
            versions={name: v for one in opened for name, v in one.versions.items()},
            settings={},
            import_seconds=max((one.import_seconds for one in opened), default=0.0),
            open_seconds=time.perf_counter() - started,
            framework_memory_bytes=None,
        )

    def close(self, *, at_once: bool = False) -> None:
        """Close them all."""
        for session in {id(session): session for session in self._sessions.values()}.values():
            session.close(at_once=at_once)


@dataclass(frozen=True)
class Mix:
    """What `--mix` asks for.

    Attributes:
        chosen: component -> entrant of the backend it comes from.
        entrant: the row it makes.
        backend: what stands for its backend.
    """

    chosen: dict[str, Entrant]
    entrant: Entrant
    backend: Backend


def parse_mix(
    text: str, available: Mapping[str, Backend], style: str, trained: str | None = None
) -> Mix:
    """Read `COMPONENT=BACKEND[:STYLE],...`, for instance model=torch,loss=jax,update=mindspore.

    Args:
        text: as written.
        available: the backends.
        style: of those that do not say.
        trained: the model; None: any.

    Raises:
        Refused: a model that normalises by the batch, an unknown component or backend, or one
            named twice.
    """
    if trained in MODELS and MODELS[trained].statistics:
        raise Refused(
            f"--mix {text}: {trained} has other logits in training than in evaluation, and a mixed "
            "entrant takes those of one; choose a model without batch normalisation"
        )
    chosen: dict[str, Entrant] = {}
    for pair in text.split(","):
        component, equals, backend = pair.partition("=")
        if not equals or component not in MIXABLE:
            raise Refused(
                f"--mix {text}: {pair!r} is not COMPONENT=BACKEND with one of {', '.join(MIXABLE)}"
            )
        if component in chosen:
            raise Refused(f"--mix {text}: {component} is named twice")
        (chosen[component],) = parse([backend], available, style=style)
        other = [word for word in backend.split(":", 1)[-1].split(",") if word not in STYLES]
        if ":" in backend and other:
            raise Refused(
                f"--mix {text}: {component} runs op by op on arrays from memory; of the words in "
                f"{backend!r} only a style, {' or '.join(STYLES)}, goes with it"
            )
    rest = [name for name in MIXABLE if name not in chosen]
    notes = [f"{name} of {entrant.label}" for name, entrant in chosen.items()]
    if rest:
        notes.append(f"{', '.join(rest)} of the referee, in the run's dtype")
    own = [f"{name}: {note}" for name, one in chosen.items() for note in one.notes]
    label = mix_label(text)
    infos = [available[entrant.backend].info for entrant in chosen.values()]
    model, loss, update = (chosen.get(name) for name in ("model", "loss", "update"))
    referee = available[REFEREE]
    info = Info(
        title="mixed",
        packages=tuple(dict.fromkeys(p for one in infos for p in one.packages)),
        extra=None,
        usual_mode="eager",
        modes=("eager",),
        exp_error=(available[loss.backend] if loss else referee).info.exp_error,
        function_errors=(available[model.backend] if model else referee).info.function_errors,
        declared=(available[update.backend] if update else referee).info.declared,
    )
    folder = available[update.backend].folder if update else referee.folder
    style = update.style if update else "scratch"
    entrant = Entrant(
        label, slug_of(label), MIXED, style, "eager", "memory", notes=(", ".join(notes), *own)
    )
    return Mix(chosen, entrant, replace(referee, name=MIXED, info=info, folder=folder))
