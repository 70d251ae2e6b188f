"""`--json FILE`: written into whatever the file is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from common.errors import Refused
from common.results.folder import as_json, write_json


def refuse_target(target: str | None) -> None:
    """Refuse, before anything runs, a file that could not be written in the end."""
    if target is None or target == "-":
        return
    path = Path(target).absolute()
    if path.is_dir():
        raise Refused(f"--json {target} is a folder; name a file")
    if is_special(path):
        if not os.access(path, os.W_OK):
            raise Refused(f"--json {target} cannot be written")
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise Refused(f"--json {target}: the folder {folder} is not there")
    if not os.access(folder, os.W_OK):
        raise Refused(f"--json {target}: the folder {folder} cannot be written")


def write_target(target: str, value: Any) -> None:
    """Write strict JSON: a file whole or not at all, a device or a FIFO directly.

    A link is followed and stays one.
    """
    path = Path(target)
    if is_special(path):
        with path.open("w", encoding="utf-8") as file:
            file.write(as_json(value))
    else:
        write_json(path.resolve(), value)


def is_special(path: Path) -> bool:
    """Whether something is there that is no regular file, or stands for an open one.

    That must not be replaced by a file: `/dev/stdout` may lead to one, and is no name of it.
    """
    system = path.absolute().parts[1:2] in (("dev",), ("proc",))
    return path.exists() and (system or not path.is_file())
