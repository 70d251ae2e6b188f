"""What a file is, by its first bytes, whatever its name says."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from common.errors import Refused

GZIP = b"\x1f\x8b"

#: First bytes -> what such a file is, and what can be done.
KINDS = (
    (GZIP, "a gzip file", "unpack it"),
    (b"PK\3\4", "a zip archive", "unpack it"),
    (b"BZh", "a bzip2 file", "unpack it"),
    (b"\xfd7zXZ\0", "an xz file", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd file", "unpack it"),
    (
        b"version https://git-lfs",
        "a Git LFS pointer, not the file itself",
        "git lfs pull fetches it",
    ),
    (b"/annex/objects/", "a git-annex pointer, not the file itself", "git annex get fetches it"),
    (b"\x93NUMPY", "an array of NumPy's", "put it in an .npz with the others"),
    (b"\x89PNG", "a PNG picture", "give another file"),
    (b"\xff\xd8\xff", "a JPEG picture", "give another file"),
    (b"\x89HDF", "an HDF5 file", "give another file"),
    (b"MATLAB 5.0", "a MATLAB file", "give another file"),
    (b"%PDF", "a PDF document", "give another file"),
)

#: What servers send in place of a file, in lower case.
PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml")


def recognised(start: bytes) -> str | None:
    """What a file is that begins like this, and what can be done; None if nothing is known."""
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES):
        return "a web page, not the file itself; download it again from its own address"
    for first, words, remedy in KINDS:
        if start.startswith(first):
            return f"{words}; {remedy}"
    return None


def is_packed(path: Path) -> bool:
    """Whether a file is packed with gzip, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(GZIP)) == GZIP


def open_unpacked(path: Path) -> BinaryIO:
    """Open a plain or a gzip file, whatever its name, for reading its unpacked bytes."""
    return cast(BinaryIO, gzip.open(path)) if is_packed(path) else path.open("rb")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Refuse a file that cannot be read, or whose gzip data are damaged, by its name."""
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror or error})") from error
