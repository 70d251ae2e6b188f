"""Ctrl-C, SIGTERM and SIGHUP: once is enough, twice costs nothing, no worker stays."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from common.contract.root import ROOT
from common.running.interruption import Interruption, ending
from tests.conftest import Command, checked
from tests.fakes import RAISES, alive, children, copy_backend

#: Of which each costs a quarter of a millisecond before it begins.
EPOCHS = 5000
#: compare.py, but that it draws no page, which takes the longest.
PAGELESS = """
import sys
from unittest import mock
from common.cli.commands import main
with mock.patch("common.ask.run.draw_page"):
    sys.exit(main())
"""


def interrupted(compare: Command, backends: Sequence[object], signals: Sequence[int]) -> str:
    """Send signals, a tenth of a second apart, to a run that would take for ever; its output.

    A page is drawn where one of several may come meanwhile.
    """
    words = compare.words(
        *compare.small("--out", "out", "--epochs", EPOCHS, "--backends", *backends)
    )
    if len(signals) == 1:
        words[1:2] = ["-c", PAGELESS]
        compare.env["PYTHONPATH"] = str(ROOT)
    process = subprocess.Popen(
        words,
        cwd=compare.folder,
        env=compare.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("numpy: epoch 3/"):
                break
        workers = children(process.pid)
        assert workers, "numpy's worker must run"
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    deadline = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(alive, workers)), "a worker outlived the run"
    return out


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT] * 3, id="SIGINT-three-times"),
        pytest.param([signal.SIGHUP], id="SIGHUP", marks=pytest.mark.slow),
        pytest.param(
            [signal.SIGTERM, signal.SIGINT], id="SIGTERM-then-SIGINT", marks=pytest.mark.slow
        ),
    ],
)
def test_what_finished_is_saved(compare: Command, signals: list[int], tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "bad", accuracy=RAISES)
    bad = ["bad", "numpy", "--backend-path", tmp_path / "more"]
    out = interrupted(compare, bad, signals)
    read = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    failed, ended = read["entrants"]
    assert (failed["status"], ended["status"]) == ("failed", "interrupted")
    assert ended["reason"]
    assert 2 <= len(ended["epochs"]) < EPOCHS
    assert len(ended["step_losses"]) >= 3 * len(ended["epochs"])
    assert "Interrupted" in out
    assert not [path for path in (compare.folder / "out").iterdir() if path.name.startswith(".")]


def raise_signal(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)
    time.sleep(0)  # the handler runs between two instructions of this thread


def test_only_the_first_is_raised_and_only_where_it_is_taken() -> None:
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.taken():
            raise_signal()
        raise_signal()
        raise_signal(signal.SIGTERM)


def test_one_that_came_before_is_raised_when_it_can_be_taken() -> None:
    with Interruption() as interruption:
        raise_signal()
        with pytest.raises(KeyboardInterrupt), interruption.taken():
            pytest.fail("it was asked to end before")


def test_the_handlers_are_those_of_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Interruption():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_one_that_was_ignored_is_not_answered() -> None:
    """As under nohup, of which a process inherits that it ignores SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with interruption.taken():
                raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_every_signal_ends_what_has_no_answer_of_its_own() -> None:
    """Each time: a wait for others that goes on would not be ended by the first."""
    before = signal.getsignal(signal.SIGTERM)
    with ending():
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            with pytest.raises(KeyboardInterrupt):
                raise_signal(number)
    assert signal.getsignal(signal.SIGTERM) == before


def test_another_thread_needs_no_handlers() -> None:
    done: list[str] = []

    def work() -> None:
        with Interruption() as interruption, interruption.taken():
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]
