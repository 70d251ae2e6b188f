"""Archives that public data sets come in: believed for their SHA-256, then unpacked."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from common.data.known import Archive
from common.data.wrapping import GZIP, reading, recognised
from common.errors import Refused


@contextmanager
def unpacked(path: Path, archive: Archive) -> Iterator[Path]:
    """Unpack an archive's files into a folder that is there for the block.

    Raises:
        Refused: it is another file than the archive, or the folder cannot be written.
    """
    with reading(path), path.open("rb") as file:
        start = file.read(64)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        different = f"SHA-256 {digest[:12]}... instead of {archive.sha256[:12]}...; fetch it again"
        other = None if start.startswith((GZIP, b"PK")) else recognised(start)
        raise Refused(f"{path}: {other or different}")
    with tempfile.TemporaryDirectory(prefix="compare-frameworks-") as scratch:
        folder = Path(scratch)
        try:
            for name, source in _members(path):
                if name in archive.files:
                    with (folder / name).open("wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
        except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise Refused(f"{path}: cannot be unpacked in {folder} ({error})") from error
        yield folder


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every file in an archive: the last part of its name, and its bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for one in packed.infolist():
                with packed.open(one) as file:
                    yield PurePosixPath(one.filename).name, file
        return
    with tarfile.open(path) as tape:
        for member in tape:
            if (source := tape.extractfile(member)) is not None:
                yield PurePosixPath(member.name).name, source
