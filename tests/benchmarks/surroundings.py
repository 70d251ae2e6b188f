"""What surrounds a run goes wrong: signals, disks, folders, streams, terminals, limits.

Of each it is told what is not as promised: the exit code, results.json where anything was trained,
no traceback, nothing half written, no process left. Run by `python -m tests.benchmarks.faults`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

from common.contract.root import ROOT
from tests.benchmarks.kills import GONE_IN, MARK, left
from tests.terminal import unseen

#: After so long a run hangs, seconds.
WITHIN = 120.0
#: A run that would take for ever.
ENDLESS = 100_000


@dataclass
class Ran:
    """A run that ended, and where it saved."""

    code: int
    said: str
    out: Path
    wrong: list[str] = field(default_factory=list)

    def hold(self, codes: Collection[int], saved: bool = True) -> list[str]:
        """What is not as promised, if it should have ended so."""
        if self.code not in codes:
            self.wrong.append(f"exit code {self.code}: {self.said[-300:]!r}")
        if "Traceback" in self.said:
            self.wrong.append(f"a traceback is shown: {self.said[-300:]!r}")
        results = self.out / "results.json"
        if saved and not results.exists():
            self.wrong.append(f"nothing is saved: {self.said[-300:]!r}")
        if results.exists():
            json.loads(results.read_text(encoding="utf-8"))
            self.wrong += [f"{one.name} is left" for one in self.out.glob(".*")]
        return self.wrong


@dataclass
class Surroundings:
    """Runs compare.py on small data in whatever surrounds it.

    Args:
        folder: of this run.
        data: IDX files.
    """

    folder: Path
    data: Path

    def __post_init__(self) -> None:
        self.env = {**os.environ, "COMPARE_CACHE_DIR": str(self.folder / "cache")}
        self.out = self.folder / "out"

    def words(self, *more: object, epochs: int = 3) -> list[str]:
        """compare.py with NumPy twice."""
        words = ["--backends", "numpy", "numpy", "--data-dir", self.data, "--custom-data"]
        words += ["--epochs", epochs, "--batch-size", 32, "--threads", 1, "--check", "quick"]
        words += ["--no-band", "--out", self.out, *more]
        return [sys.executable, str(ROOT / "compare.py"), *map(str, words)]

    @contextmanager
    def started(self, words: Sequence[str], **given: object) -> Iterator[subprocess.Popen[str]]:
        """Start it, in a session of its own, and see that none of its processes is left."""
        mark = uuid.uuid4().hex
        pipes: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(
            words, env={**self.env, MARK: mark}, cwd=self.folder, stdin=subprocess.DEVNULL,
            text=True, errors="replace", start_new_session=True, **{**pipes, **given},
        )  # type: ignore[call-overload]  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            ends = time.monotonic() + GONE_IN
            while left(mark) and time.monotonic() < ends:
                time.sleep(0.05)
            self.left = left(mark)
            for pid in self.left:
                os.kill(pid, signal.SIGKILL)

    def ran(self, process: subprocess.Popen[str], before: str = "") -> Ran:
        """Wait for its end."""
        try:
            said = before + (process.communicate(timeout=WITHIN)[0] or "")
        except subprocess.TimeoutExpired:
            process.kill()
            return Ran(-1, before, self.out, [f"hangs after {WITHIN:g} s"])
        return Ran(process.returncode, said, self.out)

    def run(self, words: Sequence[str], **given: object) -> Ran:
        """Start it and wait for its end."""
        with self.started(words, **given) as process:
            ran = self.ran(process)
        if self.left:
            ran.wrong.append(f"{len(self.left)} processes left")
        return ran

    def shell(self, script: str, *more: object) -> Ran:
        """Run it by a shell's `"$@"`."""
        return self.run(["sh", "-c", script, "sh", *self.words(*more)])

    def when(self, said: str, do: Callable[[subprocess.Popen[str]], object], epochs: int) -> Ran:
        """Run it, and do something when it has said something."""
        with self.started(self.words(epochs=epochs)) as process:
            assert process.stdout is not None
            before = ""
            for line in process.stdout:
                before += line
                if said in line:
                    break
            do(process)
            ran = self.ran(process, before)
        if self.left:
            ran.wrong.append(f"{len(self.left)} processes left")
        return ran


Row = Callable[[Surroundings], list[str]]

