"""The command line: what was asked, refused early and by name, or done."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from common.cli.options import parser
from common.cli.request import (
    Terminal,
    default_folder,
    read_request,
    refuse_json_target,
    sweep_requests,
    train,
    uninterrupted,
)
from common.contract.entrant import parse
from common.contract.info import STYLES
from common.contract.registry import Backend, find, version
from common.errors import Refused

EXIT_REFUSED = 2

EXIT_UNFINISHED = 3

EXIT_INTERRUPTED = 130

#: The exit codes of a run, the one that counts among several last.
GRAVER = (0, 1, EXIT_UNFINISHED, EXIT_INTERRUPTED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]]
    commands = {
        "run": run,
        "diagnose": diagnose,
        "sweep": sweep,
        "diff": diff,
        "list": list_backends,
        "show": show_source,
        "report": write_report,
        "lessons": lessons,
    }
    # `run` may be left out; a first word that is no option must be a command.
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "run")
    try:
        asked = parser().parse_args(words)
        return commands[asked.command](asked)
    except Refused as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except KeyboardInterrupt:
        print("compare.py: interrupted before there was anything to save", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it (`compare.py show loss | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def list_backends(asked: argparse.Namespace) -> int:
    """`list`: a row for every backend."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("backend", "versions", "styles", "modes", "data", "devices", "what is missing"):
        table.add_column(name)
    for backend in find(asked.backend_path).values():
        info = backend.info
        packages = [f"{name} {version(name) or '–'}" for name in info.packages]
        missing = [backend.missing()] if backend.missing() else []
        missing += [f"{word}: {why}" for word, why in info.absent.items()]
        cells = ["\n".join(packages), *map(" ".join, (info.styles, info.modes, info.data))]
        table.add_row(
            backend.name, *cells, " ".join(info.devices), escape("\n".join(map(str, missing)))
        )
    _console().print(table)
    return 0


def show_source(asked: argparse.Namespace) -> int:
    """`show`: a component's source in columns."""
    from common.learning.source import columns
    from common.shown.code import show

    available = find(asked.backend_path)
    shown: dict[tuple[str, str | None], Backend] = {}
    for entrant in parse(asked.backends or list(available), available):
        words = entrant.label.partition("#")[0].partition(":")[2].split(",")
        style = next((word for word in words if word in STYLES), asked.style)
        shown[entrant.backend, style] = available[entrant.backend]
    found = columns(
        asked.component,
        [(backend, style) for (_, style), backend in shown.items()],
        model=asked.model,
        docstrings=not asked.no_docstrings,
    )
    if asked.html:
        from common.shown.page import source_page

        print(source_page(asked.component, found))
    else:
        show(found, _console(otherwise=120))
    return 0


def write_report(asked: argparse.Namespace) -> int:
    """`report`: the page of a result folder again, from what is in it."""
    from common.errors import one_line
    from common.shown.page import write

    try:
        path = write(asked.folder)
    except Refused:
        raise
    except Exception as cause:  # whatever the files of somebody's folder hold
        words = f"{asked.folder} cannot be drawn: {one_line(cause)}"
        raise Refused(words) from cause
    print(path)
    return 0


def lessons(asked: argparse.Namespace) -> int:
    """`lessons`: list them by topic, or run one, or all, in every framework that is there."""
    from common.learning import lessons as teaching
    from common.shown.lessons import print_lesson, print_lessons

    known = teaching.find()
    console = _console(otherwise=120)
    if asked.markdown:
        print(teaching.markdown(known.values()), end="")
        return 0
    if asked.name is None and not asked.all:
        print_lessons(list(known.values()), console)
        return 0
    chosen = list(known.values()) if asked.all else [teaching.choose(asked.name, known)]
    there = {name: backend for name, backend in find(None).items() if backend.missing() is None}
    found = teaching.run(chosen, there)
    wrong = False
    for lesson in chosen:
        print_lesson(lesson, found[lesson.name], console, code=not asked.all)
        wrong |= any(outcome.wrong for outcome in found[lesson.name].values())
    return int(wrong)


def run(asked: argparse.Namespace) -> int:
    """`run`: train, judge, report, save."""
    # Only here: the other commands answer in a tenth of a second, without NumPy.
    from common.results.folder import as_json, prepare, write_json
    from common.shown.progress import Progress
    from common.shown.results import print_results

    request = read_request(asked)
    folder = asked.out or default_folder(request.plan.model)
    prepare(folder, force=asked.force)
    with Progress(
        request.errors, request.records, request.plan.epochs, request.plan.rounds, request.silent
    ) as progress:
        results, found, _ = train(asked, request, folder, progress)
    if asked.json and asked.json != "-":
        with uninterrupted():
            write_json(Path(asked.json), found)
    # What is printed changes nothing any more: a reader that has enough does not, either.
    with suppress(BrokenPipeError):
        if asked.json == "-":
            print(as_json(found), end="", flush=True)
        if not asked.quiet:
            console = _console(to_stderr=asked.json == "-")
            print_results(results, str(folder), console, request.dataset)
    return results.exit_code()


