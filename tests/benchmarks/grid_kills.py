"""Does a grid survive being ended at any moment, ten times over? Killed, run again, and compared.

    python -m tests.benchmarks.grid_kills [--times 10] [--cells 4] [--backends numpy torch ...]

ends `compare.py grid run` by SIGKILL so often, each time after a random share of what the whole
takes, begins it again, lets it finish, and holds every cell against those of an undisturbed grid,
bit for bit, but for the times.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from tests.benchmarks.kills import GONE_IN, command, left, outcome, started

FILE = """
backends = {backends}
epochs = 40
limit = 6000
optimizer = "adam"
schedule = "cosine"
check = "none"
[vary]
seed = {seeds}
"""


def killed(grid: Path, seconds: float, number: int) -> str:
    """Run a grid, and end it after so long; what came of it."""
    mark = uuid.uuid4().hex
    run = started(command("grid", "run", grid), mark)
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        run.kill()
    run.wait(60)
    ends = time.monotonic() + GONE_IN
    while (living := left(mark)) and time.monotonic() < ends:
        time.sleep(0.05)
    there = len(list(grid.glob("[0-9]*")))
    rest = f", {len(living)} processes left after {GONE_IN:g} s" if living else ""
    return f"{number}: ended after {seconds:.1f} s, {there} cells whole{rest}"


def main() -> int:
    """Kill it so often, finish it, compare; 1 if a cell is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--cells", type=int, default=4)
    parser.add_argument("--backends", nargs="+", default=["numpy", "torch"])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    draw = random.Random(asked.seed)
    with tempfile.TemporaryDirectory() as place:
        whole, grid = Path(place) / "whole", Path(place) / "grid"
        file = Path(place) / "grid.toml"
        file.write_text(FILE.format(backends=asked.backends, seeds=list(range(asked.cells))))
        subprocess.run(command("grid", "plan", file, "--out", whole), check=True)
        shutil.copytree(whole, grid)
        began = time.monotonic()
        subprocess.run(command("grid", "run", whole, "--quiet"), check=True)
        seconds = time.monotonic() - began
        for number in range(asked.times):
            after = draw.random() * 2 * seconds / asked.times
            print(killed(grid, after, number + 1), flush=True)
        subprocess.run(command("grid", "run", grid, "--quiet"), check=True)
        wrong = [
            cell for cell in map(str, range(asked.cells))
            if outcome(grid / cell) != outcome(whole / cell)
        ]  # fmt: skip
    print(f"{asked.cells - len(wrong)} of {asked.cells} cells equal those undisturbed, bit for bit")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
