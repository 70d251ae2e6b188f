"""Files of one's own in every form: what is made of them, what is told of it, what is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from common.contract.inputs import Inputs
from common.data import datasets, idx, npz
from common.data.description import Dataset
from common.errors import Refused

TRAIN, TEST, CLASSES = 12, 8, 4
Arrays = dict[str, np.ndarray]


def arrays(dtype: Any = "u1", first: int = 0, shape: tuple[int, ...] = (5, 7)) -> Arrays:
    """Images of any pixels, and labels of every class in turn, by the first names of an .npz."""
    draw = np.random.default_rng(3)
    found: Arrays = {}
    for part, n in (("train", TRAIN), ("test", TEST)):
        found[f"{part}_images"] = draw.integers(0, 256, (n, *shape)).astype(dtype)
        found[f"{part}_labels"] = (np.arange(n) % CLASSES + first).astype("u1")
    return found


IDX_TYPES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def as_idx(folder: Path, found: Mapping[str, np.ndarray]) -> Path:
    """Write four arrays as IDX files of their own types."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(idx.FILES, found.values(), strict=True):
        magic = (IDX_TYPES[array.dtype.str[1:]] << 8) + array.ndim
        header = struct.pack(f">{1 + array.ndim}I", magic, *array.shape)
        (folder / name).write_bytes(header + array.astype(array.dtype.newbyteorder(">")).tobytes())
    return folder


