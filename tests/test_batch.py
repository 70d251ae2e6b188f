"""Inputs and labels of a check: drawn from a seed, read from files, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.contract.net import Tensors
from common.errors import Refused
from common.modules.batch import read_batch, read_labels


def read_inputs(texts: list[str], seed: int, dtype: str) -> Tensors:
    """The inputs alone."""
    return read_batch(texts, None, "none", seed, dtype).inputs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where we stand, with files good and bad."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.linspace(0, 1, 12).reshape(4, 3))
    np.save("tokens.npy", np.arange(6, dtype=">i4").reshape(2, 3))
    np.save("mask.npy", np.array([True, False]))
    np.save("classes.npy", np.array([0, 2, 1, 2]))
    np.save("words.npy", np.array(["a"]))
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save("empty.npy", np.zeros((0, 3)))
    np.savez("two.npz", b=np.ones(2), a=np.zeros(3, "int64"))
    Path("text.npy").write_text("no array")
    Path("half.npz").write_bytes(Path("two.npz").read_bytes()[:100])
    Path("zip.npy").write_bytes(Path("two.npz").read_bytes())
    Path("folder.npy").mkdir()
    return tmp_path


def test_normal_numbers(folder: Path) -> None:
    (x,) = read_inputs(["200x5x10"], 0, "float32")
    assert (x.shape, x.dtype) == ((200, 5, 10), np.float32)
    assert abs(x.mean()) < 0.05
    assert abs(x.std() - 1) < 0.05


def test_tokens(folder: Path) -> None:
    (x,) = read_inputs(["16x20:int,7"], 0, "float32")
    assert (x.shape, x.dtype) == ((16, 20), np.int64)
    assert set(x.flat) == set(range(7))


def test_whole_numbers_of_a_range_and_truths(folder: Path) -> None:
    some, truths = read_inputs(["16x20:int,5,9", "16x20:bool"], 0, "float32")
    assert set(some.flat) == {5, 6, 7, 8}
    assert (truths.dtype, truths.shape) == (bool, (16, 20))
    assert 0 < truths.sum() < truths.size


def test_bytes_are_pixels(folder: Path) -> None:
    """As from Python."""
    np.save("bytes.npy", np.array([[0, 255]], "uint8"))
    (x,) = read_inputs(["bytes.npy"], 0, "float64")
    assert (x.dtype, x.tolist()) == (np.float64, [[0.0, 1.0]])


def test_inputs_by_name(folder: Path) -> None:
    batch = read_batch(["x=4x3", "mask=mask.npy"], Path("two.npz"), "10", 0, "float32")
    assert batch.names == ("x", "mask", "b", "a")
    assert [one.shape for one in batch.inputs] == [(4, 3), (2,), (2,), (3,)]
    assert batch.labels.classes == 10
    assert read_batch(["x.npy"], None, "10", 0, "float32").names is None


@pytest.mark.parametrize("labels", [None, "2"])
def test_labels_in_the_file_of_inputs(labels: str | None, folder: Path) -> None:
    """They are the labels, unless others are given: then an argument is called so."""
    np.savez("batch.npz", x=np.ones((2, 3)), labels=np.array([1, -100]))
    batch = read_batch([], Path("batch.npz"), labels, 0, "float32")
    assert batch.names == (("x",) if labels is None else ("x", "labels"))
    if labels is None:
        found = batch.labels.of((np.zeros((2, 2)),), 0, "float32")
        assert found is not None
        assert found.tolist() == [1, -100]


@pytest.mark.parametrize(
    ("texts", "file", "labels", "words"),
    [
        (["x=4x3", "4x3"], None, "2", "some inputs have names and some have none"),
        (["x=4x3", "x=4x3"], None, "2", "an input is given twice: x, x"),
        ([], "dashed.npz", "2", "--inputs: no argument is called 'a-b'"),
        ([], "two.npz", None, "--labels is missing"),
        ([], "none.npz", "2", "--inputs none.npz cannot be read: No such file"),
        (["nan.npy"], None, "2", "input 0 holds nan at [1]"),
    ],
)
def test_no_batch(
    texts: list[str], file: str | None, labels: str | None, words: str, folder: Path
) -> None:
    np.savez("dashed.npz", **{"a-b": np.ones(2)})
    np.save("nan.npy", np.array([0, np.nan]))
    with pytest.raises(Refused) as told:
        read_batch(texts, None if file is None else Path(file), labels, 0, "float32")
    assert words in str(told.value)


def test_a_seed_says_all(folder: Path) -> None:
    one, two = read_inputs(["4x3", "4x3"], 1, "float64")
    assert not np.array_equal(one, two)
    assert np.array_equal(one, read_inputs(["4x3"], 1, "float64")[0])
    assert not np.array_equal(one, read_inputs(["4x3"], 2, "float64")[0])
    assert np.array_equal(one.astype("float32"), read_inputs(["4x3"], 1, "float32")[0])


def test_files(folder: Path) -> None:
    x, b, a, tokens, mask = read_inputs(
        ["x.npy", "two.npz", "tokens.npy", "mask.npy"], 0, "float32"
    )
    assert [one.dtype.str for one in (x, b, a, tokens, mask)] == ["<f4", "<f4", "<i8", "<i4", "|b1"]
    assert tokens.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert x.shape == (4, 3)
    assert len(read_inputs(["zip.npy"], 0, "float32")) == 2, "what is in it counts"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "--input '' is no SHAPE"),
        ("32x", "--input '32x' is no SHAPE"),
        ("x32", "is no SHAPE"),
        ("-1x3", "is no SHAPE"),
        ("4.5x3", "is no SHAPE"),
        ("4,3", "is no SHAPE"),
        ("4X3", "is no SHAPE"),
        ("4x3:int", "is no SHAPE"),
        ("4x3:float,2", "is no SHAPE"),
        ("٣x3", "is no SHAPE"),
        ("x.pt", "is no SHAPE, as 32x1x28x28, 16x20:int,1000 or 8x12:bool, and no file"),
        ("4x0", "'4x0': 0 numbers, not 1 to"),
        ("99999x99999", "numbers, not 1 to 1000000000"),
        ("4x3:int,0", "a vocabulary of 0, not 1 to"),
        ("4x3:int,5,5", "a vocabulary of 0, not 1 to"),
        ("4x3:bool,2", "is no SHAPE"),
        ("x=two.npz", "--input x=two.npz has 2 arrays; --inputs names each"),
        ("none.npy", "none.npy cannot be read: No such file"),
        ("folder.npy", "folder.npy cannot be read: Is a directory"),
        ("text.npy", "text.npy is no such file of arrays of numbers"),
        ("half.npz", "half.npz is no such file of arrays of numbers"),
        ("objects.npy", "objects.npy is no such file of arrays of numbers"),
        ("words.npy", "words.npy holds <U1 (1,), no numbers"),
        ("empty.npy", "empty.npy holds float64 (0, 3), no numbers"),
    ],
)
def test_no_input(text: str, words: str, folder: Path) -> None:
    with pytest.raises(Refused) as told:
        read_inputs([text], 0, "float32")
    assert words in str(told.value)
    assert "\n" not in str(told.value)


# ---- labels --------------------------------------------------------------------------------------


def outputs(*shape: int) -> tuple[Any, ...]:
    return (np.zeros(shape, "float32"),)


@pytest.mark.parametrize(
    ("text", "shape", "kind", "expected"),
    [
        ("3", (40, 3), "i", (40,)),
        ("3", (40, 5), "i", (40,)),
        ("3", (8, 20, 3), "i", (8, 20)),
        ("40x2", (40, 2), "f", (40, 2)),
        ("x.npy", (4, 3), "f", (4, 3)),
        ("classes.npy", (4, 3), "i", (4,)),
    ],
)
def test_labels(
    text: str, shape: tuple[int, ...], kind: str, expected: tuple[int, ...], folder: Path
) -> None:
    found = read_labels(text).of(outputs(*shape), 0, "float32")
    assert found is not None
    assert (found.dtype.kind, found.shape) == (kind, expected)
    assert kind == "f" or set(found.flat) == {0, 1, 2}
    assert kind == "i" or found.dtype == np.float32


def test_labels_are_another_draw_than_inputs(folder: Path) -> None:
    (x,) = read_inputs(["40x2"], 0, "float32")
    assert not np.array_equal(read_labels("40x2").of(outputs(40, 2), 0, "float32"), x)


def test_no_labels_at_all(folder: Path) -> None:
    assert read_labels("none").of((), 0, "float32") is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("many", "--labels 'many' is no SHAPE"),
        ("0", "--labels '0': 0 numbers"),
        ("4:int,3", "give CLASSES, as 10, or the SHAPE of targets"),
        ("two.npz", "--labels two.npz has 2 arrays; one is needed"),
        ("mask.npy", "--labels mask.npy holds bool; give classes or targets"),
        ("none.npy", "--labels none.npy cannot be read"),
    ],
)
def test_no_labels(text: str, words: str, folder: Path) -> None:
    with pytest.raises(Refused) as told:
        read_labels(text)
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("text", "shapes", "words"),
    [
        ("3", [(4, 2)], "--labels 3: the reference returns (4, 2), the classes last"),
        ("3", [()], "the reference returns (), the classes last"),
        ("3", [(4, 3), (4,)], "the reference returns 2 tensors, its loss takes one"),
        ("3", [], "the reference returns 0 tensors"),
        ("4x1", [(4,)], "targets (4, 1) for outputs (4,)"),
        ("x.npy", [(3, 4)], "targets (4, 3) for outputs (3, 4)"),
        ("classes.npy", [(5, 3)], "classes (4,) for outputs (5, 3)"),
        ("classes.npy", [(4, 2)], "classes 0 to 2 for outputs (4, 2), the classes last"),
    ],
)
def test_labels_that_do_not_fit(
    text: str, shapes: list[tuple[int, ...]], words: str, folder: Path
) -> None:
    with pytest.raises(Refused) as told:
        read_labels(text).of(tuple(np.zeros(one) for one in shapes), 0, "float32")
    assert words in str(told.value)
    assert str(told.value).endswith("; none judges the layers alone")
