"""What do ten thousand cells on two hundred machines take to plan, to choose from, and to merge?

    python -m tests.benchmarks.grid_scale [--cells 10000] [--hosts 200]

plans a grid of `linear`, writes made-up results of every cell (two entrants, a loss for each of
2350 steps), and prints seconds and peak memory of each part, which has a process of its own.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common.ask.grid import plan, to_run
from common.ask.grid_merge import merge
from common.contract.root import ROOT
from common.results.grid import Cell, Grid, read_grid

STEPS = 2350

#: Seeds of each combination.
SEEDS = 10


def file_of(cells: int) -> str:
    """A grid.toml of so many cells."""
    sizes = list(range(10, 10 + cells // SEEDS))
    seeds = list(range(SEEDS))
    return (
        'backends = ["numpy", "numpy:scratch"]\nmodel = "linear"\n'
        f"[vary]\nbatch-size = {sizes}\nseed = {seeds}\n"
    )


def results(template: dict[str, Any], host: int, draw: random.Random) -> dict[str, Any]:
    """Made-up results: accuracies, ratios and losses as they might be."""
    ratio = draw.uniform(0.5, 2)
    pair = {"ratio": ratio, "low": 0.95 * ratio, "high": 1.05 * ratio}
    pair["verdict"] = "b is faster" if ratio > 1.06 else "no clear difference"
    environment = {**template["environment"], "cpu": f"processor {host % 7}", "cores": 64}
    entrants = []
    for one in template["entrants"]:
        epochs = [{**row, "test_accuracy": draw.uniform(0.8, 0.85)} for row in one["epochs"]]
        losses = [draw.random() for _ in range(STEPS)]
        entrants.append({**one, "epochs": epochs, "step_losses": losses})
    comparisons = [{**template["comparisons"][0], **pair}]
    return {
        **template, "environment": environment, "entrants": entrants, "comparisons": comparisons
    }  # fmt: skip


def fill(folder: Path, grid: Grid, hosts: int) -> None:
    """Write what every cell came to, made of one real run."""
    out = folder / "one"
    words = ["--model", "linear", "--backends", "numpy", "numpy:scratch", "--epochs", "3"]
    subprocess.run(
        [sys.executable, ROOT / "compare.py", *words, "--quiet", "--out", out], check=True
    )
    template = json.loads((out / "results.json").read_text(encoding="utf-8"))
    draw = random.Random(0)
    for cell in grid.cells:
        host = cell.index % hosts
        place = folder / str(cell.index)
        place.mkdir()
        (place / "results.json").write_text(json.dumps(results(template, host, draw)))
        (place / "cell.json").write_text(json.dumps(ran(grid, cell, host)))


def ran(grid: Grid, cell: Cell, host: int) -> dict[str, Any]:
    """A cell.json."""
    return {
        "key": cell.key, "code": grid.code, "versions": grid.versions, "host": f"node{host:03}",
        "seconds": 60.0, "exit_code": 0,
    }  # fmt: skip


def part(name: str, folder: Path, asked: argparse.Namespace) -> None:
    """Do one part, and print what it took."""
    began = time.monotonic()
    if name == "plan":
        (folder / "grid.toml").write_text(file_of(asked.cells))
        done = len(plan(folder / "grid.toml", folder / "grid").grid.cells)
    elif name == "choose":
        done = len(to_run(folder / "grid", read_grid(folder / "grid")))
    else:
        done = len(merge(read_grid(folder / "grid"), [folder / "grid"], folder / "out").cells)
    seconds = time.monotonic() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{name:7} {done:6} cells  {seconds:6.1f} s  {peak:6.0f} MB at most", flush=True)


def main() -> None:
    """Do every part in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--hosts", type=int, default=200)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        part(asked.part, asked.folder, asked)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = ["--cells", str(asked.cells), "--folder", name]
        for one in ("plan", "choose", "merge"):
            if one == "merge":
                fill(folder / "grid", read_grid(folder / "grid"), asked.hosts)
            command = [sys.executable, "-m", "tests.benchmarks.grid_scale", *words, "--part", one]
            subprocess.run(command, cwd=ROOT, check=True)
        for page in (folder / "out").iterdir():
            print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
