"""One run for each value of a setting, or for each two of two; then lines through the times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from common.ask.request import Request, Say, read_request, silence
from common.ask.run import Watching, train
from common.ask.settings import DEFAULTS, NUMBERS, VARIED, Settings
from common.contract.models import MODELS
from common.contract.registry import find
from common.data.datasets import load
from common.errors import Refused, one_line
from common.measure.alone import alone
from common.results.folder import write_json
from common.results.place import Place, new_folder
from common.results.record import Results
from common.results.sweep import SWEEP, Number, PairAt, Run, Sweep, Values
from common.running import sweep as lines
from common.running.interruption import Interruption
from common.running.observer import Sheltered
from common.shown import sweep_page

#: What varies -> its values: one setting, or two. Lines are fitted along the first.
Varied = Mapping[str, Sequence[Number]]


@dataclass(frozen=True)
class Swept:
    """What came out of a sweep.

    Attributes:
        runs: what each of them came to; those that were begun.
        document: as in sweep.json.
        page: the name of the page beside it; empty if it could not be written.
        folder: where it is saved.
        interrupted: whether Ctrl-C ended it between two runs.
        refused: why a later run could not be made, and none after it was.
    """

    runs: dict[Values, Results]
    document: Sweep
    page: str
    folder: Path
    interrupted: bool
    refused: Refused | None = None


def sweep_requests(settings: Settings, varied: Varied, say: Say = silence) -> dict[Values, Request]:
    """Read the request of every run; all that cannot be is refused before the first.

    Args:
        settings: of every run.
        varied: what varies, one or two of `VARIED`, and two or more values of each, each once.
        say: hears of a download.
    """
    if len(varied) not in (1, 2):
        raise Refused(f"--vary {', '.join(varied)}: one setting can vary, or two")
    read = {name: sweep_values(settings, name, values) for name, values in varied.items()}
    if settings.epochs == 1 and settings.rounds == 1 and next(iter(read)) not in lines.NO_WORK:
        raise Refused("--epochs 1 with one round has no steady epoch to time; use two or more")
    once: dict[str, Any] = {"finding": cache(find), "loading": cache(load)}
    requests = {}
    for values in in_order(read):
        changed: dict[str, Any] = {"out": None}  # the folder is the whole sweep's
        changed |= {VARIED[name]: value for name, value in zip(read, values, strict=False)}
        requests[values] = read_request(replace(settings, **changed), say, **once)
    dataset = next(iter(requests.values())).dataset
    if "limit" in read and dataset and max(read["limit"]) > dataset.train_examples:
        there = dataset.train_examples
        raise Refused(f"--vary limit={max(read['limit'])}: there are {there} training examples")
    return requests


def sweep_values(settings: Settings, name: str, values: Sequence[Number]) -> list[Number]:
    """Read the values of a setting that varies."""
    if name not in VARIED:
        raise Refused(f"--vary {name} is unknown; there are {', '.join(VARIED)}")
    if len(values) < 2 or len(set(values)) < len(values):
        raise Refused(f"--vary {name}: {list(values)} has not two or more different values")
    field = VARIED[name]
    sizes = [axes.values() for axes in MODELS[settings.model].parameters.values()]
    if name == "hidden" and not any("hidden" in one for one in sizes):
        raise Refused(f"--vary hidden: {settings.model} has no hidden layer; try --model mlp")
    if getattr(settings, field) != DEFAULTS[field]:
        raise Refused(f"--vary {name} and --{name} say two things; leave the latter out")
    return [NUMBERS[field].read(value) for value in values]


def in_order(varied: Varied) -> Iterator[Values]:
    """The values of every run, those of the first setting next to each other."""
    first, *rest = varied.values()
    for also in rest[0] if rest else (None,):
        for value in first:
            yield Values(value, also)


def folder_name(varied: Varied, values: Values) -> str:
    """Of one run: `batch-size-32`, `batch-size-32-hidden-64`."""
    parts = zip(varied, values, strict=False)
    return "-".join(f"{name}-{str(value).removesuffix('.0')}" for name, value in parts)


def sweep(
    settings: Settings,
    varied: Varied,
    watching: Callable[[str, Request], Watching],
    say: Say = silence,
) -> Swept:
    """Make every run, and save them and the lines through their times.

    Args:
        settings, varied, say: as for `sweep_requests`.
        watching: makes who is told of one run as it happens, from the name of its folder.

    Raises:
        Refused: it cannot be run as it stands.
    """
    requests = sweep_requests(settings, varied, say)
    for request in requests.values():
        request.refuse_orders()
    out = settings.out or new_folder("-".join((settings.model, *varied)))
    inner = {values: folder_name(varied, values) for values in requests}
    runs: dict[Values, Results] = {}
    starts: dict[Values, Any] = {}
    interrupted, refused = False, None
    with (
        Interruption() as interruption,
        Place(out, force=settings.force, runs=tuple(inner.values())) as place,
        ExitStack() as stack,
    ):
        with interruption.taken():
            others = stack.enter_context(alone(settings.wait_quiet, say))
        try:
            for values, request in requests.items():
                folder = place.folder / inner[values]
                folder.mkdir(exist_ok=True)
                with watching(inner[values], request) as watcher:
                    observer = Sheltered(watcher)
                    outcome = train(request, folder, observer, say, interruption, others)
                outcome.results.error = outcome.results.error or observer.error
                runs[values], starts[values] = outcome.results, outcome.initial
                if runs[values].interrupted or runs[values].error:
                    break
        except KeyboardInterrupt:
            if not runs:
                raise
            interrupted = True  # between two runs; what there is is saved
        except Refused as error:
            if not runs:
                raise
            refused = error
        found = document(varied, settings, runs, starts, inner)
        write_json(place.folder / SWEEP, found)
        page = draw(found, place.folder, say)
        ended = interrupted or refused or any(one.interrupted or one.error for one in runs.values())
        place.keep(whole=not ended)
        return Swept(runs, found, page, place.folder, interrupted, refused)


def document(
    varied: Varied,
    settings: Settings,
    runs: Mapping[Values, Results],
    starts: Mapping[Values, Any],
    folders: Mapping[Values, str],
) -> Sweep:
    """What all runs came to.

    Args:
        varied, settings: as for `sweep_requests`.
        runs: what came out.
        starts: the initial parameters of each.
        folders: the names of all that were asked for.
    """
    first, *rest = varied
    unit = lines.UNITS.get(first)
    found = lines.points(runs, starts, unit or "step")
    styles = {one.entrant.label: one.entrant.style for of in runs.values() for one in of.records}
    return Sweep(
        planned=len(folders),
        vary=first,
        also=rest[0] if rest else None,
        unit=unit or "step",
        model=settings.model,
        runs=[Run(*values, folders[values], lines.outcomes(of)) for values, of in runs.items()],
        entrants={
            label: lines.series(styles[label], points, fit=unit is not None)
            for label, points in found.items()
        },
        comparisons=[
            PairAt(value=values.value, also=values.also, **pair)
            for values, results in runs.items()
            for pair in results.comparisons
        ],
        disturbed=lines.disturbed(runs.values()),
    )


def draw(found: Sweep, folder: Path, say: Say) -> str:
    """Write the page; its name, or empty where it could not be written, which is said."""
    try:
        return sweep_page.write(found, folder).name
    except Exception as error:  # whatever a disk, or a library that draws, comes to
        what = one_line(error)
        say(f"{sweep_page.PAGE} could not be written: {what}; compare.py report tries again")
        return ""
