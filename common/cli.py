"""The command line: what was asked, refused early and by name, or done."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.errors import Refused
from common.models import MODELS
from common.registry import Backend, find, parse, version
from common.spec import (
    COMPONENTS,
    DATA_CHOICES,
    DEVICES,
    DTYPES,
    MODES,
    OPTIMIZERS,
    STYLES,
    Plan,
)

EXIT_REFUSED = 2


class Parser(argparse.ArgumentParser):
    """Refuses in one line instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        raise Refused(f"{message}; see {self.prog} --help")


def number(kind: Callable[[str], Any], least: float, words: str) -> Callable[[str], Any]:
    """Make an argparse type: a finite number not below `least`."""

    def convert(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}") from None
        if not math.isfinite(value) or value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}")
        return value

    return convert


COUNT = number(int, 1, "a whole number of at least 1")
NATURAL = number(int, 0, "a whole number of at least 0")
NOT_NEGATIVE = number(float, 0.0, "a finite number of at least 0")
POSITIVE = number(float, math.ulp(0.0), "a finite number above 0")


def parser() -> Parser:
    """Describe the whole command line; options are explained in the README."""
    top = Parser(prog="compare.py", allow_abbrev=False, description=__doc__)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    run = commands.add_parser(
        "run", help="train in several frameworks and compare (the default)", allow_abbrev=False
    )
    add_entrants(run)
    what = run.add_argument_group("what is trained")
    what.add_argument("--model", choices=MODELS, default="softmax")
    what.add_argument("--mode", choices=MODES, help="default: each framework's usual one")
    what.add_argument("--data", choices=DATA_CHOICES, default="memory")
    what.add_argument("--epochs", type=COUNT)
    what.add_argument("--batch-size", type=COUNT)
    what.add_argument("--lr", type=POSITIVE)
    what.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    what.add_argument("--momentum", type=NOT_NEGATIVE, default=0.0)
    what.add_argument("--weight-decay", type=NOT_NEGATIVE, default=0.0)
    what.add_argument("--hidden", type=COUNT, default=256, help="width of the MLP")
    what.add_argument("--seed", type=NATURAL, default=0, help="initial weights and orders")
    what.add_argument("--dtype", choices=DTYPES, default="float32")
    what.add_argument("--rounds", type=COUNT, default=1, help="repeat the whole training")
    data = run.add_argument_group("on which data")
    data.add_argument("--data-dir", type=Path, help="folder with the four IDX files; final")
    data.add_argument("--custom-data", action="store_true", help="accept other digests")
    data.add_argument("--resize", type=COUNT, metavar="SIDE")
    data.add_argument("--limit", type=COUNT, metavar="N", help="first N training examples only")
    data.add_argument("--drop-last", action="store_true", help="leave the short batch out")
    where = run.add_argument_group("where and how")
    where.add_argument("--device", choices=DEVICES, default="cpu")
    where.add_argument("--threads", type=COUNT)
    where.add_argument("--workers", type=NATURAL, default=0, help="loader workers")
    where.add_argument("--timeout", type=POSITIVE, default=600.0, help="seconds one call may take")
    where.add_argument("--python", action="append", default=[], metavar="BACKEND=PATH")
    where.add_argument("--no-band", action="store_true", help="skip the nudged runs")
    out = run.add_argument_group("what comes out")
    out.add_argument("--out", type=Path, metavar="DIR")
    out.add_argument("--force", action="store_true", help="replace an old run's files in --out")
    out.add_argument("--json", metavar="FILE", help="results.json there, too; - for stdout")
    out.add_argument("--quiet", action="store_true", help="no progress, no table")
    out.add_argument("--no-progress", action="store_true")

    listing = commands.add_parser("list", help="backends: versions, what each can do")
    listing.add_argument("--backend-path", type=Path)

    show = commands.add_parser("show", help="source of a component side by side")
    show.add_argument("component", metavar="COMPONENT", help=", ".join(COMPONENTS))
    add_entrants(show)
    show.add_argument("--model", choices=MODELS)
    show.add_argument("--no-docstrings", action="store_true")
    return top


