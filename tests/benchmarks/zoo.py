"""Is a right port of a real network ever blamed, and what does it cost to check?

    python -m tests.benchmarks.zoo [--small] [--seeds 20] [--jit] [--dtype float64]
                                  [--only 'torch:lenet-*'] [--out F]

holds the right ports of `tests/zoo` against their references, with weights, inputs and labels
drawn anew for each seed, every pair in a process of its own, and prints the table of
docs/zoo.md. Lines go to `--out` as they come; what is there already is not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatchcase
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from common.contract.info import MODULE_DTYPES
from tests.zoo import LARGE, LONG, SELF, SMALL, held, side

PAIRS = {str(pair): pair for pair in SMALL + LARGE + LONG + SELF}
COLUMNS = ("network", "reference", "port", "layers", "verdict", "seconds", "CPU seconds", "memory")


def cpu_seconds() -> float:
    """Of this process and of those that it waited for: compilers."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def measured(name: str, seed: int, mode: str, dtype: str) -> dict[str, Any]:
    """Check one pair once, in this process; what is imported before is not counted."""
    pair = PAIRS[name]
    for one in (pair.reference, pair.port):
        side(one)
    wall, cpu = time.perf_counter(), cpu_seconds()
    report = held(pair, seed, mode, dtype)
    return {
        "pair": name,
        "seed": seed,
        "mode": mode,
        "dtype": dtype,
        "verdict": report.verdict,
        "text": "" if report.verdict == pair.verdict else str(report),
        "layers": len(report.matched.pairs),
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": cpu_seconds() - cpu,
        "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


def run(name: str, seeds: Sequence[int], mode: str, dtype: str) -> Iterable[dict[str, Any]]:
    """Check one pair with each seed, in another process; a line for each."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        for seed in seeds:
            try:
                yield pool.submit(measured, name, seed, mode, dtype).result()
            except Exception as error:
                asked = {"pair": name, "seed": seed, "mode": mode, "dtype": dtype}
                yield {**asked, "verdict": "raised", "text": f"{type(error).__name__}: {error}"}


def table(lines: Sequence[dict[str, Any]]) -> str:
    """In Markdown, a row for each pair; seconds are of the first seed, which compiles."""
    rows = [COLUMNS, ("---",) * len(COLUMNS)]
    for name, pair in PAIRS.items():
        mine = sorted((one for one in lines if one["pair"] == name), key=lambda one: one["seed"])
        if not mine:
            continue
        counts = Counter(one["verdict"] for one in mine)
        several = len(mine) > 1
        verdicts = (f"{count} {word}" if several else word for word, count in counts.items())
        first, numbers = mine[0], ("–",) * 4
        if "layers" in first:
            peak = max(one.get("peak_kib", 0) for one in mine) / 2**20
            seconds = (f"{first[key]:.0f}" for key in ("seconds", "cpu_seconds"))
            numbers = (str(first["layers"]), *seconds, f"{peak:.1f} GiB")
        rows.append((*pair.words, numbers[0], ", ".join(verdicts), *numbers[1:]))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    """Run what is missing, print the table; 1 if a right port was not accepted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="the small networks alone")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jit", action="store_true", help="the port compiled, PyTorch's too")
    parser.add_argument("--dtype", choices=MODULE_DTYPES, default="float32", help="of the port")
    parser.add_argument("--only", default="*", help="a pattern of REFERENCE-PORT")
    parser.add_argument("--out", type=Path, default=Path(os.devnull))
    asked = parser.parse_args()
    # Compiled in the process itself, whose seconds are counted.
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    os.environ["KERAS_BACKEND"] = "torch"
    mode = "jit" if asked.jit else "eager"
    pairs = SMALL if asked.small else SMALL + LARGE + LONG
    if asked.jit:  # of Keras, only what computes in JAX is compiled
        pairs = [one for one in pairs if not one.port.startswith("keras:")]
    if asked.dtype == "float64":
        pairs = [one for one in pairs if one.in_float64]
    names = [str(one) for one in pairs + SELF * asked.jit if fnmatchcase(str(one), asked.only)]
    known = asked.out.read_text(encoding="utf-8") if asked.out.exists() else ""
    lines = [json.loads(line) for line in known.splitlines()]
    same = {"mode": mode, "dtype": asked.dtype}
    lines = [one for one in lines if same.items() <= one.items() and one["pair"] in names]
    done = {(one["pair"], one["seed"]) for one in lines}
    for name in names:
        seeds = [seed for seed in range(asked.seeds) if (name, seed) not in done]
        for line in run(name, seeds, **same):
            lines.append(line)
            with asked.out.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")
            print(name, line["seed"], line["verdict"], line["text"], flush=True)
    print(table(lines))
    return int(any(one["verdict"] != PAIRS[one["pair"]].verdict for one in lines))


if __name__ == "__main__":
    sys.exit(main())
