"""`--resume`: a run that was killed, interrupted or failed in part is finished, bit for bit."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.ask import resume
from common.contract.entrant import Entrant
from common.contract.registry import find
from common.errors import Refused
from common.results.journal import JOURNAL, Asked, ChosenLine, Journal, begin_round, read_journal
from common.results.record import Record
from common.running.starting import new_records
from tests.conftest import BACKENDS, Command, checked, make_plan
from tests.fakes import copy_backend

#: A run long enough to be killed in, and quick.
LONG = ("--epochs", 150, "--check", "quick", "--no-progress", "--optimizer", "adam")

#: Fails in its third epoch as long as there is a fault.
FAULTY = """
from pathlib import Path

_right = epoch
_epochs = [0]

def epoch(*arguments):
    run = _right(*arguments)
    def counted(params, state, order):
        _epochs[0] += len(order) > 64
        if _epochs[0] > 2 and Path({fault!r}).exists():
            raise RuntimeError("a fault")
        return run(params, state, order)
    counted.steps_per_call = run.steps_per_call
    return counted
"""


def results_of(folder: Path) -> dict[str, Any]:
    return checked((folder / "results.json").read_text(encoding="utf-8"))


def told(found: dict[str, Any]) -> dict[str, Any]:
    """What does not hang on the clock: losses, rows, verdicts' words."""
    rows = {
        one["label"]: [
            {k: v for k, v in row.items() if "seconds" not in k} for row in one["epochs"]
        ]
        for one in found["entrants"]
    }
    losses = {one["label"]: one["step_losses"] for one in found["entrants"]}
    prints = {one["label"]: one["batches_sha256"] for one in found["entrants"]}
    return {"rows": rows, "losses": losses, "batches": prints, "plan": found["plan"]}


def killed(compare: Command, lines: int, *words: object, by: int = signal.SIGKILL) -> int:
    """Run until the journal has so many lines, then end it; how many it has in the end."""
    arguments = compare.words(*compare.small("--out", "out", *words))
    return ended_at(arguments, compare, compare.folder / "out" / JOURNAL, lines, by)


