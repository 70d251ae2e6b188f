"""The result folder: whose it is, and what of it may be replaced."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from common.errors import Refused
from common.results.journal import JOURNAL
from common.results.place import LOCK, OF_RUN, Place, new_folder, refuse_folder
from common.results.target import refuse_target, write_target

RESULTS = json.dumps({"schema_version": 1, "plan": {}})

THEIRS = ["notes.txt", "params.txt", "my-results.json", "order.npy.bak", "worker.log", ".hidden"]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder that a run wrote, and somebody's files beside."""
    folder = tmp_path / "out"
    (folder / "source" / "numpy").mkdir(parents=True)
    (folder / "source" / "numpy" / "loss.py").write_text("old")
    for name in ("report.html", "order.npy", "params-a.safetensors", "worker-a.log", *THEIRS):
        (folder / name).write_text("old")
    (folder / "results.json").write_text(RESULTS)
    (folder / "mine").mkdir()
    return folder


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def write_new(folder: Path) -> None:
    (folder / "source").mkdir()
    (folder / "source" / "new.py").write_text("new")
    (folder / "params-b.safetensors").write_text("new")
    (folder / "results.json").write_text("{}")


def test_what_a_run_writes_is_known() -> None:
    assert len(OF_RUN) == 15


def test_the_new_replaces_the_old_and_nothing_else(old: Path) -> None:
    with Place(old, force=True) as place:
        assert contents(old)["report.html"] == "old"
        write_new(place.folder)
        place.keep(whole=True)
        assert place.folder == old
    new = {"source/new.py": "new", "params-b.safetensors": "new", "results.json": "{}"}
    assert contents(old) == {**new, **dict.fromkeys(THEIRS, "old")}
    assert (old / "mine").is_dir()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, Refused])
def test_what_fails_leaves_the_old_in_place(error: type[BaseException], old: Path) -> None:
    before = contents(old)

    def run() -> None:
        with Place(old, force=True) as place:
            (place.folder / "order.npy").write_text("new")
            raise error

    with pytest.raises(error):
        run()
    assert contents(old) == before
    assert [path.name for path in old.parent.iterdir()] == ["out"]


def test_what_an_interrupted_run_saved_is_beside_the_old(old: Path) -> None:
    before = contents(old)
    for name in ("out-interrupted", "out-interrupted-2"):
        with Place(old, force=True) as place:
            write_new(place.folder)
            place.keep(whole=False)
        assert place.folder == old.parent / name
        assert contents(place.folder)["results.json"] == "{}"
    assert contents(old) == before


@pytest.mark.parametrize("name", [JOURNAL, "state-a-0.safetensors"])
def test_what_is_kept_of_a_run_that_saved_nothing(name: str, old: Path) -> None:
    """An epoch that can be gone on from; not that it was about to begin."""
    with Place(old, force=True) as place:
        (place.folder / name).write_text("new")
        place.keep(whole=False)
    assert old.with_name("out-interrupted").exists() == name.startswith("state-")


def test_what_was_killed_and_can_be_resumed_is_beside_the_old(old: Path) -> None:
    (old / ".compare-new-x").mkdir()
    (old / ".compare-new-x" / JOURNAL).write_text("a line")
    (old / ".compare-new-y").mkdir()
    with Place(old, force=True) as place:
        write_new(place.folder)
        place.keep(whole=True)
    assert contents(old.with_name("out-interrupted")) == {JOURNAL: "a line"}
    assert [path.name for path in old.glob(".*")] == [".hidden"]


