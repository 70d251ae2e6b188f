"""The four IDX files of a data set: found in a folder, read, and checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.data import idx
from common.errors import Refused

#: Digests of Fashion-MNIST's files, unpacked (gzip files of the same data differ among hosts).
SHA256 = {
    idx.TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    idx.TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    idx.TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    idx.TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

#: The same digests with the shapes and the number of classes that belong to them.
FACTS = {
    idx.TRAIN_IMAGES: idx.Facts((60000, 28, 28), SHA256[idx.TRAIN_IMAGES]),
    idx.TRAIN_LABELS: idx.Facts((60000,), SHA256[idx.TRAIN_LABELS], classes=10),
    idx.TEST_IMAGES: idx.Facts((10000, 28, 28), SHA256[idx.TEST_IMAGES]),
    idx.TEST_LABELS: idx.Facts((10000,), SHA256[idx.TEST_LABELS], classes=10),
}

RAW = Path("FashionMNIST", "raw")

#: What the files are called: as MNIST's, with dots for dashes, with the set's name before
#: (emnist-letters-train-images-idx3-ubyte.gz), with another type (qmnist-train-labels-idx2-int).
NAME = re.compile(
    r"(?P<set>|.*[-_.])(?P<part>train|t10k|test)[-_.](?P<kind>images|labels)"
    r"([-_.]idx\d)?([-_.](u?byte|short|int|float|double))?(\.gz)?"
)

Digests = Mapping[str, str]  # file name -> SHA-256 of the unpacked bytes

# ---- is it right -------------------------------------------------------------------------


def find_files(folder: Path) -> dict[str, Path]:
    """Find the four files in `folder`, or in RAW below it: file name -> path.

    They may be called otherwise (`NAME`), and be packed with gzip whatever their name says. Of
    two for the same, the one stays that is called as usual, and of those the plain one.

    Raises:
        Refused: there is no such folder, files are missing, or they are of several sets.
    """
    try:
        if not folder.is_dir():
            raise Refused("no such folder")
        for place in (folder, folder / RAW):
            if sets := _sets(place):
                break
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror or error})") from error
    prefix = "" if "" in sets else min(sets, default="")
    if len(sets) > 1 and prefix:
        raise Refused(f"has files of {', '.join(sorted(sets))}; leave those of one set there")
    files = sets.get(prefix, {})
    if missing := [f"{prefix}{name}" for name in idx.FILES if name not in files]:
        raise Refused(f"lacks {', '.join(missing)} (plain or .gz)")
    return files


def _sets(place: Path) -> dict[str, dict[str, Path]]:
    """The sets that have files in a folder: prefix of their names -> file name -> path."""
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
    """Read all four files, check each one and that they fit together; file name -> facts."""
    with ThreadPoolExecutor(len(files)) as pool:  # hashing and unpacking release the GIL
        scans = {name: pool.submit(idx.scan, files[name], idx.FILES[name]) for name in files}
        facts = {name: scan.result() for name, scan in scans.items()}
    for images, labels in (idx.TRAIN, idx.TEST):
        idx.check_pair(facts[images].shape, facts[labels].shape, (files[images], files[labels]))
    train, test = (facts[name].shape[1:] for name in (idx.TRAIN_IMAGES, idx.TEST_IMAGES))
    if train != test:
        raise Refused(
            f"{files[idx.TEST_IMAGES]}: images of {idx.words(test)} pixels, but those for training "
            f"have {idx.words(train)} ({idx.TRAIN_IMAGES}); give files that belong together"
        )
    learnt, asked = (facts[name].classes for name in (idx.TRAIN_LABELS, idx.TEST_LABELS))
    if asked > learnt:
        raise Refused(
            f"{files[idx.TEST_LABELS]}: label {asked - 1}, but those for training end at "
            f"{learnt - 1}; give files that belong together"
        )
    return facts


def difference(files: Mapping[str, Path], facts: Mapping[str, idx.Facts]) -> str:
    """Say in words how the first file that is not Fashion-MNIST's differs."""
    name = next(name for name in FACTS if facts[name] != FACTS[name])
    found, wanted = facts[name], FACTS[name]
    if found.shape != wanted.shape:
        return f"{files[name]}: shape {found.shape}, Fashion-MNIST's is {wanted.shape}"
    return (
        f"{files[name]}: not Fashion-MNIST's, "
        f"SHA-256 {found.sha256[:12]}... instead of {wanted.sha256[:12]}..."
    )


def digests_of(facts: Mapping[str, idx.Facts]) -> dict[str, str]:
    """File name -> SHA-256 of its unpacked bytes."""
    return {name: fact.sha256 for name, fact in facts.items()}
