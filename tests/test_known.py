"""The data sets that are known by name: each source verified, what is made of them, refusals.

A made-up set of a few images stands in for each, with its digests in place of the real ones.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.ask.settings import Settings
from common.contract.info import DATASETS
from common.contract.inputs import Inputs
from common.data import cache as caching
from common.data import cifar, datasets, idx, known
from common.data.known import KNOWN, Genuine, Known, Sum
from common.errors import Refused
from tests.test_cli import refused
from tests.test_data import Server, sourced
from tests.test_forms import as_cifar

TRAIN, TEST = 52, 26
OF_IDX = [one for one in KNOWN if KNOWN[one].files]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # no apt-get
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COMPARE_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for option in KNOWN:
        sourced(monkeypatch, option, places=(), addresses=())
    return tmp_path / "cache"


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Server]]:
    servers: list[Server] = []

    def start(folder: Path) -> Server:
        servers.append(Server(folder))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def digest(path: Path, algorithm: str, *, packed: bool) -> Sum:
    data = path.read_bytes()
    found = hashlib.new(algorithm, data if packed else gzip.decompress(data)).hexdigest()
    return Sum(algorithm, found, packed)


def write_files(folder: Path, of: Known) -> dict[str, np.ndarray]:
    """Write four .gz files as a set calls them; what they hold, as it is to be read."""
    draw, found = np.random.default_rng(len(of.option)), {}
    folder.mkdir()
    first = 1 if of.option == "emnist-letters" else 0
    for part, names, n in (("train", idx.TRAIN, TRAIN), ("test", idx.TEST, TEST)):
        images = draw.integers(0, 256, (n, 5, 7), np.uint8)
        labels = (np.arange(n) % len(of.classes) + first).astype(np.uint8)
        idx.write_images(folder / "images", images, n, 5, 7)
        idx.write_labels(folder / "labels", labels)
        for name, plain in zip(names, ("images", "labels"), strict=True):
            called = f"{of.prefix}{name.replace('t10k', 'test') if of.prefix else name}.gz"
            packed = gzip.compress((folder / plain).read_bytes(), mtime=0)
            (folder / called).write_bytes(packed)
            (folder / plain).unlink()
        found[part] = (images.swapaxes(1, 2) if of.lying else images, labels - first)
    return found


def stand_in(monkeypatch: pytest.MonkeyPatch, folder: Path, option: str) -> dict[str, Any]:
    """Write a made-up set into `folder`, and make `data` take it for the one that is known."""
    of = KNOWN[option]
    changes: dict[str, Any] = {}
    if of.files:
        found: dict[str, Any] = write_files(folder, of)
        files = {}
        for name, genuine in of.files.items():
            called = f"{of.prefix}{name.replace('t10k', 'test') if of.prefix else name}.gz"
            shape = idx.stored(folder / called, idx.FILES[name]).shape
            sums = [digest(folder / called, s.algorithm, packed=s.packed) for s in genuine.sums]
            files[name] = Genuine(shape, tuple(sums))
        changes["files"] = files
    else:
        arrays = as_cifar(folder)
        found = {k: (arrays[f"{k}_images"], arrays[f"{k}_labels"]) for k in ("train", "test")}
    if of.archive:
        packed = folder.parent / "archive" / of.archive.name
        packed.parent.mkdir()
        if packed.suffix == ".zip":
            with zipfile.ZipFile(packed, "w") as archive:
                for path in folder.iterdir():
                    archive.write(path, f"gzip/{path.name}")
                archive.writestr("gzip/../../emnist-balanced-mapping.txt", "0 48")
        else:
            with tarfile.open(packed, "w:gz") as tape:
                tape.add(folder, "cifar-10-batches-bin")
        sha = hashlib.sha256(packed.read_bytes()).hexdigest()
        changes["archive"] = replace(of.archive, sha256=sha)
    sourced(monkeypatch, option, **changes)
    return found


def check(dataset: Any, found: dict[str, Any], option: str) -> None:
    for part, pair in (("train", dataset.train()), ("test", dataset.test())):
        images, labels = found[part]
        np.testing.assert_array_equal(pair[0], images.reshape(len(images), -1))
        np.testing.assert_array_equal(pair[1], labels)
    shape = found["train"][0].shape[1:]
    assert dataset.inputs == Inputs("image", (*shape, 1)[:3])
    assert (dataset.name, dataset.classes) == (KNOWN[option].name, KNOWN[option].classes)
    assert dataset.folder.name == option


def refusal(*args: Any, **options: Any) -> str:
    with pytest.raises(Refused) as caught:
        datasets.load(*args, **{"say": print} | options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# ---- what is known -----------------------------------------------------------------------


def test_addresses_are_of_https() -> None:
    """But for the oldest, which was there before and is believed for its SHA-256 alone."""
    assert tuple(KNOWN) == DATASETS
    real = (known.FASHION_MNIST, known.MNIST, known.KMNIST, known.EMNIST_LETTERS, known.CIFAR10)
    plain = [a for one in real for a in one.addresses if not a.startswith("https://")]
    assert plain == ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    assert known.FASHION_MNIST.digests is not None
    for one in real:
        assert one.archive or all(address.endswith("/") for address in one.addresses)
        assert len(set(one.classes)) == len(one.classes) == (26 if one.prefix else 10)
        for genuine in one.files.values():
            for sum_ in genuine.sums:
                assert len(bytes.fromhex(sum_.digest)) == {"sha256": 32, "md5": 16}[sum_.algorithm]


# ---- sources -----------------------------------------------------------------------------


@pytest.mark.parametrize("option", KNOWN)
def test_each_is_downloaded_verified_and_kept(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Callable[[Path], Server],
    option: str,
    cache: Path,
) -> None:
    found = stand_in(monkeypatch, tmp_path / "right", option)
    of = KNOWN[option]
    right = tmp_path / ("archive" if of.archive else "right")
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for path in right.iterdir():  # a bit flipped in what is unpacked, or in the archive itself
        data = bytearray(path.read_bytes() if of.archive else gzip.decompress(path.read_bytes()))
        data[-1] ^= 1
        (wrong / path.name).write_bytes(data if of.archive else gzip.compress(data))
    end = of.archive.name if of.archive else ""
    addresses = [f"{serve(folder).url}{end}" for folder in (wrong, right)]
    sourced(monkeypatch, option, addresses=tuple(addresses[:1]))
    message = refusal(dataset=option)
    assert f"{of.name} was not found" in message
    assert " instead of " in message.split(addresses[0])[1]
    assert f"put {of.wanted} in a folder" in message
    assert not cache.exists()
    sourced(monkeypatch, option, addresses=tuple(addresses))
    said: list[str] = []
    dataset = datasets.load(dataset=option, say=said.append)
    assert dataset.source == f"downloaded from {addresses[1]}"
    size = f" ({of.archive.megabytes} MB)" if of.archive else ""
    assert said == [f"downloading {of.name} from {address}{size}" for address in addresses]
    check(dataset, found, option)
    sourced(monkeypatch, option, addresses=())
    again = datasets.load(dataset=option, say=pytest.fail)
    assert again == replace(dataset, source=f"cache {cache / option}")
    assert datasets.load(dataset=option, resize=4, say=print).sha256 == dataset.sha256


@pytest.mark.parametrize("option", KNOWN)
def test_each_is_taken_from_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    found = stand_in(monkeypatch, tmp_path / "right", option)
    archive = KNOWN[option].archive
    folder = tmp_path / ("archive" if archive else "right")
    dataset = datasets.load(folder, dataset=option, say=pytest.fail)
    check(dataset, found, option)
    assert dataset.source == f"--data-dir {folder}"
    if option == "emnist-letters":
        assert datasets.load(tmp_path / "right", dataset=option, say=pytest.fail) == replace(
            dataset, source=f"--data-dir {tmp_path / 'right'}"
        )
        assert len(dataset.notes) == 2
        assert "labels run from 1 to 26" in dataset.notes[0]
        assert "set upright" in dataset.notes[1]


def test_what_is_unpacked_needs_a_digest_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in ("kmnist", "emnist-letters"):
        found = stand_in(monkeypatch, tmp_path / option, option)
        for path in list((tmp_path / option).iterdir()):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
        if option == "kmnist":
            check(datasets.load(tmp_path / option, dataset=option, say=print), found, option)
    message = refusal(tmp_path / "emnist-letters", dataset="emnist-letters")
    assert "is unpacked, and only the digest of its .gz is known; give that; --custom" in message


def test_another_set_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, tmp_path / "right", "mnist")
    message = refusal(tmp_path / "right")
    assert message.endswith("right: has MNIST's files; --dataset mnist takes them")


def test_other_files_with_a_sets_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--custom-data beside --dataset: how the files are called and lie, and the classes' names."""
    of = KNOWN["emnist-letters"]
    found = write_files(tmp_path / "mine", of)
    (tmp_path / "mine" / "emnist-balanced-train-labels-idx1-ubyte.gz").write_bytes(b"")
    message = refusal(tmp_path / "mine", dataset="emnist-letters")
    assert message.endswith("; --custom-data accepts other files")
    assert "shape (52, 5, 7), EMNIST Letters's is (124800, 28, 28)" in message
    dataset = datasets.load(tmp_path / "mine", dataset="emnist-letters", custom=True, say=print)
    np.testing.assert_array_equal(dataset.train()[0], found["train"][0].reshape(TRAIN, -1))
    assert (dataset.name, dataset.classes[:2]) == ("custom", ("a", "b"))
    assert dataset.inputs.shape == (7, 5, 1)


