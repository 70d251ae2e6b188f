"""The data: the IDX format, every refusal, every source, the cache, the resize.

Made-up sets of a few images stand in for Fashion-MNIST wherever its content does not matter
(`pretend`), in a cache of their own (`cache`). The real files are fetched once per machine,
by `load` itself, into the user's cache (`genuine`).
"""

from __future__ import annotations

import gzip
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from common.contract.inputs import Inputs
from common.data import cache as caching
from common.data import datasets, description, idx, known
from common.data.labels import span
from common.errors import Refused

ROOT = Path(__file__).resolve().parent.parent
TRAIN, TEST, SIDE = 20, 10, 6


def quiet(words: str) -> None:
    pytest.fail(f"nothing was to be said, but: {words}")


def make(
    folder: Path, seed: int = 0, train: int = TRAIN, test: int = TEST, side: int = SIDE
) -> Path:
    """Write a made-up set of four plain files."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for (images, labels), count in ((idx.TRAIN, train), (idx.TEST, test)):
        pixels = draw.integers(0, 256, (count, side * side), np.uint8)
        idx.write_images(folder / images, pixels, count, side, side)
        classes = draw.integers(0, 10, count, np.uint8)
        classes[:1] = 9
        idx.write_labels(folder / labels, classes)
    return folder


def pack(folder: Path, name: str = "") -> Path:
    """Turn a folder's files (or one of them) into .gz files."""
    for path in [folder / name] if name else list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in idx.FILES}


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def refusal(*args: Any, **options: Any) -> str:
    """Call `load`, which must refuse in one line; return that line."""
    with pytest.raises(Refused) as caught:
        datasets.load(*args, **{"say": quiet} | options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def sourced(monkeypatch: pytest.MonkeyPatch, option: str = "fashion-mnist", **changes: Any) -> None:
    """Change what is known of a data set."""
    monkeypatch.setitem(known.KNOWN, option, replace(known.KNOWN[option], **changes))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, no folder given, and no source but what a test adds."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COMPARE_DATA_DIR", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for option in known.KNOWN:
        sourced(monkeypatch, option, places=(), addresses=())
    return tmp_path / "cache"


@pytest.fixture
def no_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a made-up set that `data` takes for Fashion-MNIST."""
    folder = make(tmp_path / "pretend", seed=1)
    facts = {name: idx.scan(folder / name, magic) for name, magic in idx.FILES.items()}
    genuine = {
        name: known.Genuine(fact.shape, (known.Sum("sha256", fact.sha256),))
        for name, fact in facts.items()
    }
    sourced(monkeypatch, files=genuine)
    return folder


@pytest.fixture(scope="session")
def genuine() -> description.Dataset:
    """Fashion-MNIST itself, from wherever this machine can get it."""
    try:
        return datasets.load(say=lambda words: None)
    except Refused as error:
        pytest.skip(f"Fashion-MNIST cannot be had on this machine: {error}")


@pytest.fixture(scope="session")
def genuine_gz(genuine: description.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gz")
    for name in idx.FILES:
        packed = gzip.compress((genuine.raw / name).read_bytes(), 1)
        (folder / f"{name}.gz").write_bytes(packed)
    return folder


class Server:
    """An HTTP server on this machine; its first `failures` answers to GET are errors."""

    def __init__(self, folder: Path, failures: int = 0) -> None:
        self.asked: list[str] = []
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if len(server.asked) <= failures:
                    self.send_error(503)
                else:
                    super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        handler = partial(Handler, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(folder: Path, failures: int = 0) -> Server:
        servers.append(Server(folder, failures))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# ---- the format --------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    count=st.integers(1, 8),
    rows=st.integers(1, 9),
    columns=st.integers(1, 9),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip(tmp_path_factory: Any, count: int, rows: int, columns: int, seed: int) -> None:
    folder = tmp_path_factory.mktemp("round-trip")
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (count, rows * columns), np.uint8)
    classes = draw.integers(0, 256, count, np.uint8)
    idx.write_images(folder / "images", images, count, rows, columns)
    idx.write_labels(folder / "labels", classes)
    np.testing.assert_array_equal(idx.read_images(folder / "images"), images)
    np.testing.assert_array_equal(idx.read_labels(folder / "labels"), classes)
    assert idx.scan(folder / "images", idx.IMAGES_MAGIC).shape == (count, rows, columns)
    found = idx.stored(folder / "labels", idx.LABELS_MAGIC)
    assert found.shape == (count,)
    assert span(found) == (classes.min(), classes.max())


def test_bytes_of_the_format(tmp_path: Path) -> None:
    idx.write_images(tmp_path / "images", np.array([[1, 2, 3, 255]], np.uint8), 1, 2, 2)
    idx.write_labels(tmp_path / "labels", np.array([9, 0], np.uint8))
    header = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2])
    assert (tmp_path / "images").read_bytes() == header + bytes([1, 2, 3, 255])
    assert (tmp_path / "labels").read_bytes() == bytes([0, 0, 8, 1, 0, 0, 0, 2, 9, 0])


def test_arrays_are_mapped_and_read_only(tmp_path: Path) -> None:
    make(tmp_path)
    for array in (
        idx.read_images(tmp_path / idx.TRAIN_IMAGES),
        idx.read_labels(tmp_path / idx.TRAIN_LABELS),
    ):
        assert isinstance(array, np.memmap)
        assert array.dtype == np.uint8
        assert not array.flags.writeable


def test_images_may_come_one_by_one(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(3, 16)
    idx.write_images(tmp_path / "images", (image.reshape(4, 4) for image in pixels), 3, 4, 4)
    np.testing.assert_array_equal(idx.read_images(tmp_path / "images"), pixels)


def test_reading_checks_too(tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(Refused, match="magic number 2049, IDX images have 2051"):
        idx.read_images(tmp_path / idx.TRAIN_LABELS)
    with pytest.raises(Refused, match="cannot be read"):
        idx.read_images(tmp_path / "absent")
    with (tmp_path / idx.TEST_IMAGES).open("ab") as file:
        file.write(b"x")
    with pytest.raises(Refused, match="too long"):
        idx.read_images(tmp_path / idx.TEST_IMAGES)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("common.data.idx", ["PIL", "pooch", "platformdirs", "common.data.datasets"]),
        ("common.data.datasets", ["pooch", "requests", "tqdm"]),
    ],
)
def test_imports_are_light(module: str, absent: list[str]) -> None:
    code = f"import {module}, sys; print(sys.modules.keys() & {set(absent)!r})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


# ---- a folder that is given --------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"], ids=["flat", "torchvision"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_given_folder(tmp_path: Path, pretend: Path, cache: Path, packed: bool, below: str) -> None:
    original = contents(pretend)
    folder = tmp_path / "mine"
    shutil.copytree(pretend, folder / below)
    if packed:
        pack(folder / below)
    dataset = datasets.load(folder, say=quiet)
    assert dataset.name == "Fashion-MNIST"
    assert dataset.source == f"--data-dir {folder}"
    assert dataset.folder == cache / "fashion-mnist"
    assert dataset.raw == cache / "fashion-mnist/FashionMNIST/raw"
    assert contents(dataset.raw) == original
    assert dataset.sha256 == known.KNOWN["fashion-mnist"].digests
    assert dataset.inputs == Inputs("image", (SIDE, SIDE, 1))
    assert (dataset.train_examples, dataset.test_examples) == (TRAIN, TEST)
    assert [array.shape for array in dataset.train()] == [(TRAIN, SIDE * SIDE), (TRAIN,)]
    assert [array.shape for array in dataset.test()] == [(TEST, SIDE * SIDE), (TEST,)]
    assert tree(cache) == {f"fashion-mnist/FashionMNIST/raw/{name}" for name in idx.FILES}


@pytest.mark.parametrize(
    "name",
    [
        "{part}-{kind}.idx{rank}-ubyte",
        "{part}-{kind}-idx{rank}-ubyte.gz",
        "emnist-letters-{part}-{kind}-idx{rank}-ubyte",
        "{part}_{kind}",
    ],
)
@pytest.mark.parametrize("wrap", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_other_names_and_wrappings(
    tmp_path: Path, pretend: Path, name: str, wrap: Callable[[bytes], bytes]
) -> None:
    """What a file is its first bytes say, not the end of its name."""
    (tmp_path / "mine").mkdir()
    for usual in idx.FILES:
        part, kind, rank, _ = usual.split("-")
        part = part if "letters" not in name else {"t10k": "test"}.get(part, part)
        called = name.format(part=part, kind=kind, rank=rank[-1])
        (tmp_path / "mine" / called).write_bytes(wrap((pretend / usual).read_bytes()))
    dataset = datasets.load(tmp_path / "mine", say=quiet)
    assert contents(dataset.raw) == contents(pretend)


def test_files_of_two_sets(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine")
    for name in idx.FILES:
        (folder / f"b-{name}").write_bytes(b"nonsense")
    assert datasets.load(folder, custom=True, say=quiet).train_examples == TRAIN
    for name in idx.FILES:
        (folder / name).rename(folder / f"a-{name}")
    assert "has files of a-, b-; leave those of one set there" in refusal(folder, custom=True)
    (folder / f"b-{idx.TEST_LABELS}").unlink()
    for name in idx.FILES:
        (folder / f"a-{name}").unlink()
    assert "lacks b-test-labels-idx1-ubyte (plain or .gz)" in refusal(folder, custom=True)


def test_plain_files_win_over_packed_ones(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine")
    for name in idx.FILES:
        (folder / f"{name}.gz").write_bytes(b"nonsense")
    assert datasets.load(folder, custom=True, say=quiet).train_examples == TRAIN


def test_custom(tmp_path: Path, cache: Path) -> None:
    folder = make(tmp_path / "mine")
    dataset = datasets.load(folder, custom=True, say=quiet)
    assert dataset.name == "custom"
    assert dataset.folder.parent == cache
    assert dataset.folder.name.startswith("custom-")
    assert len(dataset.folder.name) == len("custom-") + 12
    assert contents(dataset.raw) == contents(folder)
    other = datasets.load(make(tmp_path / "other", seed=7), custom=True, say=quiet)
    assert other.folder != dataset.folder
    assert datasets.load(folder, custom=True, say=quiet) == dataset


def test_custom_folder_that_is_genuine(pretend: Path, cache: Path) -> None:
    dataset = datasets.load(pretend, custom=True, say=quiet)
    assert (dataset.name, dataset.folder) == ("Fashion-MNIST", cache / "fashion-mnist")
    assert dataset.classes[0] == "t-shirt"


def test_names_beside_genuine_files_are_taken(pretend: Path, cache: Path) -> None:
    names = [f"kind {number}" for number in range(10)]
    (pretend / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    dataset = datasets.load(pretend, custom=True, say=quiet)
    assert (dataset.name, dataset.classes) == ("Fashion-MNIST", tuple(names))
    assert datasets.load(pretend, say=quiet).classes[0] == "t-shirt"


def test_all_256_values_survive(tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", side=16)
    pixels = np.arange(256, dtype=np.uint8)
    idx.write_images(folder / idx.TRAIN_IMAGES, np.tile(pixels, (TRAIN, 1)), TRAIN, 16, 16)
    images, _ = datasets.load(pack(folder), custom=True, say=quiet).train()
    np.testing.assert_array_equal(images, np.tile(pixels, (TRAIN, 1)))


def test_variable_names_the_folder(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPARE_DATA_DIR", str(pretend))
    assert datasets.load(say=quiet).source == f"COMPARE_DATA_DIR {pretend}"
    other = make(tmp_path / "other")
    assert datasets.load(other, custom=True, say=quiet).source == f"--data-dir {other}"
    monkeypatch.setenv("COMPARE_DATA_DIR", str(other))
    assert datasets.load(custom=True, say=quiet).name == "custom"
    assert refusal().startswith(f"COMPARE_DATA_DIR {other}: ")


# ---- refusals ----------------------------------------------------------------------------


def cut(name: str, size: int) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size])


def patch(name: str, offset: int, value: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        old = (folder / name).read_bytes()
        (folder / name).write_bytes(old[:offset] + value + old[offset + len(value) :])

    return change


def rewrite(name: str, **sizes: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        other = make(folder.parent / "other", **sizes)
        shutil.copy(other / name, folder / name)

    return change


def packed(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = pack(folder, name) / f"{name}.gz"
        path.write_bytes(change(path.read_bytes()))

    return damage


def break_crc(packed: bytes) -> bytes:
    return packed[:-8] + bytes(4) + packed[-4:]


DAMAGES = {
    "truncated": (cut(idx.TRAIN_IMAGES, 99), "truncated, 99 bytes instead of the 736"),
    "truncated-labels": (cut(idx.TEST_LABELS, 17), "truncated, 17 bytes instead of the 18"),
    "no-header": (cut(idx.TRAIN_LABELS, 5), "truncated, 5 bytes hold no header"),
    "nothing": (cut(idx.TRAIN_LABELS, 0), "truncated, 0 bytes hold no header"),
    "too-long": (patch(idx.TEST_LABELS, 18, bytes(4)), "too long, more than the 18 bytes"),
    "gz-truncated": (packed(idx.TRAIN_IMAGES, lambda old: old[:-99]), "damaged gzip file"),
    "gz-crc": (packed(idx.TRAIN_IMAGES, break_crc), "damaged gzip file"),
    "gz-broken": (
        packed(idx.TRAIN_IMAGES, lambda old: old[:10] + b"\xff" * 8 + old[18:]),
        "damaged gzip file",
    ),
    "gz-twice": (
        packed(idx.TEST_IMAGES, lambda old: gzip.compress(old)),
        "t10k-images-idx3-ubyte.gz: a gzip file; unpack it",
    ),
    "page": (
        packed(idx.TEST_IMAGES, lambda old: b"\n<!DOCTYPE html><title>403 Forbidden</title>"),
        "t10k-images-idx3-ubyte.gz: a web page, not the file itself; download it again",
    ),
    "lfs": (
        packed(idx.TRAIN_LABELS, lambda old: b"version https://git-lfs.github.com/spec/v1\n"),
        "train-labels-idx1-ubyte.gz: a Git LFS pointer, not the file itself; git lfs pull",
    ),
    "zip": (
        packed(idx.TRAIN_IMAGES, lambda old: b"PK\3\4" + old),
        "train-images-idx3-ubyte.gz: a zip archive; unpack it",
    ),
    "gz-empty": (packed(idx.TEST_IMAGES, lambda old: b""), "truncated, 0 bytes"),
    "magic": (patch(idx.TRAIN_IMAGES, 3, b"\1"), "magic number 2049, IDX images have 2051"),
    "qmnist": (
        patch(idx.TRAIN_LABELS, 0, bytes([0, 0, 12, 2, 0, 0, 0, 20, 0, 0, 0, 8])),
        "32-bit integers of shape (20, 8), where whole numbers of shape (n,) are wanted",
    ),
    "magic-labels": (patch(idx.TRAIN_LABELS, 0, b"\7"), "IDX labels have 2049"),
    "swapped": (
        lambda folder: shutil.copy(folder / idx.TRAIN_IMAGES, folder / idx.TRAIN_LABELS),
        "magic number 2051, IDX labels have 2049",
    ),
    "empty": (rewrite(idx.TEST_IMAGES, test=0), "empty, its header says 0 x 6 x 6"),
    "empty-labels": (rewrite(idx.TEST_LABELS, test=0), "empty, its header says 0"),
    "shapes": (
        patch(idx.TRAIN_IMAGES, 11, bytes([3, 0, 0, 0, 12])),
        "images of 6 x 6 pixels, but those for training have 3 x 12",
    ),
    "counts": (rewrite(idx.TRAIN_LABELS, train=19), "20 images, but 19 labels in train-labels"),
    "counts-test": (rewrite(idx.TEST_IMAGES, test=11), "11 images, but 10 labels in t10k-labels"),
    "sides": (rewrite(idx.TEST_IMAGES, side=5), "images of 5 x 5 pixels, but those for training"),
    "label": (
        patch(idx.TEST_LABELS, 11, b"\n"),
        "label 10, but those for training end at 9; give files that belong together",
    ),
    "label-byte": (patch(idx.TEST_LABELS, 17, b"\xff"), "label 255"),
    "missing": (
        lambda folder: (folder / idx.TEST_LABELS).unlink(),
        "lacks t10k-labels-idx1-ubyte (plain or .gz)",
    ),
    "no-files": (
        lambda folder: [path.unlink() for path in folder.iterdir()],
        "lacks train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k",
    ),
    "no-folder": (shutil.rmtree, "no such folder"),
}


@pytest.mark.parametrize("custom", [False, True], ids=["genuine", "custom"])
@pytest.mark.parametrize(("damage", "words"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_refused(
    tmp_path: Path, cache: Path, damage: Callable[[Path], object], words: str, custom: bool
) -> None:
    folder = make(tmp_path / "mine")
    damage(folder)
    message = refusal(folder, custom=custom)
    assert message.startswith(f"--data-dir {folder}: ")
    assert words in message
    assert not cache.exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "no such folder" in refusal(tmp_path / "file")


def test_other_shape_is_refused(tmp_path: Path, cache: Path) -> None:
    message = refusal(make(tmp_path / "mine"))
    assert "shape (20, 6, 6), Fashion-MNIST's is (60000, 28, 28)" in message
    assert message.endswith("--custom-data accepts other files")
    assert not cache.exists()


def test_other_digest_is_refused(tmp_path: Path, pretend: Path, cache: Path) -> None:
    """The right shapes, one pixel different: what MNIST's own files would be."""
    pixel = (pretend / idx.TEST_IMAGES).read_bytes()[20]
    patch(idx.TEST_IMAGES, 20, bytes([pixel ^ 1]))(pretend)
    message = refusal(pretend)
    assert f"{pretend / idx.TEST_IMAGES}: not Fashion-MNIST's, SHA-256 " in message
    assert message.endswith("--custom-data accepts other files")
    assert not cache.exists()


def test_given_folder_is_final(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets.load(pretend, say=quiet)
    sourced(monkeypatch, places=(str(pretend),))
    assert "no such folder" in refusal(tmp_path / "absent")
    monkeypatch.setenv("COMPARE_DATA_DIR", str(tmp_path / "absent"))
    assert "no such folder" in refusal()


def test_custom_needs_a_folder(pretend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sourced(monkeypatch, places=(str(pretend),))
    assert "--data-dir" in refusal(custom=True)


@pytest.mark.parametrize("side", [-1, 0, 257])
def test_sides_out_of_range(pretend: Path, cache: Path, side: int) -> None:
    assert "between 1 and 256" in refusal(pretend, resize=side)
    assert not cache.exists()


def test_cache_that_cannot_be_written(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    message = refusal(pretend)
    assert f"cannot write the data cache {tmp_path / 'file' / 'cache'} " in message
    assert "COMPARE_CACHE_DIR" in message


def test_full_disk(pretend: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    assert "(No space left on device)" in refusal(pretend)
    assert list(cache.iterdir()) == []


def test_files_that_change_meanwhile(
    pretend: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        shutil, "copyfileobj", lambda source, target, size: target.write(source.read()[:-1])
    )
    refusal(pretend)
    assert list(cache.iterdir()) == []


# ---- sources -----------------------------------------------------------------------------


def test_places_in_order(
    tmp_path: Path, pretend: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    sourced(monkeypatch, places=(str(tmp_path / "absent"), str(first), str(second)))
    pack(shutil.copytree(pretend, second))
    assert datasets.load(say=quiet).source == f"folder {second}"
    assert datasets.load(say=quiet).source == f"cache {cache / 'fashion-mnist'}"
    shutil.rmtree(cache)
    shutil.copytree(pretend, first)
    assert datasets.load(say=quiet).source == f"folder {first}"
    shutil.rmtree(cache)
    make(first)  # other files under the same names
    assert datasets.load(say=quiet).source == f"folder {second}"


def test_place_in_the_home_folder(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    pack(shutil.copytree(pretend, tmp_path / ".keras/datasets/fashion-mnist"))
    sourced(monkeypatch, places=("~/.keras/datasets/fashion-mnist",))
    assert datasets.load(say=quiet).source == "folder ~/.keras/datasets/fashion-mnist"


def test_download(
    pretend: Path, cache: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = contents(pretend)
    server = serve(pack(pretend))
    sourced(monkeypatch, addresses=(server.url,))
    said: list[str] = []
    dataset = datasets.load(say=said.append)
    assert dataset.source == f"downloaded from {server.url}"
    assert contents(dataset.raw) == original
    assert said == [f"downloading Fashion-MNIST from {server.url}"]
    assert server.asked == [f"/{name}.gz" for name in idx.FILES]
    datasets.load(say=quiet)
    assert len(server.asked) == len(idx.FILES)
    assert [path.name for path in cache.iterdir()] == ["fashion-mnist"]


def test_download_is_quiet(
    pretend: Path,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    sourced(monkeypatch, addresses=(serve(pack(pretend), failures=1).url,))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    datasets.load(say=lambda words: None)
    assert capfd.readouterr() == ("", "")


def test_download_is_tried_again(
    pretend: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(pack(pretend), failures=2)
    sourced(monkeypatch, addresses=(server.url,))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    assert datasets.load(say=lambda words: None).source == f"downloaded from {server.url}"
    assert waits == [1, 2]
    assert len(server.asked) == 2 + len(idx.FILES)


def test_wrong_bytes_send_on_to_the_next_address(
    tmp_path: Path,
    pretend: Path,
    cache: Path,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    no_apt: None,
) -> None:
    wrong, right = serve(pack(make(tmp_path / "wrong"))), serve(pack(pretend))
    sourced(monkeypatch, addresses=(wrong.url,))
    message = refusal(say=lambda words: None)
    assert f"downloaded from {wrong.url}: " in message
    assert "not Fashion-MNIST's, SHA-256 " in message
    assert not cache.exists()
    sourced(monkeypatch, addresses=(wrong.url, right.url))
    assert datasets.load(say=lambda words: None).source == f"downloaded from {right.url}"
    assert len(wrong.asked) == 2 * len(idx.FILES)


def test_every_source_fails(
    tmp_path: Path,
    pretend: Path,
    cache: Path,
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
    no_apt: None,
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    cut(idx.TRAIN_IMAGES, 99)(make(tmp_path / "bad"))
    sourced(monkeypatch, places=(str(tmp_path / "absent"), str(tmp_path / "bad")))
    empty = serve(tmp_path / "bin").url
    nobody = f"http://127.0.0.1:{closed_port()}/"
    sourced(monkeypatch, addresses=(nobody, empty))
    message = refusal(say=lambda words: None)
    for words in (
        f"cache {cache / 'fashion-mnist'}: nothing usable; ",
        f"folder {tmp_path / 'absent'}: no such folder; ",
        f"folder {tmp_path / 'bad'}: {tmp_path / 'bad' / idx.TRAIN_IMAGES}: truncated, 99 bytes",
        f"downloaded from {nobody}: ",
        f"downloaded from {empty}: 404 ",
        "Debian package dataset-fashion-mnist: no apt-get and dpkg-deb here; ",
        "--data-dir",
    ):
        assert words in message
    assert not cache.exists()
    assert waits == [1, 2]  # for the address that answers; nobody's is not tried again


def test_no_network(
    pretend: Path, monkeypatch: pytest.MonkeyPatch, no_apt: None, cache: Path
) -> None:
    """Names that cannot be resolved cost no waiting."""

    def unresolved(*args: object, **options: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    sourced(monkeypatch, addresses=("https://one.invalid/", "http://two.invalid/"))
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    message = refusal(say=lambda words: None)
    assert waits == []
    for host in ("https://one.invalid/", "http://two.invalid/"):
        assert f"downloaded from {host}: Failed to resolve" in message
    assert not cache.exists()


APT = """#!{python}
import pathlib, shutil, sys
calls = pathlib.Path({calls!r})
with calls.open("a") as file:
    print(pathlib.Path(sys.argv[0]).name, *sys.argv[1:], file=file)
lists = [word.split("=", 1)[1] for word in sys.argv if word.startswith("Dir::State::Lists=")]
if sys.argv[-1] == "update":
    pathlib.Path(*lists, "fresh").write_text("")
elif "download" in sys.argv:
    if {update!r} and not (lists and pathlib.Path(*lists, "fresh").exists()):
        sys.exit("W: a warning\\nE: Unable to locate package")
    pathlib.Path("package_1_all.deb").write_text("")
else:
    shutil.copytree({files!r}, "x/usr/share/datasets/fashion-mnist")
"""


@pytest.mark.parametrize("update", [False, True], ids=["system-lists", "private-lists"])
def test_debian_commands(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch, no_apt: None, update: bool
) -> None:
    """With an apt-get and a dpkg-deb that are made up."""
    calls = tmp_path / "calls"
    files = pack(shutil.copytree(pretend, tmp_path / "package"))
    for name in ("apt-get", "dpkg-deb"):
        script = APT.format(
            python=sys.executable, calls=str(calls), update=update, files=str(files)
        )
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    said: list[str] = []
    dataset = datasets.load(say=said.append)
    assert dataset.source == "Debian package dataset-fashion-mnist"
    assert said == ["downloading Debian's package dataset-fashion-mnist"]
    steps = [line.split() for line in calls.read_text().splitlines()]
    assert [step[0] for step in steps] == ["apt-get"] * (3 if update else 1) + ["dpkg-deb"]
    assert [step[-2:] for step in steps if "download" in step] == [
        ["download", "dataset-fashion-mnist"]
    ] * (2 if update else 1)
    assert steps[-1] == ["dpkg-deb", "-x", "package_1_all.deb", "x"]


def test_debian_failure_is_told(
    tmp_path: Path, pretend: Path, monkeypatch: pytest.MonkeyPatch, no_apt: None
) -> None:
    for name in ("apt-get", "dpkg-deb"):
        script = f"#!{sys.executable}\nimport sys\nsys.exit('W: one\\nE: ' + sys.argv[-1])\n"
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    message = refusal(say=lambda words: None)
    assert (
        "Debian package dataset-fashion-mnist: apt-get: E: dataset-fashion-mnist; "
        "with fresh package lists: apt-get: E: update; "
    ) in message


@pytest.mark.skipif(
    not (shutil.which("apt-get") and shutil.which("dpkg-deb")),
    reason="needs apt-get and dpkg-deb (Debian, Ubuntu)",
)
@pytest.mark.slow
def test_debian_really(cache: Path) -> None:
    asked = ["apt-get", "--print-uris", "download", "dataset-fashion-mnist"]
    address = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    if not address:
        pytest.skip("apt-get has no package lists here")
    host = urllib.parse.urlsplit(address.strip("'").split("'")[0]).hostname
    try:
        socket.getaddrinfo(host, 80)
    except OSError as error:
        pytest.skip(f"the mirror apt-get is set up for cannot be reached: {error}")
    dataset = datasets.load(say=lambda words: None)
    assert dataset.source == "Debian package dataset-fashion-mnist"
    assert dataset.sha256 == known.KNOWN["fashion-mnist"].digests
    assert dataset.folder == cache / "fashion-mnist"


# ---- the cache ---------------------------------------------------------------------------


def flip(raw: Path) -> None:
    patch(idx.TRAIN_IMAGES, 30, bytes([(raw / idx.TRAIN_IMAGES).read_bytes()[30] ^ 1]))(raw)


CACHE_DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped-bit": flip,
    "truncated": cut(idx.TEST_IMAGES, 99),
    "missing-file": lambda raw: (raw / idx.TEST_LABELS).unlink(),
    "missing-folder": shutil.rmtree,
    "packed": pack,
}


@pytest.mark.parametrize("side", [None, 9], ids=["original", "resized"])
@pytest.mark.parametrize("damage", CACHE_DAMAGES.values(), ids=CACHE_DAMAGES)
def test_damaged_cache_is_replaced(
    pretend: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], object],
    side: int | None,
) -> None:
    sourced(monkeypatch, places=(str(pretend),))
    dataset = datasets.load(resize=side, say=lambda words: None)
    sound = contents(dataset.raw)
    damage(dataset.raw)
    said: list[str] = []
    again = datasets.load(resize=side, say=said.append)
    assert contents(again.raw) == sound
    assert f"cache {dataset.folder} is damaged and will be replaced" in said[0]
    assert datasets.load(resize=side, say=quiet).folder == dataset.folder


def test_no_more_is_resized_than_is_needed(pretend: Path) -> None:
    """The next power of two of the limit, so that few entries are kept; tests are all there."""
    plain, said = datasets.load(pretend, say=quiet), list[str]()
    few = datasets.load(pretend, resize=9, limit=5, say=said.append)
    assert (few.train_examples, few.test_examples) == (8, plain.test_examples)
    assert few.sha256 == plain.sha256
    assert datasets.load(pretend, resize=9, limit=8, say=quiet) == few
    whole = datasets.load(pretend, resize=9, limit=plain.train_examples, say=said.append)
    assert whole.train_examples == plain.train_examples
    assert said == ["resizing the images to 9 x 9"] * 2
    for part, other in zip(few.train(), whole.train(), strict=True):
        np.testing.assert_array_equal(part, other[:8])
    assert datasets.load(pretend, resize=9, limit=5, say=quiet) == whole, "what is there is taken"


def test_damaged_cache_and_no_other_source(pretend: Path, no_apt: None) -> None:
    dataset = datasets.load(pretend, say=quiet)
    flip(dataset.raw)
    said: list[str] = []
    assert "nothing usable" in refusal(say=said.append)
    assert "SHA-256 differs" in said[0]


def test_sound_cache_needs_no_writing(pretend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets.load(pretend, resize=9, say=lambda words: None)
    monkeypatch.setattr(caching, "_staging", None)
    datasets.load(pretend, resize=9, say=quiet)
    datasets.load(resize=9, say=quiet)


def test_others_may_read_the_cache(pretend: Path) -> None:
    probe = pretend.with_name("probe")
    probe.mkdir()
    dataset = datasets.load(pretend, say=quiet)
    assert dataset.folder.stat().st_mode == probe.stat().st_mode


@pytest.mark.parametrize("damaged", [False, True], ids=["new", "damaged"])
def test_loads_that_publish_at_once(
    pretend: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Four loads have all written their files before any of them is published."""
    if damaged:
        flip(datasets.load(pretend, say=quiet).raw)
    barrier, publish = threading.Barrier(4, timeout=20), caching._publish

    def together(new: Path, entry: Path) -> None:
        barrier.wait()
        publish(new, entry)

    monkeypatch.setattr(caching, "_publish", together)
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(datasets.load, pretend, say=lambda words: None) for _ in range(4)]
        loaded = [load.result() for load in loads]
    assert loaded == loaded[:1] * 4
    assert contents(loaded[0].raw) == contents(pretend)
    assert [path.name for path in cache.iterdir()] == ["fashion-mnist"]


@pytest.mark.slow
def test_processes_at_once(tmp_path: Path, cache: Path) -> None:
    folder = make(tmp_path / "mine", train=2000)
    code = (
        "import sys, time; from pathlib import Path; from common.data import datasets\n"
        "print(flush=True); sys.stdin.readline()\n"
        f"d = datasets.load(Path({str(folder)!r}), custom=True, resize=9, say=lambda words: None)\n"
        "print(d.folder.name, d.train()[0].sum(dtype=int), *d.sha256.values())"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()  # all have imported
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert said == said[:1] * 3
    assert len(list(cache.iterdir())) == 2


# ---- resize ------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [1, 3, 9, 256])
def test_resize_is_pillows(pretend: Path, cache: Path, side: int) -> None:
    original = datasets.load(pretend, say=quiet)
    said: list[str] = []
    resized = datasets.load(pretend, resize=side, say=said.append)
    assert said == [f"resizing the images to {side} x {side}"]
    assert resized.inputs == Inputs("image", (side, side, 1))
    assert resized.folder == cache / f"fashion-mnist-{side}"
    assert resized.sha256 == original.sha256
    for before, after in ((original.train(), resized.train()), (original.test(), resized.test())):
        np.testing.assert_array_equal(before[1], after[1])
        expected = [
            np.asarray(
                Image.fromarray(np.array(image).reshape(SIDE, SIDE)).resize(
                    (side, side), Image.Resampling.BILINEAR
                )
            ).ravel()
            for image in before[0]
        ]
        np.testing.assert_array_equal(after[0], expected)


def test_resize_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "mine")
    first = datasets.load(folder, custom=True, resize=9, say=lambda words: None)
    monkeypatch.setattr(caching, "_resize", None)
    assert datasets.load(folder, custom=True, resize=9, say=quiet) == first
    assert first.folder.name.endswith("-9")


def test_resize_to_the_same_side(pretend: Path, cache: Path) -> None:
    assert datasets.load(pretend, resize=SIDE, say=quiet) == datasets.load(pretend, say=quiet)
    assert [path.name for path in cache.iterdir()] == ["fashion-mnist"]


def test_sums_can_be_checked_by_others(pretend: Path) -> None:
    folder = datasets.load(pretend, resize=9, say=lambda words: None).folder
    lines = [line.split("  ") for line in (folder / caching.SUMS).read_text().splitlines()]
    assert [Path(name).name for _, name in lines] == list(idx.FILES)
    for digest, name in lines:
        assert idx.scan(folder / name, idx.FILES[Path(name).name]).sha256 == digest


# ---- Fashion-MNIST itself ----------------------------------------------------------------


def test_genuine(genuine: description.Dataset) -> None:
    assert genuine.name == "Fashion-MNIST"
    assert genuine.sha256 == known.KNOWN["fashion-mnist"].digests
    assert genuine.inputs == Inputs("image", (28, 28, 1))
    assert genuine.classes == known.FASHION_MNIST.classes
    assert (genuine.train_examples, genuine.test_examples) == (60000, 10000)
    images, labels = genuine.train()
    assert images.shape == (60000, 784)
    assert labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert np.bincount(labels).tolist() == [6000] * 10
    assert np.unique(images).tolist() == list(range(256))
    images, labels = genuine.test()
    assert images.shape == (10000, 784)
    assert labels[:4].tolist() == [9, 2, 1, 1]
    assert np.bincount(labels).tolist() == [1000] * 10
    assert len(known.FASHION_MNIST.classes) == 10


@pytest.mark.slow
def test_genuine_by_download(
    genuine_gz: Path, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(genuine_gz)
    sourced(monkeypatch, addresses=(server.url,))
    dataset = datasets.load(say=lambda words: None)
    assert dataset.source == f"downloaded from {server.url}"
    assert dataset.sha256 == known.KNOWN["fashion-mnist"].digests
    assert dataset.train()[1][:5].tolist() == [9, 0, 0, 3, 0]


@pytest.mark.slow
def test_genuine_from_a_folder(genuine_gz: Path) -> None:
    assert datasets.load(genuine_gz, say=quiet).name == "Fashion-MNIST"


def test_genuine_with_one_bit_flipped(
    genuine: description.Dataset, tmp_path: Path, cache: Path
) -> None:
    folder = shutil.copytree(genuine.raw, tmp_path / "mine")
    flip(folder)
    assert "SHA-256 " in refusal(folder)
    assert not cache.exists()


def test_genuine_is_read_from_the_cache(
    genuine: description.Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither looked for again nor written again, and nothing is said of it."""
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(genuine.folder.parent))
    sourced(monkeypatch, places=(), addresses=())
    monkeypatch.setattr(datasets, "keep", lambda *_: pytest.fail("written again"))
    assert datasets.load(say=pytest.fail).sha256 == known.KNOWN["fashion-mnist"].digests
