"""The command line: what was asked, refused early and by name, or done."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.contract.entrant import Entrant, parse
from common.contract.info import COMPONENTS, DATA_CHOICES, DEVICES, DTYPES, MIXABLE, MODES, STYLES
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.registry import Backend, find, version
from common.errors import Refused

if TYPE_CHECKING:
    from common.contract.arrays import Arrays
    from common.data.description import Dataset
    from common.entrants.mixed import Mix
    from common.entrants.session import Session
    from common.results.record import Record, Results
    from common.running.runner import Observer

DESCRIPTION = "Train one model in several frameworks and prove whether they agree."
EXIT_REFUSED = 2
EXIT_UNFINISHED = 3
EXIT_INTERRUPTED = 130
#: The exit codes of a run, the one that counts among several last.
GRAVER = (0, 1, EXIT_UNFINISHED, EXIT_INTERRUPTED)


class Terminal(Console):
    """A console that leaves it to `main` what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        """Say so; rich would end the process with the exit code of a difference."""
        raise BrokenPipeError


class Parser(argparse.ArgumentParser):
    """Refuses in one line instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        raise Refused(f"{message}; see {self.prog} --help")


#: No count is larger; what is would only fail later.
LARGEST = 10**9


def number(
    kind: Callable[[str], Any], least: float, words: str, most: float | None = None
) -> Callable[[str], Any]:
    """Make an argparse type: a finite number of at least `least`, and at most `most`."""
    if most is None:
        most = LARGEST if kind is int else sys.float_info.max

    def convert(text: str) -> Any:
        complaint = argparse.ArgumentTypeError(f"{text[:40]!r} is not {words}")
        try:
            value = kind(text)
            if not least <= value <= most:
                raise complaint
        except (ValueError, OverflowError):
            raise complaint from None
        return value

    return convert


COUNT = number(int, 1, "a whole number of at least 1")
NATURAL = number(int, 0, "a whole number of at least 0")
NOT_NEGATIVE = number(float, 0.0, "a finite number of at least 0")
POSITIVE = number(float, math.ulp(0.0), "a finite number above 0")
BELOW_1 = number(float, 0.0, "a number of at least 0 and below 1", math.nextafter(1.0, 0.0))


#: What `sweep` can vary -> its option's name in the parsed arguments.
VARIED = {"batch-size": "batch_size", "hidden": "hidden", "limit": "limit", "threads": "threads"}


def varied(text: str) -> tuple[str, list[int]]:
    """Read `SETTING=VALUE,...`; at least two values, each once."""
    name, equals, values = text.partition("=")
    if not equals or name not in VARIED:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not SETTING=VALUE,... with one of {', '.join(VARIED)}"
        )
    found = [COUNT(value) for value in values.split(",")]
    if len(found) < 2 or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} has not two or more different values")
    return name, found


def share(text: str) -> float:
    """Read a percentage, as 0.05 or 5%."""
    number_, percent = (text[:-1].strip(), 100.0) if text.endswith("%") else (text, 1.0)
    return float(NOT_NEGATIVE(number_)) / percent


def parser() -> Parser:
    """Describe the whole command line."""
    top = Parser(prog="compare.py", allow_abbrev=False, description=DESCRIPTION)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    run = commands.add_parser(
        "run", help="train in several frameworks and compare (the default)", allow_abbrev=False
    )
    add_entrants(run, style="concise")
    add_training(run)
    checks = run.add_argument_group("what is checked")
    checks.add_argument("--no-band", action="store_true", help="skip the nudged runs")
    checks.add_argument(
        "--check-float64", action="store_true", help="train once more in float64: to 1e-12"
    )
    run.add_argument("--rounds", type=COUNT, default=1, help="repeat the whole training")
    out = run.add_argument_group("what comes out")
    out.add_argument("--out", type=Path, metavar="DIR", help="result folder")
    out.add_argument("--force", action="store_true", help="replace an old run's files in --out")
    add_output(out, "results.json there, too; - for stdout")

    diagnosis = commands.add_parser(
        "diagnose",
        help="first step, stage and tensor at which an entrant leaves the referee's path",
        allow_abbrev=False,
    )
    add_entrants(diagnosis, style="concise")
    add_training(diagnosis)
    add_output(diagnosis.add_argument_group("what comes out"), "what was found; - for stdout")

    sweep = commands.add_parser(
        "sweep",
        help="one run for each value of a setting: a step's overhead, and the rate beyond",
        allow_abbrev=False,
    )
    add_entrants(sweep, style="concise")
    add_training(sweep)
    sweep.add_argument(
        "--vary",
        required=True,
        type=varied,
        metavar="SETTING=VALUE,...",
        help=f"one of {', '.join(VARIED)}",
    )
    sweep.add_argument("--no-band", action="store_true", help="skip the nudged runs")
    sweep.add_argument("--rounds", type=COUNT, default=1, help="repeat each training")
    swept = sweep.add_argument_group("what comes out")
    swept.add_argument("--out", type=Path, metavar="DIR", help="folder for all result folders")
    swept.add_argument("--force", action="store_true", help="replace an old sweep in --out")
    add_output(swept, "sweep.json there, too; - for stdout")

    diff = commands.add_parser(
        "diff", help="two result folders: what changed, beyond noise", allow_abbrev=False
    )
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.add_argument(
        "--fail-above",
        type=share,
        metavar="5%",
        help="exit 1 if an entrant is slower by more, its whole interval, or has no time any more",
    )
    diff.add_argument(
        "--anyway", action="store_true", help="compare other work, or other machines, too"
    )
    diff.add_argument("--json", metavar="FILE", help="what was found; - for stdout")

    listing = commands.add_parser("list", help="backends: versions, what each can do")
    listing.add_argument("--backend-path", type=Path)

    show = commands.add_parser("show", help="source of a component side by side")
    show.add_argument(
        "component",
        metavar="COMPONENT",
        help=f"{', '.join(COMPONENTS)}, or one function, as update.sgd_scratch",
    )
    add_entrants(show, style=None)
    show.add_argument("--model", choices=MODELS)
    show.add_argument("--no-docstrings", action="store_true")
    show.add_argument("--html", action="store_true", help="a page, on stdout, instead of text")

    page = commands.add_parser(
        "report", help="write report.html of a result folder again, from what is in it"
    )
    page.add_argument("folder", type=Path, metavar="FOLDER")

    teaching = commands.add_parser(
        "lessons", help="differences between the frameworks: list them, or run one"
    )
    teaching.add_argument("name", nargs="?", metavar="NAME", help="which; none: list them")
    teaching.add_argument("--all", action="store_true", help="run every one")
    teaching.add_argument(
        "--markdown", action="store_true", help="all claims as docs/differences.md has them"
    )
    return top


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the options that say what is trained, on which data, where and how."""
    command.add_argument(
        "--mix",
        action="append",
        default=[],
        metavar="COMPONENT=BACKEND,...",
        help=f"one more entrant, of {', '.join(MIXABLE)} of several frameworks; may be repeated",
    )
    what = command.add_argument_group("what is trained")
    what.add_argument("--model", choices=MODELS, default="softmax", help="softmax unless said")
    what.add_argument("--mode", choices=MODES, help="default: each framework's usual one")
    what.add_argument(
        "--data",
        choices=DATA_CHOICES,
        default="memory",
        help="arrays in memory, or each framework's own loader",
    )
    what.add_argument("--epochs", type=COUNT, help="default: 10")
    what.add_argument("--batch-size", type=COUNT, help="default: 256; linear: 10")
    what.add_argument(
        "--lr",
        type=POSITIVE,
        help="learning rate; default: 0.1; adam, adamw: 0.001; linear: 0.03",
    )
    what.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd", help="sgd unless said")
    what.add_argument(
        "--momentum", type=NOT_NEGATIVE, help="m = momentum * m + g; default: sgd 0, momentum 0.9"
    )
    what.add_argument(
        "--weight-decay",
        type=NOT_NEGATIVE,
        default=0.0,
        help="coupled, g + decay * p; decoupled in adamw; default: 0",
    )
    what.add_argument(
        "--betas",
        type=BELOW_1,
        nargs=2,
        metavar=("B1", "B2"),
        help="of adam and adamw; default: 0.9 0.999",
    )
    what.add_argument("--eps", type=POSITIVE, help="of adam and adamw; default: 1e-8")
    what.add_argument("--hidden", type=COUNT, default=256, help="width of the MLP")
    what.add_argument("--seed", type=NATURAL, default=0, help="initial weights and orders")
    what.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="float64 leaves no room for rounding"
    )
    data = command.add_argument_group("on which data")
    data.add_argument("--data-dir", type=Path, help="folder with the four IDX files; final")
    data.add_argument("--custom-data", action="store_true", help="accept other digests")
    data.add_argument("--resize", type=COUNT, metavar="SIDE", help="pictures of SIDE x SIDE")
    data.add_argument("--limit", type=COUNT, metavar="N", help="first N training examples only")
    data.add_argument("--drop-last", action="store_true", help="leave the short batch out")
    where = command.add_argument_group("where and how")
    where.add_argument("--device", choices=DEVICES, default="cpu", help="cpu unless said")
    where.add_argument("--threads", type=COUNT, help="cores for each entrant; default: all")
    where.add_argument("--workers", type=NATURAL, default=0, help="loader workers")
    where.add_argument("--timeout", type=POSITIVE, default=600.0, help="seconds one call may take")
    where.add_argument(
        "--python", action="append", default=[], metavar="BACKEND=PATH", help="another interpreter"
    )


