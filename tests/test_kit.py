"""A kit: the reference written down is as good as the reference, and says what it has not got."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.modules import remote
from common.modules.kit import rounded_up
from tests.conftest import Command
from tests.hosted import NETWORKS, Hosted, imported_from

OF_REFERENCE = ["--reference", "torch=nets.py:Small", "--input", "6x1x4x4", "--labels", "5"]
OPTIONS = ["--train", "--steps", "2", "--optimizer", "momentum", "--seed", "3"]
WRITE = ["check", *OF_REFERENCE, *OPTIONS, "--write", "kit"]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """compare.py in a folder with networks and a kit of one, workers in this process."""
    folder = tmp_path_factory.mktemp("kits")
    (folder / "nets.py").write_text(NETWORKS)
    with imported_from(folder), mock.patch.object(remote, "Worker", Hosted):
        found = Command(folder, folder / "cache", folder)
        done = found(*WRITE)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("kit of 0.")
        assert done.stdout.endswith(" MB in kit\n")
        yield found


@pytest.fixture
def kit(command: Command) -> Iterator[Path]:
    """A copy of the kit, to be spoilt."""
    copy = command.folder / "copy"
    shutil.copytree(command.folder / "kit", copy)
    yield copy
    shutil.rmtree(copy)


def found(command: Command, *words: str, code: int) -> dict[str, Any]:
    done = command("check", *words, "--json", "-")
    assert done.returncode == code, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize(("port", "code"), [("Small", 0), ("Eps", 1), ("Wrong", 1)])
def test_as_good_as_the_reference(port: str, code: int, command: Command) -> None:
    side = ["--port", f"torch=nets.py:{port}"]
    direct = found(command, *OF_REFERENCE, *OPTIONS, *side, code=code)
    before = Hosted.started
    by_kit = found(command, "--against", "kit", *side, code=code)
    assert Hosted.started == before + 1, "the port alone"
    assert by_kit["environment"]["reference"] == direct["environment"]["reference"]
    assert len(by_kit["layers"]) > (10 if port == "Small" else 1)
    for key in ("verdict", "mapping", "not_compared"):
        assert by_kit[key] == direct[key]
    said = ("name", "port_name", "call", "unit", "stage", "right")
    for one, other in zip(by_kit["layers"], direct["layers"], strict=True):
        assert [one[key] for key in said] == [other[key] for key in said]
    # The reference's own rounding differs from run to run, and with it the bounds.
    if port != "Small":
        first, right = by_kit["first"], direct["first"]
        where = ("layer", "unit", "stage", "tensor", "dtype")
        assert [first[key] for key in where] == [right[key] for key in where]
        assert first["bound"] == pytest.approx(right["bound"], rel=0.9)


def test_what_it_is_made_of(command: Command) -> None:
    """JSON and safetensors, each array once, which anybody can read."""
    folder = command.folder / "kit"
    assert sorted(path.name for path in folder.iterdir()) == ["arrays-0.safetensors", "kit.json"]
    read = json.loads((folder / "kit.json").read_text())
    assert (read["schema_version"], read["framework"], read["doubles"]) == (1, "torch", True)
    assert read["side"]["side"] == "torch=nets.py:Small"
    arrays = load_file(folder / "arrays-0.safetensors")
    bodies = {(one.dtype.str, one.shape, one.tobytes()) for one in arrays.values()}
    assert len(bodies) == len(arrays)
    assert arrays[read["inputs"][0]["__array__"]].shape == (6, 1, 4, 4)


def test_a_kit_without_labels_in_several_files(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.modules.kit.SHARD", 1000)
    words = ["check", *OF_REFERENCE[:4], "--labels", "none", "--steps", "0", "--write", "bare"]
    assert command(*words).returncode == 0
    assert len(list((command.folder / "bare").glob("arrays-*.safetensors"))) > 5
    found(command, "--against", "bare", "--port", "torch=nets.py:Small", code=0)
    found(command, "--against", "bare", "--port", "torch=nets.py:Eps", code=1)


def test_zeros_stay_zeros_and_nothing_gets_smaller() -> None:
    given = np.array([0.0, 1e-60, 1.0, 0.1])
    up = rounded_up(given)
    assert up.dtype == np.float32
    assert up[0] == 0
    assert (up[1:] > given[1:]).all()
    assert (up[2:] < given[2:] * (1 + 1e-6)).all()


# ---- refused -------------------------------------------------------------------------------------


def refused(command: Command, *words: str) -> str:
    before = sorted(command.folder.iterdir())
    done = command("check", *words)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert sorted(command.folder.iterdir()) == before
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("compare.py: "))
    return line


def test_what_it_was_not_asked(command: Command) -> None:
    """The layers of this port are others, so that the reference would be asked otherwise."""
    line = refused(command, "--against", "kit", "--port", "torch=nets.py:Inline")
    assert "kit has no answer for the wiring of 2 layers from these values" in line


def test_a_reference_that_is_random(command: Command) -> None:
    words = ["--reference", "torch=nets.py:Random", *OF_REFERENCE[2:], "--write", "random"]
    assert "gives two answers" in refused(command, *words)


def change(kit: Path, **changes: Any) -> None:
    path = kit / "kit.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def flip(kit: Path) -> None:
    path = kit / "arrays-0.safetensors"
    arrays = load_file(path)
    name = next(one for one, array in arrays.items() if array.shape == (6, 1, 4, 4))
    arrays[name] = arrays[name] + 1
    save_file(arrays, path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda kit: (kit / "kit.json").unlink(), "is no kit: kit.json: No such file"),
        (lambda kit: (kit / "kit.json").write_text("{"), "is no kit: "),
        (lambda kit: (kit / "kit.json").write_text("{}"), "is no kit: "),
        (lambda kit: change(kit, schema_version=2), "has schema_version 2; this program reads 1"),
        (lambda kit: change(kit, leaves=[1]), "is damaged: its answer to leaves, part 1,"),
        (lambda kit: change(kit, labels="x"), "is damaged: its answer to labels is 'x'"),
        (lambda kit: change(kit, answers={}), "has no answer for the whole from these values"),
        (lambda kit: (kit / "arrays-0.safetensors").unlink(), "is not there"),
        (lambda kit: (kit / "arrays-0.safetensors").write_text("x"), "is no kit: "),
        (flip, "has other bytes"),
    ],
)
def test_a_kit_that_is_none(
    spoil: Callable[[Path], Any], words: str, kit: Path, command: Command
) -> None:
    spoil(kit)
    assert words in refused(command, "--against", "copy", "--port", "torch=nets.py:Small")


AGAINST = ["--against", "kit", "--port", "torch=nets.py:Small"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (AGAINST[:2], "--port is missing"),
        (["--against", "nowhere", *AGAINST[2:]], "nowhere is no kit: kit.json: No such file"),
        ([*AGAINST, *OF_REFERENCE[:2]], "--against has a reference"),
        ([*AGAINST, "--input", "4x1"], "--against has a reference"),
        ([*AGAINST, "--labels", "5"], "--against has a reference"),
        ([*AGAINST, "--steps", "7"], "--steps 7: kit was written with 2"),
        ([*AGAINST, "--dtype", "float64"], "--dtype float64: kit was written with float32"),
        ([*WRITE[1:], "--port", "torch=nets.py:Small"], "--write is of a reference alone"),
        (["--write", "new", "--against", "kit", *AGAINST[2:]], "--write is of a reference alone"),
        (WRITE[1:], "--write kit is not an empty folder"),
        ([*WRITE[1:-1], "nets.py"], "--write nets.py is not an empty folder"),
        ([*WRITE[1:-1], "nets.py/kit"], "--write nets.py/kit cannot be written: "),
        (["--write", "new", "--reference", "torch=nets.py:Small"], "--input is missing"),
    ],
)
def test_what_does_not_go_together(words: list[str], said: str, command: Command) -> None:
    assert said in refused(command, *words)
