"""Check a port of functions: the verdicts of `compare.py` for them.

    from compare import Port, check

    report = check(
        Port("jax", forward=my_forward, loss=my_loss),
        Port("torch", forward=their_forward, loss=their_loss),
        params=params, images=images, labels=labels,
    )
    print(report)

The functions follow the contract of `backends/` in their framework's own tensors, and take the
parameters under your names, in your layout; docs/checking-functions.md has a complete example.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.agreement.diagnose import Diagnosis, Patient, diagnose
from common.agreement.effective import in_effect
from common.agreement.parting import Parting
from common.agreement.probes import loss_factors, parted
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Track
from common.agreement.units import gradients_of
from common.agreement.verdict import Difference, Verdict
from common.check.reference import referee_of
from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant
from common.contract.given import Paths, as_array, as_arrays, as_labels, as_pixels, rebuilt
from common.contract.info import MODES, MODULE_DTYPES
from common.contract.labels import TARGET, check_classes, check_targets
from common.contract.models import MODELS, Model
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.precision import cast
from common.contract.registry import Backend, Rules
from common.entrants.port import (
    CLASSIFICATION,
    REGRESSION,
    Port,
    opened_as,
    raised_in,
    sees_parameters,
)
from common.entrants.session import Session
from common.entrants.trail import Trail
from common.errors import CompareError, Refused, one_line
from common.locale.phrases import told
from common.measure.machine import available_cores
from common.modules.functions import Parameters, side_of
from common.modules.inside import parting_of
from common.running.judging import NOT_RUN, Candidate, Judging, free_run_of
from common.running.roster import choices_of
from common.running.work import Orders, Work

#: So many examples are traced, operation by operation.
TRACED = 8


@dataclass(frozen=True)
class Report:
    """What `check` found.

    Attributes:
        verdict: as in results.json.
        diagnosis: the first step that is wrong, if any, and every check of the components.
        seconds: how long it took.
        parting: where a wrong forward pass parts from the original's; None where that is not
            certain.
    """

    verdict: Verdict
    diagnosis: Diagnosis
    seconds: float
    parting: Parting | None = None

    @property
    def agrees(self) -> bool:
        """Whether only rounding differs."""
        return self.verdict.verdict in ("rounding", "declared")

    def __str__(self) -> str:
        """The verdict, where it parts and why, and how far each tensor is off."""
        from common.shown.diagnosis import diagnosis_text

        inside = "" if self.parting is None else told(f"inside: {self.parting}\n")
        found = diagnosis_text(told("the port"), self.diagnosis)
        return f"{told(self.verdict.verdict)}\n{inside}{found}"


def check_functions(
    port: Port | str | Path,
    reference: Port | None = None,
    *,
    params: Mapping[str, Any],
    images: Any,
    labels: Any,
    model: str | None = None,
    style: str = "concise",
    mode: str = "eager",
    dtype: str = "float32",
    optimizer: str = "sgd",
    lr: float = 0.1,
    momentum: float = 0.0,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    alpha: float = 0.99,
    batch_size: int = 32,
    epochs: int = 2,
    seed: int = 0,
) -> Report:
    """Train a port along the referee's path and say whether it agrees, or where it parts.

    Args:
        port: functions, or the name or the folder of a backend that follows the contract.
        reference: what is ported, computing in the dtype it is given; None: the NumPy referee,
            for a registered model, whose parameters have the names and layout of `docs/`.
        params: initial values, under the names and in the layout both functions expect: a dict,
            name -> array, or a tree of dicts; arrays, lists or any framework's tensors.
        images: (N, ...), numbers, likewise; bytes are pixels and divided by 255,
            other integers are tokens.
        labels: (N,) classes, or floats: targets of a regression, (N, ...).
        model: a registered one; needed without a reference.
        style: of a backend's functions, and of the update where the port has none.
        mode: "eager", "jit" or "fused".
        dtype, optimizer, lr, momentum, weight_decay, betas, eps, alpha, batch_size, epochs,
            seed: of the run, as on the command line.

    Returns:
        the report; `report.agrees` is the answer, `print(report)` the explanation.

    Raises:
        Refused: neither a model nor a reference; what is no array of numbers; a function that
            takes other arguments or returns another shape; a reference that computes in float32,
            or answers at random.
        BadLabel: labels that no loss could take.
    """
    started = time.perf_counter()
    refuse_words(reference, model, optimizer, dtype, mode)
    refuse_several(images)
    arrays, paths = as_arrays(params)
    refuse_counts(arrays)
    images, labels = as_array("images", images), as_labels(labels)
    if not images.size:
        raise Refused(f"images have shape {images.shape}: no example is in them; give some")
    if paths is not None:
        port, reference = on_tree(port, paths), on_tree(reference, paths)
    classifies = MODELS[model].classifies if model else labels.dtype.kind in "iu"
    target = labels.shape[1:] if model is None else TARGET
    classes = 1 + int(labels.max(initial=0)) if classifies else 0
    if classifies:
        check_classes(labels, len(images), classes)
    else:
        check_targets(labels, len(images), target)
    if model is not None:
        refuse_shape(MODELS[model], images)
    kind = CLASSIFICATION if classifies else REGRESSION
    plan = Plan(
        model=model or kind, optimizer=optimizer, lr=lr, momentum=momentum,
        weight_decay=weight_decay, betas=betas, eps=eps, alpha=alpha, epochs=epochs,
        batch_size=batch_size, seed=seed, dtype=dtype, device="cpu", threads=available_cores(),
        workers=0, hidden=0, drop_last=False, limit=None, resize=None, rounds=1,
    )  # fmt: skip
    if images.dtype.kind == "f":
        images = images.astype(dtype)
    labels = labels.astype(dtype if kind == REGRESSION else "int64")
    data = {"train": (images, labels), "initial": cast(arrays, dtype), "classes": classes}
    data["target"] = target
    data["inputs"] = {"kind": "image" if images.ndim == 4 else "vector", "shape": images.shape[1:]}
    work = Work(plan, data, Orders(plan, len(images)), len(images), {}, None)
    session, backend, style = opened_as(port, style, mode)
    entrant = Entrant("port", "port", backend.name, style, mode, "memory")
    # A port's functions are its own; only a whole backend follows rules that it declares.
    judged = replace(backend, info=replace(backend.info, declared=()))
    judged = judged if isinstance(port, Port) else backend
    candidate = Candidate(entrant, judged, session, NOT_RUN)

    again = partial(
        check_functions, port, reference, params=arrays, images=images, labels=labels, model=model,
        style=style, mode=mode, dtype="float64", optimizer=optimizer, lr=lr, momentum=momentum,
        weight_decay=weight_decay, betas=betas, eps=eps, alpha=alpha, batch_size=batch_size,
        epochs=epochs, seed=seed,
    )  # fmt: skip
    exactly = partial(right_in_float64, backend, again)
    try:
        found, verdict, parting = examine(candidate, work, port, reference, exactly)
    except CompareError:
        raise
    except Exception as cause:
        if (whose := raised_in(cause)) is None:
            raise
        raise Refused(f"{whose} raised {one_line(cause)}") from cause
    return Report(verdict, found, time.perf_counter() - started, parting)


def right_in_float64(backend: Backend, ask: Callable[[], Report]) -> bool:
    """Whether the same in float64 is right, if it can be asked that."""
    if not backend.info.doubles:
        return False
    try:
        return ask().diagnosis.difference is None
    except Exception:
        # Somebody's functions, which have answered in float32: what was found there stays.
        return False


def on_tree(port: Any, paths: Paths) -> Any:
    """A port whose forward takes the tree that the parameters were given as."""
    if not isinstance(port, Port):
        return port
    forward, loss = port.forward, port.loss
    if sees_parameters(loss):
        port = replace(port, loss=lambda p, o, y: loss(rebuilt(p, paths), o, y))
    return replace(port, forward=lambda flat, images: forward(rebuilt(flat, paths), images))


def refuse_words(
    reference: Port | None, model: str | None, optimizer: str, dtype: str, mode: str
) -> None:
    """Refuse what `check` does not know."""
    if (reference is None) == (model is None):
        raise Refused("check needs either a registered model or a reference to hold it against")
    if model is not None and model not in MODELS:
        raise Refused(f"unknown model {model!r}; there are {', '.join(MODELS)}")
    if optimizer not in OPTIMIZERS:
        raise Refused(
            f"unknown {optimizer!r}; there are {', '.join(OPTIMIZERS)}, and any other one is given "
            "as update= of both Ports: (params, lr, momentum, decay) -> state, update"
        )
    for word, known in ((dtype, MODULE_DTYPES), (mode, MODES)):
        if word not in known:
            raise Refused(f"unknown {word!r}; there are {', '.join(known)}")


def refuse_counts(params: Arrays) -> None:
    """Refuse parameters that have no slope."""
    for name, array in params.items():
        if array.dtype.kind in "iub":
            raise Refused(
                f"params: {name} has dtype {array.dtype}, and what is trained are floats; leave "
                "counts and masks to the functions, or give the network itself without a Port"
            )


def refuse_shape(model: Model, images: Array) -> None:
    """Refuse images of which a model of pictures could not tell rows and columns, or too small."""
    if model.smallest is None:
        return
    height, width = model.smallest
    if images.ndim != 4 or images.shape[1] < height or images.shape[2] < width:
        raise Refused(
            f"{model.name} takes images (n, height, width, channels) of {height} x {width} pixels "
            f"or more; these have shape {images.shape}"
        )


def refuse_several(images: Any) -> None:
    """Refuse inputs of a forward that takes more than one."""
    if isinstance(images, Mapping) or (
        isinstance(images, tuple) and any(hasattr(one, "shape") for one in images)
    ):
        raise Refused(
            f"images is a {type(images).__name__}, and a Port's forward takes one array; hold the "
            "networks themselves against each other, modules instead of Ports: they take several"
        )


def examine(
    candidate: Candidate,
    work: Work,
    port: Any,
    reference: Port | None,
    exactly: Callable[[], bool],
) -> tuple[Diagnosis, Verdict, Parting | None]:
    """Diagnose a candidate step by step, then train it and judge it as a run does.

    Args:
        candidate: the port.
        work: what it is held on.
        port, reference: as given.
        exactly: whether the port is right in float64.
    """
    session, entrant, backend = candidate.session, candidate.entrant, candidate.backend
    plan = work.plan
    declared = backend.declared(entrant.style, plan)
    referees: dict[bool, Referee] = {}

    def referee(rules: Rules) -> Referee:
        # The diagnosis and the verdict share it: opening a framework twice costs seconds.
        follows = bool(rules)
        if follows not in referees:
            referees[follows] = referee_of(plan, work.data, reference, rules)
        return referees[follows]

    judging = Judging(work, referee)
    ours = referee(backend.rules(declared))

    def reopen() -> None:
        session.open(plan.asdict(), choices_of(entrant), work.data)
        ours.claim()

    images, labels = work.data["train"]
    index = np.arange(min(plan.batch_size, len(images)), dtype=np.int32)
    if work.data["classes"]:
        batch, _ = ours.exact.batch(index)
        logits = ours.exact.logits(cast(work.initial, "float64"), batch)
        check_classes(labels, len(images), logits.shape[1])
    reopen()
    schedule = Schedule(work.orders, plan.batch_size)
    state = session.state()
    # A buffer that is called as its parameter would hide that in everything compared by name.
    hides = not state.keys().isdisjoint(work.initial)
    apart = hides or not same_tensors(state, ours.exact.state())
    if apart:
        # Neither can be put on the other's state: both make their own along the referee's trail.
        work.data["trail"] = trail = Trail(work.initial, schedule.batch, plan.dtype)
        referees.clear()
        ours = referee({})
        trail.leader = ours.exact
        reopen()
    patient, track = Patient(entrant, backend.info, session, reopen), Track(ours, schedule)
    found = diagnose(patient, track)
    if reference is not None and may_be_rounding(found.difference, plan):
        right = exactly()
        patient.reopen()
        if right:
            found, track = with_draws(patient, ours, schedule)
    found.state_apart = apart
    if found.difference is not None:
        sides = [one for one in (port, reference) if isinstance(one, Port)]
        penalty = any(sees_parameters(one.loss) for one in sides)
        found.difference = probed(found.difference, session, track, penalty=penalty)
    parting = inside(found, work, port, reference)
    judging.prepare([candidate])
    reopen()
    trained = replace(candidate, run=free_run_of(session, work.orders))
    verdict = judging.verdict(trained)
    if found.difference is not None:
        verdict.differs(found.difference)
    elif verdict.first_difference is not None:
        found.difference = verdict.first_difference
    return found, verdict, parting


def may_be_rounding(first: Difference | None, plan: Plan) -> bool:
    """Whether a difference may be nothing but another order of long sums."""
    return first is not None and first.stage in ("forward", "gradient") and plan.dtype == "float32"


def with_draws(patient: Patient, ours: Referee, schedule: Schedule) -> tuple[Diagnosis, Track]:
    """Diagnose again, what random roundings lead to allowed.

    Some orders of summation are too few where sums are long: one library errs by a unit in the last
    place where another errs by thirty, and both are right.
    """
    ours.draws = True
    track = Track(ours, schedule)
    return diagnose(patient, track), track


def inside(found: Diagnosis, work: Work, port: Any, reference: Port | None) -> Parting | None:
    """Where in a wrong forward pass it is; what its values show is the cause, if there is none."""
    first, images = found.difference, as_pixels(work.data["train"][0])
    count = min(TRACED, len(images) // 2)
    if first is None or first.stage != "forward" or not count or reference is None:
        return None
    if not isinstance(port, Port):
        return None
    given = Parameters(cast(work.initial, "float64"), None)
    # What comes after it, an update of one's own, is not asked here.
    forwards = (replace(one, update=None, correct=None) for one in (reference, port))
    sides = [
        (side_of(who, one, given, None, "eager"), given.arrays)
        for who, one in zip(("reference", "port"), forwards, strict=True)
    ]
    one, other = (images[:count],), (images[-count:],)
    parting = parting_of(sides[0], sides[1], ((one, one), (other, other)))
    if parting is not None and first.likely_cause is None:
        found.difference = replace(first, likely_cause=parting.likely_cause)
    return parting


def same_tensors(one: Arrays, other: Arrays) -> bool:
    """Whether two have tensors of the same names and shapes."""
    shapes = [{name: array.shape for name, array in arrays.items()} for arrays in (one, other)]
    return shapes[0] == shapes[1]


def probed(difference: Difference, session: Session, track: Track, *, penalty: bool) -> Difference:
    """Say what questions that need no catalogue of slips find: before any guess, or after all."""
    at, exact = track.expected(1), track.referee.exact
    batch = at.at.params, at.images, at.labels
    allowed = {name: 2 * e.allowed for name, e in at.gradients.items()}
    name = parted(gradients_of(session, *batch), gradients_of(session, *batch), allowed)
    if name is not None:
        words = (
            f"called twice with the same inputs it gives two answers, {name} first; to confirm, "
            "look for a dropout that is on, or another draw of random numbers"
        )
        return replace(difference, likely_cause=words)
    returned = session.logits(*batch[:2]).dtype
    if difference.stage == "forward" and returned != track.dtype:
        words = f"its forward pass returns {returned}, given {track.dtype}; to confirm, print it"
        return replace(difference, likely_cause=words)
    effect = in_effect(difference.stage, session, track, penalty=penalty)
    little = difference.likely_cause is None or difference.length
    if effect is not None and (penalty or little):
        return replace(difference, likely_cause=effect, length=False)
    if difference.stage == "loss" and difference.likely_cause is None:
        factors = loss_factors(session, exact, at, at.at.other)
        if factors is not None:
            words = (
                "likely it divides by another count than the reference: loss and slopes are "
                f"{factors[0]:.4g} times the reference's on this batch, {factors[1]:.4g} times on "
                "another; to confirm, is it the examples that are counted, their weights, or "
                "those not ignored?"
            )
            return replace(difference, likely_cause=words)
    return difference
