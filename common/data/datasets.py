"""A data set: found, checked, read once, and the same bytes for everybody.

    given by the user      --data-dir or COMPARE_DATA_DIR; final: nothing else is tried
    cache                  COMPARE_CACHE_DIR, else the user's cache folder
    other tools' folders   `Known.places`
    download               `Known.addresses`
    Debian, Ubuntu         `Known.package`, fetched without being installed

Wherever the files come from, they are believed only for their digests, and used only from the
cache, where they lie plain, as torchvision and MindSpore want (docs/data.md).
A name in the cache settles the content. So folders appear whole or not at all, and processes
that make the same one at the same time cannot harm each other.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from common.contract.info import DATASETS
from common.contract.inputs import Inputs
from common.data import cifar, forms, idx
from common.data.archives import unpacked
from common.data.cache import cache_folder, keep, made, made_of, resized, usable, write
from common.data.content import Content, Digests
from common.data.description import Dataset
from common.data.files import content_of, find_files, plain_files, scan_files
from common.data.known import KNOWN, Known
from common.data.pixels import image_shape
from common.data.sources import Say, sources
from common.errors import Refused

MAX_SIDE = 256

OTHERS = "; --custom-data accepts other files"


def load(
    data_dir: Path | None = None,
    *,
    dataset: str = DATASETS[0],
    custom: bool = False,
    resize: int | None = None,
    limit: int | None = None,
    say: Say,
) -> Dataset:
    """Find the data, check every byte of it, and return it from the cache.

    Args:
        data_dir: folder with the set's files, plain or .gz, or with the archive that it comes in;
            None: COMPARE_DATA_DIR if set, else the sources this file's head lists.
        dataset: which, of `KNOWN`.
        custom: accept files that are not the set's, in any form of `forms.read`; shapes, types
            and labels are still checked. Needs a folder that is given. A set that is named
            beside it lends its names of files and classes.
        resize: side in pixels, 1 to 256; Pillow's bilinear filter on the uint8 pixels, done
            once and kept. None, or the side the images have, leaves them alone.
        limit: how many of those for training are needed, from the first: others may be missing
            where images are resized.
        say: gets a few words when something takes long or was amiss.

    Raises:
        Refused: whatever is wrong with the request or the files, or no source had them.
            What was refused leaves nothing in the cache.
    """
    if resize is not None and not 1 <= resize <= MAX_SIDE:
        raise Refused(f"resize {resize}: the side must lie between 1 and {MAX_SIDE} pixels")
    if dataset not in KNOWN:
        raise Refused(f"dataset {dataset!r} is unknown; there are {', '.join(KNOWN)}")
    known = KNOWN[dataset]
    folder, option = data_dir, "--data-dir"
    if folder is None and (variable := os.environ.get("COMPARE_DATA_DIR")):
        folder, option = Path(variable), "COMPARE_DATA_DIR"
    if folder is None and custom:
        raise Refused("--custom-data needs files of your own; name their folder with --data-dir")
    if folder is None:
        found = _anywhere(known, say)
    else:
        lent = known if dataset != DATASETS[0] else None
        where = f"{option} {folder.absolute()}"
        with ExitStack() as stack:
            try:
                if custom:
                    content = forms.read(folder.absolute(), resize, lent)
                else:
                    content = _genuine(known, folder.absolute(), stack, OTHERS)
            except Refused as error:
                raise Refused(f"{where}: {error}") from error
            found = (_own if custom else partial(_stored, known))(where, content, say)
    if resize is None or found.inputs.shape[:2] == (resize, resize):
        return found
    return resized(found, resize, limit, say)


# ---- where from --------------------------------------------------------------------------


def _own(source: str, content: Content, say: Say) -> Dataset:
    """Put somebody's own data into the cache, unless they are there.

    Where they are a set's that is known, only names of classes can be their own.
    """
    for known in KNOWN.values():
        if known.digests == content.digests:
            found = _stored(known, source, content, say)
            numbers = tuple(str(number) for number in range(len(content.classes)))
            named = content.classes not in (numbers, known.classes)
            return replace(found, classes=content.classes) if named else found
    entry = cache_folder() / f"custom-{content.key}"
    if content.files and not usable(entry, content.digests, say):
        keep(content.files, content.digests, entry)
    elif not content.files and not made(entry, say):
        write(content, entry)
    return _dataset("custom", source, entry, content.classes, content.digests, content.notes)


def _anywhere(known: Known, say: Say) -> Dataset:
    """Take a data set from the first source that has it: the cache, else `sources`."""
    entry = cache_folder() / known.option
    if kept := _kept(known, entry, say):
        return _dataset(known.name, f"cache {entry}", entry, known.classes, *kept)
    reasons = [f"cache {entry}: nothing usable"]
    with tempfile.TemporaryDirectory(prefix="compare-frameworks-") as scratch:
        for source, fetch in sources(known, Path(scratch), say):
            with ExitStack() as stack:
                try:
                    content = _genuine(known, fetch(), stack)
                except Refused as error:
                    reasons.append(f"{source}: {error}")
                    continue
                return _stored(known, source, content, say)
    raise Refused(
        f"{known.name} was not found; tried {'; '.join(reasons)}; to supply it by hand, "
        f"put {known.wanted} in a folder and name it with --data-dir"
    )


def _genuine(known: Known, folder: Path, stack: ExitStack, others: str = "") -> Content:
    """What a folder holds of a data set that is known, or refuse.

    Args:
        known: the set.
        folder: with its archive, or its files.
        stack: keeps what the archive is unpacked to.
        others: what else can be done where they are other files.
    """
    archive = known.archive
    if archive:
        packed = [path for k in ("", known.raw) if (path := folder / k / archive.name).is_file()]
        if packed:
            folder = stack.enter_context(unpacked(packed[0], archive))
            if not known.files:
                return cifar.read(folder, known.classes)
        elif not known.files:
            there = "lacks" if folder.is_dir() else "no such folder with"
            raise Refused(f"{there} {archive.name}{others}")
    files = find_files(folder, known.prefix, known.raw)
    facts = scan_files(files)
    content = content_of(files, facts, (), lying=known.lying)
    if different := known.difference(files, facts):
        for other in KNOWN.values():
            if other.files and not other.difference(files, facts):
                raise Refused(f"has {other.name}'s files; --dataset {other.option} takes them")
        raise Refused(f"{different}{others}")
    return content


def _kept(known: Known, entry: Path, say: Say) -> tuple[Mapping[str, str], tuple[str, ...]] | None:
    """Digests and notes of what the cache has of a data set; None if that cannot be used."""
    if known.digests is None:
        return made_of(entry, say)
    return (known.digests, ()) if usable(entry, known.digests, say) else None


def _stored(known: Known, source: str, content: Content, say: Say) -> Dataset:
    """Put a data set that is known into the cache, unless it is there."""
    entry = cache_folder() / known.option
    if not _kept(known, entry, say):
        if known.digests is None:
            write(content, entry)
        else:
            keep(content.files, content.digests, entry)
    return _dataset(known.name, source, entry, known.classes, content.digests, content.notes)


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
