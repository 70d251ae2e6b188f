"""`compare.py grid submit --slurm` on a real Slurm of two nodes."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from pathlib import Path

import pytest

from common.results.journal import JOURNAL
from common.results.place import LOCK
from tests.conftest import Command
from tests.slurm import Slurm, running
from tests.test_grid import merged, planned, until
from tests.test_resume import results_of, told

#: Twelve cells that take some seconds each, and one core.
MORE = "optimizer = 'adam'\nno-band = true\nthreads = 1"


def begun(grid: Path, slurm: Slurm, beside: str = "") -> tuple[str, Path]:
    """A job that trains, and the folder it writes to."""
    found: list[tuple[str, Path]] = []

    def look() -> bool:
        for job in slurm.jobs("running"):
            hidden = grid / f".{job.partition('_')[2]}"
            lines = (hidden / JOURNAL).read_bytes() if (hidden / JOURNAL).exists() else b""
            if job != beside and lines.count(b"\n") > 20:
                found.append((job, hidden))
        return bool(found)

    until(look)
    return found[0]


def submitted(compare: Command, grid: Path) -> str:
    """Submit what is missing; what was said."""
    done = compare.process("grid", "submit", grid, "--slurm", "partition=all", "comment=test")
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_array_of_which_one_is_killed_and_one_loses_its_node(compare: Command) -> None:
    grid = planned(compare, more=MORE, seeds=str(list(range(12))), epochs=100)
    # Its sockets' names must be short.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running(Path(folder)) as slurm:
        compare.env.update(slurm.environment)
        assert re.search(r"job \d+: cells 0-11\n", submitted(compare, grid))
        killed, hidden = begun(grid, slurm)
        process = re.match(r"process (\d+) ", (hidden / LOCK).read_text())
        assert process
        os.kill(int(process[1]), signal.SIGKILL)
        drained, other = begun(grid, slurm, beside=killed)
        node = slurm.jobs("running")[drained]
        slurm("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
        slurm("scontrol", "requeue", drained)
        until(lambda: drained in slurm.jobs("pending"))
        slurm("scontrol", "update", f"jobid={drained}", "starttime=now")  # or it waits two minutes
        slurm("scontrol", "update", f"nodename={node}", "state=resume")  # two work on again
        until(lambda: not slurm.jobs(), 400)
        assert [path.name for path in grid.glob(".*") if path.is_dir()] == [hidden.name]
        missing = int(hidden.name.removeprefix("."))
        assert merged(compare, expect=3)["missing"] == [missing]
        assert f": cells {missing}\n" in submitted(compare, grid)
        until(lambda: not slurm.jobs())
    found = merged(compare)
    assert (len(found["cells"]), found["missing"], found["failed"]) == (12, [], [])
    whole = planned_again(compare, grid)
    for place in (hidden.name[1:], other.name[1:]):
        resumed = results_of(grid / place)
        assert resumed["entrants"][0]["resumed_epochs"]
        assert compare("grid", "run", whole, "--cell", place).returncode == 0
        assert told(resumed) == told(results_of(whole / place))


def planned_again(compare: Command, grid: Path) -> Path:
    """The same grid, of which nothing was run."""
    whole = compare.folder / "whole"
    whole.mkdir()
    (whole / "cells.json").write_bytes((grid / "cells.json").read_bytes())
    return whole
