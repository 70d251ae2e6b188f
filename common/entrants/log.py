"""A worker's log: of one that grows without end, the first and the last megabyte."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

#: So much is kept of either end.
EACH = 2**20

#: It is cut when it is so many times as long as what is kept of it.
OFTEN = 2

_CUT = re.compile(rb"\n\.\.\. (\d+) bytes were left out \.\.\.\n")


def cut(path: Path, each: int = EACH) -> None:
    """Cut out the middle of a log that is too long.

    Whoever writes to it appends, and goes on; what is written in this very moment may be lost.
    """
    # A log is not worth a run: a disk may be gone.
    with contextlib.suppress(OSError):
        if path.stat().st_size > OFTEN * 2 * each:
            with path.open("r+b") as log:
                _cut_out(log.fileno(), each)


def _cut_out(log: int, each: int) -> None:
    size = os.fstat(log).st_size
    before = _CUT.match(os.pread(log, 100, each))
    began = each + (before.end() if before else 0)
    gone = size - each - began + (int(before[1]) if before else 0)
    kept = b"\n... %d bytes were left out ...\n" % gone + os.pread(log, each, size - each)
    os.pwrite(log, kept, each)
    os.ftruncate(log, each + len(kept))