def test_cifar_without_its_archive(tmp_path: Path) -> None:
    as_cifar(tmp_path / "mine")
    message = refusal(tmp_path / "mine", dataset="cifar10")
    assert message.endswith("lacks cifar-10-binary.tar.gz; --custom-data accepts other files")
    dataset = datasets.load(tmp_path / "mine", dataset="cifar10", custom=True, say=print)
    assert (dataset.name, dataset.classes) == ("custom", known.CIFAR10.classes)
    assert "no such folder" in refusal(tmp_path / "absent", dataset="cifar10")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "a web page, not the file itself"),
        (b"version https://git-lfs.github.com/spec/v1", "a Git LFS pointer"),
        (gzip.compress(b"x"), "instead of c4a38c50a1bc...; fetch it again"),
    ],
    ids=["page", "lfs", "other"],
)
def test_an_archive_that_is_none(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / known.CIFAR10.wanted).write_bytes(data)
    message = refusal(tmp_path, dataset="cifar10")
    assert f"{known.CIFAR10.wanted}: " in message
    assert words in message


def test_an_archive_that_lacks_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w:gz") as tape:
        for name in cifar.TRAIN:
            tape.addfile(tarfile.TarInfo(f"cifar-10-batches-bin/{name}"))
    assert known.CIFAR10.archive is not None
    sha = hashlib.sha256(found.getvalue()).hexdigest()
    sourced(monkeypatch, "cifar10", archive=replace(known.CIFAR10.archive, sha256=sha))
    (tmp_path / known.CIFAR10.wanted).write_bytes(found.getvalue())
    assert "lacks test_batch.bin" in refusal(tmp_path, dataset="cifar10")


