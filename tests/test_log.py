"""Logs of workers are bounded: both ends are kept, and who writes goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.entrants.log import EACH, OFTEN, cut
from tests.conftest import Command
from tests.fakes import copy_backend

#: Prints 24 MB in its first epoch, and goes on.
FLOOD = """
_right = epoch

def epoch(*arguments):
    run = _right(*arguments)
    def loud(params, state, order):
        for line in range(400_000):
            print(f"{line:059}")
        print("the last words", flush=True)
        return run(params, state, order)
    loud.steps_per_call = run.steps_per_call
    return loud
"""


def test_what_is_short_stays(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"x" * (OFTEN * 2 * 10))
    cut(log, 10)
    assert log.read_bytes() == b"x" * 40
    cut(tmp_path / "none")


def test_both_ends_are_kept_however_often_it_is_cut(tmp_path: Path) -> None:
    log, whole = tmp_path / "log", b""
    for part in range(50):
        more = b"".join(b"%05d," % number for number in range(100 * part, 100 * (part + 1)))
        whole += more
        with log.open("ab") as file:
            file.write(more)
        cut(log, 120)
    found = log.read_bytes()
    assert found == whole[:120] + found[120:-120] + whole[-120:]
    assert found[120:-120] == b"\n... %d bytes were left out ...\n" % (len(whole) - 240)


def test_who_writes_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log"
    code = "import sys\nfor line in sys.stdin:\n    print(line * 1000, end='', flush=True)"
    with log.open("ab") as file:
        writer = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=file, text=True
        )
    assert writer.stdin is not None
    for number in range(20):
        writer.stdin.write(f"{number:03}\n")
        writer.stdin.flush()
        cut(log, 100)
    writer.communicate()
    cut(log, 100)
    found = log.read_bytes()
    assert found.startswith(b"000\n")
    assert found.endswith(b"019\n")
    assert b"\0" not in found
    assert len(found) < 300


@pytest.mark.slow
def test_a_flood_is_bounded(tmp_path: Path, compare: Command) -> None:
    copy_backend(tmp_path, "flood", train=FLOOD)
    compare.run("--backends", "flood", "--backend-path", tmp_path, "--epochs", "1", "--no-band")
    log = compare.folder / "out" / "worker-flood.log"
    found = log.read_bytes()
    assert len(found) <= OFTEN * 2 * EACH
    assert found.startswith(b"0" * 59 + b"\n")
    assert b"the last words\n" in found[-EACH:]
    assert b" bytes were left out ...\n" in found
