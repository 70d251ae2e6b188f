"""Labels that no loss can take are refused in the same words, whichever way they come in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.contract.arrays import Array
from common.contract.labels import check_classes, check_labels, check_targets
from common.data import idx
from common.entrants.process import WorkerSession
from common.errors import BadLabel
from tests.conftest import BACKENDS, EXAMPLES, FEATURES, make_plan

INTEGERS = "classes are the integers 0 to 9"
FINITE = "targets are finite floats"
#: The labels of four examples, and what is said of them.
CLASSES = {
    "next": (np.array([0, 9, 3, 10], np.int32), f"label 10 of example 3: {INTEGERS}"),
    "first": (np.array([0, 11, 10, 1], np.int32), f"label 11 of example 1: {INTEGERS}"),
    "last": (np.array([0, -1, 3, 9], np.int32), f"label -1 of example 1: {INTEGERS}"),
    "below": (np.array([0, -11, 3, 9], np.int8), f"label -11 of example 1: {INTEGERS}"),
    "ignored": (np.array([-100, 1, 2, 3]), f"label -100 of example 0: {INTEGERS}"),
    "byte": (np.array([1, 2, 255, 3], np.uint8), f"label 255 of example 2: {INTEGERS}"),
    "0 in 32 bits": (np.array([1, 2**32, 2, 3]), f"label {2**32} of example 1: {INTEGERS}"),
    "whole": (np.array([3.0, 1, 2, 0], np.float32), f"labels of dtype float32: {INTEGERS}"),
    "NaN": (np.array([1, np.nan, 2, 3]), f"labels of dtype float64: {INTEGERS}"),
    "bool": (np.array([True, False, True, True]), f"labels of dtype bool: {INTEGERS}"),
    "column": (
        np.zeros((4, 1), np.int32),
        "labels of shape (4, 1): classes for 4 examples have (4,)",
    ),
    "fewer": (np.zeros(3, np.int32), "labels of shape (3,): classes for 4 examples have (4,)"),
    "more": (np.zeros(5, np.uint8), "labels of shape (5,): classes for 4 examples have (4,)"),
}
TARGETS = {
    "NaN": (np.array([[1], [np.nan], [np.inf], [0]]), f"label nan of example 1: {FINITE}"),
    "infinite": (np.array([[1], [2], [-np.inf], [0]]), f"label -inf of example 2: {FINITE}"),
    "row": (np.zeros(4), "labels of shape (4,): targets for 4 examples have (4, 1)"),
    "two": (np.zeros((4, 2)), "labels of shape (4, 2): targets for 4 examples have (4, 1)"),
    "fewer": (np.zeros((3, 1)), "labels of shape (3, 1): targets for 4 examples have (4, 1)"),
}
CASES = {"softmax": CLASSES, "linear": TARGETS}
MEMORY = {"style": "scratch", "mode": "eager", "data": "memory"}

Data = Callable[[Any], dict[str, Any]]


def place(session: WorkerSession, model: str, labels: Array, session_data: Data) -> None:
    """Open a session whose arrays hold these labels."""
    plan = make_plan(model, dtype="float64")
    images = np.zeros((4, FEATURES), np.uint8) if model == "softmax" else np.zeros((4, 2))
    data = {**session_data(plan), "train": (images, labels)}
    data.pop("folder", None)
    session.open(plan.asdict(), MEMORY, data)


def said(call: Callable[[Array], object], labels: Array) -> str:
    """In what words labels are refused."""
    try:
        call(labels)
    except BadLabel as refused:
        return str(refused)
    return "nothing"


@pytest.mark.parametrize("model", CASES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_refused_in_the_same_words(
    backend: str, model: str, workers: Any, session_data: Data
) -> None:
    """By every entry, in one session: the loss, the accuracy, and where they are placed."""
    session = workers(backend)
    good = np.arange(4) if model == "softmax" else np.zeros((4, 1))
    place(session, model, good, session_data)
    logits = np.zeros((4, 10 if model == "softmax" else 1))
    entries: dict[str, Callable[[Array], object]] = {
        "gradient": partial(session.gradient, logits),
        "correct": partial(session.correct, logits),
        # Last: a session that refused what it was to hold is not open.
        "place": lambda labels: place(session, model, labels, session_data),
    }
    found = {
        (entry, name): said(call, labels)
        for entry, call in entries.items()
        for name, (labels, _) in CASES[model].items()
    }
    assert found == {
        (entry, name): words for entry in entries for name, (_, words) in CASES[model].items()
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_classes_are_the_columns_of_the_logits(backend: str, opened: Any) -> None:
    session, logits = opened(backend, make_plan("softmax")), np.zeros((2, 3), np.float32)
    assert session.correct(logits, np.array([0, 2])) == 1
    for call in (session.gradient, session.correct):
        with pytest.raises(BadLabel, match=r"^label 3 of example 1: .* integers 0 to 2$"):
            call(logits, np.array([0, 3]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_whole_gradient_refuses_too(backend: str, opened: Any) -> None:
    session = opened(backend, make_plan("softmax"))
    images, labels = session.batch(np.arange(4, dtype=np.int32))
    with pytest.raises(BadLabel, match=r"^label 10 of example 0: "):
        session.gradients(session.params(), images, labels * 0 + 10)


def files(folder: Path, labels: Array, train_images: int = EXAMPLES) -> Path:
    """IDX files as the cache holds them; the training labels are these."""
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for (images, classes), n in ((idx.TRAIN, train_images), (idx.TEST, EXAMPLES)):
        idx.write_images(raw / images, [np.zeros((n, FEATURES), np.uint8)], n, 6, 6)
        idx.write_labels(raw / classes, np.zeros(EXAMPLES, np.uint8))
    idx.write_labels(raw / idx.TRAIN_LABELS, labels)
    return folder


@pytest.mark.parametrize("choice", ["memory", "loader"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_files(backend: str, choice: str, workers: Any, session_data: Data, tmp_path: Path) -> None:
    """Files that changed since the parent checked them: whoever reads them, and how."""
    if choice not in BACKENDS[backend].info.data:
        pytest.skip(BACKENDS[backend].info.absent[choice])
    plan, style = make_plan("softmax"), BACKENDS[backend].info.styles[-1]
    choices = {"style": style, "mode": "eager", "data": choice}
    labels = np.zeros(EXAMPLES, np.uint8)
    labels[50] = 10
    wrong = files(tmp_path / "wrong", labels)
    data = {**session_data(plan), "folder": str(wrong)}
    with pytest.raises(BadLabel) as refused:
        workers(backend).open(plan.asdict(), choices, data)
    assert str(refused.value) == "label 10 of example 50: classes are the integers 0 to 9"

    data["folder"] = str(files(tmp_path / "fewer", np.zeros(60, np.uint8)))
    with pytest.raises(BadLabel) as differ:
        workers(backend).open(plan.asdict(), choices, data)
    assert str(differ.value) == "labels of shape (60,): classes for 70 examples have (70,)"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, ">i2"])
def test_every_class_is_taken(dtype: Any) -> None:
    labels = np.arange(10).astype(dtype)
    check_classes(labels, 10, 10)
    check_labels(np.zeros((10, 4), np.uint8), labels, 10)
    check_labels(np.zeros((10, 4), np.float32), labels, 10)


def test_one_class_and_no_example() -> None:
    check_classes(np.zeros(3, np.int32), 3, classes=1)
    check_classes(np.zeros(0, np.int32), 0, 10)
    check_targets(np.zeros((0, 1)), 0)
    with pytest.raises(BadLabel, match=r"integers 0 to 0$"):
        check_classes(np.ones(1, np.int32), 1, classes=1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_every_finite_target_is_taken(dtype: Any) -> None:
    limits = np.finfo(dtype)
    targets = np.array([[limits.max], [limits.min], [0], [limits.smallest_subnormal]], dtype)
    check_targets(targets, 4)
    check_labels(np.zeros((4, 2), dtype), targets, 0)


def test_pixels_have_no_targets() -> None:
    with pytest.raises(BadLabel, match=r"^labels of dtype float64: classes"):
        check_labels(np.zeros((4, 9), np.uint8), np.zeros((4, 1)), 10)


def test_is_a_value_error_and_ends_one_entrant() -> None:
    assert issubclass(BadLabel, ValueError)
    assert BadLabel.status == "failed"
