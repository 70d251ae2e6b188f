"""What is to be trained: read, and refused early and by name."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from common.ask.settings import DEFAULTS, Settings
from common.contract.entrant import Entrant, parse
from common.contract.losses import balanced
from common.contract.models import MODELS, Model
from common.contract.optimizers import OPTIMIZERS, Optimizer
from common.contract.plan import Plan
from common.contract.registry import Backend, find
from common.contract.schedules import steps_of
from common.data.datasets import load
from common.data.description import Dataset
from common.entrants.environments import note, there
from common.entrants.mixed import Mix, parse_mix
from common.entrants.session import Session
from common.errors import Refused
from common.measure.machine import available_cores
from common.results.place import refuse_folder
from common.results.record import Record
from common.running.memory import refuse_large, refuse_orders
from common.running.starting import (
    mixed_record,
    new_records,
    start_mix,
    start_parallel,
    start_worker,
)
from common.running.work import examples_of

Say = Callable[[str], None]

#: Loader workers for each core, at most.
WORKERS = 16


def silence(words: str) -> None:
    """Say nothing."""


@dataclass
class Request:
    """What was asked for, read and found possible."""

    settings: Settings
    plan: Plan
    available: dict[str, Backend]
    entrants: list[Entrant]
    mixes: list[Mix]
    pythons: dict[str, str]
    dataset: Dataset | None
    #: whether any step is made of it
    trains: bool = True

    def refuse_orders(self) -> None:
        """Refuse a run whose order.npy finds no room where it is to be written."""
        examples = examples_of(self.plan, self.dataset)
        refuse_orders(self.plan, examples, self.settings.out or Path())

    @cached_property
    def records(self) -> list[Record]:
        """A record for each entrant, the mixed ones last."""
        told = self.entrants, self.available, self.plan, self.pythons
        records = new_records(*told, trains=self.trains)
        return records + [
            mixed_record(mix, self.available, self.plan, self.pythons) for mix in self.mixes
        ]

    def backends(self) -> dict[str, Backend]:
        """Every backend that somebody's components come from."""
        chosen = [*self.entrants, *(one for mix in self.mixes for one in mix.chosen.values())]
        return {entrant.backend: self.available[entrant.backend] for entrant in chosen}

    def connect(self, folder: Path) -> Callable[[Record], Session]:
        """How a session for a record is started; its log is written to the folder."""
        mixes = {mix.entrant.label: mix for mix in self.mixes}

        def start(record: Record) -> Session:
            mix = mixes.get(record.entrant.label)
            where = (self.plan, folder, self.settings.timeout, self.pythons)
            if record.entrant.parallel is not None:
                return start_parallel(record, *where)
            if mix is None:
                return start_worker(record, *where)
            return start_mix(record, mix, self.available, *where)

        return start


def read_request(
    settings: Settings,
    say: Say = silence,
    *,
    finding: Callable[[Path | None], dict[str, Backend]] = find,
    loading: Callable[..., Dataset] = load,
    trains: bool = True,
    here: bool = True,
) -> Request:
    """Read what is to be trained, refuse what cannot be, get the data.

    Args:
        settings: what is asked.
        say: hears of a download; without it there is no bar, either.
        finding, loading: as `find` and `load`; who asks for many runs looks but once.
        trains: whether any step is made of it.
        here: whether on this machine, whose memory says nothing of another's.

    Raises:
        Refused: it cannot be run as it stands; nothing was written.
    """
    available = finding(settings.backend_path)
    pythons = interpreters(settings.python, available)
    entrants = parse(
        settings.backends
        or [name for name, b in available.items() if name in pythons or not b.missing()],
        available,
        style=settings.style,
        mode=settings.mode,
        data=settings.data,
        model=settings.model,
    )
    entrants = [noted(entrant, pythons) for entrant in entrants]
    mixes = [parse_mix(text, available, settings.style, settings.model) for text in settings.mix]
    # Whatever the order in which they name it.
    if any(one.chosen == other.chosen for one, other in itertools.combinations(mixes, 2)):
        raise Refused("two --mix are the same; one row of it is enough")
    plan = make_plan(settings)
    for entrant in [*entrants, *(mix.entrant for mix in mixes)]:
        backend = available.get(entrant.backend)
        if backend:
            backend.rules(backend.declared(entrant.style, plan))  # or it is refused
    refuse_weights_of_shares(settings, entrants)
    synthetic = settings.model == "linear"
    if synthetic:
        refuse_for_linear(settings, [settings.data, *(entrant.data for entrant in entrants)])
    if settings.out is not None and settings.resume is None:
        refuse_folder(settings.out, force=settings.force)
    if settings.silent or say is silence:
        os.environ["TQDM_DISABLE"] = "1"  # the bar of a download
        say = silence
    dataset = None
    if not synthetic:
        dataset = loading(
            settings.data_dir,
            dataset=settings.dataset,
            custom=settings.custom_data,
            resize=settings.resize,
            limit=settings.limit,
            say=say,
        )
        refuse_small(MODELS[plan.model], dataset.inputs.shape)
        weights = class_weights(settings, dataset, examples_of(plan, dataset))
        plan = replace(plan, class_weights=weights)
    examples = examples_of(plan, dataset)
    if trains:
        refuse_steps(plan, examples)
    if here:
        refuse_large(plan, dataset, entrants=len(entrants) + len(mixes), trains=trains)
    return Request(settings, plan, available, entrants, mixes, pythons, dataset, trains)


