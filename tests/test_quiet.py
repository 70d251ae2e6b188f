"""Whether others use the machine: seen, waited for, said."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from common.measure import quiet
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