def sweep(asked: argparse.Namespace) -> int:
    """`sweep`: one run for each value, then a line through the times."""
    from common.results.folder import as_json, prepare, refuse_folder, whole, write_json
    from common.running import sweep as sweeping
    from common.shown import charts
    from common.shown.progress import Progress
    from common.shown.sweep import print_sweep
    from common.shown.words import plain

    name, values = asked.vary
    requests = sweep_requests(asked)
    folder = asked.out or default_folder(f"{asked.model}-{name}")
    refuse_folder(folder, force=asked.force)
    folders = {value: folder / f"{name}-{value}" for value in values}
    for inner in folders.values():
        prepare(inner, force=asked.force)
    drawing = folder / "sweep.svg"
    drawing.unlink(missing_ok=True)
    runs, starts = {}, {}
    interrupted = False
    try:
        for value, request in requests.items():
            plan = request.plan
            with Progress(
                request.errors, request.records, plan.epochs, plan.rounds, request.silent,
                f"{name} {value}: ",
            ) as progress:  # fmt: skip
                runs[value], _, starts[value] = train(asked, request, folders[value], progress)
            if runs[value].interrupted:
                break
    except KeyboardInterrupt:
        interrupted = True  # between two runs; what there is is saved
    unit = sweeping.UNITS.get(name)
    found = sweeping.points(runs, starts, unit or "step")
    lines = {label: sweeping.line(sweeping.usable(of)) for label, of in found.items() if unit}
    answer = {
        "vary": name,
        "unit": unit or "step",
        "entrants": sweeping.as_plain(found, lines),
    }
    with uninterrupted():
        write_json(folder / "sweep.json", answer)
        if any(sweeping.usable(of_label) for of_label in found.values()):
            with whole(drawing) as path:
                charts.chart(found, name, unit or "step").save(path, format="svg")
        if asked.json and asked.json != "-":
            write_json(Path(asked.json), answer)
    with suppress(BrokenPipeError):
        if asked.json == "-":
            print(as_json(answer), end="", flush=True)
        if not asked.quiet:
            console = _console(to_stderr=asked.json == "-")
            print_sweep(found, lines, name, unit or "step", console)
            drawn = ", drawn in sweep.svg" if drawing.exists() else ""
            console.print(plain(f"results in {folder}{drawn}"), soft_wrap=True)
    codes = [results.exit_code() for results in runs.values()]
    return max([*codes, *[EXIT_INTERRUPTED] * interrupted], key=GRAVER.index)


def diff(asked: argparse.Namespace) -> int:
    """`diff`: two result folders, and what changed between them."""
    from common.results.diff import Judged, above, changes, unlike
    from common.results.folder import as_json, read_results, write_json
    from common.shown.diff import print_diff

    refuse_json_target(asked.json)
    old, new = read_results(asked.old), read_results(asked.new)
    reasons = unlike(old, new)
    if reasons and not asked.anyway:
        raise Refused(
            f"{asked.old} and {asked.new} are not the same work on the same machine: "
            f"{'; '.join(reasons)}; add --anyway to compare them all the same"
        )
    found = changes(old, new)
    if not found:
        raise Refused(f"{asked.old} and {asked.new} have no entrant in common")
    judged = Judged()
    if asked.fail_above is not None:
        judged = above(found, old, new, asked.fail_above)
    answer = {
        "unlike": reasons,
        "entrants": [one.asdict() for one in found],
        "worse": judged.worse,
        "undecided": judged.undecided,
    }
    if asked.json and asked.json != "-":
        write_json(Path(asked.json), answer)
    with suppress(BrokenPipeError):
        if asked.json == "-":
            print(as_json(answer), end="", flush=True)
        console = _console(to_stderr=asked.json == "-")
        print_diff(found, old, new, reasons, judged, console)
    return judged.exit_code()


def diagnose(asked: argparse.Namespace) -> int:
    """`diagnose`: find where entrants leave the referee's path; nothing is kept."""
    from common.results.folder import as_json, write_json
    from common.running.diagnosing import Diagnoser
    from common.running.work import draw_work
    from common.shown.diagnosis import print_diagnoses
    from common.shown.progress import Progress
    from common.shown.words import plain

    request = read_request(asked)
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        work = draw_work(request.plan, request.dataset)
        records = request.records
        connect = request.connect(folder, asked.timeout)
        plan = request.plan
        with Progress(request.errors, records, plan.epochs, 1, request.silent) as progress:
            found = Diagnoser(work, records, connect, progress).run()
    answer = {
        "plan": plan.asdict(),
        "entrants": [
            {"label": r.entrant.label, "status": r.status, "reason": r.reason,
             **(found[r.entrant.label].asdict() if r.entrant.label in found else {})}
            for r in records
        ],
    }  # fmt: skip
    if asked.json and asked.json != "-":
        write_json(Path(asked.json), answer)
    with suppress(BrokenPipeError):
        if asked.json == "-":
            print(as_json(answer), end="", flush=True)
        if not asked.quiet:
            console = _console(to_stderr=asked.json == "-")
            print_diagnoses(found, console)
            for record in records:
                if record.reason:
                    line = f"{record.entrant.label}: {record.status}: {record.reason}"
                    console.print(plain(line), soft_wrap=True)
    if any(record.status != "ok" for record in records):
        return EXIT_UNFINISHED
    return int(any(one.difference is not None for one in found.values()))


def _console(*, to_stderr: bool = False, otherwise: int = 160) -> Terminal:
    """As wide as the terminal, or as COLUMNS says; else wide enough for every column."""
    stream = sys.stderr if to_stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Terminal(stderr=to_stderr, width=None if known else otherwise)
