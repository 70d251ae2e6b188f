"""A run: everybody trained, judged and saved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from common.ask.request import Request, Say, silence
from common.ask.resume import asked_of, refuse_changed
from common.contract.arrays import Arrays
from common.contract.plan import Plan
from common.contract.precision import PRECISIONS
from common.errors import Refused
from common.measure.alone import Alone, alone
from common.measure.limit import limit
from common.measure.machine import available_cores
from common.results.document import Document, Options
from common.results.journal import JOURNAL, Journal, Kept, read_journal
from common.results.place import Place, new_folder
from common.results.record import AGREE, Results
from common.results.source import copy_source
from common.running.interruption import Interruption
from common.running.observer import Observer, Sheltered
from common.running.runner import Runner
from common.running.saving import save
from common.running.work import Work, draw_work, write_work

Watching = AbstractContextManager[Observer]


@dataclass(frozen=True)
class Outcome:
    """What came out of a run.

    Attributes:
        results: everything measured.
        document: the same as in results.json.
        initial: the parameters that everybody began with.
        folder: where it is saved.
        resumable: whether something of it is missing, which `--resume` would finish.
    """

    results: Results
    document: Document
    initial: Arrays
    folder: Path
    resumable: bool = False


def run(
    request: Request, watching: Watching, say: Say = silence, kept: Kept | None = None
) -> Outcome:
    """Train and judge everybody, and save it in the folder that was asked for.

    Args:
        request: from `read_request`.
        watching: is told of everything as it happens, and left when that is over.
        say: hears what went wrong with an artefact.
        kept: what an earlier process of this run left, which is taken up.

    Raises:
        Refused: the folder cannot be had, there is too little memory, or what is taken up has
            changed.
    """
    settings = request.settings
    if kept is None:
        request.refuse_orders()
    out = settings.resume or settings.out or new_folder(request.plan.model)
    held = Place(out, force=settings.force, resumed=kept is not None)
    with Interruption() as interruption, held as place, ExitStack() as stack:
        # Read before the folder was held: whoever held it may have gone on.
        if kept is not None and read_journal(place.folder).size != kept.size:
            raise Refused(f"--resume {out}: another process went on with it meanwhile; try again")
        with interruption.taken():
            others = stack.enter_context(alone(settings.wait_quiet, say))
        with watching as watcher:
            observer = Sheltered(watcher)
            found = train(request, place.folder, observer, say, interruption, others, kept)
        there = found.folder == place.folder  # and not elsewhere, because it could not be written
        ended = not found.results.interrupted and found.results.error is None
        ended &= (found.folder / "results.json").is_file()
        place.keep(whole=there and ended, resumable=there and found.resumable)
        found.results.error = found.results.error or observer.error
        return replace(found, folder=place.folder) if there else found


def train(
    request: Request,
    folder: Path,
    observer: Observer,
    say: Say,
    interruption: Interruption,
    others: Alone,
    kept: Kept | None = None,
) -> Outcome:
    """Train and judge everybody, and save it."""
    with interruption.taken():
        work = drawn(request)
        asked = asked_of(request, work)
        if kept is None:
            with written(folder):
                copy_source(folder / "source", request.backends())
                write_work(work, folder)
        else:
            refuse_changed(folder, kept.asked, asked)
    with written(folder):
        journal = Journal(folder, kept)
    with journal:
        if kept is None:
            with written(folder):
                journal.begin(asked)
        else:
            journal.refuse_unreadable(request.records)
            others = replace(others, beside=others.beside or kept.beside)
        if others.beside is not None:
            with written(folder):
                journal.beside(others.beside)
        results = runner(request, work, folder, observer, interruption, journal, others).run()
        results.options = options_of(request)
        observer.phase("saving")
        document, saved, lost = save(results, work, folder, request.dataset, draw_page)
        for words in lost:
            say(words)
        saved_there = (saved / "results.json").is_file()
        missing = results.error is not None or results.exit_code() not in (0, 1) or not saved_there
        if not missing:
            journal.remove()
        resumable = missing and (saved / JOURNAL).is_file()
        return Outcome(results, document, work.initial, saved, resumable)


@contextmanager
def written(folder: Path) -> Iterator[None]:
    """Refuse a folder in which what a run begins with cannot be written."""
    try:
        yield
    except OSError as cause:
        words = f"{folder} cannot be written: {cause.strerror or cause}; name another --out"
        raise Refused(words) from cause


def runner(
    request: Request,
    work: Work,
    folder: Path,
    observer: Observer,
    interruption: Interruption,
    journal: Journal,
    others: Alone,
) -> Runner:
    """What trains and judges everybody as was asked."""
    settings = request.settings
    return Runner(
        work,
        request.records,
        request.connect(folder),
        observer,
        check=settings.check,
        within=settings.check_seconds,
        band=not settings.no_band,
        float64=settings.check_float64,
        wait_quiet=others.left,
        starting=1 if settings.start_alone else available_cores(),
        beside=others.beside,
        limit=limit if measures(request.plan) else None,
        meanwhile=import_ahead,
        journal=journal,
        interruption=interruption,
    )


def measures(plan: Plan) -> bool:
    """Whether NumPy can say how fast the machine is: on its device, in its dtype."""
    return plan.device == "cpu" and PRECISIONS[plan.dtype].own


def drawn(request: Request) -> Work:
    """Draw what is random.

    Raises:
        Refused: there is too little memory for it.
    """
    try:
        return draw_work(request.plan, request.dataset)
    except MemoryError as cause:
        raise Refused(f"too little memory: {cause}; try a smaller --hidden or --limit") from cause


def options_of(request: Request) -> Options:
    """What was asked for besides the plan and the entrants, as results.json keeps it."""
    settings = request.settings
    folder = settings.data_dir or os.environ.get("COMPARE_DATA_DIR")
    return Options(
        style=settings.style,
        backend_path=str(settings.backend_path.absolute()) if settings.backend_path else None,
        python=request.pythons,
        timeout=settings.timeout,
        no_band=settings.no_band,
        check=settings.check,
        check_seconds=settings.check_seconds,
        check_float64=settings.check_float64,
        start_alone=settings.start_alone,
        data_dir=str(Path(folder).absolute()) if folder and request.dataset else None,
        custom_data=settings.custom_data,
    )


def draw_page(folder: Path) -> object:
    """Write report.html of a result folder."""
    return import_what_comes_last().write(folder)


def import_ahead() -> None:
    """Import what comes last while nobody waits; what cannot be is told when it is needed."""
    with suppress(Exception):
        import_what_comes_last()


def import_what_comes_last() -> Any:
    """Import the page, a second's work; returns `common.shown.page`."""
    from common.shown import page

    return page


def exit_code(results: Results, *, strict: bool = False, float64: bool = False) -> int:
    """The exit code of a run: 0 agree, 1 some differ, 3 some did not finish, 130 interrupted.

    Args:
        results: of the run.
        strict: 1, too, unless every verdict is identical, rounding or declared.
        float64: 1, too, unless everybody was trained once more in float64.
    """
    undecided = strict and any(v.verdict not in AGREE for v in results.verdicts.values())
    return results.exit_code() or int(undecided or (float64 and bool(unproved(results))))


def unproved(results: Results) -> dict[str, str]:
    """Label -> why, of those who finished, but not in float64 once more."""
    if results.plan.dtype == "float64":
        return {}
    labels = [record.entrant.label for record in results.records if record.status == "ok"]
    verdicts = {label: results.verdicts[label] for label in labels}
    return {
        label: verdict.float64_failed or "it made other steps"
        for label, verdict in verdicts.items()
        if verdict.float64_drift is None
    }
