"""A data set: found, checked, read once, and the same bytes for everybody.

    given by the user      --data-dir or COMPARE_DATA_DIR; final: nothing else is tried
    cache                  COMPARE_CACHE_DIR, else the user's cache folder
    other tools' folders   `PLACES`
    download               `UPSTREAM`
    Debian, Ubuntu         the package dataset-fashion-mnist, fetched without being installed

Wherever the files come from, they are believed only for the SHA-256 of their unpacked bytes, and
used only from the cache, where they lie plain, as torchvision and MindSpore want (docs/data.md).
A name in the cache settles the content. So folders appear whole or not at all, and processes
that make the same one at the same time cannot harm each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common.contract.inputs import Inputs
from common.data import forms, idx
from common.data.cache import cache_folder, keep, made, resized, usable, write
from common.data.content import Content, Digests
from common.data.description import Dataset
from common.data.files import content_of, find_files, plain_files, scan_files
from common.data.known import KNOWN, Known
from common.data.pixels import image_shape
from common.data.sources import Say, sources
from common.errors import Refused

MAX_SIDE = 256


def load(
    data_dir: Path | None = None,
    *,
    custom: bool = False,
    resize: int | None = None,
    say: Say,
) -> Dataset:
    """Find the data, check every byte of it, and return it from the cache.

    Args:
        data_dir: folder with the four IDX files, plain or .gz, in it or in FashionMNIST/raw
            below it; None: COMPARE_DATA_DIR if set, else the sources this file's head lists.
        custom: accept files that are not Fashion-MNIST's, in any form of `forms.read`; shapes,
            types and labels are still checked. Needs a folder that is given.
        resize: side in pixels, 1 to 256; Pillow's bilinear filter on the uint8 pixels, done
            once and kept. None, or the side the images have, leaves them alone.
        say: gets a few words when something takes long or was amiss.

    Raises:
        Refused: whatever is wrong with the request or the files, or no source had them.
            What was refused leaves nothing in the cache.
    """
    if resize is not None and not 1 <= resize <= MAX_SIDE:
        raise Refused(f"resize {resize}: the side must lie between 1 and {MAX_SIDE} pixels")
    known, cache = KNOWN["fashion-mnist"], cache_folder()
    folder, option = data_dir, "--data-dir"
    if folder is None and (variable := os.environ.get("COMPARE_DATA_DIR")):
        folder, option = Path(variable), "COMPARE_DATA_DIR"
    if folder is not None:
        where = f"{option} {folder.absolute()}"
        dataset = _given(folder.absolute(), where, known, custom, resize, cache, say)
    elif custom:
        raise Refused("--custom-data needs files of your own; name their folder with --data-dir")
    else:
        dataset = _genuine(known, cache, say)
    if resize is None or dataset.inputs.shape[:2] == (resize, resize):
        return dataset
    return resized(dataset, resize, say)


# ---- where from --------------------------------------------------------------------------


def _given(
    folder: Path, source: str, known: Known, custom: bool, side: int | None, cache: Path, say: Say
) -> Dataset:
    """Take the files from the one folder the user named, or refuse."""
    try:
        if custom:
            content = forms.read(folder, side)
        else:
            content, different = _held(known, find_files(folder))
            if different:
                raise Refused(f"{different}; --custom-data accepts other files")
    except Refused as error:
        raise Refused(f"{source}: {error}") from error
    same = next((one for one in KNOWN.values() if one.digests == content.digests), None)
    entry = cache / (same.option if same else f"custom-{content.key}")
    if content.files and not usable(entry, content.digests, say):
        keep(content.files, content.digests, entry)
    elif not content.files and not made(entry, say):
        write(content, entry)
    classes = same.classes if same else content.classes
    name = same.name if same else "custom"
    return _dataset(name, source, entry, classes, content.digests, content.notes)


def _genuine(known: Known, cache: Path, say: Say) -> Dataset:
    """Take a data set from the first source that has it: the cache, else `sources`."""
    entry = cache / known.option
    if usable(entry, known.digests, say):
        return _dataset(known.name, f"cache {entry}", entry, known.classes, known.digests)
    reasons = [f"cache {entry}: nothing usable"]
    with tempfile.TemporaryDirectory(prefix="compare-frameworks-") as scratch:
        for source, fetch in sources(Path(scratch), say):
            try:
                content, different = _held(known, find_files(fetch()))
                if different:
                    raise Refused(different)
            except Refused as error:
                reasons.append(f"{source}: {error}")
                continue
            keep(content.files, content.digests, entry)
            return _dataset(known.name, source, entry, known.classes, known.digests)
    raise Refused(
        f"{known.name} was not found; tried {'; '.join(reasons)}; to supply it by hand, "
        f"put {', '.join(idx.FILES)}, plain or .gz, in a folder and name it with --data-dir"
    )


def _held(known: Known, files: Mapping[str, Path]) -> tuple[Content, str | None]:
    """What four files hold, and how they differ from those of a data set that is known."""
    facts = scan_files(files)
    return content_of(files, facts, ()), known.difference(files, facts)


def _dataset(
    name: str,
    source: str,
    entry: Path,
    classes: tuple[str, ...],
    digests: Digests,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Describe what lies in the cache."""
    files = plain_files(entry)
    train, test = (
        idx.stored(files[k], idx.IMAGES_MAGIC) for k in (idx.TRAIN_IMAGES, idx.TEST_IMAGES)
    )
    return Dataset(
        name,
        source,
        entry,
        digests,
        Inputs("image", image_shape(train)),
        classes,
        train.shape[0],
        test.shape[0],
        notes,
    )
