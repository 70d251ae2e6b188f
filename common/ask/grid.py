"""A grid: many comparisons, each whole on one machine, planned once and run wherever there is room.

A cell is run in a hidden folder, `.<index>`, which becomes `<index>` by one rename when it is
whole: what is there is finished, what is hidden was interrupted and can be taken up.
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from common.ask.grid_file import Planned, Tools, key_of, plan_grid
from common.ask.request import Request, Say, silence
from common.ask.resume import read_asked
from common.ask.run import Outcome, Watching, exit_code, run
from common.ask.settings import Settings
from common.errors import Refused
from common.results.folder import write_json
from common.results.grid import CELL, CELLS, Cell, Grid, Ran, read_grid, read_struct
from common.results.journal import JOURNAL

#: Makes who is told of a run as it happens.
Watch = Callable[[Request], Watching]


class State(Enum):
    """How far a cell came, here."""

    MISSING = "missing"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    DONE = "done"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class CellRun:
    """What running one cell came to; no outcome where it was done before."""

    cell: Cell
    exit_code: int
    outcome: Outcome | None = None


def plan(file: Path, out: Path, say: Say = silence) -> Planned:
    """Plan a grid into a new folder.

    Raises:
        Refused: the file cannot be, or the folder holds another grid or anything else.
    """
    planned = plan_grid(file, say)
    try:
        if (out / CELLS).exists():
            if read_grid(out) == planned.grid:
                return planned
            raise Refused(f"--out {out} holds another grid; name another folder")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise Refused(f"--out {out} is no empty folder; name another one")
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / CELLS, planned.grid)
    except OSError as cause:
        raise Refused(f"--out {out} cannot be written: {cause.strerror}") from cause
    return planned


def state_of(folder: Path, cell: Cell) -> State:
    """How far a cell came in a grid's folder."""
    try:
        ran = read_struct(folder / str(cell.index) / CELL, Ran)
    except FileNotFoundError:
        hidden = folder / f".{cell.index}"
        return State.INTERRUPTED if (hidden / JOURNAL).exists() else State.MISSING
    if ran.key != cell.key:
        return State.FOREIGN
    return State.DONE if ran.exit_code in (0, 1) else State.FAILED


def to_run(folder: Path, grid: Grid) -> list[Cell]:
    """The cells that are missing here, or were interrupted."""
    wanted = (State.MISSING, State.INTERRUPTED)
    return [cell for cell in grid.cells if state_of(folder, cell) in wanted]


def run_cell(folder: Path, grid: Grid, cell: Cell, watching: Watch, say: Say = silence) -> CellRun:
    """Run a cell, take it up where it was interrupted, or let it be where it is done.

    Args:
        folder: the grid's.
        grid: as it was planned.
        cell: one of its cells; one that failed is tried again.
        watching: makes who is told of the run as it happens.
        say: hears why a cell is not taken up, but begun anew.

    Raises:
        Refused: it cannot be run here, or its folder holds another's.
        Held: another process runs it.
    """
    whole = folder / str(cell.index)
    hidden = folder / f".{cell.index}"
    with held(folder, cell):
        if aside_of(hidden).exists() and not hidden.exists():  # by a process that was killed
            aside_of(hidden).rename(hidden)
        state = state_of(folder, cell)
        if state is State.DONE:
            return CellRun(cell, read_struct(whole / CELL, Ran).exit_code)
        # An empty one may stand there: some schedulers make it for what they expect.
        filled = state is not State.FAILED and whole.exists() and any(whole.iterdir())
        if filled:
            raise Refused(f"{whole} is not of this plan; move it away, or plan into another folder")
        if state is State.FAILED:
            removed(hidden)
            whole.rename(hidden)
        began = time.monotonic()
        try:
            request, outcome = taken_up(hidden, grid, cell, watching, say) or begun(
                hidden, grid, cell, watching, say
            )
        except Refused:
            if state is State.FAILED:
                hidden.rename(whole)
            raise
        code = exit_code(outcome.results, float64=request.settings.check_float64)
        ended = outcome.results.error is None and not outcome.results.interrupted
        if ended and (hidden / "results.json").is_file():
            tools = Tools.of(request)
            ran = Ran(
                key=cell.key,
                code=tools.code,
                versions=tools.versions,
                host=platform.node() or "unnamed",
                seconds=time.monotonic() - began,
                exit_code=code,
            )
            write_json(hidden / CELL, ran)
            hidden.rename(whole)
            removed(aside_of(hidden))
        elif ended and code in (0, 1):
            code = 3  # its results are nowhere, or elsewhere: it is still missing
        return CellRun(cell, code, outcome)


class Held(Refused):
    """Another process runs the cell."""


@contextmanager
def held(folder: Path, cell: Cell) -> Iterator[None]:
    """Hold a cell, so that no other process runs it.

    Raises:
        Refused: another one does.
    """
    path = folder / f".{cell.index}.lock"
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout as cause:
        raise Held(f"cell {cell.index} is being run by another process") from cause
    except OSError as cause:
        raise Refused(f"{folder} cannot be written: {cause.strerror}") from cause
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: nobody else has this one
        lock.release()


def taken_up(
    hidden: Path, grid: Grid, cell: Cell, watching: Watch, say: Say
) -> tuple[Request, Outcome] | None:
    """Finish what an interrupted process left of a cell; None if that cannot be."""
    if not (hidden / JOURNAL).exists():
        return None
    try:
        request, kept = read_asked(Settings(resume=hidden), say)
        refuse_changed(request, grid, cell)
        return request, run(request, watching(request), say, kept)
    except Refused as error:
        say(f"cell {cell.index} is begun anew: {error}")
        return None


def begun(
    hidden: Path, grid: Grid, cell: Cell, watching: Watch, say: Say
) -> tuple[Request, Outcome]:
    """Run a cell from its beginning; what an earlier process left stays until that is done.

    Raises:
        Refused: it cannot be run here; what was left is where it was.
    """
    aside = aside_of(hidden)
    if hidden.exists():
        removed(aside)
        hidden.rename(aside)
    try:
        request, _ = read_asked(Settings(**cell.arguments, out=hidden), say)
        refuse_changed(request, grid, cell)
        outcome = run(request, watching(request), say)
    except Refused:
        if aside.exists():
            removed(hidden)
            aside.rename(hidden)
        raise
    return request, outcome


def aside_of(hidden: Path) -> Path:
    """Where what an earlier process left stays while a cell is begun anew."""
    return hidden.with_name(f"{hidden.name}.before")


def removed(folder: Path) -> None:
    """Remove what a process that was ended left."""
    if folder.exists():
        shutil.rmtree(folder)


def refuse_changed(request: Request, grid: Grid, cell: Cell) -> None:
    """Refuse to run with other code, versions or data than the cell was planned with.

    Raises:
        Refused: something is another, by name.
    """
    tools = Tools.of(request)
    if key_of(request, tools) == cell.key:
        return
    found = [
        f"the code of {part}" for part, sha in tools.code.items() if grid.code.get(part) != sha
    ]
    found += moved_versions(grid.versions, tools.versions)
    words = " and ".join(found) or "the data"
    raise Refused(
        f"cell {cell.index}: {words} changed since it was planned; plan again into another folder"
    )


def moved_versions(planned: Mapping[str, str], here: Mapping[str, str]) -> list[str]:
    """Which versions are others, in words."""
    return [
        f"{package} ({planned.get(package, 'not installed')}, here {version})"
        for package, version in here.items()
        if planned.get(package) != version
    ]