def as_npz(folder: Path, found: Mapping[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "mine.npz", **dict(found))
    return folder


def as_pictures(folder: Path, found: Mapping[str, np.ndarray], end: str = "png") -> Path:
    for part in ("train", "test"):
        for n, (image, label) in enumerate(
            zip(found[f"{part}_images"], found[f"{part}_labels"], strict=True)
        ):
            where = folder / part / f"class {label}"
            where.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(where / f"{n:02}.{end}")
    return folder


def as_cifar(folder: Path) -> Arrays:
    """Write CIFAR-10's six files, of two examples each; what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(4)
    images, labels = draw.integers(0, 256, (12, 32, 32, 3), np.uint8), np.arange(12) % 10
    for n in range(6):
        name = f"data_batch_{n + 1}.bin" if n < 5 else "test_batch.bin"
        pairs = zip(labels[2 * n : 2 * n + 2], images[2 * n : 2 * n + 2], strict=True)
        records = [bytes([label]) + image.transpose(2, 0, 1).tobytes() for label, image in pairs]
        (folder / name).write_bytes(b"".join(records))
    return {
        "train_images": images[:10],
        "train_labels": labels[:10],
        "test_images": images[10:],
        "test_labels": labels[10:],
    }


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COMPARE_DATA_DIR", raising=False)
    return tmp_path / "cache"


def load(folder: Path, **more: Any) -> Dataset:
    return datasets.load(folder, **{"custom": True, "say": print} | more)


def refusal(folder: Path, **more: Any) -> str:
    with pytest.raises(Refused) as caught:
        load(folder, **more)
    message = str(caught.value)
    assert "\n" not in message
    assert str(folder) in message
    return message


def check(dataset: Dataset, found: Mapping[str, np.ndarray], first: int = 0) -> None:
    """Hold what is in the cache against the arrays that it is made of."""
    for part, pair in (("train", dataset.train()), ("test", dataset.test())):
        images, labels = found[f"{part}_images"], found[f"{part}_labels"]
        np.testing.assert_array_equal(pair[0], images.reshape(len(images), -1))
        np.testing.assert_array_equal(pair[1], labels.reshape(-1) - first)
        assert pair[0].dtype == pair[1].dtype == np.uint8
    shape = found["train_images"].shape[1:]
    assert dataset.inputs == Inputs("image", (*shape, 1) if len(shape) == 2 else shape)
    assert (dataset.train_examples, dataset.test_examples) == tuple(
        len(found[f"{part}_images"]) for part in ("train", "test")
    )


# ---- what is made of them ----------------------------------------------------------------


@pytest.mark.parametrize("write", [as_idx, as_npz, as_pictures])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)], ids=["grey", "colour"])
def test_forms(
    tmp_path: Path, write: Callable[..., Path], shape: tuple[int, ...], cache: Path
) -> None:
    found = arrays(shape=shape)
    if write is as_pictures:  # in the order of their classes, and then of their names
        for part in ("train", "test"):
            order = np.argsort(found[f"{part}_labels"], kind="stable")
            for kind in ("images", "labels"):
                found[f"{part}_{kind}"] = found[f"{part}_{kind}"][order]
    folder = write(tmp_path / "mine", found)
    dataset = load(folder)
    check(dataset, found)
    assert (dataset.name, dataset.notes) == ("custom", ())
    names = tuple(f"class {k}" if write is as_pictures else str(k) for k in range(CLASSES))
    assert dataset.classes == names
    assert load(folder) == dataset
    assert [path.name for path in cache.iterdir()] == [dataset.folder.name]
    resized = load(folder, resize=4)
    assert resized.inputs == Inputs("image", (4, 4, dataset.inputs.shape[2]))
    assert resized.train()[0].shape == (TRAIN, resized.inputs.features)


def test_cifar_files(tmp_path: Path) -> None:
    found = as_cifar(tmp_path / "mine")
    dataset = load(tmp_path / "mine")
    check(dataset, found)
    assert list(dataset.sha256) == [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    assert dataset.classes == tuple(map(str, range(10)))
    (tmp_path / "mine" / "batches.meta.txt").write_text("\n".join("abcdefghij") + "\n\n")
    assert load(tmp_path / "mine").classes == tuple("abcdefghij")


def test_names_of_an_npz(tmp_path: Path) -> None:
    """Keras's, with labels as it has them: (n, 1), 64 bits."""
    found = dict(zip(npz.NAMES[1], arrays().values(), strict=True))
    for part in ("train", "test"):
        found[f"y_{part}"] = found[f"y_{part}"].astype("i8")[:, None]
    check(load(as_npz(tmp_path / "mine", found)), arrays())


@pytest.mark.parametrize("write", [as_idx, as_npz])
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4", "f8"])
def test_types(tmp_path: Path, write: Callable[..., Path], dtype: str) -> None:
    dataset = load(write(tmp_path / "mine", arrays(dtype)))
    check(dataset, arrays())
    name = np.dtype(dtype).name
    assert dataset.notes == (f"the pixels are {name}, and are kept as bytes",)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_fractions(tmp_path: Path, dtype: str) -> None:
    """One is white; how far the rounding to whole bytes goes is told."""
    found = arrays()
    fractions = {
        name: (array / 255).astype(dtype) if "images" in name else array
        for name, array in found.items()
    }
    dataset = load(as_npz(tmp_path / "mine", fractions))
    check(dataset, found)
    (note,) = dataset.notes
    kept = "they were multiplied by 255, and are kept as bytes"
    start = f"the pixels are {np.dtype(dtype).name} from 0 to 1: {kept}"
    scaled = [fractions[f"{part}_images"].astype("f8") * 255 for part in ("train", "test")]
    off = max(np.abs(values - np.rint(values)).max() for values in scaled)
    assert (off > 1e-6) == (dtype == "f4")
    rounded = f", and rounded to whole bytes, by {off:.2g} at most" if off else ""
    assert note == start + rounded


def test_labels_from_one_are_told(tmp_path: Path) -> None:
    dataset = load(as_idx(tmp_path / "mine", arrays(first=1)))
    check(dataset, arrays(first=1), first=1)
    assert dataset.classes == ("1", "2", "3", "4")
    assert dataset.notes == (
        "the labels run from 1 to 4: one was taken off each, so that they count from 0",
    )
    assert dataset.sha256 != load(as_idx(tmp_path / "other", arrays())).sha256


def test_names_of_classes(tmp_path: Path) -> None:
    folder = as_idx(tmp_path / "mine", arrays(first=1))
    list_ = folder / "classes.txt"
    list_.write_text("a\nb\nc\nd\n", encoding="utf-8")
    assert load(folder).classes == tuple("abcd")
    # Five names, and labels to 4: they count from 0, and nothing is taken off.
    list_.write_text("none\na\nb\nc\nd\n", encoding="utf-8")
    dataset = load(folder)
    check(dataset, arrays(first=1))
    assert (dataset.classes[0], dataset.notes) == ("none", ())
    list_.write_text("a\nb\n", encoding="utf-8")
    assert "label 4, but 2 names of classes; give a name for each" in refusal(folder)
    list_.write_text("a\na\n", encoding="utf-8")
    assert "'a' twice" in refusal(folder)
    list_.write_bytes(b"\xff\xfe\n")
    assert "no list of names" in refusal(folder)


def test_names_order_the_folders_of_pictures(tmp_path: Path) -> None:
    folder = as_pictures(tmp_path / "mine", arrays())
    names = [f"class {k}" for k in (2, 0, 3, 1)]
    (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
    dataset = load(folder)
    assert dataset.classes == tuple(names)
    (folder / "classes.txt").write_text("class 0\nclass 9", encoding="utf-8")
    message = "names class 1, class 2, class 3, class 9 stand only in the list or only as folders"
    assert message in refusal(folder)


def test_pictures_of_several_sizes_and_modes(tmp_path: Path) -> None:
    folder = as_pictures(tmp_path / "mine", arrays())
    added = folder / "train" / "class 0" / "a.png"
    Image.fromarray(np.full((9, 4, 4), 200, np.uint8), mode="RGBA").save(added)
    assert "--resize SIDE makes them equal" in refusal(folder)
    dataset = load(folder, resize=6)
    assert dataset.inputs == Inputs("image", (6, 6, 3))
    assert dataset.notes == ("pictures of mode L, RGBA were converted to RGB by Pillow",)
    assert (dataset.train_examples, dataset.train()[0].shape) == (TRAIN + 1, (TRAIN + 1, 108))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """As a camera's Exif says: 6 is a quarter clockwise."""
    folder = as_pictures(tmp_path / "mine", arrays())
    first = sorted((folder / "train" / "class 0").iterdir())[0]
    with Image.open(first) as image:
        upright = np.asarray(image)
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(first, exif=exif)
    dataset = load(folder)
    assert "1 of 20 pictures were turned as their Exif data say" in dataset.notes
    np.testing.assert_array_equal(dataset.train()[0][0], upright.reshape(-1))


# ---- refusals ----------------------------------------------------------------------------


def changed(**more: Any) -> Arrays:
    return {**arrays(), **more}


REFUSED = {
    "two-dimensions": (
        changed(train_images=np.zeros((TRAIN, 35), "u1")),
        "uint8 of shape (12, 35)",
    ),
    "channels-first": (changed(train_images=np.zeros((TRAIN, 3, 5, 7), "u1")), "(12, 3, 5, 7)"),
    "complex": (changed(train_images=np.zeros((TRAIN, 5, 7), complex)), "complex128 of shape"),
    "bool": (changed(train_images=np.zeros((TRAIN, 5, 7), bool)), "bool of shape (12, 5, 7)"),
    "objects": (changed(train_images=np.full((TRAIN, 5, 7), None)), "object of shape"),
    "types": (changed(test_images=np.zeros((TEST, 5, 7))), "pixels of type float64, but those"),
    "negative": (arrays("f4", shape=(5, 7)), "pixels from -1 to"),
    "16-bits": (arrays("i4"), "pixels from 0 to 65535, and images are bytes"),
    "two-scales": (
        changed(
            train_images=np.full((TRAIN, 5, 7), 1 / 3, "f4"),
            test_images=np.full((TEST, 5, 7), 200, "f4"),
        ),
        "one is in fractions from 0 to 1 and the other is not",
    ),
    "nan": (arrays("f8"), "to inf, and images are bytes"),
    "sizes": (changed(test_images=np.zeros((TEST, 5, 6), "u1")), "images of 5 x 6 pixels, but"),
    "counts": (changed(test_labels=np.zeros(7, "u1")), "8 images, but 7 labels in mine.npz: test"),
    "one-hot": (changed(train_labels=np.eye(TRAIN, dtype="u1")), "uint8 of shape (12, 12), where"),
    "float-labels": (changed(train_labels=np.zeros(TRAIN)), "float64 of shape (12,), where whole"),
    "label": (changed(train_labels=np.full(TRAIN, 300)), "label 300, and labels are bytes: 256"),
    "below": (changed(train_labels=np.arange(TRAIN) - 1), "label -1, and classes count from 0"),
    "missing": ({"train_images": np.zeros(3)}, "has train_images; name the arrays train_images, "),
    "empty": (changed(test_images=np.zeros((0, 5, 7), "u1")), "which is empty; give examples"),
    "fortran": (
        changed(train_images=np.asfortranarray(np.zeros((TRAIN, 5, 7), "u1"))),
        "in Fortran's order; save it with np.ascontiguousarray",
    ),
}
REFUSED["negative"][0]["train_images"][0, 0, 0] = -1
REFUSED["16-bits"][0]["train_images"][:, 0, :2] = 0, 65535
REFUSED["nan"][0]["test_images"][0, 0, 0] = np.nan


@pytest.mark.parametrize(("found", "words"), REFUSED.values(), ids=REFUSED)
def test_arrays_that_are_refused(tmp_path: Path, found: Arrays, words: str, cache: Path) -> None:
    message = refusal(as_npz(tmp_path / "mine", found))
    assert message.startswith(f"--data-dir {tmp_path / 'mine'}: {tmp_path / 'mine'}/mine.npz: ")
    assert words in message
    assert not cache.exists()


def member(header: str, data: bytes = b"") -> bytes:
    text = f"{header:<117}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def zipped(**members: bytes) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name in npz.NAMES[0]:
            usual = io.BytesIO()
            np.save(usual, arrays()[name])
            members.setdefault(name, usual.getvalue())
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return found.getvalue()


NAMED = zipped(é=b"")
HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<html>", "a web page, not the file itself"),
        (b"nonsense", "no .npz file"),
        (zipped()[:-40], "a damaged .npz file; fetch it again"),
        (zipped(train_images=b"nonsense"), "train_images: no array of NumPy's"),
        (zipped(train_images=member("{'descr'}")), "train_images: no array of NumPy's"),
        (
            zipped(train_images=member(HUGE % "12, 60000, 60000")),
            "16777216 values are the most that one may have",
        ),
        (
            zipped(train_images=member(HUGE % "12, 4000, 4000", b"1")),
            "images of 5 x 7 pixels, but those for training have 4000 x 4000",
        ),
        (
            zipped(train_images=member(HUGE % "12, 5, 7", b"1")),
            "train_images: truncated, it ends 419 bytes before its header says (uint8 of shape",
        ),
        (
            zipped(train_images=member(HUGE % "12, 5, 7", bytes(421))),
            "train_images: too long, it goes on after what its header says",
        ),
        (
            NAMED.replace("é".encode(), b"\xff\xff"),
            "damaged .npz file ('utf-8' codec can't decode byte 0xff",
        ),
    ],
    ids=[
        "page",
        "nonsense",
        "cut",
        "no-array",
        "no-header",
        "huge",
        "large",
        "short",
        "long",
        "no-text",
    ],
)
def test_damaged_npz(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "mine.npz").write_bytes(data)
    assert words in refusal(tmp_path / "mine")