#: When a signal comes: what has been said, and of how many epochs the run is.
SAID = {
    "starting": ("starting", ENDLESS),
    "training": ("epoch 3/", ENDLESS),
    "checks": ("running the referee", 3),
    "saving": ("saving", 3),
}
SENT = {
    "Ctrl-C": (signal.SIGINT,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
    "SIGTERM": (signal.SIGTERM,),
    "SIGHUP": (signal.SIGHUP,),
}


def signalled(around: Surroundings, moment: str, sent: str) -> list[str]:
    """Interrupted: 130, or as ever if all was there when it came."""

    def send(process: subprocess.Popen[str]) -> None:
        for position, number in enumerate(SENT[sent]):
            time.sleep(0.15 * (position > 0))
            process.send_signal(number)

    said, epochs = SAID[moment]
    return around.when(said, send, epochs).hold([130, 0] if moment == "saving" else [130])


def in_namespace(around: Surroundings, mount: str) -> Ran:
    """With a folder of its own mounted, where that may be done; what it saved is copied."""
    around.out, mounted = around.folder / "mounted" / "out", around.folder / "mounted"
    mounted.mkdir()
    script = f'{mount} "{mounted}" || exit 77; "$@"; code=$?; '
    script += f'cp -r "{mounted}/." "{around.folder}/kept"; exit $code'
    (around.folder / "kept").mkdir()
    around.env["TMPDIR"] = str(around.folder)
    ran = around.run(["unshare", "-rm", "sh", "-c", script, "sh", *around.words()])
    ran.out = around.folder / "kept" / "out"
    return ran


def full_disk(around: Surroundings, size: str) -> list[str]:
    """What has no room there is saved elsewhere, and where is said."""
    ran = in_namespace(around, f"mount -t tmpfs -o size={size} none")
    if ran.code == 77:
        return ["nothing can be mounted here"]
    elsewhere = sorted(around.folder.glob("compare-results-*"))
    if elsewhere:
        ran.out = elsewhere[0]
        if str(ran.out) not in ran.said:
            ran.wrong.append(f"it is not said where: {ran.said[-300:]!r}")
    return ran.hold([2] if ran.code == 2 else [0], saved=ran.code != 2)


def read_only(around: Surroundings) -> list[str]:
    """Refused, in a line."""
    ran = in_namespace(around, "mount -t tmpfs -o ro none")
    wrong = ran.hold([2], saved=False)
    return wrong + [f"not a line: {ran.said!r}"] * (ran.said.count("\n") != 1)


def file_size(around: Surroundings) -> list[str]:
    """No file of more than 64 KB: the page is lost, and nothing else."""
    ran = around.shell('ulimit -f 128; exec "$@"')
    wrong = ran.hold([0])
    if "report.html could not be written" not in ran.said:
        wrong.append(f"it is not said what is lost: {ran.said[-300:]!r}")
    return wrong


def folder_gone(around: Surroundings) -> list[str]:
    """Removed while it trains, it is made again."""
    gone = partial(shutil.rmtree, around.out, ignore_errors=True)
    return around.when("epoch 3/", lambda _: gone(), 2000).hold([0])


def descriptors(around: Surroundings, closed: str) -> list[str]:
    """Standard streams that are closed, or take nothing."""
    return around.shell(f'exec "$@" {closed}').hold([0])


def limited(around: Surroundings, count: int) -> list[str]:
    """So many files may be open."""
    return around.shell(f'ulimit -n {count}; exec "$@"').hold([0])


def homeless(around: Surroundings, home: str | None) -> list[str]:
    """Without a folder of one's own; the cache is the data's own then."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        around.env.pop(name, None)
    if home is not None:
        around.env["HOME"] = home
    return around.run(around.words()).hold([0])


def terminal(around: Surroundings, kind: str, columns: int, lines: int) -> list[str]:
    """On a terminal of another kind or size."""
    around.env["TERM"] = kind
    with unseen(columns, lines) as (there, written):
        ran = around.run(around.words(), stdout=there, stderr=there)
    ran.said = b"".join(written).decode(errors="replace")
    return ran.hold([0])


def json_to_nothing(around: Surroundings) -> list[str]:
    """`--json` to a device that takes nothing."""
    ran = around.run(around.words("--json", "/dev/full"))
    wrong = ran.hold([0])
    return wrong + ["it is not said"] * ("--json /dev/full" not in ran.said)


ROWS: dict[str, Row] = {
    **{
        f"{sent}, {moment}": partial(signalled, moment=moment, sent=sent)
        for sent, moment in product(SENT, SAID)
    },
    "a disk full at once": partial(full_disk, size="4k"),
    "a disk full before results.json": partial(full_disk, size="160k"),
    "a disk full before the page": partial(full_disk, size="260k"),
    "files of 64 KB at most": file_size,
    "a folder that is read-only": read_only,
    "a folder that goes": folder_gone,
    "stdout closed": partial(descriptors, closed=">&-"),
    "stderr closed": partial(descriptors, closed="2>&-"),
    "all streams closed": partial(descriptors, closed="0>&- >&- 2>&-"),
    "stdout full": partial(descriptors, closed=">/dev/full"),
    "stdout and stderr full": partial(descriptors, closed=">/dev/full 2>&1"),
    "--json to /dev/full": json_to_nothing,
    "no HOME": partial(homeless, home=None),
    "a HOME that is not there": partial(homeless, home="/nonexistent/home"),
    "a dumb terminal": partial(terminal, kind="dumb", columns=80, lines=24),
    "a terminal of 1 x 1": partial(terminal, kind="xterm", columns=1, lines=1),
    "a terminal of 12 x 3": partial(terminal, kind="xterm-256color", columns=12, lines=3),
    "64 open files": partial(limited, count=64),
}


def wrong(name: str, data: Path) -> list[str]:
    """What is not as promised in one row."""
    with tempfile.TemporaryDirectory() as folder:
        return ROWS[name](Surroundings(Path(folder), data))
