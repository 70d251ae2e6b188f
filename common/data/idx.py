"""The IDX format of MNIST and Fashion-MNIST: a big-endian header, then the values, row by row.

    images   2051, count, rows, columns        then count * rows * columns pixels, a byte each
    colour   2052, count, rows, columns, 3     then red, green and blue of every pixel
    labels   2049, count                       then count labels, a byte each

The magic number is two zero bytes, the values' type and the number of dimensions: files of other
types have others. What is in the cache has bytes.

Imports only the standard library and NumPy: worker processes in other interpreters use it.
Whatever is wrong with a file is raised as `Refused`, in one line that starts with its path.

Source: http://yann.lecun.com/exdb/mnist/, "FILE FORMATS FOR THE MNIST DATABASE".
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.data.stored import BLOCK, Shape, Stored
from common.data.wrapping import open_unpacked, reading, recognised
from common.errors import Refused

TRAIN_IMAGES = "train-images-idx3-ubyte"

TRAIN_LABELS = "train-labels-idx1-ubyte"

TEST_IMAGES = "t10k-images-idx3-ubyte"

TEST_LABELS = "t10k-labels-idx1-ubyte"

#: images, labels: the two pairs a data set consists of.
TRAIN = (TRAIN_IMAGES, TRAIN_LABELS)

TEST = (TEST_IMAGES, TEST_LABELS)

IMAGES_MAGIC = 2051  # 0x0803: unsigned bytes, three dimensions

COLOUR_MAGIC = 2052  # 0x0804: unsigned bytes, four dimensions

LABELS_MAGIC = 2049  # 0x0801: unsigned bytes, one dimension

#: The four files, and the magic number each has to start with, unless it has another type.
FILES = {
    TRAIN_IMAGES: IMAGES_MAGIC,
    TRAIN_LABELS: LABELS_MAGIC,
    TEST_IMAGES: IMAGES_MAGIC,
    TEST_LABELS: LABELS_MAGIC,
}

#: The types of values, by the third byte of the magic number: NumPy's words, and ours.
TYPES = {
    0x08: ("u1", "bytes"),
    0x09: ("i1", "signed bytes"),
    0x0B: (">i2", "16-bit integers"),
    0x0C: (">i4", "32-bit integers"),
    0x0D: (">f4", "32-bit floating-point numbers"),
    0x0E: (">f8", "64-bit floating-point numbers"),
}

#: magic number -> what such files are called, the numbers of dimensions they may have, in words
_WANTED = {
    IMAGES_MAGIC: ("images", (3, 4), "numbers of shape (n, rows, columns)"),
    LABELS_MAGIC: ("labels", (1,), "whole numbers of shape (n,)"),
}

#: As many first bytes as hold any header, and tell a web page.
START = 64


@dataclass(frozen=True)
class Header:
    """What a file's first bytes say: the type of its values, and its shape."""

    dtype: np.dtype[Any]
    shape: Shape

    @property
    def size(self) -> int:
        """How many bytes it has itself."""
        return 4 + 4 * len(self.shape)

    @property
    def file_size(self) -> int:
        """How many bytes the file should have."""
        return self.size + math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class Facts:
    """What `scan` found in one file.

    Attributes:
        shape: (count, rows, columns) of images, with the channels if there are several; (count,)
            of labels.
        sha256: of the unpacked bytes.
        dtype: of its values.
    """

    shape: Shape
    sha256: str
    dtype: str = "uint8"


def check_header(start: bytes, magic: int, path: Path) -> Header:
    """Read type and shape from a file's first bytes.

    Args:
        start: the first `START` bytes, fewer if the file has fewer.
        magic: `IMAGES_MAGIC` or `LABELS_MAGIC`, whichever the file should have.
        path: the file, for messages.

    Raises:
        Refused: another kind of file, too short for a header, dimensions that such a file does
            not have, no examples.
    """
    if other := recognised(start):
        raise Refused(f"{path}: {other}")
    kind, dimensions, wanted = _WANTED[magic]
    if len(start) < 4 + 4 * dimensions[0]:
        raise Refused(f"{path}: truncated, {len(start)} bytes hold no header; fetch it again")
    (found,) = struct.unpack_from(">I", start)
    header = _header(start)
    if header is None or len(header.shape) not in dimensions:
        more = ""
        if header is not None:
            described = f"{TYPES[start[2]][1]} of shape {header.shape}"
            more = f": {described}, where {wanted} are wanted"
        raise Refused(
            f"{path}: magic number {found}, IDX {kind} have {magic}{more}; give another file"
        )
    if 0 in header.shape:
        raise Refused(
            f"{path}: empty, its header says {words(header.shape)}; give a file with examples"
        )
    return header


