"""Does a run survive being ended at any moment? Killed at random, taken up, and compared.

    python -m tests.benchmarks.kills [--times 50] [--signal KILL] [--backends numpy torch ...]

ends `compare.py` by a signal after a random share of the time that an undisturbed run takes, waits
at most five seconds until none of its processes is left, takes it up with `--resume`, and holds
what came out against the undisturbed run, bit for bit, but for the times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from common.contract.root import ROOT
from common.results.journal import JOURNAL

#: So long the workers of a run that was killed may take to end.
GONE_IN = 5.0
#: By which a run's processes are found: they inherit it.
MARK = "COMPARE_BENCHMARK_KILLS"
FILES = ("initial.safetensors", "order.npy", "predictions.npz")


def command(*words: object) -> list[str]:
    """`compare.py` with words."""
    return [sys.executable, str(ROOT / "compare.py"), *map(str, words)]


def started(words: list[str], mark: str) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, marked."""
    return subprocess.Popen(
        words, env={**os.environ, MARK: mark}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def left(mark: str) -> list[int]:
    """Processes that have a mark, and live."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}={mark}".encode() in (path / "environ").read_bytes().split(b"\0")
            state = (path / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has just ended, or is not ours
            continue
        if marked and state not in "ZX":
            found.append(int(path.name))
    return found


def outcome(folder: Path) -> dict[str, Any]:
    """What does not hang on the clock."""
    read = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    rows = {
        one["label"]: [{k: v for k, v in r.items() if "seconds" not in k} for r in one["epochs"]]
        for one in read["entrants"]
    }
    losses = {one["label"]: one["step_losses"] for one in read["entrants"]}
    names = [*FILES, *(path.name for path in sorted(folder.glob("params-*.safetensors")))]
    files = {name: (folder / name).read_bytes() for name in names}
    return {"plan": read["plan"], "rows": rows, "losses": losses} | files


def one(words: list[object], share: float, seconds: float, by: int, right: dict[str, Any]) -> str:
    """End a run once, take it up until it is whole; what came of it."""
    with tempfile.TemporaryDirectory() as place:
        out, mark = Path(place) / "out", uuid.uuid4().hex
        run = started(command(*words, "--out", out), mark)
        try:
            run.wait(share * seconds)
        except subprocess.TimeoutExpired:
            run.send_signal(by)
        run.wait(60)
        ends = time.monotonic() + GONE_IN
        while (living := left(mark)) and time.monotonic() < ends:
            time.sleep(0.05)
        if living:
            return f"{len(living)} processes left after {GONE_IN:g} s"
        if not (out / JOURNAL).exists():
            if (out / "results.json").exists():
                return "whole before it was ended" if outcome(out) == right else "another outcome"
            return "ended before anything was kept"
        taken = subprocess.run(command("--resume", out), capture_output=True, check=False)
        if taken.returncode:
            return f"--resume ended with {taken.returncode}: {taken.stderr[-200:]!r}"
        return "taken up, bit for bit" if outcome(out) == right else "another outcome"


GOOD = ("taken up, bit for bit", "whole before it was ended", "ended before anything was kept")


def main() -> int:
    """End it so often; print how often what came of it; 1 if anything else than it should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--signal", default="KILL", help="KILL, INT, TERM or HUP")
    parser.add_argument("--backends", nargs="+", default=["numpy", "torch"])
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    words: list[object] = ["--backends", *asked.backends, "--epochs", 40, "--limit", 6000]
    words += ["--optimizer", "adam", "--schedule", "cosine", "--check", "none", "--quiet"]
    by, draw = signal.Signals[f"SIG{asked.signal}"], random.Random(asked.seed)
    # What a shell runs in the background ignores Ctrl-C, and so would all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as place:
        began = time.monotonic()
        subprocess.run(command(*words, "--out", Path(place) / "out"), check=True)
        seconds = time.monotonic() - began
        right = outcome(Path(place) / "out")
    counts: Counter[str] = Counter()
    for number in range(asked.times):
        share = draw.random()
        found = one(words, share, seconds, by, right)
        counts[found] += 1
        print(f"{number + 1}: {by.name} after {share * seconds:.2f} s: {found}", flush=True)
    print("\n".join(f"{count} x {what}" for what, count in counts.most_common()))
    return int(any(what not in GOOD for what in counts))


if __name__ == "__main__":
    raise SystemExit(main())
