"""Whether others use the machine: seen, waited for, said."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.contract.root import ROOT
from common.measure import quiet
from common.measure.alone import alone
from common.measure.machine import usable_cores
from common.measure.quiet import busy_now, busy_while, many, moved, wait
from tests.conftest import Command

BURN = "while True: pass"


@pytest.fixture
def burners() -> Iterator[None]:
    """Somebody else on every core."""
    started = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in usable_cores()]
    time.sleep(0.2)
    yield
    for process in started:
        process.kill()
        process.wait()


def test_rates() -> None:
    assert not moved(1e10, 1.09e10)
    assert moved(1e10, 1.11e10)
    assert moved(1e10, 0.89e10)
    assert not moved(None, 1e10)
    assert not moved(1e10, None)


def test_many() -> None:
    assert not many([])
    assert not many([True, False, False])
    assert many([True, False])


@pytest.mark.slow
@pytest.mark.usefixtures("burners")
def test_somebody_else_is_seen() -> None:
    assert busy_now(usable_cores())
    assert not wait(usable_cores(), 0.0)


@pytest.mark.slow
def test_what_it_started_itself_is_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine worked is what this process and the one that ended did."""
    code = "import time\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    seen: list[float] = []

    def disturbed(before: Any, after: Any, worked: float) -> bool:
        seen.append(worked)
        return False

    monkeypatch.setattr(quiet, "disturbed", disturbed)
    busy_while(lambda: subprocess.run([sys.executable, "-c", code], check=True), usable_cores())
    assert 0.5 <= seen[0] < 5


def test_waiting_ends_when_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([True, True, False])
    monkeypatch.setattr(quiet, "busy_now", lambda cores: next(looks))
    assert wait([0], 60.0)
    assert list(looks) == []


@pytest.mark.slow
@pytest.mark.usefixtures("burners")
def test_a_run_says_it_and_waits_no_longer_than_asked(compare: Command) -> None:
    found = compare(
        *compare.small("--backends", "numpy", "--wait-quiet", "1", "--out", "out", "--model", "mlp")
    )
    assert found.returncode == 0
    assert "waiting for a quiet machine" in found.stderr
    assert "others still use the machine after 1 s" in found.stderr


#: Takes the machine as a run does, says so, and keeps it for a while.
OTHER = """
import sys, time
from common.measure.alone import alone
with alone(0.0, print):
    print("at work", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture
def other() -> Iterator[Callable[[float], subprocess.Popen[str]]]:
    """Start another run of the same user's, which has the machine for some seconds."""
    started = []

    def start(seconds: float) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", OTHER, str(seconds)]
        process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_run_beside_another_is_marked(
    other: Callable[[float], subprocess.Popen[str]], compare: Command
) -> None:
    process = other(60.0)
    found = compare.run("--backends", "numpy", "numpy")
    beside = f"another run on this machine (process {process.pid}, since "
    assert found["environment"]["busy"] is True
    assert found["environment"]["beside"].startswith(beside)
    assert found["comparisons"][0]["verdict"] == quiet.BUSY

    done = compare("report", "out")
    assert done.returncode == 0
    page = (compare.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert beside.replace("another", "Another") in page

    done = compare(*compare.small("--backends", "numpy", "--out", "2", "--check", "none"))
    assert done.stderr.startswith(beside)
    assert "--wait-quiet SECONDS waits for it" in done.stderr.splitlines()[0]


@pytest.mark.slow
def test_inference_beside_another_run_is_marked(
    other: Callable[[float], subprocess.Popen[str]], compare: Command
) -> None:
    other(60.0)
    data = ["--data-dir", compare.data, "--custom-data", "--batch-size", "1", "--seconds", "0.1"]
    done = compare("infer", "--backends", "numpy", "numpy", *data, "--json", "-")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["environment"]["beside"].startswith("another run on this machine")
    assert found["comparisons"][0]["verdict"] == quiet.BUSY


def test_a_lock_ends_with_its_process(other: Callable[[float], subprocess.Popen[str]]) -> None:
    process, said = other(60.0), []
    with alone(0.1, said.append) as found:
        assert found.beside
        assert found.left == 0.0
    assert [words.partition(" ")[0] for words in said] == ["waiting", "another"]
    process.kill()  # SIGKILL: nothing of its own lets go
    process.wait()
    with alone(0.0, said.append) as found:
        assert found.beside is None
    assert len(said) == 2


def test_waiting_ends_with_the_other_run(other: Callable[[float], subprocess.Popen[str]]) -> None:
    other(0.3)
    said: list[str] = []
    with alone(60.0, said.append) as found:
        assert found.beside is None
        assert 0 < found.left < 60
    assert len(said) == 1


def test_a_file_that_cannot_be_had_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPARE_LOCK_DIR", str(tmp_path / "nowhere" / "at all"))
    with alone(0.0, pytest.fail) as found:
        assert found.beside is None