def add_output(group: argparse._ArgumentGroup, what: str) -> None:
    """Add the options that say where the answer goes."""
    group.add_argument("--json", metavar="FILE", help=what)
    group.add_argument("--quiet", action="store_true", help="no progress, no table")
    group.add_argument("--no-progress", action="store_true")


def add_entrants(command: argparse.ArgumentParser, *, style: str | None) -> None:
    """Add the options `run` and `show` share."""
    command.add_argument("--backends", nargs="+", metavar="ENTRANT", help="BACKEND[:WORD,...]")
    command.add_argument("--backend-path", type=Path, help="folder with further backends")
    command.add_argument("--style", choices=STYLES, default=style, help="for who does not say")


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


@dataclass
class Request:
    """What `run` and `diagnose` were asked for, read and found possible."""

    plan: Plan
    available: dict[str, Backend]
    entrants: list[Entrant]
    mixes: list[Mix]
    pythons: dict[str, str]
    dataset: Dataset | None
    errors: Terminal
    silent: bool

    @cached_property
    def records(self) -> list[Record]:
        """A record for each entrant, the mixed ones last."""
        from common.running.starting import mixed_record, new_records

        records = new_records(self.entrants, self.available, self.plan, self.pythons)
        return records + [
            mixed_record(mix, self.available, self.plan, self.pythons) for mix in self.mixes
        ]

    def backends(self) -> dict[str, Backend]:
        """Every backend that somebody's components come from."""
        chosen = [*self.entrants, *(one for mix in self.mixes for one in mix.chosen.values())]
        return {entrant.backend: self.available[entrant.backend] for entrant in chosen}

    def connect(self, folder: Path, timeout: float) -> Callable[[Record], Session]:
        """How a session for a record is started."""
        from common.running.starting import start_mix, start_worker

        mixes = {mix.entrant.label: mix for mix in self.mixes}

        def start(record: Record) -> Session:
            mix = mixes.get(record.entrant.label)
            where = (self.plan, folder, timeout, self.pythons)
            if mix is None:
                return start_worker(record, *where)
            return start_mix(record, mix, self.available, *where)

        return start


