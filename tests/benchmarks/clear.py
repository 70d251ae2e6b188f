"""Does the verdict on speed hold? The same entrant twice, and one that is slower on purpose.

    python -m tests.benchmarks.clear [--runs 20] [--backend torch]

`compare.py --backends torch torch --rounds 3` must say "no clear difference" in 19 of 20 runs,
and with `--rounds 7` a copy whose every epoch takes 10 % longer must be called slower in as many.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common.contract.root import ROOT
from tests.fakes import copy_backend

ENOUGH = 19 / 20
#: Every epoch of the copy works on, doing nothing, for another tenth of its time.
SLOWED = """
import time

_as_it_is = epoch


def epoch(step, data, mode, batch_size):
    whole = _as_it_is(step, data, mode, batch_size)

    def run(params, state, order):
        started = time.perf_counter()
        found = whole(params, state, order)
        until = started + 1.1 * (time.perf_counter() - started)
        while time.perf_counter() < until:
            pass
        return found

    run.steps_per_call = whole.steps_per_call
    return run
"""


def compared(folder: Path, rounds: int, *entrants: str) -> dict[str, object]:
    """Run once; what was said of the two."""
    command = [sys.executable, str(ROOT / "compare.py"), "--backends", *entrants]
    command += ["--rounds", str(rounds), "--backend-path", str(folder), "--no-band"]
    command += ["--out", str(folder / "out"), "--force", "--quiet"]
    subprocess.run(command, check=True)
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    return dict(results["comparisons"][0])


def main() -> int:
    """Run both kinds, print every ratio; 1 if a verdict holds too rarely."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--backend", default="torch")
    asked = parser.parse_args()
    enough = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_backend(folder, "slowed", source=asked.backend, train=SLOWED)
        for rounds, other, right in (
            (3, asked.backend, "no clear difference"),
            (7, "slowed", "a is faster"),
        ):
            hits = 0
            for _ in range(asked.runs):
                found = compared(folder, rounds, asked.backend, other)
                hits += found["verdict"] == right
                span = f"{found['low']:.3f} to {found['high']:.3f}"
                print(f"{other}: {found['ratio']:.3f} ({span}): {found['verdict']}", flush=True)
            print(f"{other}, {rounds} rounds: {hits} of {asked.runs} say {right!r}\n", flush=True)
            enough &= hits >= ENOUGH * asked.runs
    return int(not enough)


if __name__ == "__main__":
    sys.exit(main())
