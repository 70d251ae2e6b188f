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
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray
from PIL import Image

from common import idx
from common.errors import Refused

FASHION_MNIST = "Fashion-MNIST"
CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

#: Digests of Fashion-MNIST's files, unpacked (gzip files of the same data differ among hosts).
SHA256 = {
    idx.TRAIN_IMAGES: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    idx.TRAIN_LABELS: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    idx.TEST_IMAGES: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    idx.TEST_LABELS: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

#: The same digests with the shapes that belong to them.
FACTS = {
    idx.TRAIN_IMAGES: idx.Facts((60000, 28, 28), SHA256[idx.TRAIN_IMAGES]),
    idx.TRAIN_LABELS: idx.Facts((60000,), SHA256[idx.TRAIN_LABELS]),
    idx.TEST_IMAGES: idx.Facts((10000, 28, 28), SHA256[idx.TEST_IMAGES]),
    idx.TEST_LABELS: idx.Facts((10000,), SHA256[idx.TEST_LABELS]),
}

#: Folders where other tools leave the files: Debian's package, torchvision (with the usual
#: roots, and the book's ../data), Keras.
PLACES = (
    "/usr/share/datasets/fashion-mnist",
    "data/FashionMNIST/raw",
    "../data/FashionMNIST/raw",
    "~/data/FashionMNIST/raw",
    "~/.keras/datasets/fashion-mnist",
)

#: Addresses that serve the files as <name>.gz: its authors' repository, Keras, and its
#: authors' bucket, which has no https; the digests make up for that.
UPSTREAM = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)

PACKAGE = "dataset-fashion-mnist"
RAW = Path("FashionMNIST", "raw")
SUMS = "SHA256SUMS"
MAX_SIDE = 256

Say = Callable[[str], None]
Digests = Mapping[str, str]  # file name -> SHA-256 of the unpacked bytes


@dataclass(frozen=True)
class Dataset:
    """A data set that has been checked, in the cache.

    Attributes:
        name: "Fashion-MNIST" or "custom".
        source: what served the files, in words.
        folder: holds FashionMNIST/raw/ with the four plain IDX files, so it is torchvision's
            `root`; `raw` is what MindSpore's `FashionMnistDataset` takes (if side is 28).
        sha256: file name -> digest of the original file's unpacked bytes, before any resize.
        side: rows, and columns, of the images in `folder`.
        train_examples, test_examples: how many there are.
    """

    name: str
    source: str
    folder: Path
    sha256: Digests
    side: int
    train_examples: int
    test_examples: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names; none are known of custom data."""
        return names_of(self.name)

    @property
    def raw(self) -> Path:
        """The folder that holds the four files themselves."""
        return self.folder / RAW

    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images (N, side²) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TRAIN)

    def test(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test images (N, side²) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TEST)

    def _pair(self, names: tuple[str, str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images, labels = names
        return idx.read_images(self.raw / images), idx.read_labels(self.raw / labels)


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
    return dataset if resize in (None, dataset.side) else _resized(dataset, resize, say)


def names_of(dataset: str) -> tuple[str, ...]:
    """The classes' names of a data set by its name; none are known of custom data."""
    return CLASSES if dataset == FASHION_MNIST else ()


def cache_folder() -> Path:
    """Return COMPARE_CACHE_DIR if it is set, else this user's cache folder; it may not exist."""
    variable = os.environ.get("COMPARE_CACHE_DIR")
    return Path(variable or platformdirs.user_cache_dir("compare-frameworks")).absolute()


# ---- where from --------------------------------------------------------------------------


def _given(folder: Path, option: str, custom: bool, cache: Path, say: Say) -> Dataset:
    """Take the files from the one folder the user named with `option`, or refuse."""
    source = f"{option} {folder.absolute()}"
    try:
        files = _find(folder.absolute())
        facts = _scan(files)
    except Refused as error:
        raise Refused(f"{source}: {error}") from error
    digests = _digests(facts)
    genuine = digests == SHA256
    if not genuine and not custom:
        raise Refused(f"{source}: {_difference(files, facts)}; --custom-data accepts other files")
    key = "fashion-mnist" if genuine else f"custom-{_digest_of(digests)[:12]}"
    if not _usable(cache / key, digests, say):
        _keep(files, digests, cache / key)
    name = FASHION_MNIST if genuine else "custom"
    return _dataset(name, source, cache / key, facts)