def read_request(asked: argparse.Namespace, *, nested: bool = False) -> Request:
    """Read what is to be trained, refuse what cannot be, get the data.

    Args:
        asked: the command line.
        nested: whether it is one of several runs; `--out` is then for all of them.
    """
    from common.data.datasets import load
    from common.data.draws import SYNTHETIC_EXAMPLES
    from common.entrants.mixed import parse_mix

    available = find(asked.backend_path)
    entrants = parse(
        asked.backends or [name for name, b in available.items() if not b.missing()],
        available,
        style=asked.style,
        mode=asked.mode,
        data=asked.data,
    )
    mixes = [parse_mix(text, available, asked.style) for text in asked.mix]
    # Whatever the order in which they name it.
    if any(one.chosen == other.chosen for one, other in itertools.combinations(mixes, 2)):
        raise Refused("two --mix are the same; one row of it is enough")
    plan, pythons = make_plan(asked), interpreters(asked.python, available)
    for entrant in [*entrants, *(mix.entrant for mix in mixes)]:
        backend = available.get(entrant.backend)
        if backend and (declared := backend.declared(entrant.style, plan)):
            backend.rule(declared)  # or it is refused
    synthetic = asked.model == "linear"
    if synthetic:
        refuse_for_linear(asked, [asked.data, *(entrant.data for entrant in entrants)])
    refuse_json_target(asked.json)
    if getattr(asked, "out", None) and not nested:
        from common.results.folder import refuse_folder

        refuse_folder(asked.out, force=asked.force)
    errors = Terminal(stderr=True)
    silent = asked.quiet or asked.no_progress
    say: Callable[[str], None]
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    if silent:
        os.environ["TQDM_DISABLE"] = "1"  # the bar of a download
        say = _nothing
    dataset, examples = None, SYNTHETIC_EXAMPLES
    if not synthetic:
        dataset = load(asked.data_dir, custom=asked.custom_data, resize=asked.resize, say=say)
        examples = min(plan.limit or dataset.train_examples, dataset.train_examples)
    if plan.drop_last and examples < plan.batch_size:
        raise Refused(
            f"--drop-last leaves nothing of {examples} examples in batches of {plan.batch_size}"
        )
    return Request(plan, available, entrants, mixes, pythons, dataset, errors, silent)


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


