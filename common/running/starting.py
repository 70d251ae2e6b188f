"""Records of the entrants, and processes for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.contract.entrant import Entrant
from common.contract.info import MODULE_DTYPES, Parallel
from common.contract.losses import loss_function
from common.contract.models import MODELS
from common.contract.optimizers import functions_of
from common.contract.plan import Plan
from common.contract.registry import Backend
from common.entrants.controllers import ControllersSession
from common.entrants.mixed import Mix, MixedSession
from common.entrants.parallel import ParallelSession, Part, free_port
from common.entrants.process import WorkerSession
from common.entrants.session import Session
from common.measure.machine import available_cores
from common.results.record import Record
from common.results.source import source_sha256

#: What a process runs that trains on several devices, or is one of them, by the kind of that.
PROGRAMS = {
    "ranks": "common.entrants.rank",
    "devices": "common.entrants.devices",
    "controllers": "common.entrants.controller",
}


def start_worker(
    record: Record,
    plan: Plan,
    folder: Path,
    timeout: float,
    pythons: Mapping[str, str],
) -> WorkerSession:
    """Start a process for an entrant, its environment as its INFO wants it."""
    return _worker(record.entrant, record.backend, record.settings, plan, folder, timeout, pythons)


def start_parallel(record: Record, plan: Plan, *where: Any) -> Session:
    """Start an entrant that trains on several devices: a process for each, or one for all."""
    entrant, way = record.entrant, record.entrant.parallel
    assert way is not None
    ranks, port = str(entrant.ranks), str(free_port())
    if way.kind == "devices":
        known = entrant, record.backend, record.settings, plan
        return _worker(*known, *where, program=PROGRAMS[way.kind], words=(ranks,))
    part = replace(plan, threads=max(1, plan.threads // entrant.ranks))
    started: list[WorkerSession] = []
    try:
        for rank in range(entrant.ranks):
            named = replace(entrant, slug=f"{entrant.slug}-{rank}")
            told: dict[str, Any] = {"words": (str(rank), ranks, port), "cores": plan.threads}
            known = named, record.backend, record.settings, part
            started.append(_worker(*known, *where, program=PROGRAMS[way.kind], **told))
    except BaseException:
        for one in started:
            one.close(at_once=True)
        raise
    return together(way, started)


def together(way: Parallel, parts: Sequence[Part]) -> ParallelSession:
    """The processes of an entrant as one session, rank 0 first."""
    return ControllersSession(parts) if way.kind == "controllers" else ParallelSession(parts)


def start_mix(
    record: Record, mix: Mix, available: Mapping[str, Backend], *where: Any
) -> MixedSession:
    """Start a process for each backend and style that a mixed entrant takes components of."""
    workers: dict[tuple[str, str], WorkerSession] = {}
    sessions: dict[str, Session] = {}
    for component, entrant in mix.chosen.items():
        key = entrant.backend, entrant.style
        if key not in workers:
            slug = f"{record.entrant.slug}-{len(workers) + 1}"
            named, backend = replace(entrant, slug=slug), available[entrant.backend]
            workers[key] = _worker(named, backend, record.settings, *where)
        sessions[component] = workers[key]
    return MixedSession(sessions, {name: one.style for name, one in mix.chosen.items()})


def _worker(
    entrant: Entrant,
    backend: Backend,
    settings: dict[str, Any],
    plan: Plan,
    folder: Path,
    timeout: float,
    pythons: Mapping[str, str],
    *,
    words: tuple[str, ...] = (),
    cores: int | None = None,
    **extra: Any,
) -> WorkerSession:
    environment = backend.info.variables(
        plan.threads, plan.device, stock=entrant.stock, convolves=MODELS[plan.model].convolves
    )
    if entrant.parallel is not None:
        told = entrant.parallel.environment.items()
        environment |= {name: text.format(ranks=entrant.ranks) for name, text in told}
    settings.update(environment)
    if entrant.backend in pythons:
        extra["python"] = pythons[entrant.backend]
    if backend.external:
        extra["folder"] = backend.folder.parent
    return WorkerSession(
        entrant.backend,
        *words,
        log=folder / f"worker-{entrant.slug}.log",
        environment=environment,
        threads=cores or plan.threads,
        timeout=timeout,
        **extra,
    )


def shared(ranks: int) -> str:
    """What the times of several devices on one machine are."""
    return (
        f"{ranks} devices share the {available_cores()} cores of this machine: its times show that "
        "it runs, not what more devices would bring"
    )


def new_records(
    entrants: Iterable[Entrant],
    backends: Mapping[str, Backend],
    plan: Plan,
    pythons: Mapping[str, str],
    *,
    trains: bool = True,
) -> list[Record]:
    """Make a record per entrant; what is plainly not there is said before anything starts.

    Of who trains nothing, nothing is noted of losses and updates.
    """
    records = []
    for entrant in entrants:
        backend = backends[entrant.backend]
        digest = source_sha256(backend.folder)
        record = Record(entrant, backend, notes=list(entrant.notes), source_sha256=digest)
        record.notes += remarks(entrant, backend, plan, trains=trains)
        missing = None if entrant.backend in pythons else backend.missing()
        missing = backend.info.lacks(plan.device, plan.dtype) or missing
        if entrant.parallel is not None:
            missing = missing or entrant.parallel.lacks(plan.device, plan.dtype)
            record.notes.append(shared(entrant.ranks))
        if missing:
            record.status, record.reason = "unavailable", missing
        records.append(record)
    return records


def remarks(entrant: Entrant, backend: Backend, plan: Plan, *, trains: bool = True) -> list[str]:
    """What a backend's INFO has to say of what an entrant uses."""
    settings = plan.asdict()
    steps = (loss_function(settings)[0], *functions_of(settings)) if trains else ()
    used = {f"{part}_{entrant.style}" for part in (plan.model, *steps)}
    used |= {entrant.mode, plan.device}
    those = (plan.dtype, plan.device, "*")
    return [words for what, of, words in backend.info.remarks if what in used and of in those]


def mixed_record(
    mix: Mix, available: Mapping[str, Backend], plan: Plan, pythons: Mapping[str, str]
) -> Record:
    """Make the record of a mixed entrant."""
    used = {one.backend: available[one.backend] for one in mix.chosen.values()}
    digest = source_sha256(*(backend.folder for backend in used.values()))
    record = Record(mix.entrant, mix.backend, notes=list(mix.entrant.notes), source_sha256=digest)
    lacking = (b.missing() for name, b in used.items() if name not in pythons)
    missing = next((words for words in lacking if words), None)
    if plan.device != "cpu":
        missing = "a mixed entrant's arrays cross on the host; it runs on the CPU alone"
    if plan.dtype not in MODULE_DTYPES:
        missing = "a mixed entrant's arrays cross as NumPy has them: float32 or float64"
    if missing:
        record.status, record.reason = "unavailable", missing
    return record
