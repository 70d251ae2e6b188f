"""How long a forward pass takes in each framework; nothing is kept."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from msgspec import structs
from safetensors import SafetensorError
from safetensors.numpy import load_file

from common.agreement.predictions import CRITERION
from common.ask.infer_settings import InferSettings
from common.ask.request import Request, Say, read_request, refuse_best, silence
from common.ask.run import Watching, drawn, measures
from common.contract.arrays import Arrays, digest
from common.contract.entrant import Entrant
from common.contract.precision import cast
from common.entrants.components import WARM_UP_CALLS
from common.errors import Refused
from common.measure import limit, statistics
from common.measure.alone import alone
from common.results.environment import environment
from common.results.inference import (
    SCHEMA_VERSION,
    Asked,
    Calls,
    Inference,
    Inferrer,
    Size,
    SizePair,
)
from common.results.record import Record, verdict_result
from common.running.inferring import TURNS, Found, Inferring, Readings, compared
from common.running.machine import RATE, Machine
from common.running.work import Work

#: A percentile of fewer calls than these is the largest of them, or nearly.
LEAST_CALLS = {95: 20, 99: 100}

FUSED = "jit, not fused: a call is one forward pass, and fused is several steps in one call"


def read_inference(asked: InferSettings, say: Say = silence) -> Request:
    """Read who is asked, and refuse what cannot be.

    Args:
        asked: what is asked.
        say: hears of a download.

    Raises:
        Refused: it cannot be asked as it stands.
    """
    request = read_request(asked.run, say, trains=False)
    refuse_best(request, "infer")
    for entrant in request.entrants:
        if entrant.data == "loader":
            raise Refused(f"{entrant.label}: a call takes an array; loader does not go with infer")
    return replace(request, entrants=list(map(single, request.entrants)))


def single(entrant: Entrant) -> Entrant:
    """An entrant whose calls hold one forward pass."""
    if entrant.mode != "fused":
        return entrant
    return replace(entrant, mode="jit", notes=(*entrant.notes, FUSED))


def infer(
    request: Request, asked: InferSettings, watching: Watching, say: Say = silence
) -> Inference:
    """Judge everybody's logits, then time everybody's calls.

    Args:
        request: from `read_inference`.
        asked: what is asked.
        watching: is told of everything as it happens, and left when that is over.
        say: hears of another run on this machine.

    Raises:
        Refused: fewer examples than a batch has, or a file that holds other parameters.
    """
    work, plan = drawn(request), request.plan
    if max(asked.sizes) > work.examples:
        raise Refused(f"--batch-size {max(asked.sizes)}: there are {work.examples} examples")
    if asked.weights is not None:
        work = work.beginning(read_weights(asked.weights, work.initial, plan.dtype))
    measure = partial(limit.machine, plan.dtype, plan.threads) if measures(plan) else None
    with (
        tempfile.TemporaryDirectory(prefix="compare-") as name,
        alone(request.settings.wait_quiet, say) as others,
        watching as observer,
    ):
        machine = Machine(plan.threads, observer, measure, others.left)
        sizes, connect = list(asked.sizes), request.connect(Path(name))
        found = Inferring(
            work, request.records, connect, observer, sizes, asked.seconds, machine
        ).run()
    return document(request, asked, work, found, machine, others.beside)


def read_weights(path: Path, initial: Arrays, dtype: str) -> Arrays:
    """Read the parameters of a result folder, which must be those of the model.

    Raises:
        Refused: they cannot be read, or have other names or shapes.
    """
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as cause:
        raise Refused(f"--from {path} cannot be read: {cause}") from cause
    shapes, wanted = (
        {name: array.shape for name, array in sorted(one.items())} for one in (found, initial)
    )
    if shapes != wanted:
        raise Refused(
            f"--from {path} has {told(shapes)}, and the model has {told(wanted)}; "
            "see --model, --hidden and --resize"
        )
    return cast(found, dtype)


def told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Tensors by name, in words."""
    return ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in shapes.items())


def document(
    request: Request,
    asked: InferSettings,
    work: Work,
    found: Found,
    machine: Machine,
    beside: str | None,
) -> Inference:
    """What was found, as it is answered."""
    plan, rates = request.plan, machine.found or {}
    busy = machine.busy if beside is None else True
    return Inference(
        schema_version=SCHEMA_VERSION,
        asked=Asked(
            model=plan.model,
            hidden=plan.hidden,
            seed=plan.seed,
            weights=str(asked.weights or "drawn from the seed"),
            weights_sha256=digest(work.initial),
            dataset=plan.dataset,
            resize=plan.resize,
            dtype=plan.dtype,
            device=plan.device,
            threads=plan.threads,
            batch_sizes=list(asked.sizes),
            rounds=plan.rounds,
            turns=TURNS,
            seconds=asked.seconds,
        ),
        environment=structs.replace(environment(), busy=busy, beside=beside),
        warm_up_calls=WARM_UP_CALLS,
        criterion=CRITERION,
        entrants=[row(record, found[record.entrant.label]) for record in request.records],
        comparisons=pairs(request.records, found, moved=machine.moved or beside is not None),
        rate=rates.get(RATE),
        rate_after=rates.get(f"{RATE}_after"),
    )


def row(record: Record, found: Mapping[int, Readings]) -> Inferrer:
    """One entrant."""
    entrant = record.entrant
    return Inferrer(
        label=entrant.label,
        backend=entrant.backend,
        style=entrant.style,
        mode=entrant.mode,
        notes=record.notes,
        status=record.status,
        reason=record.reason,
        versions=record.versions,
        settings=record.settings,
        source_sha256=record.source_sha256,
        import_seconds=record.import_seconds,
        open_seconds=record.open_seconds,
        sizes=[size_of(size, readings) for size, readings in found.items()],
    )


def size_of(size: int, readings: Readings) -> Size:
    """One entrant with batches of one size."""
    calls = calls_of(readings) if readings.calls else None
    return Size(
        batch_size=size,
        first_call_seconds=readings.first_seconds,
        verdict=verdict_result(readings.verdict),
        seconds=calls,
        examples_per_second=size / calls.median if calls else None,
    )


def calls_of(readings: Readings) -> Calls:
    """Median, interval and percentiles of calls."""
    calls = readings.calls
    found = statistics.summary(readings.medians)

    def percentile(share: int) -> float | None:
        return float(np.percentile(calls, share)) if len(calls) >= LEAST_CALLS[share] else None

    return Calls(
        calls=len(calls),
        median=found["median"],
        low=found["low"],
        high=found["high"],
        p95=percentile(95),
        p99=percentile(99),
        min=min(calls),
        turns=readings.medians,
        disturbed=readings.disturbed,
    )


def pairs(records: Sequence[Record], found: Found, *, moved: bool) -> list[SizePair]:
    """Every two that finished, with batches of every size."""
    done = [record.entrant.label for record in records if record.status == "ok"]
    return [
        SizePair(batch_size=size, a=a, b=b, **compared(found[a][size], found[b][size], moved=moved))
        for a, b in itertools.combinations(done, 2)
        for size in found[a]
    ]
