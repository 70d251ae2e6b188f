"""The code that ran, kept and hashed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

from common.contract.info import CONTRACT
from common.contract.registry import Backend
from common.results.folder import whole


def copy_source(folder: Path, backends: Mapping[str, Backend]) -> None:
    """Keep the code that runs, byte for byte."""
    for backend in backends.values():
        target = folder / backend.name
        target.mkdir(parents=True)
        for path in source_files(backend.folder):
            with whole(target / path.name) as temporary:
                shutil.copyfile(path, temporary)


def source_files(folder: Path) -> list[Path]:
    """The files of a backend, in the order they are hashed and shown."""
    files = (folder / name for name in ("__init__.py", *CONTRACT, "declared.py"))
    return [path for path in files if path.is_file()]


def source_sha256(*folders: Path) -> str:
    """SHA-256 of the bytes of the files of a backend, or of several, in that order."""
    sha = hashlib.sha256()
    for path in (path for folder in folders for path in source_files(folder)):
        sha.update(path.read_bytes())
    return sha.hexdigest()
