"""The result folder: made, held by one run at a time, and replaced only by what is whole."""

from __future__ import annotations

import itertools
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from common.errors import Refused
from common.results.folder import umask
from common.results.journal import JOURNAL, OF_JOURNAL, STATES

#: What a run or a check writes, and `--force` may replace in a folder of one; nothing else.
OF_RUN = (
    "results.json",
    "check.html",
    "check.json",
    "mapping.json",
    "report.html",
    "initial.safetensors",
    "initial-*.safetensors",
    "order.npy",
    "params-*.safetensors",
    "predictions.npz",
    "pictures.npz",
    "source",
    "worker-*.log",
    *OF_JOURNAL,
)

#: The same of a sweep, beside the folders of its runs.
OF_SWEEP = ("sweep.json", "sweep.svg", "sweep.html")

#: What marks a folder as a run's, a check's or a sweep's -> what its JSON has.
MARKS = {"results.json": "schema_version", "check.json": "schema_version", "sweep.json": "vary"}

#: Held while a run writes; one that was killed leaves it, and with it a mark.
LOCK = ".compare-lock"

_NEW = ".compare-new-"

#: What ends a run before there is anything to keep; an interrupt later on is the run's to answer.
_BEFORE = (Refused, KeyboardInterrupt)


def refuse_folder(folder: Path, *, force: bool) -> None:
    """Refuse what cannot be the result folder; touches nothing.

    Raises:
        Refused: it is a file, or has something in it and either no `force` or no mark of a run.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise Refused(f"--out {folder} is a file; name a folder")
        if not folder.is_dir() or all(path.name == LOCK for path in folder.iterdir()):
            return
    except OSError as cause:
        raise Refused(f"--out {folder} cannot be read: {cause.strerror}") from cause
    if not force:
        raise Refused(f"--out {folder} is not empty; name another folder, or add --force")
    if not is_marked(folder):
        raise Refused(
            f"--out {folder} has no {', '.join(MARKS)} of this program: what is in it is not a "
            "run's, and --force does not replace it; name another folder"
        )


def is_marked(folder: Path) -> bool:
    """Whether a run, a check or a sweep wrote a folder."""
    if (folder / LOCK).exists():
        return True
    for name, key in MARKS.items():
        with suppress(OSError, ValueError):
            found = json.loads((folder / name).read_text(encoding="utf-8"))
            if isinstance(found, dict) and key in found:
                return True
    return False


def new_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Make `runs/<time>-<name>`, with a number if another run starts in the same second."""
    base = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return _first_free(parent / base)
    except OSError as cause:
        raise Refused(f"{parent} cannot be written: {cause.strerror}; name an --out") from cause


class Place:
    """A result folder that one run holds, in a `with`.

    Where an old run's files are, the new ones are written to a hidden folder beside them, and take
    their place only in `keep`.

    Args:
        target: the folder that was asked for.
        force: replace an old run's files.
        runs: names of the folders in it, if it is a sweep's.
        resumed: whether what is there already is this run's own.

    Attributes:
        folder: where to write; after `keep`, where it is.

    Raises:
        Refused: it cannot be had, or another run holds it.
    """

    def __init__(
        self, target: Path, *, force: bool, runs: tuple[str, ...] = (), resumed: bool = False
    ) -> None:
        self.folder = self._target = target
        self._force, self._runs, self._resumed = force, runs, resumed
        self._lock = FileLock(target / LOCK, timeout=0)
        self._made = not target.exists()

    @property
    def _staged(self) -> bool:
        return self.folder.parent == self._target and self.folder.name.startswith(_NEW)

    def __enter__(self) -> Self:
        """Make it and hold it."""
        self._refuse()
        try:
            self._target.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except Timeout as cause:
            raise Refused(f"--out {self._target}: {self._holder()} writes there now") from cause
        except OSError as cause:
            raise Refused(f"--out {self._target} cannot be written: {cause.strerror}") from cause
        try:
            self._write_holder()
            self._refuse()  # again, now that no other run can fill it
            self._stage()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Let go of it, the old files where they were unless the new ones are kept."""
        try:
            if self._staged:
                self.keep(whole=False)
            elif isinstance(error, _BEFORE) and not self._resumed:
                for path in _matching(self._target, OF_RUN):
                    _remove(path)
        finally:
            self._release()
            if self._made and isinstance(error, _BEFORE):
                with suppress(OSError):
                    self._target.rmdir()

    def keep(self, *, whole: bool, resumable: bool = False) -> None:
        """Put the new files in the place of the old ones, or, if not whole, beside the folder.

        Beside it they are in `<folder>-interrupted`, if results of any kind were saved, or an
        epoch that can be gone on from.
        """
        if not self._staged:
            return
        new = self.folder
        if whole:
            for name in self._runs:
                (self._target / name).mkdir(exist_ok=True)
                _supersede(self._target / name, new / name, OF_RUN)
            _supersede(self._target, new, OF_SWEEP if self._runs else OF_RUN)
        elif resumable or any(True for mark in (*MARKS, STATES) for _ in new.rglob(mark)):
            self.folder = self._apart()
            new.rename(self.folder)
            return
        self.folder = self._target
        shutil.rmtree(new)

    def _apart(self) -> Path:
        """A new folder beside it, for what did not end."""
        apart = self._target.absolute()
        return _first_free(apart.with_name(f"{apart.name}-interrupted"))

    def _refuse(self) -> None:
        if self._resumed:
            return
        refuse_folder(self._target, force=self._force)
        for name in self._runs:
            refuse_folder(self._target / name, force=self._force)

    def _stage(self) -> None:
        """Write to a hidden folder if there is something to replace."""
        if self._resumed:
            return
        for left in self._target.glob(f"{_NEW}*"):  # by a run that was killed
            if (left / JOURNAL).exists():  # and can be resumed
                left.rename(self._apart())
            else:
                shutil.rmtree(left)
        if any(path.name != LOCK for path in self._target.iterdir()):
            self.folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=self._target))
            self.folder.chmod(0o777 & ~umask())

    def _write_holder(self) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        words = f"process {os.getpid()} on {platform.node()}, since {since},"
        (self._target / LOCK).write_text(words, encoding="utf-8")

    def _holder(self) -> str:
        with suppress(OSError, ValueError):
            words = (self._target / LOCK).read_text(encoding="utf-8")
            if words.isprintable() and words:
                return words
        return "another run"

    def _release(self) -> None:
        (self._target / LOCK).unlink(missing_ok=True)  # while it is held: nobody else has this one
        self._lock.release()


def _supersede(old: Path, new: Path, patterns: Iterable[str]) -> None:
    """Move a run's files to where an old run's are; if that fails all are put back."""
    aside = Path(tempfile.mkdtemp(dir=new))
    moved = []
    try:
        for folder, files in ((aside, _matching(old, patterns)), (old, _matching(new, patterns))):
            for path in files:
                moved.append((path, path.rename(folder / path.name)))
        shutil.rmtree(aside)
    except OSError:
        for before, now in reversed(moved):
            now.rename(before)
        raise


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in folder.glob(pattern)]


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder; what a link leads to stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _first_free(folder: Path) -> Path:
    """Make a folder, with the first number behind its name that nobody has made."""
    for number in itertools.count(1):
        found = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        with suppress(FileExistsError):
            found.mkdir()
            break
    return found