def _genuine(cache: Path, say: Say) -> Dataset:
    """Take Fashion-MNIST from the first source that has it: the cache, else `_sources`."""
    entry = cache / "fashion-mnist"
    if _usable(entry, SHA256, say):
        return _dataset(FASHION_MNIST, f"cache {entry}", entry, FACTS)
    reasons = [f"cache {entry}: nothing usable"]
    with tempfile.TemporaryDirectory(prefix="compare-frameworks-") as scratch:
        for source, fetch in _sources(Path(scratch), say):
            try:
                files = _find(fetch())
                facts = _scan(files)
                if facts != FACTS:
                    raise Refused(_difference(files, facts))
            except Refused as error:
                reasons.append(f"{source}: {error}")
                continue
            _keep(files, SHA256, entry)
            return _dataset(FASHION_MNIST, source, entry, FACTS)
    raise Refused(
        f"Fashion-MNIST was not found; tried {'; '.join(reasons)}; to supply it by hand, "
        f"put {', '.join(idx.FILES)}, plain or .gz, in a folder and name it with --data-dir"
    )


def _dataset(name: str, source: str, entry: Path, facts: Mapping[str, idx.Facts]) -> Dataset:
    train, side, _ = facts[idx.TRAIN_IMAGES].shape
    test, _, _ = facts[idx.TEST_IMAGES].shape
    return Dataset(name, source, entry, _digests(facts), side, train, test)


def _sources(scratch: Path, say: Say) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Where to look, in order: words for it, and a function that returns a folder."""
    for place in PLACES:
        yield f"folder {place}", partial(_expand, place)
    for number, base in enumerate(UPSTREAM):
        yield f"downloaded from {base}", partial(_download, base, scratch / f"{number}", say)
    yield f"Debian package {PACKAGE}", partial(_debian, scratch / "debian", say)


def _expand(place: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise Refused("there is no home folder") from error


def _download(base: str, folder: Path, say: Say) -> Path:
    """Fetch the four .gz files from one address into `folder`; pooch retries each twice."""
    import pooch  # loads an HTTP library: only when something is to be downloaded

    pooch.get_logger().setLevel("WARNING")
    say(f"downloading Fashion-MNIST from {base}")
    names = [f"{name}.gz" for name in idx.FILES]
    fetcher = pooch.create(folder, base, registry=dict.fromkeys(names), retry_if_failed=2)
    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=(4, 30))
    try:
        # An address that cannot be reached at all fails here, once, and is not retried.
        fetcher.is_available(names[0], get)
        for name in names:
            fetcher.fetch(name, downloader=get)
    except (OSError, ValueError) as error:
        raise Refused(_one_line(error)) from error
    return folder


def _debian(folder: Path, say: Say) -> Path:
    """Download and unpack Debian's package in `folder`, as any user, with apt-get.

    If the system's package lists do not do (containers often have none), private ones are
    fetched into `folder`; the system is left as it is.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Refused("no apt-get and dpkg-deb here")
    say(f"downloading Debian's package {PACKAGE}")
    lists = folder / "lists"
    lists.mkdir(parents=True)
    apt = ["apt-get", "-o", "Acquire::Retries=1"]
    private = [*apt, "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder / 'cache'}"]
    try:
        _run([*apt, "download", PACKAGE], folder)
    except Refused as first:
        try:
            _run([*private, "update"], folder)
            _run([*private, "download", PACKAGE], folder)
        except Refused as second:
            raise Refused(f"{first}; with fresh package lists: {second}") from second
    packages = sorted(folder.glob("*.deb"))
    if not packages:
        raise Refused("apt-get: downloaded nothing")
    _run(["dpkg-deb", "-x", packages[-1].name, "x"], folder)
    return folder / "x/usr/share/datasets/fashion-mnist"


def _run(command: list[str], folder: Path) -> None:
    """Run a command in `folder`; its last words are the reason if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            env=os.environ | {"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]}: {_one_line(error)}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Refused(f"{command[0]}: {said[-1]}")


def _one_line(error: Exception) -> str:
    """Return an error's words on one line, without the wrappers that HTTP libraries put on."""
    cause = error.args[0] if error.args else error
    words = " ".join(str(getattr(cause, "reason", error)).split())
    words = re.sub(r"^HTTPS?Connection\([^)]*\): ", "", words)
    return words if len(words) <= 200 else f"{words[:197]}..."


# ---- is it right -------------------------------------------------------------------------


