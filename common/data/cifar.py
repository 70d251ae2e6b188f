"""The binary files of CIFAR-10: a label's byte, then 1024 red, 1024 green and 1024 blue ones.

    data_batch_1.bin ... data_batch_5.bin   for training
    test_batch.bin                          to test on

Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.data.content import Content, Part
from common.data.stored import BLOCK, Stored
from common.data.wrapping import open_unpacked, reading, recognised
from common.errors import Refused

TRAIN = tuple(f"data_batch_{k}.bin" for k in range(1, 6))

TEST = ("test_batch.bin",)

SIDE, CHANNELS, CLASSES = 32, 3, 10

_RECORD = 1 + CHANNELS * SIDE * SIDE


def read(folder: Path, names: tuple[str, ...]) -> Content:
    """What a folder of the six files holds.

    Raises:
        Refused: a file is missing, is no whole number of examples, or has a label above 9.
    """
    if missing := [name for name in (*TRAIN, *TEST) if not (folder / name).is_file()]:
        raise Refused(f"lacks {', '.join(missing)}")
    stored, digests = {}, {}
    for name in (*TRAIN, *TEST):
        stored[name], digests[name] = _stored(folder / name)
    if len(names) not in (0, CLASSES):
        raise Refused(f"{folder}: {len(names)} names of classes, and CIFAR-10 has {CLASSES}")
    train, test = ([stored[name] for name in part] for part in (TRAIN, TEST))
    return Content(
        shape=(SIDE, SIDE, CHANNELS),
        train=_part(train),
        test=_part(test),
        classes=names or tuple(map(str, range(CLASSES))),
        digests=digests,
    )


def _stored(path: Path) -> tuple[Stored, str]:
    """A file as records of bytes, and its digest; every label was looked at."""
    sha, size, most = hashlib.sha256(), 0, 0
    with reading(path), open_unpacked(path) as file:
        block = _RECORD * (BLOCK // _RECORD)
        while chunk := file.read(block):
            if not size and (other := recognised(chunk[:64])):
                raise Refused(f"{path}: {other}")
            sha.update(chunk)
            size += len(chunk)
            most = max(most, max(chunk[::_RECORD]))
    if not size or size % _RECORD:
        raise Refused(
            f"{path}: {size} bytes, and an example of CIFAR-10 has {_RECORD}; fetch it again"
        )
    if most >= CLASSES:
        raise Refused(f"{path}: label {most}, and CIFAR-10's end at {CLASSES - 1}; fetch it again")
    shape = (size // _RECORD, _RECORD)
    return Stored(str(path), np.dtype("u1"), shape, partial(_opened, path)), sha.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with reading(path), open_unpacked(path) as file:
        yield file


def _part(files: Sequence[Stored]) -> Part:
    count = sum(one.shape[0] for one in files)
    return Part(count, partial(_images, files), partial(_labels, files))


def _images(files: Sequence[Stored]) -> Iterator[NDArray[np.uint8]]:
    for records in (block for one in files for block in one.blocks()):
        yield records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)


def _labels(files: Sequence[Stored]) -> Iterator[NDArray[np.uint8]]:
    for records in (block for one in files for block in one.blocks()):
        yield records[:, 0]