def refuse_weights_of_shares(settings: Settings, entrants: Iterable[Entrant]) -> None:
    """Refuse class weights where processes average their shares of a batch by examples.

    Raises:
        Refused: for the first entrant that would.
    """
    for entrant in entrants:
        shares = entrant.parallel is not None and entrant.parallel.kind == "ranks"
        if shares and settings.class_weights is not None:
            raise Refused(
                f"{entrant.label}: --class-weights divides by the weights of a batch, and each "
                "process by those of its share, which is another mean; leave one of them out"
            )


def make_plan(settings: Settings) -> Plan:
    """Fill in the model's usual settings and this machine's cores.

    Raises:
        Refused: more threads than cores, far more loader workers, or a setting its optimiser does
            not have.
    """
    model, cores = MODELS[settings.model], available_cores()
    optimizer = OPTIMIZERS[settings.optimizer]
    for setting in ("momentum", "betas", "eps", "alpha"):
        if getattr(settings, setting) is not None and setting not in optimizer.told:
            raise Refused(f"{optimizer.name} has no {setting}; --{setting} does not go with it")
    momentum = optimizer.momentum if settings.momentum is None else settings.momentum
    if settings.nesterov and not momentum:
        raise Refused(
            f"--nesterov needs a momentum, and {optimizer.name} has none here; "
            "try --optimizer momentum"
        )
    if settings.check == "none" and (settings.check_float64 or settings.check_seconds):
        asked = "--check-float64" if settings.check_float64 else "--check-seconds"
        raise Refused(f"--check none checks nothing; {asked} does not go with it")
    if settings.clip_norm and settings.clip_value:
        raise Refused("--clip-norm and --clip-value are two ways to clip; choose one")
    if settings.label_smoothing and settings.class_weights is not None:
        raise Refused(
            "--label-smoothing and --class-weights together mean another thing in each framework; "
            "choose one"
        )
    for option in ("label_smoothing", "class_weights"):
        if getattr(settings, option) and not model.classifies:
            words = option.replace("_", "-")
            raise Refused(f"{model.name} has no classes; --{words} does not go with it")
    refuse_processes(settings, cores)
    return Plan(
        model=model.name,
        optimizer=settings.optimizer,
        lr=settings.lr or usual_lr(model, optimizer),
        momentum=momentum,
        weight_decay=settings.weight_decay,
        epochs=settings.epochs or model.epochs,
        batch_size=settings.batch_size or model.batch_size,
        seed=settings.seed,
        dtype=settings.dtype,
        device=settings.device,
        threads=settings.threads or cores,
        workers=settings.workers,
        hidden=settings.hidden,
        drop_last=settings.drop_last,
        limit=settings.limit,
        resize=settings.resize,
        rounds=settings.rounds,
        betas=settings.betas or Plan.betas,
        eps=settings.eps or optimizer.eps,
        alpha=Plan.alpha if settings.alpha is None else settings.alpha,
        schedule=settings.schedule,
        warm_up=settings.warm_up,
        nesterov=settings.nesterov,
        clip_norm=settings.clip_norm,
        clip_value=settings.clip_value,
        label_smoothing=settings.label_smoothing,
        dataset=settings.dataset if model.classifies else None,
        init=settings.init,
    )


def usual_lr(model: Model, optimizer: Optimizer) -> float:
    """A model's, for an optimiser of its kind."""
    return model.lr if optimizer.rule == "sgd" else optimizer.times * model.adam_lr


