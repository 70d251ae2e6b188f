"""A process that ends what its parent could not: after kill -9, nobody else is left to do so.

One for all workers, started with the first of them. It reads which process groups there are,
`+ID MARK` when one begins and `-ID` when it has ended, from a pipe that the parent alone holds.
When that ends, so has the parent, and the groups it left are ended, busy, stopped or idle, with
their children. Run as a script by itself, it needs the standard library alone.

A child that made itself a session of its own, as daemons do, is in no group that is known. It is
found by the mark that it inherited with its environment (Linux alone tells that of others).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

#: A variable of every worker, and of all that it starts; each has a value of its own.
MARK = "COMPARE_WORKER"


class Guard:
    """The parent's end."""

    def __init__(self) -> None:
        self._groups: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._lock = threading.Lock()

    def watch(self, group: int, mark: str) -> None:
        """End a process group, and who has its mark, if this process is gone before `forget`."""
        with self._lock:
            self._groups[group] = mark
            self._tell(f"+{group} {mark}\n")

    def forget(self, group: int) -> None:
        """A process group has ended."""
        with self._lock:
            self._groups.pop(group, None)
            self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None:
            try:
                os.write(self._pipe, line.encode())
                return
            except BrokenPipeError:  # somebody ended it: another one takes over
                os.close(self._pipe)
                self._process.wait()
        self._process, self._pipe = start()
        lines = (f"+{group} {mark}\n" for group, mark in self._groups.items())
        os.write(self._pipe, "".join(lines).encode())


def start() -> tuple[subprocess.Popen[bytes], int]:
    """Start the process; with it, our end of the pipe that it reads."""
    theirs, ours = map(above_standard, os.pipe())
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(theirs)
    return process, ours


def above_standard(descriptor: int) -> int:
    """Move a descriptor away from 0, 1 and 2, to which anybody may print.

    It gets one of them in a process whose input, output or errors are closed.
    """
    if descriptor > 2:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return moved


def guard(lines: Iterable[str]) -> None:
    """Read the groups until the parent is gone, and end those it left."""
    groups: dict[int, str] = {}
    for line in lines:
        group, _, mark = line[1:].rstrip().partition(" ")
        if line[0] == "+":
            groups[int(group)] = mark
        else:
            groups.pop(int(group), None)
    for number, mark in groups.items():
        end_group(number, mark)


def end_group(group: int, mark: str) -> None:
    """End a process group, and whoever left it, which the mark tells."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    variable = f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it has just ended, or is somebody else's
            if variable in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


if __name__ == "__main__":
    guard(sys.stdin)
