"""Pictures in folders, one for each class: train/<class>/<picture>, test/<class>/<picture>.

The classes are the folders of train/, by their names, or as classes.txt orders them. Pictures are
taken in the order of their names, turned upright as a camera says. All grey ones stay grey; with
any in colour, all are.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from common.data.arrays import size_words
from common.data.content import Content, Part
from common.data.idx import words
from common.data.labels import MOST_CLASSES
from common.data.stored import LARGEST_ROW
from common.data.wrapping import reading, recognised
from common.errors import Refused

PARTS = ("train", "test")

#: What is read: nothing that runs another program.
FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")

#: Pillow's modes -> whether such a picture has colours; others are no 8 bits a value
MODES = {"1": False, "L": False, "LA": False, "P": True, "RGB": True, "RGBA": True}


#: Exif's orientations that turn a picture by a quarter.
QUARTERS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Picture:
    """A picture: where it is, its class, its mode, (height, width) upright, and whether a camera
    says that it is turned.
    """

    path: Path
    label: int
    mode: str
    size: tuple[int, int]
    turned: bool


def are_there(folder: Path) -> bool:
    """Whether a folder is arranged like that."""
    return all((folder / part).is_dir() for part in PARTS)


def read(folder: Path, names: tuple[str, ...], side: int | None) -> Content:
    """What such a folder holds.

    Args:
        folder: with train/ and test/.
        names: the classes in order; none: by name.
        side: every picture becomes side x side, by Pillow's bilinear filter; None: all must be
            of one size.

    Raises:
        Refused: no classes or no pictures, files that are none, pictures of several sizes.
    """
    classes = _classes(folder, names)
    sha = {part: hashlib.sha256() for part in PARTS}
    found: dict[str, list[Picture]] = {part: [] for part in PARTS}
    for part in PARTS:
        for label, name in enumerate(classes):
            for path in _files(folder / part / name):
                found[part].append(_looked_at(path, label))
                with reading(path), path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                sha[part].update(f"{digest}  {name}/{path.name}\n".encode())
        if not found[part]:
            raise Refused(f"{folder / part}: no pictures in {', '.join(classes)[:200]}")
    pictures = [picture for part in PARTS for picture in found[part]]
    colour = any(MODES[picture.mode] for picture in pictures)
    size = (side, side) if side else _one_size(pictures)
    mode = "RGB" if colour else "L"
    other = sorted({picture.mode for picture in pictures} - {mode})
    turned = sum(picture.turned for picture in pictures)
    upright = f"{turned} of {len(pictures)} pictures were turned as their Exif data say"
    converted = f"pictures of mode {', '.join(other)} were converted to {mode} by Pillow"

    def part_of(pictures: list[Picture]) -> Part:
        numbers = np.array([picture.label for picture in pictures], np.uint8)
        return Part(
            len(pictures), partial(_decoded, pictures, mode, size), partial(iter, [numbers])
        )

    return Content(
        shape=(*size, 3 if colour else 1),
        train=part_of(found["train"]),
        test=part_of(found["test"]),
        classes=classes,
        digests={f"{part}/": sha[part].hexdigest() for part in PARTS},
        recipe=f"pictures {size} {mode}{' upright' if turned else ''};",
        notes=(*((converted,) if other else ()), *((upright,) if turned else ())),
    )


def _classes(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    with reading(folder):
        there, tested = (
            {path.name for path in (folder / part).iterdir() if _is_class(path)} for part in PARTS
        )
    if not there or len(there) > MOST_CLASSES:
        raise Refused(
            f"{folder / 'train'}: {len(there)} folders, and there is one for each class, "
            f"{MOST_CLASSES} at most"
        )
    if more := sorted(tested - there):
        raise Refused(f"{folder / 'test'}: {more[0]!r} is no class of {folder / 'train'}")
    if names and set(names) != there:
        raise Refused(
            f"{folder}: names {', '.join(sorted(set(names) ^ there))[:200]} stand only in the list "
            "or only as folders; give each a folder and a name"
        )
    return names or tuple(sorted(there))


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _files(folder: Path) -> list[Path]:
    """Its files, by name; none if it is not there, and those that are hidden never."""
    if not folder.is_dir():
        return []
    with reading(folder):
        return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def _looked_at(path: Path, label: int) -> Picture:
    """A picture by its header; nothing is decoded."""
    with _open(path) as image:
        width, height = image.size
        if image.mode not in MODES:
            raise Refused(
                f"{path}: a picture of mode {image.mode}; save it as grey or RGB, 8 bits a value"
            )
        if width * height > LARGEST_ROW // 3:
            raise Refused(f"{path}: {width} x {height} pixels; make it smaller")
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
        size = (width, height) if turn in QUARTERS else (height, width)
        return Picture(path, label, image.mode, size, turn != 1)


def _one_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    first = pictures[0]
    for other in pictures:
        if other.size != first.size:
            raise Refused(
                f"{other.path}: {size_words((*other.size, 1))}, but {first.path.name} has "
                f"{words(first.size)}; --resize SIDE makes them equal"
            )
    return first.size


def _decoded(
    pictures: Sequence[Picture], mode: str, size: tuple[int, int]
) -> Iterator[NDArray[np.uint8]]:
    for picture in pictures:
        with _open(picture.path) as image:
            upright = ImageOps.exif_transpose(image) if picture.turned else image
            found = upright.convert(mode)
            if picture.size != size:
                found = found.resize(size[::-1], Image.Resampling.BILINEAR)
            yield np.asarray(found).reshape(1, *size, -1)


@contextmanager
def _open(path: Path) -> Iterator[Image.Image]:
    """Open a picture; whatever Pillow raises about it is refused by its name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, where ours is stricter, and of palettes
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except Refused:
        raise
    except Exception as error:
        raise Refused(f"{path}: {_instead(path) or _unreadable(error)}; take it out") from error


def _instead(path: Path) -> str | None:
    """What a file is that is no picture, if its first bytes say so."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError:
        return None
    return None if start.startswith((b"\x89PNG", b"\xff\xd8\xff")) else recognised(start)


def _unreadable(error: Exception) -> str:
    return f"no picture that can be read ({type(error).__name__})"
