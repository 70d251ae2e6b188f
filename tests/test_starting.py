"""What starting takes is timed alone where that is asked, and said where it was not."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from common.entrants.session import Opened, WarmedUp
from common.results.record import Results
from common.running.runner import Runner
from tests.conftest import Command
from tests.fakes import FakeSession
from tests.test_report import Watcher, as_read, printed, records_of, small_plan, work_of

SAID = "were timed while 2 entrants started at a time; --start-alone times each by itself"


class Starting(FakeSession):
    """It counts how many start while it does."""

    lock, now, most = threading.Lock(), 0, 0

    def _open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        with self.lock:
            Starting.now += 1
            Starting.most = max(Starting.most, Starting.now)
        time.sleep(0.2)
        return super()._open(plan, choices, data)

    def _warm_up(self, order: Any) -> WarmedUp:
        with self.lock:
            Starting.now -= 1
        return super()._warm_up(order)


def started(labels: str, starting: int) -> tuple[Results, list[int]]:
    """What came out, and how many had started when something else was done meanwhile."""
    Starting.now = Starting.most = 0
    plan, sessions, beside = small_plan(), {label: Starting() for label in labels}, []
    runner = Runner(
        work_of(plan),
        records_of(list(sessions), plan),
        lambda record: sessions[record.entrant.label],
        Watcher(),
        band=False,
        starting=starting,
        meanwhile=lambda: beside.append(sum(bool(one.calls) for one in sessions.values())),
    )
    return runner.run(), beside


@pytest.mark.parametrize("labels", ["abc", "a"])
def test_one_after_the_other(labels: str) -> None:
    results, beside = started(labels, 1 if len(labels) > 1 else 2)
    assert Starting.most == 1
    assert beside == [0], "nothing else is done while somebody starts"
    assert as_read(results)["environment"]["starting"] == 1
    assert "at a time" not in printed(results)


def test_several_at_a_time_are_said() -> None:
    results, _ = started("abc", 2)
    assert Starting.most == 2
    assert as_read(results)["environment"]["starting"] == 2
    assert SAID in printed(results)


def test_who_cannot_start_is_not_counted() -> None:
    plan, session = small_plan(), Starting()
    records = records_of(["a", "b"], plan)
    records[1].status, records[1].reason = "unavailable", "not installed"
    runner = Runner(
        work_of(plan), records, lambda record: session, Watcher(), band=False, starting=2
    )
    assert as_read(runner.run())["environment"]["starting"] == 1


@pytest.mark.slow
def test_asked_on_the_command_line(compare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.ask.run.available_cores", lambda: 2)
    compare.page = True
    for words, alone in (((), False), (("--start-alone",), True)):
        read = compare.run("--backends", "numpy", "numpy:scratch", "--force", *words)
        assert (read["environment"]["starting"] == 1) is alone
        page = (compare.folder / "out" / "report.html").read_text(encoding="utf-8")
        assert (SAID in page) is not alone
        assert ("--start-alone" in page.partition("compare.py")[2].partition("</")[0]) is alone
