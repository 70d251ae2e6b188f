"""One run for each value of a setting, then a line through the times."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.ask.request import Request, Say, read_request, silence
from common.ask.run import Watching, train
from common.ask.settings import DEFAULTS, NUMBERS, VARIED, Settings
from common.contract.models import MODELS
from common.errors import Refused
from common.measure.alone import alone
from common.results.folder import whole, write_json
from common.results.place import Place, new_folder
from common.results.record import Results
from common.running import sweep as lines
from common.running.interruption import Interruption
from common.running.observer import Sheltered
from common.shown import charts
from common.shown.drawing import looks_by


@dataclass(frozen=True)
class Swept:
    """What came out of a sweep.

    Attributes:
        runs: value -> what its run came to; those that were begun.
        points, lines: label -> its times, and the line through them where there is one.
        unit: what the line is fitted to, "step" or "epoch".
        document: as in sweep.json.
        drawn: whether there is a drawing beside it.
        folder: where it is saved.
        interrupted: whether Ctrl-C ended it between two runs.
        refused: why a later value could not be run, and none after it was.
    """

    runs: dict[float, Results]
    points: dict[str, list[lines.Point]]
    lines: dict[str, lines.Line | None]
    unit: str
    document: dict[str, Any]
    drawn: bool
    folder: Path
    interrupted: bool
    refused: Refused | None = None


def sweep_requests(
    settings: Settings, name: str, values: Sequence[float], say: Say = silence
) -> dict[float, Request]:
    """Read one request for each value; all that cannot be is refused before the first runs.

    Args:
        settings: of every run.
        name: what varies, one of `VARIED`.
        values: two or more, each once.
        say: hears of a download.
    """
    if name not in VARIED:
        raise Refused(f"--vary {name} is unknown; there are {', '.join(VARIED)}")
    if len(values) < 2 or len(set(values)) < len(values):
        raise Refused(f"--vary {name}: {list(values)} has not two or more different values")
    field = VARIED[name]
    values = [NUMBERS[field].read(value) for value in values]
    sizes = [axes.values() for axes in MODELS[settings.model].parameters.values()]
    if name == "hidden" and not any("hidden" in one for one in sizes):
        raise Refused(f"--vary hidden: {settings.model} has no hidden layer; try --model mlp")
    if settings.epochs == 1 and settings.rounds == 1 and name not in lines.NO_WORK:
        raise Refused("--epochs 1 with one round has no steady epoch to time; use two or more")
    if getattr(settings, field) != DEFAULTS[field]:
        raise Refused(f"--vary {name} and --{name} say two things; leave the latter out")
    requests = {}
    for value in values:
        changed: dict[str, Any] = {field: value, "out": None}  # the folder is the whole sweep's
        requests[value] = read_request(replace(settings, **changed), say)
    dataset = requests[values[0]].dataset
    if name == "limit" and dataset and max(values) > dataset.train_examples:
        there = dataset.train_examples
        raise Refused(f"--vary limit={max(values)}: there are {there} training examples")
    return requests


def sweep(
    settings: Settings,
    name: str,
    values: Sequence[float],
    watching: Callable[[float, Request], Watching],
    say: Say = silence,
) -> Swept:
    """Make a run for each value, and save them and the lines through their times.

    Args:
        settings, name, values, say: as for `sweep_requests`.
        watching: makes who is told of one run as it happens.

    Raises:
        Refused: it cannot be run as it stands.
    """
    requests = sweep_requests(settings, name, values, say)
    for request in requests.values():
        request.refuse_orders()
    out = settings.out or new_folder(f"{settings.model}-{name}")
    inner = {value: f"{name}-{value}" for value in values}
    runs: dict[float, Results] = {}
    starts: dict[float, Any] = {}
    interrupted, refused = False, None
    runs_of = tuple(inner.values())
    with (
        Interruption() as interruption,
        Place(out, force=settings.force, runs=runs_of) as place,
        ExitStack() as stack,
    ):
        with interruption.taken():
            others = stack.enter_context(alone(settings.wait_quiet, say))
        try:
            for value, request in requests.items():
                folder = place.folder / inner[value]
                folder.mkdir(exist_ok=True)
                with watching(value, request) as watcher:
                    observer = Sheltered(watcher)
                    outcome = train(request, folder, observer, say, interruption, others)
                outcome.results.error = outcome.results.error or observer.error
                runs[value], starts[value] = outcome.results, outcome.initial
                if runs[value].interrupted or runs[value].error:
                    break
        except KeyboardInterrupt:
            interrupted = True  # between two runs; what there is is saved
        except Refused as error:
            if not runs:
                raise
            refused = error
        unit = lines.UNITS.get(name)
        found = lines.points(runs, starts, unit or "step")
        fits = {label: lines.line(lines.usable(of)) for label, of in found.items() if unit}
        document = {
            "vary": name,
            "unit": unit or "step",
            "entrants": lines.as_plain(found, fits),
            "comparisons": [
                {"value": value, **pair} for value, of in runs.items() for pair in of.comparisons
            ],
        }
        write_json(place.folder / "sweep.json", document)
        drawn = draw(place.folder / "sweep.svg", name, unit or "step", found, runs)
        ended = interrupted or refused or any(one.interrupted or one.error for one in runs.values())
        place.keep(whole=not ended)
        return Swept(
            runs, found, fits, unit or "step", document, drawn, place.folder, interrupted, refused
        )


def draw(
    path: Path,
    name: str,
    unit: str,
    found: Mapping[str, Sequence[lines.Point]],
    runs: Mapping[float, Results],
) -> bool:
    """Draw the times against what was varied, or for `lr` what was learnt; whether there is any."""
    learnt = name in lines.NO_WORK
    if not any(map(lines.ended if learnt else lines.usable, found.values())):
        return False
    records = [record for results in runs.values() for record in results.records]
    looks = looks_by({record.entrant.label: record.entrant.style for record in records})
    chart = charts.ends(found, looks, name) if learnt else charts.chart(found, looks, name, unit)
    with whole(path) as there:
        chart.save(there, format="svg")
    return True
