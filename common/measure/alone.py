"""Whether another run of this user's is at work on this machine: said, waited for, kept in mind.

A file that the system locks says so. The lock ends with its process, however that ends.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class Alone:
    """Whether a run has the machine to itself, as far as its user's runs go.

    Attributes:
        beside: the run that was at work when this one began, in words; None if there was none.
        left: how many seconds may still be waited for a quiet machine.
    """

    beside: str | None = None
    left: float = 0.0


def lock_path() -> Path:
    """The file, in COMPARE_LOCK_DIR if that is set, else in the machine's temporary folder."""
    folder = os.environ.get("COMPARE_LOCK_DIR") or tempfile.gettempdir()
    return Path(folder, f"compare-frameworks-{os.getuid()}.lock")


@contextmanager
def alone(seconds: float, say: Callable[[str], object]) -> Iterator[Alone]:
    """Be the run that is at work on this machine, or begin beside the one that is.

    Where the file cannot be had, nothing is known of others.

    Args:
        seconds: how long to wait at most for another run to end.
        say: hears of another run.
    """
    lock = FileLock(lock_path())
    began, beside = time.monotonic(), None
    try:
        with suppress(OSError):
            beside = _taken(lock, seconds, say)
        yield Alone(beside, max(0.0, seconds - (time.monotonic() - began)))
    finally:
        lock.release()


def _taken(lock: FileLock, seconds: float, say: Callable[[str], object]) -> str | None:
    """Take the lock; who has it, if that is another run after so many seconds, too."""
    path = lock_path()
    with suppress(Timeout):
        lock.acquire(timeout=0)
    if not lock.is_locked and seconds:
        say(f"waiting for {_holder(path)}, at most {seconds:g} s")
        with suppress(Timeout):
            lock.acquire(timeout=seconds)
    if lock.is_locked:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        path.write_text(f"process {os.getpid()}, since {since}", encoding="utf-8")
        return None
    beside = _holder(path)
    after = f" after {seconds:g} s" if seconds else ""
    waits = "" if seconds else "; --wait-quiet SECONDS waits for it"
    say(f"{beside} is at work{after}: no times are judged{waits}")
    return beside


def _holder(path: Path) -> str:
    """Who has the lock, in words."""
    with suppress(OSError, ValueError):
        words = path.read_text(encoding="utf-8")
        if words.isprintable() and words:
            return f"another run on this machine ({words})"
    return "another run on this machine"
