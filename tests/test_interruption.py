"""Ctrl-C, SIGTERM and SIGHUP: once is enough, twice costs nothing, no worker stays."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence

import pytest

from common.running.interruption import Interruption
from tests.conftest import Command, checked

HANGUP = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh"]


def interrupted(compare: Command, signals: Sequence[int], before: Sequence[str] = ()) -> str:
    """Send signals, a tenth of a second apart, to a run that would take for ever; its output."""
    arguments = ["--out", "out", "--epochs", 20000, "--backends", "numpy"]
    command = [*before, *compare.words(*compare.small(*arguments))]
    process = subprocess.Popen(
        command,
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
        for number in signals:
            process.send_signal(number)
            time.sleep(0.1)
        out, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    return out


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT] * 3, id="SIGINT-three-times"),
        pytest.param([signal.SIGTERM], id="SIGTERM"),
        pytest.param([signal.SIGHUP], id="SIGHUP", marks=pytest.mark.slow),
        pytest.param(
            [signal.SIGTERM, signal.SIGINT], id="SIGTERM-then-SIGINT", marks=pytest.mark.slow
        ),
    ],
)
def test_what_finished_is_saved(compare: Command, signals: list[int]) -> None:
    out = interrupted(compare, signals)
    read = checked((compare.folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert [entrant["status"] for entrant in read["entrants"]] == ["interrupted"]
    assert len(read["entrants"][0]["epochs"]) >= 2
    assert "Interrupted" in out
    assert not [path for path in (compare.folder / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.slow
def test_a_signal_that_was_ignored_stays_so(compare: Command) -> None:
    """As under nohup: SIGHUP does nothing, the SIGINT after it ends the run."""
    interrupted(compare, [signal.SIGHUP, signal.SIGINT], HANGUP)


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


def test_another_thread_needs_no_handlers() -> None:
    done: list[str] = []

    def work() -> None:
        with Interruption() as interruption, interruption.taken():
            done.append("worked")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["worked"]