def class_weights(settings: Settings, dataset: Dataset, examples: int) -> tuple[float, ...] | None:
    """The weights asked for, or those of the labels that are trained on.

    Raises:
        Refused: more or fewer weights than classes, or a class without an example.
    """
    asked, names = settings.class_weights, dataset.classes
    if isinstance(asked, str):
        weights = balanced(dataset.train()[1][:examples], len(names))
        for name, weight in zip(names, weights, strict=True):
            if math.isinf(weight):
                raise Refused(
                    f"--class-weights {asked}: none of {examples} training examples is of the "
                    f"class {name}; give a weight for each class, or train on more"
                )
        return weights
    if asked is not None and len(asked) != len(names):
        raise Refused(
            f"--class-weights: {len(asked)} of them, and {dataset.name} has {len(names)} classes; "
            "give one for each, in their order"
        )
    return asked


def refuse_best(request: Request, what: str) -> None:
    """Refuse an entrant whose mode would have to be found out by training."""
    for entrant in request.entrants:
        if entrant.tries:
            raise Refused(
                f"{entrant.label}: which mode is best is found out in a run; for {what} name one "
                f"of {', '.join(entrant.tries)}"
            )


def refuse_for_linear(settings: Settings, data: Sequence[str]) -> None:
    """Refuse what has no meaning for synthetic data."""
    given = {
        "--dataset": settings.dataset != DEFAULTS["dataset"],
        "--data-dir": settings.data_dir,
        "--custom-data": settings.custom_data,
        "--resize": settings.resize,
        "--limit": settings.limit,
        "loader": "loader" in data,
    }
    for option, value in given.items():
        if value:
            raise Refused(f"linear is trained on synthetic data; {option} does not go with it")


def refuse_processes(settings: Settings, cores: int) -> None:
    """Refuse more threads than cores, and far more loader workers."""
    if settings.threads and settings.threads > cores:
        raise Refused(f"--threads {settings.threads}: this process may use {cores}")
    if settings.workers > (most := WORKERS * cores):
        raise Refused(
            f"--workers {settings.workers}: each is a process, and {cores} cores are there; "
            f"try {most} at most"
        )


def refuse_small(model: Model, shape: Sequence[int]) -> None:
    """Refuse pictures of which a model's windows leave nothing."""
    if model.smallest is None:
        return
    height, width = model.smallest
    if shape[0] < height or shape[1] < width:
        raise Refused(
            f"{model.name} needs pictures of {height} x {width} pixels or more; these have "
            f"{shape[0]} x {shape[1]}; try --resize {height} or another model"
        )


def refuse_steps(plan: Plan, examples: int) -> None:
    """Refuse batches of which no step can be made, and a rate that never rises to the end."""
    refuse_batch_of_one(plan, examples)
    if plan.drop_last and examples < plan.batch_size:
        raise Refused(
            f"--drop-last leaves nothing of {examples} examples in batches of {plan.batch_size}"
        )
    if plan.warm_up and plan.warm_up >= (steps := steps_of(plan.asdict(), examples)):
        raise Refused(
            f"--warm-up {plan.warm_up}: the whole run has {steps} steps; warm up for fewer of them"
        )


def refuse_batch_of_one(plan: Plan, examples: int) -> None:
    """Refuse to divide by the number of values less one, where there is one."""
    last = examples % plan.batch_size or min(examples, plan.batch_size)
    if not MODELS[plan.model].statistics or last > 1 or (plan.drop_last and plan.batch_size > 1):
        return
    raise Refused(
        f"{plan.model} has no variance in a batch of one example, and {examples} examples in "
        f"batches of {plan.batch_size} leave one; try another --batch-size, or --drop-last"
    )


def noted(entrant: Entrant, pythons: Mapping[str, str]) -> Entrant:
    """An entrant with a note of the environment it runs in, if that was made for its backend."""
    words = note(entrant.backend, pythons.get(entrant.backend))
    return replace(entrant, notes=(*entrant.notes, words)) if words else entrant


def interpreters(pairs: Sequence[str], available: Mapping[str, Backend]) -> dict[str, str]:
    """Read `--python BACKEND=PATH`; who is not named there has its remembered environment."""
    found = {name: one.python for name, one in there(available).items()}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not equals or name not in available:
            raise Refused(
                f"--python {pair!r} is not BACKEND=PATH with one of {', '.join(available)}"
            )
        if not os.access(path, os.X_OK) or Path(path).is_dir():
            raise Refused(f"--python {pair!r}: {path} is not an interpreter that can be run")
        # Not resolved: a virtual environment's python is a link that must stay one.
        found[name] = str(Path(path).absolute())
    return found