def ended_at(
    words: list[str], compare: Command, journal: Path, lines: int, by: int = signal.SIGKILL
) -> int:
    """End what writes a journal when that has so many lines; how many it has in the end."""
    running = subprocess.Popen(
        words, cwd=compare.folder, env=compare.env,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        for _ in range(6000):
            if running.poll() is not None:
                raise AssertionError(f"it ended by itself: {running.stderr.read()!r}")  # type: ignore[union-attr]
            if journal.is_file() and journal.read_bytes().count(b"\n") >= lines:
                break
            time.sleep(0.005)
        running.send_signal(by)
        running.communicate(timeout=60)
    finally:
        running.kill()
    return journal.read_bytes().count(b"\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lines", "words"),
    [
        pytest.param(1, (), id="before-the-first-epoch"),
        pytest.param(40, ("--schedule", "cosine"), id="in-the-first-round"),
        pytest.param(350, ("--rounds", 2), id="in-the-second-round", marks=pytest.mark.slow),
    ],
)
def test_killed_and_taken_up_is_as_undisturbed(
    lines: int, words: tuple[object, ...], compare: Command
) -> None:
    asked = ("--backends", "numpy", "numpy:scratch", *LONG, *words)
    had = killed(compare, lines, *asked)
    done = compare("--resume", "out")
    assert done.returncode == 0, done.stderr
    assert "finishes what is missing" not in done.stdout
    found, folder = results_of(compare.folder / "out"), compare.folder / "out"
    assert not list(folder.glob("state-*")) + list(folder.glob(JOURNAL)), "it is whole"
    assert compare(*compare.small("--out", "whole", *asked)).returncode == 0
    right = results_of(compare.folder / "whole")
    assert told(found) == told(right)
    for name in ("params-numpy.safetensors", "initial.safetensors", "order.npy"):
        assert (folder / name).read_bytes() == (compare.folder / "whole" / name).read_bytes()
    resumed = [len(one["resumed_epochs"]) for one in found["entrants"]]
    epochs = 150 * found["plan"]["rounds"] * 2
    if had > 1:
        assert sum(resumed) == epochs - (had - 1), "trained once is not trained again"
        assert "taken up after" in str(found["entrants"][0]["notes"])
        for one in found["entrants"]:
            of_round = [0] * found["plan"]["rounds"]
            for number in one["resumed_epochs"]:
                of_round[(number - 1) // 150] += 1
            apart = sum(min(count, 150 - count) for count in of_round)
            assert len(one["timing"]["epoch_seconds"]["all"]) == epochs // 2 - apart - 1
    else:
        assert sum(resumed) == 0


@pytest.mark.slow
def test_interrupted_says_how_it_is_finished(compare: Command) -> None:
    killed(compare, 30, "--backends", "numpy", *LONG, by=signal.SIGINT)
    found = results_of(compare.folder / "out")
    assert found["interrupted"]
    assert found["entrants"][0]["status"] == "interrupted"
    done = compare("--resume", "out")
    assert done.returncode == 0, done.stderr
    found = results_of(compare.folder / "out")
    assert (found["interrupted"], found["entrants"][0]["status"]) == (False, "ok")
    assert len(found["entrants"][0]["epochs"]) == 150


@pytest.mark.slow
def test_who_failed_is_finished_once_the_fault_is_gone(compare: Command) -> None:
    fault = compare.folder / "fault"
    fault.touch()
    copy_backend(compare.folder / "mine", "faulty", train=FAULTY.format(fault=str(fault)))
    words = ("--backends", "numpy", "faulty", "--backend-path", "mine", "--epochs", "9")
    done = compare(*compare.small("--out", "out", *words))
    assert done.returncode == 3
    assert "compare.py --resume out finishes what is missing" in done.stdout
    failed = results_of(compare.folder / "out")["entrants"][1]
    assert (failed["status"], "a fault" in failed["reason"]) == ("failed", True)
    before = len(failed["epochs"])
    assert 0 < before < 9
    again = compare("--resume", "out")
    assert again.returncode == 3, "the fault is still there"
    fault.unlink()
    done = compare("--resume", "out")
    assert done.returncode == 0, done.stderr
    found = results_of(compare.folder / "out")
    assert [one["status"] for one in found["entrants"]] == ["ok", "ok"]
    assert found["entrants"][0]["step_losses"] == found["entrants"][1]["step_losses"]
    assert found["entrants"][0]["resumed_epochs"] == []
    assert found["entrants"][1]["resumed_epochs"] == list(range(before + 1, 10))
    assert compare("--resume", "out").stderr.count("it is whole") == 1


@pytest.fixture
def stopped(compare: Command) -> Command:
    """A run that did not end."""
    killed(compare, 30, "--backends", "numpy", *LONG)
    return compare


def first_line(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a journal says was asked."""
    first, *rest = (folder / JOURNAL).read_text(encoding="utf-8").splitlines(keepends=True)
    asked = json.loads(first)
    change(asked)
    text = json.dumps(asked) + "\n" + "".join(rest)
    (folder / JOURNAL).write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_what_changed_is_named(stopped: Command) -> None:
    folder = stopped.folder / "out"
    before = (folder / JOURNAL).read_bytes()
    for part, name, words in (
        ("plan", "lr", "plan: lr changed since it began, from 7 to"),
        ("data", "order_sha256", "data: order_sha256 changed"),
        ("code", "numpy", "code: numpy changed"),
        ("code", "compare.py and common", "code: compare.py and common changed"),
        ("versions", "numpy", "versions: numpy changed since it began, from 7 to"),
        ("machine", "cpu", "machine: cpu changed"),
    ):

        def change(asked: dict[str, Any], part: str = part, name: str = name) -> None:
            asked["same"][part][name] = 7

        first_line(folder, change)
        done = stopped("--resume", "out")
        assert done.returncode == 2
        assert words in done.stderr
        assert "begin anew" in done.stderr
        (folder / JOURNAL).write_bytes(before)
    assert stopped("--resume", "out").returncode == 0, "nothing of it was touched"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        pytest.param(lambda f: shutil.rmtree(f), "no run began there", id="no-folder"),
        pytest.param(lambda f: (f / JOURNAL).unlink(), "no run began there", id="no-journal"),
        pytest.param(lambda f: (f / JOURNAL).write_text("x\n"), "is no journal", id="not-json"),
        pytest.param(lambda f: (f / JOURNAL).write_text(""), "is no journal", id="empty"),
        pytest.param(
            lambda f: [p.write_bytes(b"x") for p in f.glob("state-*")], "cannot be read", id="state"
        ),
        pytest.param(
            lambda f: [p.unlink() for p in f.glob("state-*")], "cannot be read", id="no-state"
        ),
        pytest.param(
            lambda f: first_line(f, lambda a: a["settings"].update(lr="x")),
            "cannot be taken up",
            id="asked",
        ),
    ],
)
def test_what_cannot_be_taken_up(
    harm: Callable[[Path], object], said: str, stopped: Command
) -> None:
    harm(stopped.folder / "out")
    done = stopped("--resume", "out")
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--epochs", "3"), "epochs"),
        (("--out", "other"), "out"),
        (("--force",), "force"),
        (("--seed", "0"), "seed"),  # what is asked by default
    ],
)
def test_nothing_else_is_asked(words: tuple[str, ...], option: str, stopped: Command) -> None:
    done = stopped("--resume", "out", *words)
    assert done.returncode == 2
    assert f"--{option} does not go with it" in done.stderr


@pytest.mark.slow
def test_what_another_process_went_on_with_is_not_cut(
    stopped: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It held the folder while this one read the journal."""
    path = stopped.folder / "out" / JOURNAL
    right = resume.read_journal

    def read(folder: Path) -> Any:
        kept = right(folder)
        path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
        return kept

    monkeypatch.setattr(resume, "read_journal", read)
    lines = path.read_bytes().count(b"\n")
    done = stopped("--resume", "out")
    assert (done.returncode, "went on with it meanwhile" in done.stderr) == (2, True)
    assert path.read_bytes().count(b"\n") == lines + 1


@pytest.mark.slow
def test_a_line_cut_short_is_trained_again(stopped: Command) -> None:
    path = stopped.folder / "out" / JOURNAL
    path.write_bytes(path.read_bytes()[:-40])
    # What a run is asked by default, and this one was not.
    assert stopped("--resume", "out", "--check", "full").returncode == 0
    found = results_of(stopped.folder / "out")
    assert len(found["entrants"][0]["epochs"]) == 150
    assert found["options"]["check"] == "full"


def test_states_take_turns(tmp_path: Path) -> None:
    """The one that the last line names is never written to."""
    plan = make_plan(epochs=3, rounds=3)
    record = new_records([_entrant()], BACKENDS, plan, {})[0]
    names: list[str] = []
    with Journal(tmp_path) as journal:
        journal.begin(Asked(settings={}, same={}))
        for round_, epoch in itertools.product(range(3), range(3)):
            if epoch == 0:
                begin_round(record)
            _add(record, round_)
            params = {"w": np.full(2, 10 * round_ + epoch, np.float32)}
            state = {"step": np.array(epoch, np.int32)}
            journal.keep(record, round_, params, state, last=epoch == 2)
            lines = read_journal(tmp_path).epochs["numpy"]
            assert lines[-1].state not in names[-1:]
            names.append(lines[-1].state)
    assert names[2] == "state-numpy-first.safetensors"
    assert names.count(names[2]) == 1
    fresh = new_records([_entrant()], BACKENDS, plan, {})[0]
    with Journal(tmp_path, read_journal(tmp_path)) as later:
        later.restore(fresh, "float32")
        kept = later.state(fresh)
    assert (later.process, fresh.rounds) == (1, [[1.0] * 3] * 3)
    assert fresh.params is not None
    np.testing.assert_array_equal(fresh.params["w"], 2.0)
    assert kept is not None
    np.testing.assert_array_equal(kept[0]["w"], 22.0)
    assert (kept[1]["step"].dtype, int(kept[1]["step"])) == (np.int32, 2)


def _entrant() -> Entrant:
    return Entrant("numpy", "numpy", "numpy", "scratch", "eager", "memory")


def _add(record: Record, round_: int) -> None:
    losses = np.ones(2, np.float32)
    if round_ == 0:
        record.losses.append(losses)
        record.epochs.append({"epoch": 1})
    else:
        record.later[-1].append(losses)
    record.rounds[round_].append(1.0)
    record.disturbed[round_].append(False)
    record.cpu_seconds[round_].append(None)
    record.processes[round_].append(0)


@pytest.mark.slow
def test_a_full_disk_ends_no_run(compare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("common.results.journal.write_arrays", full)
    done = compare(*compare.small("--backends", "numpy", "--out", "out"))
    assert done.returncode == 0
    said = "this run could not be resumed: OSError: [Errno 28] No space left"
    assert done.stderr.count(said) == 1, "nothing is kept behind what was lost"


def test_a_line_that_the_disk_does_not_take_is_lost_once(tmp_path: Path) -> None:
    """And not written again when the journal is closed, where nobody expects an error."""
    asked = Asked(settings={}, same={})
    with Journal(tmp_path) as journal, Path("/dev/full").open("ab", buffering=0) as full:
        whole, journal._file = journal._file, full
        with pytest.raises(OSError, match="No space left"):
            journal.begin(asked)
        journal._file = whole
        journal.begin(asked)
    assert read_journal(tmp_path).asked == asked


def test_nothing_is_written_behind_half_a_line(tmp_path: Path) -> None:
    asked, chosen = Asked(settings={}, same={}), ChosenLine(label="a", mode="jit", words="quick")
    with Journal(tmp_path) as journal, Path("/dev/full").open("ab", buffering=0) as full:
        journal.begin(asked)
        whole, journal._file = journal._file, full
        with pytest.raises(OSError, match="No space left"):
            journal.choose(chosen)
        journal._file = whole
        journal.choose(chosen)
    assert read_journal(tmp_path).chosen == {}


def test_all_code_of_a_backend_counts(tmp_path: Path) -> None:
    """What trains on several devices, and a helper that nothing else knows of."""
    folder = copy_backend(tmp_path, "own", source="torch")
    request: Any = SimpleNamespace(backends=lambda: {"own": SimpleNamespace(folder=folder)})
    before = resume.code_of(request)
    for path in (folder / "parallel.py", folder / "helper.py"):
        with path.open("a", encoding="utf-8") as file:
            file.write("# another line\n")
        after = resume.code_of(request)
        assert after["own"] != before["own"]
        before = after


def test_versions_of_another_interpreter_count(tmp_path: Path) -> None:
    folder = copy_backend(tmp_path, "own")
    own = find(folder.parent)["own"]
    request: Any = SimpleNamespace(
        backends=lambda: {"own": own, "numpy": BACKENDS["numpy"]}, pythons={"own": sys.executable}
    )
    assert resume.versions_of(request) == {
        "own's numpy": np.__version__,
        "numpy": np.__version__,
    }


def test_who_was_beside_another_run_stays_so(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.begin(Asked(settings={}, same={}))
        assert read_journal(tmp_path).beside is None
        journal.beside("another run on this machine")
    assert read_journal(tmp_path).beside == "another run on this machine"


def test_what_was_to_replace_a_run_and_was_killed_is_found(tmp_path: Path) -> None:
    left = tmp_path / ".compare-new-x"
    left.mkdir()
    (left / JOURNAL).write_text("")
    (tmp_path / "results.json").write_text("{}")
    with pytest.raises(Refused, match=r"it is whole; .*compare-new-x has what a run left"):
        read_journal(tmp_path)