def add_entrants(command: argparse.ArgumentParser) -> None:
    """Add the options `run` and `show` share."""
    command.add_argument("--backends", nargs="+", metavar="ENTRANT", help="BACKEND[:WORD,...]")
    command.add_argument("--backend-path", type=Path, help="folder with further backends")
    default = "concise" if command.prog.endswith("run") else None
    command.add_argument("--style", choices=STYLES, default=default)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]]
    commands = {"run": run, "list": list_backends, "show": show_source}
    # `run` may be left out; a first word that is no option must be a command.
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help")):
        words.insert(0, "run")
    try:
        asked = parser().parse_args(words)
        return commands[asked.command](asked)
    except Refused as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return EXIT_REFUSED
    except BrokenPipeError:
        # Whoever read our output has enough of it (`compare.py show loss | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def list_backends(asked: argparse.Namespace) -> int:
    """`list`: a row for every backend."""
    table = Table(pad_edge=False)
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
    Console(width=None if sys.stdout.isatty() else 160).print(table)
    return 0


def show_source(asked: argparse.Namespace) -> int:
    """`show`: a component's source in columns."""
    from common.source import show

    available = find(asked.backend_path)
    entrants = parse(asked.backends or list(available), available)
    shown: dict[str, Backend] = {e.backend: available[e.backend] for e in entrants}
    show(
        asked.component,
        list(shown.values()),
        Console(width=None if sys.stdout.isatty() else 120),
        model=asked.model,
        style=asked.style,
        docstrings=not asked.no_docstrings,
    )
    return 0


def run(asked: argparse.Namespace) -> int:
    """`run`: train, judge, report, save."""
    # Only here: the other commands answer in a tenth of a second, without NumPy.
    from common import report
    from common.data import load
    from common.results import as_json, prepare, write_json
    from common.run import Runner, new_records, prepare_work, save_results, start_worker

    available = find(asked.backend_path)
    entrants = parse(
        asked.backends or [name for name, b in available.items() if not b.missing()],
        available,
        style=asked.style,
        mode=asked.mode,
        data=asked.data,
    )
    plan, pythons = make_plan(asked), interpreters(asked.python, available)
    synthetic = asked.model == "linear"
    if synthetic:
        refuse_for_linear(asked, [entrant.data for entrant in entrants])
    errors = Console(stderr=True)
    say = partial(errors.print, markup=False, highlight=False, soft_wrap=True)
    if asked.quiet or asked.no_progress:
        os.environ["TQDM_DISABLE"] = "1"  # the bar of a download
        say = partial(_nothing)
    refuse_json_target(asked.json)
    dataset = None
    if not synthetic:
        dataset = load(asked.data_dir, custom=asked.custom_data, resize=asked.resize, say=say)
    folder = asked.out or default_folder(plan.model)
    prepare(folder, force=asked.force)

    records = new_records(entrants, available, plan, pythons)
    work = prepare_work(plan, dataset, folder)
    connect = partial(
        start_worker, plan=plan, folder=folder, timeout=asked.timeout, pythons=pythons
    )
    quiet = asked.quiet or asked.no_progress
    with ExitStack() as stack:
        progress = stack.enter_context(
            report.Progress(errors, records, plan.epochs, plan.rounds, quiet)
        )
        results = Runner(work, records, connect, progress, band=not asked.no_band).run()
    save_results(results, folder, work.test_labels)
    if asked.json == "-":
        sys.stdout.write(as_json(results.asdict()))
    elif asked.json:
        write_json(Path(asked.json), results.asdict())
    if not asked.quiet:
        report.print_results(results, str(folder), _table_console(to_stderr=asked.json == "-"))
    return results.exit_code()


def make_plan(asked: argparse.Namespace) -> Plan:
    """Fill in the model's usual settings and this machine's cores.

    Raises:
        Refused: more threads than cores, or a model that takes no classes' options.
    """
    from common.session import available_cores

    model, cores = MODELS[asked.model], available_cores()
    if asked.threads and asked.threads > cores:
        raise Refused(f"--threads {asked.threads}: this process may use {cores}")
    return Plan(
        model=model.name,
        optimizer=asked.optimizer,
        lr=asked.lr or model.lr,
        momentum=asked.momentum,
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
        rounds=asked.rounds,
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
    if target and target != "-" and not Path(target).absolute().parent.is_dir():
        raise Refused(f"--json {target}: the folder {Path(target).parent} is not there")


def default_folder(model: str) -> Path:
    """`runs/<time>-<model>`, with a number if two runs start in the same second."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{model}"
    for suffix in itertools.chain([""], (f"-{n}" for n in itertools.count(2))):
        folder = Path("runs") / (name + suffix)
        if not folder.exists():
            return folder
    raise AssertionError("itertools.count ended")


def _table_console(*, to_stderr: bool) -> Console:
    """Where the table goes: as wide as the terminal, or wide enough for all columns."""
    stream = sys.stderr if to_stderr else sys.stdout
    return Console(stderr=to_stderr, width=None if stream.isatty() else 160)


def _nothing(words: str) -> None:
    """Say nothing."""