def test_a_huge_idx_file_asks_for_no_memory(tmp_path: Path) -> None:
    folder = as_idx(tmp_path / "mine", arrays())
    for name in (idx.TRAIN_IMAGES, idx.TEST_IMAGES):
        header = struct.pack(">4I", idx.IMAGES_MAGIC, 12, 2**31, 2**31)
        (folder / name).write_bytes(header + bytes(99))
    assert "truncated, 115 bytes instead of the 55340232221128654864" in refusal(folder)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda at: cut(at / "train/class 0/00.png", 60), "no picture that can be read ("),
        (lambda at: (at / "train/class 0/00.png").write_bytes(b"<html>"), "a web page, not the"),
        (lambda at: (at / "train/class 0/a.txt").write_text("a"), "no picture that can be read ("),
        (lambda at: (at / "test/class 9").mkdir(), "'class 9' is no class of"),
        (lambda at: [p.unlink() for p in (at / "test").rglob("*.png")], "no pictures in class 0"),
        (
            lambda at: Image.new("I;16", (7, 5)).save(at / "train/class 0/a.png"),
            "a picture of mode I;16; save it as grey or RGB",
        ),
        (
            lambda at: Image.new("1", (4000, 4000)).save(at / "train/class 0/a.png"),
            "4000 x 4000 pixels; make it smaller",
        ),
    ],
    ids=["cut", "page", "text", "class", "none", "16-bits", "large"],
)
def test_damaged_pictures(
    tmp_path: Path, damage: Callable[[Path], object], words: str, cache: Path
) -> None:
    folder = as_pictures(tmp_path / "mine", arrays())
    (folder / "train" / ".hidden").write_bytes(b"")
    damage(folder)
    assert words in refusal(folder)
    assert not list(cache.glob("custom-*"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda at: (at / "data_batch_3.bin").unlink(), "lacks data_batch_3.bin"),
        (lambda at: cut(at / "test_batch.bin", 3072), "3072 bytes, and an example of CIFAR-10 has"),
        (lambda at: cut(at / "test_batch.bin", 0), "0 bytes, and an example of CIFAR-10 has 3073"),
        (
            lambda at: (at / "test_batch.bin").write_bytes(bytes([10]) * 3073),
            "label 10, and CIFAR-10's end at 9",
        ),
        (lambda at: (at / "test_batch.bin").write_bytes(b"<html>"), "a web page, not the file"),
    ],
    ids=["missing", "cut", "empty", "label", "page"],
)
def test_damaged_cifar_files(tmp_path: Path, damage: Callable[[Path], object], words: str) -> None:
    as_cifar(tmp_path / "mine")
    damage(tmp_path / "mine")
    assert words in refusal(tmp_path / "mine")


def test_nothing_that_is_known(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    message = refusal(tmp_path / "mine")
    assert "lacks train-images-idx3-ubyte, " in message
    assert message.endswith(
        "or an .npz, CIFAR-10's data_batch_1.bin, or folders train and test of pictures"
    )
    for name in "ab":
        np.savez(tmp_path / "mine" / name, x=np.zeros(1))
    assert "has a.npz, b.npz; leave one .npz there" in refusal(tmp_path / "mine")


def test_what_was_made_is_kept_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = as_npz(tmp_path / "mine", arrays("f4", first=1))
    dataset = load(folder)
    monkeypatch.setattr(datasets, "write", None)
    assert load(folder) == dataset
    monkeypatch.undo()
    path = dataset.raw / idx.TEST_LABELS
    sound = path.read_bytes()
    path.write_bytes(bytes([sound[-1] ^ 1]).join([sound[:-1], b""]))
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))
    said: list[str] = []
    load(folder, say=said.append)
    assert "is damaged and will be replaced" in said[0]
    assert path.read_bytes() == sound