def test_a_cache_that_does_not_say_what_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, tmp_path / "right", "kmnist")
    sourced(monkeypatch, "kmnist", places=(str(tmp_path / "right"),))
    dataset = datasets.load(dataset="kmnist", say=print)
    (dataset.folder / caching.MADE_OF).write_text("{", encoding="utf-8")
    said: list[str] = []
    assert datasets.load(dataset="kmnist", say=said.append) == dataset
    assert "made-of.json cannot be read" in said[0]


# ---- the option --------------------------------------------------------------------------


def test_names_that_are_unknown() -> None:
    assert "there are fashion-mnist, mnist, kmnist, emnist-letters, cifar10" in refusal(dataset="x")
    with pytest.raises(Refused, match="dataset: 'x' is unknown; there are fashion-mnist, mnist"):
        Settings(dataset="x")


@pytest.mark.slow
def test_a_run_says_which(compare: Any) -> None:
    read = compare.run("--backends", "numpy", "--dataset", "mnist", "--custom-data")
    assert (read["plan"]["dataset"], read["data"]["name"]) == ("mnist", "custom")
    assert read["data"]["classes"] == list("0123456789")
    words = "linear is trained on synthetic data; --dataset does not go with it"
    assert words in refused(compare, "--model", "linear", "--dataset", "mnist")
