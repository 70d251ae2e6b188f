"""A process that ends what its parent could not: after kill -9, nobody else is left to do so.

One for all workers, started with the first of them. It reads which process groups there are, `+ID`
when one begins and `-ID` when it has ended, from a pipe that the parent alone holds. When that
ends, so has the parent, and the groups it left are ended, busy, stopped or idle, with their
children. Run as a script by itself, it needs the standard library alone.
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


class Guard:
    """The parent's end."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._lock = threading.Lock()

    def watch(self, group: int) -> None:
        """End a process group if this process is gone before `forget`."""
        with self._lock:
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """A process group has ended."""
        with self._lock:
            self._groups.discard(group)
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
        os.write(self._pipe, "".join(f"+{group}\n" for group in self._groups).encode())


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
    groups: set[int] = set()
    for line in lines:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    guard(sys.stdin)