def test_old_files_are_put_back_if_the_new_cannot_be_moved(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rename = contents(old), Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "params-b.safetensors":
            raise OSError("no")
        return rename(path, target)

    def run() -> None:
        with Place(old, force=True) as place:
            write_new(place.folder)
            monkeypatch.setattr(Path, "rename", fail)
            place.keep(whole=True)

    with pytest.raises(OSError, match="no"):
        run()
    assert contents(old) == before
    assert sorted(contents(old.with_name("out-interrupted"))) == [
        "params-b.safetensors", "results.json", "source/new.py",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["source/thesis.tex", "report.html", "results.json"])
def test_force_replaces_nothing_in_a_folder_that_no_run_marked(name: str, tmp_path: Path) -> None:
    file = tmp_path / "docs" / name
    file.parent.mkdir(parents=True)
    file.write_text('{"mine": 1}')
    with pytest.raises(Refused, match="is not a run's, and --force does not replace it"):
        refuse_folder(tmp_path / "docs", force=True)
    assert file.read_text() == '{"mine": 1}'


def test_force_does_not_follow_a_link(old: Path) -> None:
    """`source` may be somebody's link to their working copy."""
    precious = old.parent / "precious"
    (old / "source").rename(precious)
    (old / "source").symlink_to(precious)
    with Place(old, force=True) as place:
        write_new(place.folder)
        place.keep(whole=True)
    assert (precious / "numpy" / "loss.py").exists()
    assert not (old / "source").is_symlink()


@pytest.mark.parametrize("force", [False, True], ids=["new", "force"])
def test_a_folder_is_one_runs_at_a_time(force: bool, old: Path) -> None:
    folder = old if force else old / "mine"
    with Place(folder, force=force):
        words = f"process {os.getpid()} on .* writes there now"
        with pytest.raises(Refused, match=words), Place(folder, force=force):
            pass
        assert (folder / LOCK).exists()
    assert not (folder / LOCK).exists()


def test_what_a_killed_run_left_can_be_replaced(tmp_path: Path) -> None:
    """It left no results.json, but its lock, which nobody holds."""
    program = (
        "import os, sys; from pathlib import Path; from common.results.place import Place\n"
        "with Place(Path(sys.argv[1]), force=False) as place:\n"
        "    (place.folder / 'order.npy').write_text('old'); os._exit(9)"
    )
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", program, out], check=False)
    assert (out / "order.npy").exists()
    with pytest.raises(Refused, match="is not empty"):
        refuse_folder(out, force=False)
    with Place(out, force=True) as place:
        write_new(place.folder)
        place.keep(whole=True)
    assert sorted(contents(out)) == ["params-b.safetensors", "results.json", "source/new.py"]


@pytest.mark.parametrize("error", [Refused, KeyboardInterrupt], ids=lambda kind: kind.__name__)
def test_what_ends_before_the_run_leaves_nothing(
    error: type[BaseException], tmp_path: Path
) -> None:
    def run() -> None:
        with Place(tmp_path / "out", force=False) as place:
            write_new(place.folder)
            raise error("too little memory")

    with pytest.raises(error):
        run()
    assert list(tmp_path.iterdir()) == []


def test_starts_in_one_second_have_folders_of_their_own(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)

    def start(_: int) -> Path:
        barrier.wait()
        return new_folder("softmax", tmp_path)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(start, range(8)))
    assert len(set(found)) == 8
    assert all(folder.is_dir() for folder in found)


# ---- --json --------------------------------------------------------------------------------


def test_json_is_written_into_a_fifo(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    refuse_target(str(fifo))
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(fifo.read_text)
        write_target(str(fifo), {"a": 1})
        assert json.loads(read.result(10)) == {"a": 1}
    assert fifo.is_fifo()


def test_json_is_written_into_a_device() -> None:
    write_target(os.devnull, {"a": 1})
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("there", [True, False], ids=["file", "nothing yet"])
def test_json_follows_a_link(there: bool, tmp_path: Path) -> None:
    file, link = tmp_path / "file.json", tmp_path / "link.json"
    if there:
        file.write_text("old")
    link.symlink_to(file)
    refuse_target(str(link))
    write_target(str(link), {"a": 1})
    assert link.is_symlink()
    assert json.loads(file.read_text()) == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "link.json"]
