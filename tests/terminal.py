"""A terminal that nobody looks at."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unseen(columns: int, lines: int) -> Iterator[tuple[int, list[bytes]]]:
    """A terminal of that size: where to write to, and what was written, whole in the end."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", lines, columns, 0, 0))
    written: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 2**16):
                written.append(piece)
        except OSError:  # it is closed at the other end
            return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield theirs, written
    finally:
        os.close(theirs)
        reader.join(10)
        os.close(ours)
