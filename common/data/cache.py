"""The cache: entries that appear whole or not at all, and are never believed unread."""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image

from common.contract.inputs import Inputs
from common.data import idx
from common.data.content import Content, Digests, Part
from common.data.description import Dataset
from common.data.files import RAW, digests_of, plain_files, scan_files
from common.data.sources import Say
from common.data.stored import Shape
from common.data.wrapping import open_unpacked
from common.errors import Refused

SUMS = "SHA256SUMS"

#: What an entry was written of, and what was done to it.
MADE_OF = "made-of.json"


def cache_folder() -> Path:
    """Return COMPARE_CACHE_DIR if it is set, else this user's cache folder; it may not exist."""
    variable = os.environ.get("COMPARE_CACHE_DIR")
    return Path(variable or platformdirs.user_cache_dir("compare-frameworks")).absolute()


# ---- the cache ---------------------------------------------------------------------------


def usable(entry: Path, digests: Digests, say: Say) -> bool:
    """Tell whether the cache has these very files; say so if what it has is damaged."""
    try:
        if not entry.exists():
            return False
        if digests_of(scan_files(plain_files(entry))) == digests:
            return True
        damage = "SHA-256 differs"
    except (Refused, OSError) as error:
        damage = str(error)
    say(f"cache {entry} is damaged and will be replaced ({damage})")
    return False


def keep(files: Mapping[str, Path], digests: Digests, entry: Path) -> None:
    """Copy files that have been checked into the cache, unpacked."""
    with _staging(entry) as new:
        for name, path in files.items():
            with open_unpacked(path) as source, (new / RAW / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        if digests_of(scan_files(plain_files(new))) != digests:
            raise Refused("the files changed while they were being read; try again")


def write(content: Content, entry: Path) -> None:
    """Write what data files hold to the cache, as IDX files of bytes; their sums beside them."""
    with _staging(entry) as new:
        files = plain_files(new)
        for names, part in ((idx.TRAIN, content.train), (idx.TEST, content.test)):
            idx.write_images(files[names[0]], part.images(), part.count, *content.shape)
            idx.write_labels(files[names[1]], np.concatenate(list(part.labels())))
        _write_sums(new, digests_of(scan_files(files)))
        origin = {"sha256": dict(content.digests), "notes": content.notes}
        (new / MADE_OF).write_text(json.dumps(origin, indent=1), encoding="utf-8")


def made(entry: Path, say: Say) -> bool:
    """Tell whether the cache has an entry as it was written; say so if it is damaged."""
    return usable(entry, _read_sums(entry), say)


def made_of(entry: Path, say: Say) -> tuple[dict[str, str], tuple[str, ...]] | None:
    """Digests of the files that an entry was written of, and notes; None if it is not usable."""
    if not made(entry, say):
        return None
    try:
        found = json.loads((entry / MADE_OF).read_text(encoding="utf-8"))
        return dict(found["sha256"]), tuple(found["notes"])
    except (OSError, ValueError, KeyError, TypeError):
        say(f"cache {entry} is damaged and will be replaced ({MADE_OF} cannot be read)")
        return None


def resized(dataset: Dataset, side: int, limit: int | None, say: Say) -> Dataset:
    """Return the data set with its images resized, from the cache if they are there.

    Where only the first `limit` are trained on, so many are resized, or the next power of two of
    them, so that few entries are kept; and all of those for testing.
    """
    whole = dataset.folder.with_name(f"{dataset.folder.name}-{side}")
    inputs = Inputs("image", (side, side, dataset.inputs.shape[2]))
    entry, there = whole, dataset.train_examples
    if limit is not None and (few := 1 << (limit - 1).bit_length()) < there and not whole.exists():
        entry, there = whole.with_name(f"{whole.name}-{few}"), few
    if not made(entry, say):
        _refuse_room(entry, (there + dataset.test_examples) * math.prod(inputs.shape))
        say(f"resizing the images to {side} x {side}")

        def part(images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Part:
            pixels = partial(map, partial(_resize, shape=dataset.inputs.shape, side=side), images)
            return Part(len(images), pixels, partial(iter, [labels]))

        images, labels = dataset.train()
        train, test = part(images[:there], labels[:there]), part(*dataset.test())
        shape = (side, side, dataset.inputs.shape[2])
        write(Content(shape, train, test, dataset.classes, dataset.sha256), entry)
    return replace(dataset, folder=entry, inputs=inputs, train_examples=there)


def _refuse_room(entry: Path, needed: int) -> None:
    """Refuse an entry of so many bytes for which the disk has no room."""
    there = next(folder for folder in entry.parents if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise Refused(
            f"resized images take {needed / 1e9:.3g} GB, and {free / 1e9:.3g} are free in {there}; "
            "try a smaller --resize; COMPARE_CACHE_DIR names another folder"
        )


def _resize(image: NDArray[np.uint8], *, shape: Shape, side: int) -> NDArray[np.uint8]:
    """Resize one image: flat uint8 to (side, side[, 3]), by Pillow's bilinear filter."""
    picture = Image.fromarray(image.reshape(shape if shape[2] > 1 else shape[:2]))
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))


def _write_sums(entry: Path, digests: Digests) -> None:
    """Write the digests of an entry's files, in the form that `sha256sum --check` reads."""
    lines = [f"{digest}  {(RAW / name).as_posix()}\n" for name, digest in digests.items()]
    (entry / SUMS).write_text("".join(lines), encoding="ascii")


def _read_sums(entry: Path) -> dict[str, str]:
    """Return file name -> digest as `_write_sums` wrote them; nothing if they are not there."""
    try:
        lines = (entry / SUMS).read_text(encoding="ascii").splitlines()
        return {Path(path).name: digest for digest, path in map(str.split, lines)}
    except (OSError, ValueError):
        return {}


@contextmanager
def _staging(entry: Path) -> Iterator[Path]:
    """Make a folder that becomes `entry` when the block ends well, and vanishes if it does not.

    Raises:
        Refused: the cache cannot be written.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=entry.parent) as scratch:
            new = Path(scratch, entry.name)  # not scratch itself, which nobody else may read
            (new / RAW).mkdir(parents=True)
            yield new
            _publish(new, entry)
    except OSError as error:
        raise Refused(
            f"cannot write the data cache {entry.parent} ({error.strerror or error}); "
            "COMPARE_CACHE_DIR names another folder"
        ) from error


def _publish(new: Path, entry: Path) -> None:
    """Rename `new` to `entry`, or, if that exists, its files into it, one by one.

    It exists if another process was faster, and then the files are the same ones; or if it was
    damaged. Either way nobody who looks meanwhile finds a file missing.
    """
    try:
        new.rename(entry)
    except OSError:
        for path in [path for path in new.rglob("*") if path.is_file()]:
            target = entry / path.relative_to(new)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
