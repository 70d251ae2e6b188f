"""The IDX format of MNIST and Fashion-MNIST: big-endian header, then one byte per value.

    images   2051, count, rows, columns   then count * rows * columns pixels, row by row
    labels   2049, count                  then count labels, 0 to 255

The magic number is two zero bytes, the values' type and the number of dimensions.

Imports only the standard library and NumPy: worker processes in other interpreters use it.
Whatever is wrong with a file is raised as `Refused`, in one line that starts with its path.

Source: http://yann.lecun.com/exdb/mnist/, "FILE FORMATS FOR THE MNIST DATABASE".
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

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

LABELS_MAGIC = 2049  # 0x0801: unsigned bytes, one dimension

#: The four files, and the magic number each has to start with.
FILES = {
    TRAIN_IMAGES: IMAGES_MAGIC,
    TRAIN_LABELS: LABELS_MAGIC,
    TEST_IMAGES: IMAGES_MAGIC,
    TEST_LABELS: LABELS_MAGIC,
}

#: The types a file's values can have, by the third byte of the magic number.
TYPES = {
    0x08: "bytes",
    0x09: "signed bytes",
    0x0B: "16-bit integers",
    0x0C: "32-bit integers",
    0x0D: "32-bit floating-point numbers",
    0x0E: "64-bit floating-point numbers",
}

Shape = tuple[int, ...]  # (count, rows, columns) for images, (count,) for labels

_DIMENSIONS = {IMAGES_MAGIC: 3, LABELS_MAGIC: 1}

_WANTED = {IMAGES_MAGIC: ("images", "(n, rows, columns)"), LABELS_MAGIC: ("labels", "(n,)")}

#: As many first bytes as hold any header, and tell a web page.
START = 64

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
        start: the first `START` bytes, fewer if the file has fewer.
        magic: `IMAGES_MAGIC` or `LABELS_MAGIC`, whichever the file should have.
        path: the file, for messages.

    Returns:
        (count, rows, columns) for images, (count,) for labels.

    Raises:
        Refused: another kind of file, too short for a header, another magic number, no examples.
    """
    if other := recognised(start):
        raise Refused(f"{path}: {other}")
    if len(start) < header_bytes(magic):
        raise Refused(f"{path}: truncated, {len(start)} bytes hold no header; fetch it again")
    (found,) = struct.unpack_from(">I", start)
    if found != magic:
        kind, wanted = _WANTED[magic]
        described = _described(start)
        more = f": {described}, where bytes of shape {wanted} are wanted" if described else ""
        raise Refused(
            f"{path}: magic number {found}, IDX {kind} have {magic}{more}; give another file"
        )
    shape = struct.unpack_from(f">{_DIMENSIONS[magic]}I", start, 4)
    if 0 in shape:
        raise Refused(f"{path}: empty, its header says {words(shape)}; give a file with examples")
    return shape


def _described(start: bytes) -> str | None:
    """What an IDX file holds, in words, from its first bytes; None if they are no header."""
    zeros, kind, dimensions = start[:2], start[2], start[3]
    if zeros != bytes(2) or kind not in TYPES or len(start) < 4 + 4 * dimensions:
        return None
    return f"{TYPES[kind]} of shape {struct.unpack_from(f'>{dimensions}I', start, 4)}"


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


def scan(path: Path, magic: int) -> Facts:
    """Read a whole file, plain or gzip, in small pieces; check it; return what it holds.

    Raises:
        Refused: unreadable, damaged gzip data, or anything the checks above refuse.
    """
    sha, classes = hashlib.sha256(), 0
    with reading(path), open_unpacked(path) as file:
        shape = check_header(file.read(START), magic, path)
        file.seek(0)
        start = file.read(header_bytes(magic))
        sha.update(start)
        size, expected = len(start), len(start) + math.prod(shape)
        while size <= expected and (chunk := file.read(_CHUNK)):
            sha.update(chunk)
            size += len(chunk)
            if magic == LABELS_MAGIC:
                classes = max(classes, 1 + max(chunk))
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
    with reading(path):
        with path.open("rb") as file:
            shape = check_header(file.read(START), magic, path)
        size = path.stat().st_size
    check_size(size, shape, path)
    return shape


def words(shape: Shape) -> str:
    """A shape in words: 28 x 28."""
    return " x ".join(map(str, shape))
