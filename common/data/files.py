"""The four IDX files of a data set: found in a folder whatever they are called, and read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from common.data import arrays, idx
from common.data.content import Content
from common.errors import Refused

RAW = Path("FashionMNIST", "raw")

#: What the files are called: as MNIST's, with dots for dashes, with the set's name before
#: (emnist-letters-train-images-idx3-ubyte.gz), with another type (qmnist-train-labels-idx2-int).
NAME = re.compile(
    r"(?P<set>|.*[-_.])(?P<part>train|t10k|test)[-_.](?P<kind>images|labels)"
    r"([-_.]idx\d)?([-_.](u?byte|short|int|float|double))?(\.gz)?"
)


def find_files(folder: Path, wanted: str = "", raw: str | Path = RAW) -> dict[str, Path]:
    """Find the four files in `folder`, or in `raw` below it: file name -> path.

    `wanted` is what their names begin with: their set's, if there are several.

    They may be called otherwise (`NAME`), and be packed with gzip whatever their name says. Of
    two for the same, the one stays that is called as usual, and of those the plain one.

    Raises:
        Refused: there is no such folder, files are missing, or they are of several sets.
    """
    sets = sets_in(folder, raw)
    plain = "" if "" in sets else min(sets, default=wanted)
    prefix = wanted if wanted in sets else plain
    if len(sets) > 1 and prefix not in ("", wanted):
        raise Refused(f"has files of {', '.join(sorted(sets))}; leave those of one set there")
    files = sets.get(prefix, {})
    if missing := [called(name, prefix) for name in idx.FILES if name not in files]:
        raise Refused(f"lacks {', '.join(missing)} (plain or .gz)")
    return files


def called(name: str, prefix: str) -> str:
    """A file's name in a set that has a prefix, as EMNIST and QMNIST call it."""
    return f"{prefix}{name.replace('t10k', 'test')}" if prefix else name


def sets_in(folder: Path, raw: str | Path = RAW) -> dict[str, dict[str, Path]]:
    """The sets that have files in a folder: prefix of their names -> file name -> path.

    Raises:
        Refused: there is no such folder, or it cannot be read.
    """
    try:
        if not folder.is_dir():
            raise Refused("no such folder")
        for place in (folder, folder / raw):
            if found := _sets(place):
                return found
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror or error})") from error
    return {}


def _sets(place: Path) -> dict[str, dict[str, Path]]:
    sets: dict[str, dict[str, Path]] = {}
    paths = [path for path in place.iterdir() if path.is_file()] if place.is_dir() else []
    found = [(match, path) for path in paths if (match := NAME.fullmatch(path.name))]
    # The last one stays.
    for match, path in sorted(found, key=lambda one: _rank(one[1].name), reverse=True):
        images, labels = idx.TRAIN if match["part"] == "train" else idx.TEST
        name = images if match["kind"] == "images" else labels
        sets.setdefault(match["set"], {})[name] = path
    return sets


def _rank(name: str) -> tuple[bool, bool, str]:
    """Usual names first, then plain files."""
    return name.removesuffix(".gz") not in idx.FILES, name.endswith(".gz"), name


def plain_files(entry: Path) -> dict[str, Path]:
    """Return where the files of a cache entry have to be: file name -> path."""
    return {name: entry / RAW / name for name in idx.FILES}


def scan_files(files: Mapping[str, Path]) -> dict[str, idx.Facts]:
    """Read all four files, and check each one by itself; file name -> facts."""
    with ThreadPoolExecutor(len(files)) as pool:  # hashing and unpacking release the GIL
        scans = {name: pool.submit(idx.scan, files[name], idx.FILES[name]) for name in files}
        return {name: scan.result() for name, scan in scans.items()}


def content_of(
    files: Mapping[str, Path],
    facts: Mapping[str, idx.Facts],
    names: tuple[str, ...],
    *,
    lying: bool = False,
) -> Content:
    """What four files hold that were scanned.

    Raises:
        Refused: they do not fit together, see `arrays.content`.
    """
    stored = {name: idx.stored(files[name], magic) for name, magic in idx.FILES.items()}
    train, test = ((stored[images], stored[labels]) for images, labels in (idx.TRAIN, idx.TEST))
    found = arrays.content(train, test, digests_of(facts), names, lying=lying)
    as_they_are = not found.recipe and all(fact.dtype == "uint8" for fact in facts.values())
    return replace(found, files=files) if as_they_are else found


def digests_of(facts: Mapping[str, idx.Facts]) -> dict[str, str]:
    """File name -> SHA-256 of its unpacked bytes."""
    return {name: fact.sha256 for name, fact in facts.items()}
