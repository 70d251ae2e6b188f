"""Pictures need not be square, and classes need not be ten: the data's description says both."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.agreement.slips.data import data_slips
from common.contract.inputs import Inputs
from common.contract.models import MODELS
from common.data import datasets, draws, idx
from common.errors import Refused
from tests.conftest import BACKENDS, Command, make_plan

ROWS, COLUMNS, CLASSES, EXAMPLES = 6, 9, 26, 60
CHOICES = [
    pytest.param(
        backend,
        choice,
        id=f"{backend}-{choice}",
        marks=[pytest.mark.slow] * (backend not in ("numpy", "torch")),
    )
    for backend, found in BACKENDS.items()
    for choice in found.info.data
]


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """IDX files of 6 x 9 pixels in 26 classes, as torchvision and the cache have them."""
    folder = tmp_path_factory.mktemp("letters")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    draw = np.random.default_rng(2)
    for images, labels in (idx.TRAIN, idx.TEST):
        pixels = draw.integers(0, 256, (EXAMPLES, ROWS * COLUMNS), dtype=np.uint8)
        idx.write_images(raw / images, pixels, EXAMPLES, ROWS, COLUMNS)
        idx.write_labels(raw / labels, (np.arange(EXAMPLES) % CLASSES).astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in colour."""
    folder = tmp_path_factory.mktemp("colours")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    draw = np.random.default_rng(3)
    for images, labels in (idx.TRAIN, idx.TEST):
        pixels = draw.integers(0, 256, (EXAMPLES, ROWS, COLUMNS, 3), dtype=np.uint8)
        idx.write_images(raw / images, pixels, EXAMPLES, ROWS, COLUMNS, 3)
        idx.write_labels(raw / labels, (np.arange(EXAMPLES) % CLASSES).astype(np.uint8))
    return folder


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("cached")
def test_described(letters: Path) -> None:
    dataset = datasets.load(letters, custom=True, say=print)
    assert dataset.inputs == Inputs("image", (ROWS, COLUMNS, 1))
    assert dataset.inputs.features == ROWS * COLUMNS
    assert dataset.classes == tuple(str(k) for k in range(CLASSES))
    resized = datasets.load(letters, custom=True, resize=6, say=print)
    assert resized.inputs == Inputs("image", (6, 6, 1))
    assert resized.train()[0].shape == (EXAMPLES, 36)


@pytest.mark.usefixtures("cached")
def test_a_class_that_training_never_has_is_refused(letters: Path, tmp_path: Path) -> None:
    for path in (letters / "FashionMNIST" / "raw").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    labels = np.full(EXAMPLES, CLASSES, np.uint8)
    idx.write_labels(tmp_path / idx.TEST_LABELS, labels)
    with pytest.raises(Refused, match=r"label 26, but those for training end at 25; give files"):
        datasets.load(tmp_path, custom=True, say=print)


@pytest.mark.parametrize(("backend", "choice"), CHOICES)
def test_trained(backend: str, choice: str, letters: Path, workers: Any) -> None:
    """The first loss of logits near zero is that of a guess among 26."""
    plan = make_plan("mlp", batch_size=20)
    start = draws.parameters(MODELS["mlp"], (ROWS, COLUMNS, 1), 16, CLASSES, 0, "float32")
    data = {"folder": str(letters), "limit": None, "initial": start, "classes": CLASSES}
    session = workers(backend)
    choices = {"style": "scratch", "mode": "eager", "data": choice}
    session.open(plan.asdict(), choices, data)
    order = np.arange(EXAMPLES, dtype=np.int32)
    images, labels = session.batch(order[:20])
    assert images.shape == (20, ROWS * COLUMNS)
    assert labels.tolist() == list(range(20))
    losses = session.train(order).losses
    assert losses[0] == pytest.approx(np.log(CLASSES), abs=1e-2)
    assert session.params()["output.bias"].shape == (CLASSES,)


@pytest.mark.parametrize(("backend", "choice"), CHOICES)
def test_colours_are_flattened_last(backend: str, choice: str, colours: Path, workers: Any) -> None:
    """A row is height, width, channel, in the order of the bytes in the file."""
    plan = make_plan("softmax", batch_size=20)
    start = draws.parameters(MODELS["softmax"], (ROWS, COLUMNS, 3), 0, CLASSES, 0, "float32")
    data = {"folder": str(colours), "limit": None, "initial": start, "classes": CLASSES}
    session = workers(backend)
    choices = {"style": "scratch", "mode": "eager", "data": choice}
    session.open(plan.asdict(), choices, data)
    images, labels = session.batch(np.arange(20, dtype=np.int32)[::-1])
    stored = idx.read_images(colours / "FashionMNIST" / "raw" / idx.TRAIN_IMAGES)[19::-1]
    np.testing.assert_array_equal(images, stored / np.float32(255))
    assert labels.tolist() == list(range(20))[::-1]


def test_channels_that_come_first_are_a_likely_cause() -> None:
    images = np.random.default_rng(1).random((4, ROWS, COLUMNS, 3))
    first = images.transpose(0, 3, 1, 2).reshape(4, -1)
    expectations: Any = SimpleNamespace(
        images64=images.reshape(4, -1),
        dtype="float64",
        referee=SimpleNamespace(data={"inputs": {"kind": "image", "shape": (ROWS, COLUMNS, 3)}}),
    )
    slips = data_slips(expectations, {"images": first})
    alike = [
        s.words for s in itertools.islice(slips, 8) if np.array_equal(s.predicted["images"], first)
    ]
    assert len(alike) == 1
    assert alike[0].startswith("the channels come first")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "channels"), [("letters", 1), ("colours", 3)])
def test_a_run_and_its_page(
    compare: Command, kind: str, channels: int, request: pytest.FixtureRequest
) -> None:
    compare.data, compare.page = request.getfixturevalue(kind), True
    read = compare.run("--backends", "numpy")
    assert read["data"]["inputs"] == {"kind": "image", "shape": [ROWS, COLUMNS, channels]}
    assert read["data"]["classes"] == [str(k) for k in range(CLASSES)]
    assert read["parity"]["entrants"]["numpy"]["verdict"] == "rounding"
    assert (compare.folder / "out" / "report.html").is_file()