def _header(start: bytes) -> Header | None:
    """Read a header of any type and shape; None if it is none."""
    kind, dimensions = start[2], start[3]
    if start[:2] != bytes(2) or kind not in TYPES or not 0 < dimensions <= len(start) // 4 - 1:
        return None
    shape = struct.unpack_from(f">{dimensions}I", start, 4)
    return Header(np.dtype(TYPES[kind][0]), shape)


def check_size(size: int, header: Header, path: Path) -> None:
    """Refuse a file whose size in bytes, unpacked, is not what its header promises."""
    expected = header.file_size
    if size != expected:
        wrong = f"truncated, {size} bytes instead of" if size < expected else "too long, more than"
        raise Refused(f"{path}: {wrong} the {expected} bytes of its header; fetch it again")


def scan(path: Path, magic: int) -> Facts:
    """Read a whole file, plain or gzip, in small pieces; check it; return what it holds.

    Raises:
        Refused: unreadable, damaged gzip data, or anything the checks above refuse.
    """
    sha = hashlib.sha256()
    with reading(path), open_unpacked(path) as file:
        header = check_header(file.read(START), magic, path)
        file.seek(0)
        size = 0
        while size <= header.file_size and (chunk := file.read(BLOCK)):
            sha.update(chunk)
            size += len(chunk)
    check_size(size, header, path)
    return Facts(header.shape, sha.hexdigest(), header.dtype.name)


def stored(path: Path, magic: int) -> Stored:
    """Open a file, plain or gzip, as an array that is read some rows at a time.

    Raises:
        Refused: as `check_header`.
    """
    with reading(path), open_unpacked(path) as file:
        header = check_header(file.read(START), magic, path)
    return Stored(str(path), header.dtype, header.shape, partial(_opened, path, header.size))


@contextmanager
def _opened(path: Path, size: int) -> Iterator[BinaryIO]:
    with reading(path), open_unpacked(path) as file:
        file.read(size)
        yield file


def read_images(path: Path) -> NDArray[np.uint8]:
    """Map the images of a plain file into memory: uint8 (N, features), read-only.

    A row is an image: height, width and channel, the last one running fastest.

    Raises:
        Refused: as `check_header` and `check_size`; values that are no bytes.
    """
    return _mapped(path, IMAGES_MAGIC)


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Map the labels of a plain file into memory: uint8 (N,), read-only.

    Raises:
        Refused: as `read_images`.
    """
    return _mapped(path, LABELS_MAGIC)


def _mapped(path: Path, magic: int) -> NDArray[np.uint8]:
    with reading(path):
        with path.open("rb") as file:
            header = check_header(file.read(START), magic, path)
        size = path.stat().st_size
    if header.dtype != np.uint8:
        raise Refused(f"{path}: {header.dtype.name}, and the cache has bytes; delete it")
    check_size(size, header, path)
    count, *image = header.shape
    shape = (count, math.prod(image)) if image else (count,)
    return np.memmap(path, np.uint8, "r", header.size, shape)


def write_images(
    path: Path,
    images: Iterable[NDArray[np.uint8]],
    count: int,
    rows: int,
    columns: int,
    channels: int = 1,
) -> None:
    """Write images to a plain file.

    Args:
        path: written anew.
        images: `count` images, uint8, one by one or several together: one array of them, or any
            iterable, so that images which are made one by one never lie in memory together.
        count: N.
        rows, columns, channels: of each image.
    """
    sizes = (count, rows, columns, channels) if channels > 1 else (count, rows, columns)
    magic = COLOUR_MAGIC if channels > 1 else IMAGES_MAGIC
    with path.open("wb") as file:
        file.write(struct.pack(f">{1 + len(sizes)}I", magic, *sizes))
        for block in images:
            file.write(block.tobytes())


def write_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write labels, uint8 (N,), to a plain file."""
    path.write_bytes(struct.pack(">2I", LABELS_MAGIC, len(labels)) + labels.tobytes())


def words(shape: Shape) -> str:
    """A shape in words: 28 x 28."""
    return " x ".join(map(str, shape))
