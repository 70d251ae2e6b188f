"""What can go wrong in an entrant, and when: planted in a copy of any backend."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes import copy_backend

#: Of a run that faults are planted in.
EPOCHS = 3
#: What a flood writes to each stream.
FLOOD = 20 * 10**6


def pipe() -> int:
    """The descriptor by which a worker talks to its parent."""
    return int(sys.argv[1])


def raises() -> None:
    raise ValueError("planted")


def segfaults() -> None:
    ctypes.string_at(0)


def ends_itself(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


def hangs() -> None:
    while True:
        time.sleep(1)


def floods() -> None:
    block = b"a line of a flood, and another one\n" * 3000
    for stream in (1, 2):
        for _ in range(FLOOD // len(block)):
            os.write(stream, block)


def writes_garbage() -> None:
    os.write(pipe(), b"\xde\xad\xbe\xef" * 64)


def closes_its_pipe() -> None:
    os.close(pipe())


def leaves_a_child(apart: bool) -> Callable[[], None]:
    """Apart: in a session of its own, as a daemon is."""
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    return lambda: void(subprocess.Popen(sleep, start_new_session=apart))


def void(_: object) -> None:
    """Not to be waited for."""


def runs_out_of_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**20, hard))
    try:
        bytearray(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Attributes:
        do: does it, in the worker.
        status: of the entrant, as results.json has to have it.
        reason: what the reason has to say, a pattern; "" where there is none.
    """

    do: Callable[[], object]
    status: str
    reason: str


FAULTS: dict[str, Fault] = {
    "exception": Fault(raises, "failed", "ValueError: planted"),
    "SIGKILL": Fault(ends_itself(signal.SIGKILL), "killed", "signal SIGKILL"),
    "SIGSEGV": Fault(segfaults, "killed", "signal SIGSEGV"),
    "abort": Fault(os.abort, "killed", "signal SIGABRT"),
    "exit 0": Fault(lambda: os._exit(0), "killed", "exit code 0"),
    "hang": Fault(hangs, "timeout", "took longer than"),
    "SIGSTOP": Fault(ends_itself(signal.SIGSTOP), "timeout", "took longer than"),
    "flood": Fault(floods, "ok", ""),
    "garbage": Fault(writes_garbage, "failed", "no JSON"),
    "closed pipe": Fault(closes_its_pipe, "killed", "exit code 1|closed its pipe"),
    "out of memory": Fault(runs_out_of_memory, "failed", "MemoryError"),
    "child": Fault(leaves_a_child(apart=False), "ok", ""),
    "daemon": Fault(leaves_a_child(apart=True), "ok", ""),
}

#: What stands in the copy.
PLANTED = """
from pathlib import Path

from tests.faulty import SAYS, plant

plant(Path(__file__).with_name(SAYS))
"""

#: Moment -> the call of a session before which it comes, and which one of them.
MOMENTS: dict[str, tuple[str, int]] = {
    "import": ("", 0),
    "open": ("set_up", 1),
    "warm-up": ("warm_up", 1),
    "first epoch": ("train", 1),
    "last epoch": ("train", EPOCHS),
    "evaluation": ("evaluate", 1),
    "checks": ("logits", 1),
    "close": ("receive", 0),
}


def promised(moment: str, fault: Fault) -> Fault:
    """What has to be said of it: of one that was asked for nothing more, that it did well."""
    return Fault(fault.do, "ok", "") if moment == "close" else fault


def plant(path: Path) -> None:
    """In the worker, as its backend is imported: make it go wrong as a file says, if it can."""
    if not path.exists():
        return
    fault, moment = path.read_text().splitlines()
    from common.entrants.channel import Channel
    from common.entrants.local import LocalSession

    do, (name, number) = FAULTS[fault].do, MOMENTS[moment]
    if moment == "import":
        do()
        return
    at_end = moment == "close"
    of: Any = Channel if at_end else LocalSession
    usual, made = getattr(of, name), [0]

    def changed(*arguments: Any, **named: Any) -> Any:
        made[0] += 1
        if not at_end and made[0] == number:
            do()
        try:
            return usual(*arguments, **named)
        except EOFError:
            do()
            raise

    setattr(of, name, changed)


#: Of a copy of a backend, which file says what goes wrong in it.
SAYS = "fault"


def copy_faulty(folder: Path, name: str, source: str, fault: str, moment: str) -> Path:
    """Copy a backend in which something goes wrong at a moment, until its file `SAYS` is gone.

    Fault "": nothing does.
    """
    copy = copy_backend(folder, name, source, data=PLANTED)
    if fault:
        (copy / SAYS).write_text(f"{fault}\n{moment}\n")
    return copy
