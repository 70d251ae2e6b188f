"""Records of the entrants, and processes for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from common.contract.entrant import Entrant
from common.contract.info import MODULE_DTYPES
from common.contract.losses import loss_function
from common.contract.models import MODELS
from common.contract.optimizers import functions_of
from common.contract.plan import Plan
from common.contract.registry import Backend
from common.entrants.mixed import Mix, MixedSession
from common.entrants.parallel import ParallelSession, free_port
from common.entrants.process import WorkerSession
from common.entrants.session import Session
from common.measure.machine import available_cores
from common.results.record import Record
from common.results.source import source_sha256

#: The programs of one process of several, and of one that has several devices.
RANK, DEVICES = "common.entrants.rank", "common.entrants.devices"


def start_worker(
    record: Record,
    plan: Plan,
    folder: Path,
    timeout: float,
    pythons: Mapping[str, str],
) -> WorkerSession:
    """Start a process for an entrant, its environment as its INFO wants it."""
    return _worker(record.entrant, record.backend, record.settings, plan, folder, timeout, pythons)


def start_ranks(record: Record, plan: Plan, *where: Any) -> ParallelSession:
    """Start the processes of an entrant that trains in several."""
    entrant, port = record.entrant, str(free_port())
    part = replace(plan, threads=max(1, plan.threads // entrant.ranks))
    started: list[WorkerSession] = []
    try:
        for rank in range(entrant.ranks):
            named = replace(entrant, slug=f"{entrant.slug}-{rank}")
            words = str(rank), str(entrant.ranks), port
            program: dict[str, Any] = {"program": RANK, "words": words, "cores": plan.threads}
            started.append(_worker(named, record.backend, record.settings, part, *where, **program))
    except BaseException:
        for one in started:
            one.close(at_once=True)
        raise
    return ParallelSession(started)


def start_devices(record: Record, *where: Any) -> WorkerSession:
    """Start the process of an entrant that trains on several devices of its own."""
    ranks = str(record.entrant.ranks)
    known = record.entrant, record.backend, record.settings
    return _worker(*known, *where, program=DEVICES, words=(ranks,))


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
    if entrant.ranks > 1 and (parallel := backend.info.parallel) is not None:
        told = parallel.environment.items()
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
        if entrant.ranks > 1 and backend.info.parallel is not None:
            missing = missing or backend.info.parallel.lacks(plan.device, plan.dtype)
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
