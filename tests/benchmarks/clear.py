"""Does the verdict on speed hold? The same entrant twice, and one that is slower on purpose.

    python -m tests.benchmarks.clear [--runs 20] [--backend torch] [--by rounds diff] [--load N]

compares a backend with itself and with a copy whose every epoch takes 10 % longer, each in so many
runs: side by side in fresh processes (`--by rounds`: `compare.py --backends torch torch --rounds
3`, of the copy seven rounds), and as runs of their own (`--by diff`: `compare.py diff OLD NEW`,
each of seven rounds); the live table is drawn on a terminal. Of the two that are the same none may
be called faster, and the copy must be found slower, in 19 of 20 runs. With `--load` so many
processes count meanwhile, and what is not judged, because the machine was busy, is right as well.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.contract.root import ROOT
from common.measure.quiet import BUSY
from tests.fakes import copy_backend
from tests.terminal import unseen

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
BURN = "while True: pass"
ROUNDS = {"as it is": 3, "slowed": 7}
#: What may be said of the two where the machine is quiet.
RIGHT = {
    "as it is": ("no clear difference",),
    "slowed": ("a is faster", "slower"),
}


@contextmanager
def beside(count: int) -> Iterator[None]:
    """So many processes that only count."""
    started = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class Comparing:
    """A backend and its slower copy, compared in a folder.

    Attributes:
        folder: for what is written; `slowed/<backend>` and `named/slowed` have the copy under
            the backend's own name, for `diff`, and under another, for one run of both.
        backend: its name.
    """

    folder: Path
    backend: str

    @classmethod
    def prepared(cls, folder: Path, backend: str) -> Comparing:
        """With the copies written."""
        for place, name in (("slowed", backend), ("named", "slowed")):
            copy_backend(folder / place, name, source=backend, train=SLOWED)
        return cls(folder, backend)

    def run(self, out: str, rounds: int, path: str, *entrants: str) -> Path:
        """`compare.py` on a terminal; its folder."""
        command = [sys.executable, str(ROOT / "compare.py"), "--backends", *entrants]
        command += ["--rounds", str(rounds), "--backend-path", str(self.folder / path)]
        command += ["--no-band", "--check", "quick", "--out", str(self.folder / out), "--force"]
        with unseen(110, 40) as (there, written):
            code = subprocess.run(command, stdout=there, stderr=there, check=False).returncode
        if code:
            raise RuntimeError(b"".join(written)[-500:].decode(errors="replace"))
        return self.folder / out

    def by_rounds(self, kind: str) -> dict[str, Any]:
        """Both in one run, each round in processes of its own; what is said of them."""
        other = self.backend if kind == "as it is" else "slowed"
        out = self.run("out", ROUNDS[kind], "named", self.backend, other)
        read = json.loads((out / "results.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = read["comparisons"][0]
        return found

    def by_diff(self, kind: str) -> dict[str, Any]:
        """A run of each, compared by `diff`; what is said of them."""
        (self.folder / "nothing").mkdir(exist_ok=True)
        places = {"as it is": "nothing", "slowed": "slowed"}
        old = self.run("old", ROUNDS["slowed"], "nothing", self.backend)
        new = self.run("new", ROUNDS["slowed"], places[kind], self.backend)
        command = [sys.executable, str(ROOT / "compare.py"), "diff", str(old), str(new)]
        done = subprocess.run([*command, "--json", "-"], stdout=subprocess.PIPE, check=True)
        change: dict[str, Any] = json.loads(done.stdout)["entrants"][0]
        return change | {"verdict": change["speed"]}


def main() -> int:
    """Run all kinds, print every ratio; 1 if a verdict holds too rarely."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--backend", default="torch")
    parser.add_argument("--by", nargs="+", choices=("rounds", "diff"), default=["rounds", "diff"])
    parser.add_argument("--load", type=int, default=0, metavar="N", help="processes that count")
    asked = parser.parse_args()
    enough = True
    with tempfile.TemporaryDirectory() as name, beside(asked.load):
        comparing = Comparing.prepared(Path(name), asked.backend)
        ways: dict[str, Callable[[str], dict[str, Any]]]
        ways = {"rounds": comparing.by_rounds, "diff": comparing.by_diff}
        for way in asked.by:
            for kind, right in RIGHT.items():
                good = (*right, BUSY) if asked.load else right
                said: Counter[str] = Counter()
                for _ in range(asked.runs):
                    found = ways[way](kind)
                    said[found["verdict"]] += 1
                    span = " to ".join(f"{found[end]:.3f}" for end in ("low", "high"))
                    print(
                        f"{way}, {kind}: {found['ratio']:.3f} ({span}): {found['verdict']}",
                        flush=True,
                    )
                told = ", ".join(f"{count} {verdict!r}" for verdict, count in said.most_common())
                print(f"by {way}, {kind}, of {asked.runs} runs: {told}\n", flush=True)
                enough &= sum(said[verdict] for verdict in good) >= ENOUGH * asked.runs
    return int(not enough)


if __name__ == "__main__":
    sys.exit(main())
