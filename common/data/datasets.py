"""Fashion-MNIST: found, checked, unpacked once, and the same bytes for everybody.

    given by the user      --data-dir or COMPARE_DATA_DIR; final: nothing else is tried
    cache                  COMPARE_CACHE_DIR, else the user's cache folder
    other tools' folders   `PLACES`
    download               `UPSTREAM`
    Debian, Ubuntu         the package dataset-fashion-mnist, fetched without being installed

Wherever the four files come from, they are believed only for the SHA-256 of their unpacked
bytes, and used only from the cache, where they lie plain, as torchvision and MindSpore want:

    <cache>/fashion-mnist/FashionMNIST/raw/         the genuine files
    <cache>/fashion-mnist-32/FashionMNIST/raw/      resized to 32 x 32; SHA256SUMS beside it
    <cache>/custom-<12 digits>/FashionMNIST/raw/    other files (--custom-data)

A name in the cache settles the content. So folders appear whole or not at all, and processes
that make the same one at the same time cannot harm each other.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common.contract.inputs import Inputs
from common.data import idx
from common.data.cache import _resized, cache_folder, keep, usable
from common.data.description import CLASSES, FASHION_MNIST, Dataset
from common.data.files import FACTS, SHA256, Digests, difference, digests_of, find_files, scan_files
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
        custom: accept files that are not Fashion-MNIST's; headers, counts and labels are
            still checked. Needs a folder that is given.
        resize: side in pixels, 1 to 256; Pillow's bilinear filter on the uint8 pixels, done
            once and kept. None, or the side the images have, leaves them alone.
        say: gets a few words when something takes long or was amiss.

    Raises:
        Refused: whatever is wrong with the request or the files, or no source had them.
            What was refused leaves nothing in the cache.
    """
    if resize is not None and not 1 <= resize <= MAX_SIDE:
        raise Refused(f"resize {resize}: the side must lie between 1 and {MAX_SIDE} pixels")
    cache = cache_folder()
    if data_dir is not None:
        dataset = _given(data_dir, "--data-dir", custom, cache, say)
    elif variable := os.environ.get("COMPARE_DATA_DIR"):
        dataset = _given(Path(variable), "COMPARE_DATA_DIR", custom, cache, say)
    elif custom:
        raise Refused("--custom-data needs files of your own; name their folder with --data-dir")
    else:
        dataset = _genuine(cache, say)
    if resize is None or dataset.inputs.shape == (resize, resize, 1):
        return dataset
    return _resized(dataset, resize, say)


# ---- where from --------------------------------------------------------------------------


def _given(folder: Path, option: str, custom: bool, cache: Path, say: Say) -> Dataset:
    """Take the files from the one folder the user named with `option`, or refuse."""
    source = f"{option} {folder.absolute()}"
    try:
        files = find_files(folder.absolute())
        facts = scan_files(files)
    except Refused as error:
        raise Refused(f"{source}: {error}") from error
    digests = digests_of(facts)
    genuine = digests == SHA256
    if not genuine and not custom:
        raise Refused(f"{source}: {difference(files, facts)}; --custom-data accepts other files")
    key = "fashion-mnist" if genuine else f"custom-{_digest_of(digests)[:12]}"
    if not usable(cache / key, digests, say):
        keep(files, digests, cache / key)
    name = FASHION_MNIST if genuine else "custom"
    return _dataset(name, source, cache / key, facts)


def _genuine(cache: Path, say: Say) -> Dataset:
    """Take Fashion-MNIST from the first source that has it: the cache, else `sources`."""
    entry = cache / "fashion-mnist"
    if usable(entry, SHA256, say):
        return _dataset(FASHION_MNIST, f"cache {entry}", entry, FACTS)
    reasons = [f"cache {entry}: nothing usable"]
    with tempfile.TemporaryDirectory(prefix="compare-frameworks-") as scratch:
        for source, fetch in sources(Path(scratch), say):
            try:
                files = find_files(fetch())
                facts = scan_files(files)
                if facts != FACTS:
                    raise Refused(difference(files, facts))
            except Refused as error:
                reasons.append(f"{source}: {error}")
                continue
            keep(files, SHA256, entry)
            return _dataset(FASHION_MNIST, source, entry, FACTS)
    raise Refused(
        f"Fashion-MNIST was not found; tried {'; '.join(reasons)}; to supply it by hand, "
        f"put {', '.join(idx.FILES)}, plain or .gz, in a folder and name it with --data-dir"
    )


def _dataset(name: str, source: str, entry: Path, facts: Mapping[str, idx.Facts]) -> Dataset:
    train, rows, columns = facts[idx.TRAIN_IMAGES].shape
    test, _, _ = facts[idx.TEST_IMAGES].shape
    inputs = Inputs("image", (rows, columns, 1))
    numbered = tuple(str(k) for k in range(facts[idx.TRAIN_LABELS].classes))
    classes = CLASSES if name == FASHION_MNIST else numbered
    return Dataset(name, source, entry, digests_of(facts), inputs, classes, train, test)


def _digest_of(digests: Digests) -> str:
    """One digest over the four."""
    return hashlib.sha256("".join(digests[name] for name in idx.FILES).encode()).hexdigest()
