"""`grid`: plan many comparisons, run them wherever there is room, and lay them side by side."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from common.cli.codes import EXIT_INTERRUPTED, GRAVER
from common.cli.telling import console, progress, say, tell
from common.errors import Refused
from common.locale.language import _
from common.locale.phrases import told

if TYPE_CHECKING:
    from common.ask.request import Request
    from common.results.grid import Cell, Grid
    from common.shown.progress import Progress


def grid(asked: argparse.Namespace) -> int:
    """`grid`: one of its commands."""
    return STEPS[asked.step](asked)


def plan(asked: argparse.Namespace) -> int:
    """`grid plan`: every cell of a file, checked and written down."""
    from common.ask.grid import plan as plan_into
    from common.shown.grid import print_plan

    planned = plan_into(asked.file, asked.out, say)
    print_plan(planned.grid, planned.left_out, str(asked.out), console())
    return 0


def run(asked: argparse.Namespace) -> int:
    """`grid run`: one cell, or all that are missing here."""
    from common.ask.grid import Held, run_cell, to_run
    from common.results.grid import read_grid
    from common.shown.grid import ended_words
    from common.shown.words import plain

    found = read_grid(asked.grid)
    cells = to_run(asked.grid, found) if asked.cell is None else [found.cell(asked.cell)]
    if not cells:
        say(_("nothing is missing in {folder}", folder=asked.grid))
    code = 0
    ends: list[Exception] = []  # of the cells that were refused, or ended by an error of our own
    for number, cell in enumerate(cells, 1):
        place = _(" ({number} of {all})", number=number, all=len(cells)) if len(cells) > 1 else ""
        say(
            _(
                "cell {index}{place}: {words}",
                index=cell.index,
                place=place,
                words=found.words(cell),
            )
        )
        try:
            ran = run_cell(asked.grid, found, cell, watching(cell, quiet=asked.quiet), say)
        except Held as error:
            if asked.cell is not None:
                raise
            say(_("{error}; left to it", error=told(str(error))))
            continue
        except Refused as error:
            if len(cells) > 1:
                say(f"compare.py: {plain(told(str(error)))}")
            ends.append(error)
            continue
        results = ran.outcome.results if ran.outcome else None
        say(
            _(
                "cell {index}: {words}",
                index=cell.index,
                words=ended_words(results, ran.exit_code),
            )
        )
        code = max(code, ran.exit_code, key=GRAVER.index)
        if results is not None and results.error is not None:
            ends.append(results.error)
        if ran.exit_code == EXIT_INTERRUPTED:
            break
    own = [one for one in ends if not isinstance(one, Refused)]
    if own or (ends and code != EXIT_INTERRUPTED):
        raise (own or ends)[0]
    return code


def watching(cell: Cell, *, quiet: bool) -> Callable[[Request], Progress]:
    """Make who tells of a cell's run."""

    def watch(request: Request) -> Progress:
        return progress(request, _("cell {index}: ", index=cell.index), quiet=quiet)

    return watch


def merge(asked: argparse.Namespace) -> int:
    """`grid merge`: what all cells came to, in one table, one file and one page."""
    from common.ask.grid_merge import merge as merge_into
    from common.results.grid import read_grid
    from common.results.target import refuse_target
    from common.shown.grid import print_merged

    refuse_target(asked.json)
    found: Grid = read_grid(asked.grid)
    out: Path = asked.out or asked.grid
    merged = merge_into(found, [asked.grid, *asked.folders], out)

    tell(merged, asked.json, None if asked.quiet else lambda c: print_merged(merged, str(out), c))
    return merged.exit_code()


def submit(asked: argparse.Namespace) -> int:
    """`grid submit`: a job for each cell that is missing."""
    from common.ask.grid_submit import JOBS
    from common.ask.grid_submit import submit as submit_jobs
    from common.results.grid import read_grid
    from common.shown.grid import ranges

    jobs = submit_jobs(
        asked.grid, read_grid(asked.grid), local=asked.local, options=dict(asked.slurm or ())
    )
    for job in jobs:
        say(_("job {id}: cells {cells}", id=job.id, cells=ranges(job.cells)))
    say(
        _("their output is in {folder}", folder=asked.grid / JOBS)
        if jobs
        else _("nothing is missing in {folder}", folder=asked.grid)
    )
    return 0


STEPS: dict[str, Callable[[argparse.Namespace], int]] = {
    "plan": plan,
    "run": run,
    "merge": merge,
    "submit": submit,
}