def train(
    asked: argparse.Namespace, request: Request, folder: Path, progress: Observer
) -> tuple[Results, dict[str, Any], Arrays]:
    """Train and judge everybody, and save it; the results, as saved, the initial parameters."""
    from common.errors import one_line
    from common.measure.limit import limit
    from common.results.folder import write_json
    from common.results.source import copy_source
    from common.running.runner import Runner
    from common.running.work import prepare_work, save_arrays

    plan = request.plan
    copy_source(folder / "source", request.backends())
    work = prepare_work(plan, request.dataset, folder)
    results = Runner(
        work,
        request.records,
        request.connect(folder, asked.timeout),
        progress,
        band=not asked.no_band,
        float64=getattr(asked, "check_float64", False),
        limit=limit if plan.device == "cpu" else None,
        meanwhile=import_what_comes_last,
    ).run()
    with uninterrupted():
        save_arrays(results, folder, work.test_labels, request.dataset)
        found = results.asdict()
        write_json(folder / "results.json", found)
        progress.phase("drawing the page")
        try:
            import_what_comes_last().write(folder)
        except Exception as error:
            # The results are saved, and a picture of them must not change what is said of them.
            words = f"the page could not be drawn: {one_line(error)}; compare.py report tries again"
            request.errors.print(words, markup=False, highlight=False, soft_wrap=True)
    return results, found, work.data["initial"]


def import_what_comes_last() -> Any:
    """Import the statistics and the page, a second's work; returns `common.shown.page`."""
    import scipy.stats  # noqa: F401

    from common.shown import page

    return page


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


def sweep_requests(asked: argparse.Namespace) -> dict[int, Request]:
    """Read one request for each value; all that cannot be is refused before the first runs."""
    name, values = asked.vary
    if name == "hidden" and "hidden" not in str(MODELS[asked.model].shapes):
        raise Refused(f"--vary hidden: {asked.model} has no hidden layer; try --model mlp")
    if asked.epochs == 1 and asked.rounds == 1:
        raise Refused("--epochs 1 with one round has no steady epoch to time; use two or more")
    if getattr(asked, VARIED[name]) is not None and name != "hidden":
        raise Refused(f"--vary {name} and --{name} say two things; leave the latter out")
    requests = {}
    for value in values:
        setattr(asked, VARIED[name], value)
        requests[value] = read_request(asked, nested=True)
    dataset = requests[values[0]].dataset
    if name == "limit" and dataset and max(values) > dataset.train_examples:
        there = dataset.train_examples
        raise Refused(f"--vary limit={max(values)}: there are {there} training examples")
    return requests


def diff(asked: argparse.Namespace) -> int:
    """`diff`: two result folders, and what changed between them."""
    from common.results.diff import above, changes, unlike
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
    worse = above(found, old, new, asked.fail_above) if asked.fail_above is not None else []
    answer = {"unlike": reasons, "entrants": [one.asdict() for one in found], "worse": worse}
    if asked.json and asked.json != "-":
        write_json(Path(asked.json), answer)
    with suppress(BrokenPipeError):
        if asked.json == "-":
            print(as_json(answer), end="", flush=True)
        console = _console(to_stderr=asked.json == "-")
        print_diff(found, old, new, reasons, worse, console)
    return int(bool(worse))


