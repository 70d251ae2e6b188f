"""Check a port of your own, from Python: the verdicts of `compare.py` for your functions.

    from common.check import Port, check

    report = check(
        Port("jax", forward=my_forward, loss=my_loss),
        Port("torch", forward=their_forward, loss=their_loss),
        params=params, images=images, labels=labels,
    )
    print(report)

The functions follow the contract of `backends/` in their framework's own tensors, and take the
parameters under your names, in your layout; docs/checking-a-port.md has a complete example.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from common.agreement.band import Band
from common.agreement.diagnose import Diagnosis, Patient, diagnose
from common.agreement.judge import Bench, judge
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.agreement.verdict import Verdict, undecided
from common.contract.arrays import Array, Arrays, cast
from common.contract.entrant import Entrant, why_absent
from common.contract.info import DTYPES, MODES
from common.contract.labels import MAX_LABEL, check_classes, check_targets
from common.contract.models import MODELS, Model
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.registry import Backend, find
from common.data import draws
from common.entrants.local import LocalSession
from common.errors import Refused
from common.measure.machine import available_cores


@dataclass(frozen=True)
class Port:
    """Somebody's own functions, in one framework.

    Attributes:
        framework: the backend whose tensors they take, "torch" for instance.
        forward: (params, images) -> logits (n, classes), or predictions (n, 1).
        loss: (logits, labels) -> the batch's mean, a scalar.
        update: (params, lr, momentum, decay) -> state, update(params, grads, state) -> params,
            state; None: the backend's own.
        correct: (logits, labels) -> how many are right; None: the backend's own.
    """

    framework: str
    forward: Callable[[Any, Any], Any]
    loss: Callable[[Any, Any], Any]
    update: Callable[..., Any] | None = None
    correct: Callable[[Any, Any], Any] | None = None


class PortSession(LocalSession):
    """Somebody's functions in the harness of their framework's backend."""

    def __init__(self, port: Port) -> None:
        super().__init__(port.framework)
        self._port = port

    def _choose(self, plan: dict[str, Any], choices: dict[str, Any]) -> None:
        """Take the port's functions for the backend's."""
        port, backend = self._port, self._import
        update = backend("update")
        # From the formulas: a framework's own may follow a rule of its own.
        own = getattr(update, f"{OPTIMIZERS[plan['optimizer']].function}_scratch")
        registered = MODELS.get(plan["model"])
        self._classifies = registered.classifies if registered else plan["model"] != REGRESSION
        self._outputs = MAX_LABEL + 1
        accuracy = backend("accuracy")
        self._make_forward = lambda params: port.forward
        self._loss_of = port.loss
        self._make_update = port.update or own
        counts = port.correct or accuracy.correct
        self._count = counts if self._classifies else accuracy.uncounted
        # A backend turns (in, out) into its own layout and back; a port has its own already.
        model = backend("model")
        self._model = SimpleNamespace(
            load=lambda arrays, device: model.load(turned(arrays), device),
            assign=lambda params, arrays: model.assign(params, turned(arrays)),
            dump=lambda params: turned(model.dump(params)),
            backward=model.backward,
        )
        self._update = SimpleNamespace(
            assign_state=lambda state, arrays: update.assign_state(state, turned(arrays)),
            dump_state=lambda state: turned(update.dump_state(state)),
        )

    def close(self, *, at_once: bool = False) -> None:
        """As `LocalSession.close`."""
        port = self._port
        super().close(at_once=at_once)
        self._port = port


def turned(arrays: Arrays) -> Arrays:
    """Every matrix transposed, in memory of its own."""
    return {name: np.array(array.T, order="C") for name, array in arrays.items()}


_NUMBERS = itertools.count(1)

#: What a plan calls a port that is none of the registered models.
CLASSIFICATION, REGRESSION = "port", "port of a regression"


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        verdict: as in results.json.
        diagnosis: the first step that is wrong, if any, and every check of the components.
        seconds: how long it took.
    """

    verdict: Verdict
    diagnosis: Diagnosis
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether only rounding differs."""
        return self.verdict.verdict in ("rounding", "declared")

    def __str__(self) -> str:
        """The verdict, where it parts and why, and how far each tensor is off."""
        from common.report import diagnosis_text

        return f"{self.verdict.verdict}\n{diagnosis_text('the port', self.diagnosis)}"


def check(
    port: Port | str | Path,
    reference: Port | None = None,
    *,
    params: Arrays,
    images: Array,
    labels: Array,
    model: str | None = None,
    style: str = "concise",
    mode: str = "eager",
    dtype: str = "float32",
    optimizer: str = "sgd",
    lr: float = 0.1,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    batch_size: int = 32,
    epochs: int = 2,
    seed: int = 0,
) -> Report:
    """Train a port along the referee's path and say whether it agrees, or where it parts.

    Args:
        port: functions, or the name or the folder of a backend that follows the contract.
        reference: what is ported, computing in the dtype it is given; None: the NumPy referee,
            for a registered model, whose parameters have the names and layout of `docs/`.
        params: initial values, under the names and in the layout both functions expect.
        images: (N, features), numbers; bytes are pixels and divided by 255.
        labels: (N,) classes, or (N, 1) targets of a regression.
        model: a registered one; needed without a reference.
        style: of a backend's functions, and of the update where the port has none.
        mode: "eager", "jit" or "fused".
        dtype, optimizer, lr, momentum, weight_decay, batch_size, epochs, seed: of the run.

    Returns:
        the report; `report.agrees` is the answer, `print(report)` the explanation.

    Raises:
        Refused: neither a model nor a reference, or a reference that computes in float32.
        BadLabel: labels that no loss could take.
    """
    started = time.perf_counter()
    if (reference is None) == (model is None):
        raise Refused("check needs either a registered model or a reference to hold it against")
    if model is not None and model not in MODELS:
        raise Refused(f"unknown model {model!r}; there are {', '.join(MODELS)}")
    for word, known in ((optimizer, OPTIMIZERS), (dtype, DTYPES), (mode, MODES)):
        if word not in known:
            raise Refused(f"unknown {word!r}; there are {', '.join(known)}")
    classifies = MODELS[model].classifies if model else labels.dtype.kind in "iu"
    if classifies:
        check_classes(labels, len(images))
    else:
        check_targets(labels, len(images))
    kind = CLASSIFICATION if classifies else REGRESSION
    plan = Plan(
        model=model or kind, optimizer=optimizer, lr=lr, momentum=momentum,
        weight_decay=weight_decay, epochs=epochs, batch_size=batch_size, seed=seed, dtype=dtype,
        device="cpu", threads=available_cores(), workers=0, hidden=0, drop_last=False, limit=None,
        resize=None, rounds=1,
    )  # fmt: skip
    start = cast(params, dtype)
    if images.dtype.kind == "f":
        images = images.astype(dtype)
    if kind == REGRESSION:
        labels = labels.astype(dtype)
    data = {"train": (images, labels), "initial": start}
    session, backend, style = opened_as(port, style, mode)
    declared = None if isinstance(port, Port) else backend.declared(style, plan)
    choices = {"style": style, "mode": mode, "data": "memory"}

    def reopen() -> None:
        session.open(plan.asdict(), choices, data)
        referee.claim()

    orders = [
        draws.order(seed, epoch, len(images), batch_size, drop_last=False)
        for epoch in range(epochs)
    ]
    schedule = Schedule(orders, batch_size)
    rule = backend.rule(declared) if declared else None
    referee = referee_of(plan, data, reference, rule)
    reopen()
    entrant = Entrant("port", "port", session.backend, style, mode, "memory")
    found = diagnose(Patient(entrant, backend.info, session, reopen), Track(referee, schedule))
    bench = Bench(referee, schedule)
    reopen()
    trained = [session.train(order) for order in orders]
    losses = [one["losses"] for one in trained]
    fingerprint = session.fingerprint(orders[0])
    verdict = judge(
        session,
        entrant,
        backend.info,
        losses,
        fingerprint,
        bench,
        trained[0]["steps_per_call"],
    )
    if undecided(verdict):
        joined = np.concatenate(losses)
        band = Band(bench, orders, start)
        repeats = band.settles(verdict, joined) or band.widen(session, joined)
        band.settle(verdict, joined, repeats=repeats)
    if declared is not None and verdict.verdict == "rounding":
        verdict.verdict, verdict.reason = "declared", declared.reason
    if found.difference is not None:
        verdict.differs(found.difference)
    elif verdict.first_difference is not None:
        found.difference = verdict.first_difference
    return Report(verdict, found, time.perf_counter() - started)


def opened_as(port: Port | str | Path, style: str, mode: str) -> tuple[LocalSession, Backend, str]:
    """A session for functions or for a backend, what it is a backend of, and a style it has."""
    folder = None
    if isinstance(port, Port):
        available, name = find(), port.framework
    else:
        folder, name = Path(port).resolve(), Path(port).name
        available = find(folder.parent if folder.is_dir() else None)
    if name not in available:
        raise Refused(f"unknown backend {name!r}; there are {', '.join(available)}")
    backend = available[name]
    if mode not in backend.info.modes:
        raise Refused(f"{name} has no {mode}: {why_absent(backend, mode)}")
    if style not in backend.info.styles:
        style = backend.info.styles[0]
    if not isinstance(port, Port):
        return LocalSession(name, package=imported(backend)), backend, style
    if "concise" not in backend.info.styles:
        raise Refused(f"{name} differentiates nobody's functions; name a framework that does")
    return PortSession(port), backend, style


def imported(backend: Backend) -> str:
    """The package of a backend; somebody's own under a new name, so that none is taken for it."""
    if not backend.external:
        return f"backends.{backend.name}"
    name = f"_checked_{next(_NUMBERS)}_{backend.name}"
    file = backend.folder / "__init__.py"
    where = [str(backend.folder)]
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=where)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return name


def referee_of(
    plan: Plan, data: dict[str, Any], reference: Port | None, rule: Callable[..., Any] | None
) -> Referee:
    """NumPy, or what is ported, in float64."""
    if reference is None:
        return Referee(plan, data, rule)
    described = Model(plan.model, {}, "", 0, plan.model == CLASSIFICATION, 0, 0, 0.0)
    referee = Referee(plan, data, model=described, make=lambda: PortSession(reference))
    first = data["train"][0][:1].astype("float64")
    logits = referee.exact.logits(cast(data["initial"], "float64"), first)
    if logits.dtype != np.float64:
        raise Refused(
            f"the reference computes {logits.dtype} from float64; it must keep the dtype it is "
            "given to be held against"
        )
    return referee
