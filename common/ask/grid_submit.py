"""A grid as jobs of a scheduler, by submitit: job arrays of Slurm, or this machine by itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.ask.grid import to_run
from common.contract.root import ROOT
from common.errors import Failed, Refused
from common.results.grid import Cell, Grid, Needs

if TYPE_CHECKING:
    import submitit

#: In the grid's folder: what each job printed.
JOBS = "jobs"

#: Slurm refuses longer arrays unless it was told otherwise (MaxArraySize is 1001).
LONGEST = 1000

#: The job finds the code that submitted it.
SETUP = [f"export PYTHONPATH={shlex.quote(str(ROOT))}${{PYTHONPATH:+:$PYTHONPATH}}"]

#: So long a job may take that does not say, minutes.
DAY = 24 * 60


@dataclass(frozen=True)
class Task:
    """What one job does: a cell, or all that are missing, one after the other.

    Runs compare.py as a person would: a job that was ended and is begun once more takes up what
    was left.
    """

    folder: str
    cell: int | None = None

    def __call__(self) -> int:
        """Run it; the exit code, 0 or 1.

        Raises:
            Failed: it ended with another one, so that the scheduler knows.
        """
        words = [sys.executable, str(ROOT / "compare.py"), "grid", "run", self.folder]
        words += [] if self.cell is None else ["--cell", str(self.cell)]
        code = subprocess.run(words, check=False).returncode
        if code not in (0, 1):
            raise Failed(f"{' '.join(words)} ended with {code}")
        return code


@dataclass(frozen=True)
class Submitted:
    """A job, and its cells."""

    id: str
    cells: tuple[int, ...]


def submit(
    folder: Path, grid: Grid, *, local: bool, options: Mapping[str, str] | None = None
) -> list[Submitted]:
    """Submit the cells that are missing, an array for each kind of need.

    Args:
        folder: the grid's, which every machine must see.
        grid: as it was planned.
        local: one process on this machine runs them in turn, instead of Slurm.
        options: whatever sbatch takes, `partition` for instance.

    Raises:
        Refused: submitit is not installed, there is no Slurm, or it takes no such job.
    """
    cells = to_run(folder, grid)
    if not cells:
        return []
    # Or submitit's import closes every handler of whoever calls, and the streams of some.
    os.environ.setdefault("SUBMITIT_LOG_LEVEL", "NOCONFIG")
    if local:
        return [submit_local(folder, cells)]
    return [submit_array(folder, needs, alike, options or {}) for needs, alike in arrays(cells)]


def submit_local(folder: Path, cells: Sequence[Cell]) -> Submitted:
    """Submit all cells as one process: two at once on one machine would disturb each other."""
    executor = auto_executor(folder, "local")
    executor.update_parameters(
        timeout_min=sum(cell.needs.minutes or DAY for cell in cells),
        gpus_per_node=max(cell.needs.gpus for cell in cells),
        local_setup=SETUP,
    )
    job = executor.submit(Task(str(folder.absolute())))
    return Submitted(job.job_id, tuple(cell.index for cell in cells))


def auto_executor(folder: Path, cluster: str) -> submitit.AutoExecutor:
    """What starts jobs, their logs in the grid's folder.

    Raises:
        Refused: submitit is not installed, or there is no Slurm.
    """
    try:
        import submitit
    except ImportError as cause:
        raise Refused(
            "grid submit needs submitit, which is not installed; pip install -e '.[grid]'"
        ) from cause
    try:
        return submitit.AutoExecutor(folder=folder / JOBS / "%j", cluster=cluster)
    except RuntimeError as cause:
        raise Refused("--slurm: there is no Slurm here; --local runs it on this machine") from cause


def arrays(cells: Sequence[Cell]) -> Iterator[tuple[Needs, list[Cell]]]:
    """Cells that need the same, no more at once than Slurm takes."""
    kinds: dict[Needs, list[Cell]] = {}
    for cell in cells:
        kinds.setdefault(cell.needs, []).append(cell)
    for needs, alike in kinds.items():
        rest = iter(alike)
        while some := list(islice(rest, LONGEST)):
            yield needs, some


def submit_array(
    folder: Path, needs: Needs, cells: Sequence[Cell], options: Mapping[str, str]
) -> Submitted:
    """Submit cells that need the same as one array.

    Raises:
        Refused: Slurm takes no such job.
    """
    from submitit.core.utils import FailedJobError

    executor = auto_executor(folder, "slurm")
    executor.update_parameters(**parameters(needs, options))
    try:
        with executor.batch():
            jobs = [executor.submit(Task(str(folder.absolute()), cell.index)) for cell in cells]
    except FailedJobError as cause:
        raise Refused(f"sbatch refused: {str(cause).strip().splitlines()[-1]}") from cause
    return Submitted(jobs[0].job_id.partition("_")[0], tuple(cell.index for cell in cells))


def parameters(needs: Needs, options: Mapping[str, str]) -> dict[str, Any]:
    """What submitit is told of cells that need the same."""
    found: dict[str, Any] = {
        "name": "compare-grid",
        "timeout_min": needs.minutes or DAY,
        "slurm_array_parallelism": LONGEST,
        # The whole of what a job was given; a step of srun would have a core for each task.
        "slurm_use_srun": False,
        "slurm_setup": SETUP,
        "slurm_additional_parameters": {"requeue": True, **dict(options)},
    }
    if needs.cores is not None:
        found["cpus_per_task"] = needs.cores
    if needs.memory_gb is not None:
        found["mem_gb"] = needs.memory_gb
    if needs.gpus:
        found["gpus_per_node"] = needs.gpus
    if needs.exclusive:
        found["slurm_exclusive"] = True
    return found
