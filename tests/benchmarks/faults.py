"""Does whatever goes wrong cost one entrant, or one line, and nothing else?

    python -m tests.benchmarks.faults [--backends numpy ...] [--faults ...] [--moments ...]
    python -m tests.benchmarks.faults --surroundings [NAME ...]

plants every fault at every moment in a copy of every backend (`tests/faulty.py`) and runs it beside
the backend as it is, once each. As promised is a run that ends within its time with the right exit
code; whose faulty entrant has its status and a reason that says what happened; whose other rows,
losses, fingerprints and final parameters are bit for bit those of an undisturbed run; and of which
no process is left. Then whatever surrounds a run goes wrong (`tests/benchmarks/surroundings.py`);
`--surroundings` does nothing else.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

from rich import box
from rich.console import Console
from rich.table import Table

from common.entrants.log import EACH, OFTEN
from common.measure.machine import available_cores
from tests.benchmarks import surroundings
from tests.benchmarks.kills import GONE_IN, MARK, left
from tests.conftest import BACKENDS, write_images
from tests.faulty import EPOCHS, FAULTS, MOMENTS, copy_faulty, promised

#: Seconds a call may take: no framework is imported in less while others are.
TIMEOUT = {"numpy": 3.0}
USUAL_TIMEOUT = 20.0
#: Beyond the timeout, what all else in a run may take.
MORE = 60.0
#: Processes of runs are copies of one that has imported all this.
PRELOADED = ["common.cli.commands", "common.ask.resume", "common.shown.results"]


@dataclass(frozen=True)
class Cell:
    """One fault at one moment in one backend."""

    backend: str
    moment: str
    fault: str


def options(data: Path, backend: str) -> list[str]:
    """What all runs are asked."""
    words = ["--data-dir", str(data), "--custom-data", "--epochs", str(EPOCHS)]
    words += ["--batch-size", "32", "--threads", "1", "--no-band", "--check", "quick"]
    return [*words, "--timeout", f"{TIMEOUT.get(backend, USUAL_TIMEOUT):g}"]


def command(words: list[str], mark: str, said: Path) -> None:
    """compare.py, in a process that is a copy of one that has imported it; no page is drawn."""
    from common.cli.commands import main

    os.environ[MARK] = mark
    with (
        said.open("w") as file,
        redirect_stdout(file),
        redirect_stderr(file),
        mock.patch("common.ask.run.draw_page"),
    ):
        code = main(words)
    sys.exit(code)


class Runs:
    """Runs compare.py, and looks at what is left.

    Args:
        folder: for what is written, and the data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir()
        write_images(self.data)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(PRELOADED)

    def run(self, words: list[str], said: Path, within: float) -> tuple[int | None, list[str]]:
        """The exit code, None if it hung; and what is wrong with how it ended."""
        mark, wrong = uuid.uuid4().hex, []
        process = self._context.Process(target=command, args=(words, mark, said))
        process.start()
        process.join(within)
        if process.is_alive():
            wrong.append(f"hangs after {within:g} s")
            process.kill()
            process.join()
        ends = time.monotonic() + GONE_IN
        while (living := left(mark)) and time.monotonic() < ends:
            time.sleep(0.05)
        if living:
            wrong.append(f"{len(living)} processes left")
            for pid in living:
                os.kill(pid, 9)
        if "Traceback" in said.read_text(encoding="utf-8"):
            wrong.append("a traceback is shown")
        return process.exitcode, wrong

    def undisturbed(self, backend: str) -> dict[str, Any]:
        """Rows of a run in which nothing goes wrong."""
        return self._cell(Cell(backend, "", ""))[0]

    def wrong(self, cell: Cell, right: Mapping[str, Any]) -> list[str]:
        """What is not as promised in a cell."""
        return self._cell(cell, right)[1]

    def _cell(
        self, cell: Cell, right: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        place = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            copy_faulty(place, "faulty", cell.backend, cell.fault, cell.moment)
            words = ["--backends", cell.backend, "faulty", "--backend-path", str(place)]
            words += [*options(self.data, cell.backend), "--out", str(place / "out")]
            timeout = TIMEOUT.get(cell.backend, USUAL_TIMEOUT)
            code, wrong = self.run(words, place / "said", timeout + MORE)
            if not (place / "out" / "results.json").exists():
                return {}, [*wrong, f"exit code {code}, and nothing is saved"]
            found = rows(place / "out")
            if right is not None:
                wrong += unlike(cell, code, found, right)
                size = (place / "out" / "worker-faulty.log").stat().st_size
                if size > OFTEN * 2 * EACH:
                    wrong.append(f"a log of {size} bytes")
            return found, wrong
        finally:
            shutil.rmtree(place)


def rows(folder: Path) -> dict[str, Any]:
    """Of each entrant, what came of it and what does not hang on the clock."""
    read = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    found = {}
    for one in read["entrants"]:
        params = folder / f"params-{one['slug']}.safetensors"
        found[one["label"]] = {
            "status": one["status"],
            "reason": one["reason"],
            "step losses": one["step_losses"],
            "fingerprint": one["batches_sha256"],
            "rows": [{k: v for k, v in row.items() if "seconds" not in k} for row in one["epochs"]],
            "parameters": params.read_bytes() if params.exists() else None,
        }
    return found


def unlike(
    cell: Cell, code: int | None, found: Mapping[str, Any], right: Mapping[str, Any]
) -> list[str]:
    """What is other than promised, in words."""
    wanted, wrong = promised(cell.moment, FAULTS[cell.fault]), []
    faulty = found["faulty"]
    if code != (0 if wanted.status == "ok" else 3):
        wrong.append(f"exit code {code}")
    if faulty["status"] != wanted.status:
        wrong.append(f"{faulty['status']}, not {wanted.status}: {faulty['reason']}")
    elif not re.search(wanted.reason, faulty["reason"] or ""):
        wrong.append(f"reason: {faulty['reason']}")
    for label in found:
        if label != "faulty" or wanted.status == "ok":
            wrong += [
                f"{label}: other {what}" for what in right[label]
                if found[label][what] != right[label][what]
            ]  # fmt: skip
    return wrong


def table(found: Mapping[Cell, list[str]], backends: Iterable[str]) -> Table:
    """Faults by moments; of each how many backends are as promised, or which are not."""
    moments = [one for one in MOMENTS if any(cell.moment == one for cell in found)]
    shown = Table("fault", *moments, box=box.SIMPLE_HEAD, pad_edge=False)
    for fault in FAULTS:
        cells = []
        for moment in moments:
            of = {b: found[c] for b in backends if (c := Cell(b, moment, fault)) in found}
            bad = [backend for backend, wrong in of.items() if wrong]
            cells.append(f"NOT {' '.join(bad)}" if bad else str(len(of) or "–"))
        if any(cell != "–" for cell in cells):
            shown.add_row(fault, *cells)
    return shown


def main() -> int:
    """Plant, run, look; print a table; 1 if a cell is not as promised."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", nargs="+", default=list(BACKENDS), choices=BACKENDS)
    parser.add_argument("--faults", nargs="+", default=list(FAULTS), choices=FAULTS)
    parser.add_argument("--moments", nargs="+", default=list(MOMENTS), choices=MOMENTS)
    parser.add_argument("--surroundings", nargs="*", metavar="NAME", choices=surroundings.ROWS)
    asked = parser.parse_args()
    console, began = Console(), time.monotonic()
    console.width = max(console.width, 110)
    found: dict[Cell, list[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        # What JAX compiles is kept for all runs.
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{place}/compiled"
        runs = Runs(Path(place))
        if asked.surroundings is None:
            found = planted(runs, asked.backends, [*product(asked.faults, asked.moments)])
            console.print(table(found, asked.backends))
        around = {}
        for name in asked.surroundings or surroundings.ROWS:
            around[name] = surroundings.wrong(name, runs.data)
            say(name, around[name])
    seconds = time.monotonic() - began
    for what, of in (("cells", found), ("surroundings", around)):
        bad = sum(map(bool, of.values()))
        console.print(f"{len(of)} {what}, {bad} not as promised")
    console.print(f"{seconds:.0f} s")
    return int(any([*found.values(), *around.values()]))


def planted(
    runs: Runs, backends: Sequence[str], of: Sequence[tuple[str, str]]
) -> dict[Cell, list[str]]:
    """Every fault at its moment in every backend, as many at a time as there are cores."""
    found: dict[Cell, list[str]] = {}
    with ThreadPoolExecutor(available_cores()) as pool:
        for backend in backends:
            right = runs.undisturbed(backend)
            cells = [Cell(backend, moment, fault) for fault, moment in of]
            for cell, wrong in zip(cells, pool.map(partial(runs.wrong, right=right), cells)):  # noqa: B905
                found[cell] = wrong
                say(f"{backend}: {cell.fault} at {cell.moment}", wrong)
    return found


def say(name: str, wrong: Sequence[str]) -> None:
    """What came of one."""
    print(f"{name}: {'; '.join(wrong) or 'as promised'}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
