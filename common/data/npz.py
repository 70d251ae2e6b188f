"""Four arrays in an .npz file of NumPy's.

    train_images  train_labels  test_images  test_labels       as MedMNIST calls them, or
    x_train       y_train       x_test       y_test            as Keras does

Images are (n, height, width), or (n, height, width, 3) in colour; labels (n,) or (n, 1).
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from common.data.arrays import content
from common.data.content import Content
from common.data.stored import BLOCK, Stored
from common.data.wrapping import reading, recognised
from common.errors import Refused

#: images and labels for training, images and labels to test on
NAMES = (
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("x_train", "y_train", "x_test", "y_test"),
)

#: What a damaged zip archive raises: a name in it may be no text, and its numbers nonsense.
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    KeyError,
    UnicodeDecodeError,
)


def read(path: Path, names: tuple[str, ...]) -> Content:
    """What an .npz file holds.

    Raises:
        Refused: it is none, or damaged; arrays are missing, or cannot be what they should.
    """
    with _readable(path):
        with path.open("rb") as file:
            sha = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            start = file.read(64)
        if not zipfile.is_zipfile(path):
            cut = start.startswith(b"PK") and "a damaged .npz file; fetch it again"
            raise Refused(f"{path}: {cut or recognised(start) or 'no .npz file; give another'}")
        with zipfile.ZipFile(path) as archive:
            there = {name.removesuffix(".npy") for name in archive.namelist()}
    wanted = next((one for one in NAMES if there >= set(one)), None)
    if wanted is None:
        raise Refused(
            f"{path}: has {', '.join(sorted(there))[:200] or 'nothing'}; name the arrays "
            f"{', '.join(NAMES[0])}, or {', '.join(NAMES[1])}"
        )
    one, two, three, four = (_stored(path, name) for name in wanted)
    return content((one, two), (three, four), {path.name: sha}, names)


def _stored(path: Path, name: str) -> Stored:
    """An array of the file, by its header alone.

    Raises:
        Refused: no array of numbers, or one in Fortran's order.
    """
    label = f"{path}: {name}"
    with _readable(path), _member(path, name) as file:
        shape, fortran, dtype = _header(file, label)
        start = file.tell()
    if fortran and len(shape) > 1:
        raise Refused(f"{label}: in Fortran's order; save it with np.ascontiguousarray")
    if not shape or 0 in shape:
        raise Refused(f"{label}: {dtype.name} of shape {shape}, which is empty; give examples")
    return Stored(label, dtype, shape, partial(_opened, path, name, start))


def _header(file: BinaryIO, label: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type, as NumPy reads them; it evaluates no code, and asks no memory."""
    try:
        form: Any = np.lib.format
        first = form.read_magic(file) == (1, 0)
        read = form.read_array_header_1_0 if first else form.read_array_header_2_0
        found: tuple[tuple[int, ...], bool, np.dtype[Any]] = read(file)
        return found
    except ValueError as error:
        words = " ".join(str(error).split())[:120]
        raise Refused(f"{label}: no array of NumPy's ({words}); save it again") from error


@contextmanager
def _opened(path: Path, name: str, start: int) -> Iterator[BinaryIO]:
    with _readable(path), _member(path, name) as file:
        while start:  # a zip's members cannot be skipped in one step without being held
            start -= len(file.read(min(start, BLOCK))) or start
        yield file


@contextmanager
def _member(path: Path, name: str) -> Iterator[BinaryIO]:
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        yield cast(BinaryIO, file)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Refuse what cannot be read, by its name."""
    try:
        with reading(path):
            yield
    except _DAMAGED as error:
        words = " ".join(str(error).split())[:120]
        raise Refused(f"{path}: damaged .npz file ({words}); fetch it again") from error