def _find(folder: Path) -> dict[str, Path]:
    """Find the four files: file name -> path, plain or .gz, in `folder` or in RAW below it."""
    try:
        if not folder.is_dir():
            raise Refused("no such folder")
        for place in (folder, folder / RAW):
            files = {
                name: path
                for name in idx.FILES
                for path in (place / f"{name}.gz", place / name)  # of two, the plain one stays
                if path.is_file()
            }
            if files:
                break
    except OSError as error:
        raise Refused(f"cannot be read ({error.strerror or error})") from error
    if missing := [name for name in idx.FILES if name not in files]:
        raise Refused(f"lacks {', '.join(missing)} (plain or .gz)")
    return files


def _plain(entry: Path) -> dict[str, Path]:
    """Return where the files of a cache entry have to be: file name -> path."""
    return {name: entry / RAW / name for name in idx.FILES}


def _scan(files: Mapping[str, Path]) -> dict[str, idx.Facts]:
    """Read all four files, check each one and that they fit together; file name -> facts."""
    with ThreadPoolExecutor(len(files)) as pool:  # hashing and unpacking release the GIL
        scans = {name: pool.submit(idx.scan, files[name], idx.FILES[name]) for name in files}
        facts = {name: scan.result() for name, scan in scans.items()}
    for images, labels in (idx.TRAIN, idx.TEST):
        idx.check_pair(facts[images].shape, facts[labels].shape, (files[images], files[labels]))
    train, test = (facts[name].shape[1] for name in (idx.TRAIN_IMAGES, idx.TEST_IMAGES))
    if train != test:
        raise Refused(
            f"{files[idx.TEST_IMAGES]}: images of {test} x {test} pixels, but those for training "
            f"have {train} x {train}; give files that belong together"
        )
    return facts


def _difference(files: Mapping[str, Path], facts: Mapping[str, idx.Facts]) -> str:
    """Say in words how the first file that is not Fashion-MNIST's differs."""
    name = next(name for name in FACTS if facts[name] != FACTS[name])
    found, wanted = facts[name], FACTS[name]
    if found.shape != wanted.shape:
        return f"{files[name]}: shape {found.shape}, Fashion-MNIST's is {wanted.shape}"
    return (
        f"{files[name]}: not Fashion-MNIST's, "
        f"SHA-256 {found.sha256[:12]}... instead of {wanted.sha256[:12]}..."
    )


def _digests(facts: Mapping[str, idx.Facts]) -> dict[str, str]:
    return {name: fact.sha256 for name, fact in facts.items()}


def _digest_of(digests: Digests) -> str:
    """One digest over the four."""
    return hashlib.sha256("".join(digests[name] for name in idx.FILES).encode()).hexdigest()


# ---- the cache ---------------------------------------------------------------------------


def _usable(entry: Path, digests: Digests, say: Say) -> bool:
    """Tell whether the cache has these very files; say so if what it has is damaged."""
    try:
        if not entry.exists():
            return False
        if _digests(_scan(_plain(entry))) == digests:
            return True
        damage = "SHA-256 differs"
    except (Refused, OSError) as error:
        damage = str(error)
    say(f"cache {entry} is damaged and will be replaced ({damage})")
    return False


def _keep(files: Mapping[str, Path], digests: Digests, entry: Path) -> None:
    """Copy files that have been checked into the cache, unpacked."""
    with _staging(entry) as new:
        for name, path in files.items():
            with idx.open_unpacked(path) as source, (new / RAW / name).open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        if _digests(_scan(_plain(new))) != digests:
            raise Refused("the files changed while they were being read; try again")


def _resized(dataset: Dataset, side: int, say: Say) -> Dataset:
    """Return the data set with its images resized, from the cache if they are there."""
    entry = dataset.folder.with_name(f"{dataset.folder.name}-{side}")
    if not _usable(entry, _read_sums(entry), say):
        say(f"resizing the images to {side} x {side}")
        with _staging(entry) as new:
            files = _plain(new)
            for names, (images, labels) in (
                (idx.TRAIN, dataset.train()),
                (idx.TEST, dataset.test()),
            ):
                pixels = (_resize(image, dataset.side, side) for image in images)
                idx.write_images(files[names[0]], pixels, len(images), side)
                idx.write_labels(files[names[1]], labels)
            _write_sums(new, _digests(_scan(files)))
    return replace(dataset, folder=entry, side=side)


def _resize(image: NDArray[np.uint8], old: int, new: int) -> NDArray[np.uint8]:
    """Resize one image: uint8 (old²,) to (new, new), by Pillow's bilinear filter."""
    picture = Image.fromarray(image.reshape(old, old))
    return np.asarray(picture.resize((new, new), Image.Resampling.BILINEAR))


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
