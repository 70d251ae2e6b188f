"""The IDX format of MNIST and Fashion-MNIST: big-endian header, then one byte per value.

    images   2051, count, rows, columns   then count * rows * columns pixels, row by row
    labels   2049, count                  then count labels, 0 to 255

Imports only the standard library and NumPy: worker processes in other interpreters use it.
Whatever is wrong with a file is raised as `Refused`, in one line that starts with its path.

Source: http://yann.lecun.com/exdb/mnist/, "FILE FORMATS FOR THE MNIST DATABASE".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from common.errors import Refused

TRAIN_IMAGES = "train-images-idx3-ubyte"

TRAIN_LABELS = "train-labels-idx1-ubyte"

TEST_IMAGES = "t10k-images-idx3-ubyte"

TEST_LABELS = "t10k-labels-idx1-ubyte"

#: images, labels: the two pairs a data set consists of.
TRAIN = (TRAIN_IMAGES, TRAIN_LABELS)

TEST = (TEST_IMAGES, TEST_LABELS)

IMAGES_MAGIC = 2051  # 0x0803: unsigned bytes, three dimensions

LABELS_MAGIC = 2049  # 0x0801: unsigned bytes, one dimension

#: The four files, and the magic number each has to start with.
FILES = {
    TRAIN_IMAGES: IMAGES_MAGIC,
    TRAIN_LABELS: LABELS_MAGIC,
    TEST_IMAGES: IMAGES_MAGIC,
    TEST_LABELS: LABELS_MAGIC,
}

Shape = tuple[int, ...]  # (count, rows, columns) for images, (count,) for labels

_DIMENSIONS = {IMAGES_MAGIC: 3, LABELS_MAGIC: 1}

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Facts:
    """What `scan` found in one file.

    Attributes:
        shape: as `check_header` returns it.
        sha256: of the unpacked bytes.
        classes: one more than the largest label; 0 for images.
    """

    shape: Shape
    sha256: str
    classes: int = 0


def header_bytes(magic: int) -> int:
    """Length of the header: 16 bytes for images, 8 for labels."""
    return 4 + 4 * _DIMENSIONS[magic]


def check_header(start: bytes, magic: int, path: Path) -> Shape:
    """Read a shape from a file's first bytes.

    Args:
        start: the first `header_bytes(magic)` bytes, fewer if the file has fewer.
        magic: `IMAGES_MAGIC` or `LABELS_MAGIC`, whichever the file should have.
        path: the file, for messages.

    Returns:
        (count, rows, columns) for images, (count,) for labels.

    Raises:
        Refused: too short for a header, another magic number, no examples.
    """
    if len(start) < header_bytes(magic):
        raise Refused(f"{path}: truncated, {len(start)} bytes hold no header; fetch it again")
    found, *numbers = struct.unpack(f">{1 + _DIMENSIONS[magic]}I", start)
    shape = tuple(numbers)
    if found != magic:
        kind = "images" if magic == IMAGES_MAGIC else "labels"
        raise Refused(f"{path}: magic number {found}, IDX {kind} have {magic}; give another file")
    if 0 in shape:
        raise Refused(f"{path}: empty, its header says {words(shape)}; give a file with examples")
    return shape


def check_size(size: int, shape: Shape, path: Path) -> None:
    """Refuse a file whose size in bytes, unpacked, is not what its header promises."""
    expected = 4 + 4 * len(shape) + math.prod(shape)
    if size != expected:
        wrong = f"truncated, {size} bytes instead of" if size < expected else "too long, more than"
        raise Refused(f"{path}: {wrong} the {expected} bytes of its header; fetch it again")


def check_pair(images: Shape, labels: Shape, paths: tuple[Path, Path]) -> None:
    """Refuse images and labels that differ in number."""
    if images[0] != labels[0]:
        raise Refused(
            f"{paths[0]}: {images[0]} images, but {labels[0]} labels in {paths[1].name}; "
            "give files that belong together"
        )


def open_unpacked(path: Path) -> BinaryIO:
    """Open a plain or a .gz file for reading its unpacked bytes."""
    return cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def scan(path: Path, magic: int) -> Facts:
    """Read a whole file, plain or .gz, in small pieces; check it; return what it holds.

    Raises:
        Refused: unreadable, damaged gzip data, or anything the checks above refuse.
    """
    sha, classes = hashlib.sha256(), 0
    try:
        with open_unpacked(path) as file:
            start = file.read(header_bytes(magic))
            shape = check_header(start, magic, path)
            sha.update(start)
            size, expected = len(start), len(start) + math.prod(shape)
            while size <= expected and (chunk := file.read(_CHUNK)):
                sha.update(chunk)
                size += len(chunk)
                if magic == LABELS_MAGIC:
                    classes = max(classes, 1 + max(chunk))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Refused(f"{path}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror or error})") from error
    check_size(size, shape, path)
    return Facts(shape, sha.hexdigest(), classes)


def read_images(path: Path) -> NDArray[np.uint8]:
    """Map the images of a plain file into memory: uint8 (N, rows * columns), read-only.

    Raises:
        Refused: as `check_header` and `check_size`.
    """
    count, rows, columns = _check_plain(path, IMAGES_MAGIC)
    return np.memmap(path, np.uint8, "r", header_bytes(IMAGES_MAGIC), (count, rows * columns))


def read_labels(path: Path) -> NDArray[np.uint8]:
    """Map the labels of a plain file into memory: uint8 (N,), read-only.

    Raises:
        Refused: as `check_header` and `check_size`.
    """
    shape = _check_plain(path, LABELS_MAGIC)
    return np.memmap(path, np.uint8, "r", header_bytes(LABELS_MAGIC), shape)


def write_images(
    path: Path, images: Iterable[NDArray[np.uint8]], count: int, rows: int, columns: int
) -> None:
    """Write images to a plain file.

    Args:
        path: written anew.
        images: `count` uint8 arrays of rows * columns pixels each: one array of them, or any
            iterable, so that images which are made one by one never lie in memory together.
        count: N.
        rows, columns: of each image.
    """
    with path.open("wb") as file:
        file.write(struct.pack(">4I", IMAGES_MAGIC, count, rows, columns))
        for image in images:
            file.write(image.tobytes())


def write_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write labels, uint8 (N,), to a plain file."""
    path.write_bytes(struct.pack(">2I", LABELS_MAGIC, len(labels)) + labels.tobytes())


def _check_plain(path: Path, magic: int) -> Shape:
    try:
        with path.open("rb") as file:
            shape = check_header(file.read(header_bytes(magic)), magic, path)
        size = path.stat().st_size
    except OSError as error:
        raise Refused(f"{path}: cannot be read ({error.strerror or error})") from error
    check_size(size, shape, path)
    return shape


def words(shape: Shape) -> str:
    """A shape in words: 28 x 28."""
    return " x ".join(map(str, shape))
