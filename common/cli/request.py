"""What is to be trained: read, and refused early and by name."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from common.cli.options import VARIED
from common.contract.entrant import Entrant, parse
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.registry import Backend, find
from common.errors import Refused

if TYPE_CHECKING:
    from common.contract.arrays import Arrays
    from common.data.description import Dataset
    from common.entrants.mixed import Mix
    from common.entrants.session import Session
    from common.results.document import Document, Options
    from common.results.record import Record, Results
    from common.running.observer import Observer


class Terminal(Console):
    """A console that leaves it to `main` what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        """Say so; rich would end the process with the exit code of a difference."""
        raise BrokenPipeError


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


def train(
    asked: argparse.Namespace, request: Request, folder: Path, progress: Observer
) -> tuple[Results, Document, Arrays]:
    """Train and judge everybody, and save it; the results, as saved, the initial parameters."""
    from common.measure.limit import limit
    from common.results.source import copy_source
    from common.running.interruption import Interruption
    from common.running.runner import Runner
    from common.running.saving import save
    from common.running.work import draw_work, write_work

    plan = request.plan
    with Interruption() as interruption:
        with interruption.taken():
            copy_source(folder / "source", request.backends())
            work = draw_work(plan, request.dataset)
            write_work(work, folder)
        results = Runner(
            work,
            request.records,
            request.connect(folder, asked.timeout),
            progress,
            band=not asked.no_band,
            float64=getattr(asked, "check_float64", False),
            limit=limit if plan.device == "cpu" else None,
            meanwhile=import_what_comes_last,
            interruption=interruption,
        ).run()
        results.options = options_of(asked, request)
        progress.phase("saving")
        found, lost = save(results, work, folder, request.dataset, draw_page)
    for words in lost:
        request.errors.print(words, markup=False, highlight=False, soft_wrap=True)
    return results, found, work.initial


def draw_page(folder: Path) -> object:
    """Write report.html of a result folder."""
    return import_what_comes_last().write(folder)


def options_of(asked: argparse.Namespace, request: Request) -> Options:
    """What was asked for besides the plan and the entrants, as results.json keeps it."""
    from common.results.document import Options

    folder = asked.data_dir or os.environ.get("COMPARE_DATA_DIR")
    return Options(
        style=asked.style,
        backend_path=str(asked.backend_path.absolute()) if asked.backend_path else None,
        python=request.pythons,
        timeout=asked.timeout,
        no_band=asked.no_band,
        check_float64=getattr(asked, "check_float64", False),
        data_dir=str(Path(folder).absolute()) if folder and request.dataset else None,
        custom_data=asked.custom_data,
    )


def import_what_comes_last() -> Any:
    """Import the statistics and the page, a second's work; returns `common.shown.page`."""
    import scipy.stats  # noqa: F401

    from common.shown import page

    return page


def sweep_requests(asked: argparse.Namespace) -> dict[int, Request]:
    """Read one request for each value; all that cannot be is refused before the first runs."""
    name, values = asked.vary
    if name == "hidden" and "hidden" not in str(MODELS[asked.model].parameters):
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


def _nothing(words: str) -> None:
    """Say nothing."""