def diagnose(asked: argparse.Namespace) -> int:
    """`diagnose`: find where entrants leave the referee's path; nothing is kept."""
    from common.results.folder import as_json, write_json
    from common.running.diagnosing import Diagnoser
    from common.running.work import prepare_work
    from common.shown.diagnosis import print_diagnoses
    from common.shown.progress import Progress
    from common.shown.words import plain

    request = read_request(asked)
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        work = prepare_work(request.plan, request.dataset, folder)
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


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let no Ctrl-C, the second one of somebody impatient, cost what is being saved."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a notebook's, say; Ctrl-C never reaches it
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def make_plan(asked: argparse.Namespace) -> Plan:
    """Fill in the model's usual settings and this machine's cores.

    Raises:
        Refused: more threads than cores, or a setting its optimiser does not have.
    """
    from common.measure.machine import available_cores

    model, cores = MODELS[asked.model], available_cores()
    optimizer = OPTIMIZERS[asked.optimizer]
    for setting in ("momentum", "betas", "eps"):
        if getattr(asked, setting) is not None and setting not in optimizer.told:
            raise Refused(f"{optimizer.name} has no {setting}; --{setting} does not go with it")
    adam = "betas" in optimizer.told
    if asked.threads and asked.threads > cores:
        raise Refused(f"--threads {asked.threads}: this process may use {cores}")
    return Plan(
        model=model.name,
        optimizer=asked.optimizer,
        lr=asked.lr or (model.adam_lr if adam else model.lr),
        momentum=optimizer.momentum if asked.momentum is None else asked.momentum,
        weight_decay=asked.weight_decay,
        epochs=asked.epochs or model.epochs,
        batch_size=asked.batch_size or model.batch_size,
        seed=asked.seed,
        dtype=asked.dtype,
        device=asked.device,
        threads=asked.threads or cores,
        workers=asked.workers,
        hidden=asked.hidden,
        drop_last=asked.drop_last,
        limit=asked.limit,
        resize=asked.resize,
        rounds=getattr(asked, "rounds", 1),
        betas=tuple(asked.betas or Plan.betas),
        eps=asked.eps or Plan.eps,
    )


def refuse_for_linear(asked: argparse.Namespace, data: Sequence[str]) -> None:
    """Refuse what has no meaning for synthetic data."""
    given = {
        "--data-dir": asked.data_dir,
        "--custom-data": asked.custom_data,
        "--resize": asked.resize,
        "--limit": asked.limit,
        "loader": "loader" in data,
    }
    for option, value in given.items():
        if value:
            raise Refused(f"linear is trained on synthetic data; {option} does not go with it")


def interpreters(pairs: Sequence[str], available: Mapping[str, Backend]) -> dict[str, str]:
    """Read `--python BACKEND=PATH`."""
    found = {}
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


def refuse_json_target(target: str | None) -> None:
    """Refuse, before anything runs, a --json that could not be written in the end."""
    if target is None or target == "-":
        return
    path = Path(target).absolute()
    if path.is_dir():
        raise Refused(f"--json {target} is a folder; name a file")
    if not path.parent.is_dir():
        raise Refused(f"--json {target}: the folder {path.parent} is not there")
    if not os.access(path.parent, os.W_OK):
        raise Refused(f"--json {target}: the folder {path.parent} cannot be written")


def default_folder(model: str) -> Path:
    """`runs/<time>-<model>`, with a number if two runs start in the same second."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{model}"
    for suffix in itertools.chain([""], (f"-{n}" for n in itertools.count(2))):
        folder = Path("runs") / (name + suffix)
        if not folder.exists():
            return folder
    raise AssertionError("itertools.count ended")


def _console(*, to_stderr: bool = False, otherwise: int = 160) -> Terminal:
    """As wide as the terminal, or as COLUMNS says; else wide enough for every column."""
    stream = sys.stderr if to_stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Terminal(stderr=to_stderr, width=None if known else otherwise)


def _nothing(words: str) -> None:
    """Say nothing."""
