"""How the command line tells: answers as JSON or a table, progress, and a line now and then."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from common.locale.phrases import told

if TYPE_CHECKING:
    from common.ask.request import Request
    from common.results.document import Document
    from common.results.grid_merged import Merged
    from common.results.inference import Inference
    from common.results.sweep import Sweep
    from common.shown.progress import Progress


def progress(request: Request, before: str = "", *, quiet: bool = False) -> Progress:
    """Tell of a run on standard error while it goes on."""
    from common.shown.progress import Progress

    plan, silent = request.plan, request.settings.silent or quiet
    errors = Console(stderr=True)
    return Progress(errors, request.records, plan.epochs, plan.rounds, silent, before)


def tell(
    answer: Document | Inference | Merged | Sweep | Mapping[str, Any],
    target: str | None,
    table: Callable[[Console], None] | None,
) -> None:
    """Give the answer: as JSON where that was asked for, and as a table.

    Args:
        answer: as results.json, grid.json or sweep.json has it, or plain values.
        target: of `--json`; "-" for standard output, and the table goes to standard error.
        table: prints it; None to print none.
    """
    from common.results.folder import as_json
    from common.results.target import write_target

    if target == "-":
        print(encodable(as_json(answer), sys.stdout.encoding), end="", flush=True)
    elif target is not None:
        try:
            write_target(target, answer)
        except OSError as error:
            print(f"compare.py: --json {target}: {error.strerror}", file=sys.stderr)
    if table is not None:
        table(console(to_stderr=target == "-"))


@contextmanager
def saved_in(folder: Path) -> Iterator[None]:
    """Let an interrupt of the telling say that nothing is lost by it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(f"while it was told; the results are in {folder}") from error


def encodable(text: str, encoding: str | None) -> str:
    """JSON that a stream's encoding can hold, by escapes if it must."""
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), indent=1) + "\n"
    return text


def say(words: str) -> None:
    """Say something on standard error, as it is."""
    # Without `emoji` it would draw what stands between two colons.
    Console(stderr=True).print(
        told(words), markup=False, highlight=False, emoji=False, soft_wrap=True
    )


def console(*, to_stderr: bool = False, otherwise: int = 160) -> Console:
    """As wide as the terminal, or as COLUMNS says; else wide enough for every column."""
    stream = sys.stderr if to_stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=to_stderr, width=None if known else otherwise)
