"""The one way to judge: rounds against the first, errors of our own, saving in attempts."""

from __future__ import annotations

import errno
import math
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from msgspec import convert, to_builtins

from common.agreement.verdict import Verdict
from common.contract.arrays import Array, Arrays
from common.contract.entrant import Entrant
from common.contract.models import MODELS
from common.contract.registry import Backend
from common.data.description import Dataset
from common.entrants.local import LocalSession
from common.errors import Failed
from common.results.document import Document
from common.results.record import Results
from common.running import saving
from common.running.interruption import Interruption
from common.running.judging import Candidate, FreeRun, Judging
from common.running.runner import Runner
from common.running.starting import new_records
from common.running.work import Orders, Work, draw_work, write_work
from common.shown.progress import Silent
from tests.conftest import BACKENDS, make_plan
from tests.fakes import Repeating


def run(
    sessions: Mapping[str, LocalSession], small: Dataset, rounds: int = 1, **more: Any
) -> Results:
    """Run sessions of this process by label, judged by the real referee."""
    plan = make_plan(rounds=rounds, **more.pop("plan", {}))
    entrants = [Entrant(n, n, "numpy", "scratch", "eager", "memory") for n in sessions]
    records = new_records(entrants, BACKENDS, plan, {})
    connect = more.pop("connect", lambda record: sessions[record.entrant.label])
    observer = more.pop("observer", Silent())
    more = {"within": math.inf, **more} if more.get("check", "full") == "full" else more
    return Runner(draw_work(plan, small), records, connect, observer, **more).run()


class Forgetful(LocalSession):
    """Is right in the first round, and does not set everything back for the second."""

    loads = 0

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        self.loads += 1
        if self.loads == 2:  # after the one that follows the warm-up
            params = {name: array * np.float32(1.01) for name, array in params.items()}
        super().load(params, state)


class Moody(LocalSession):
    """Makes a step too few in the second round."""

    epochs = 0

    def train(self, order: Array) -> Any:
        self.epochs += 1
        return super().train(order[:32] if self.epochs == 4 else order)


@pytest.mark.parametrize("band", [True, False], ids=["band", "no-band"])
def test_a_later_round_is_held_against_the_first(small: Dataset, band: bool) -> None:
    results = run({"right": LocalSession("numpy"), "off": Forgetful("numpy")}, small, 2, band=band)
    assert results.verdicts["right"].verdict == "rounding"
    off = results.verdicts["off"]
    if not band:
        assert off.verdict == "not checked"
        assert "a later round ends elsewhere" in str(off.reason)
        return
    assert off.verdict == "differs"
    assert off.first_difference is not None
    assert (off.first_difference.step, off.first_difference.unit) == (1, "round 2")
    assert results.exit_code() == 1


def test_a_round_that_is_cut_short_differs(small: Dataset) -> None:
    verdict = run({"moody": Moody("numpy")}, small, 2).verdicts["moody"]
    assert verdict.verdict == "differs"
    assert verdict.first_difference is not None
    assert verdict.first_difference.unit == "round 2"


def test_a_step_too_many_or_too_few_is_a_verdict(small: Dataset) -> None:
    """In every epoch, from the first on; its mean losses are over the steps that it made."""

    class Short(LocalSession):
        def train(self, order: Array) -> Any:
            return super().train(order[:64])

    results = run({"more": Repeating(2), "less": Short("numpy")}, small, band=False)
    assert results.error is None
    assert [record.status for record in results.records] == ["ok", "ok"]
    found = {label: verdict.first_difference for label, verdict in results.verdicts.items()}
    assert {label: first.step for label, first in found.items() if first} == {"more": 2, "less": 3}
    for record in results.records:
        assert record.epochs[0]["train_loss"] == pytest.approx(record.losses[0].mean(), rel=0.2)


def ours(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("ours")


def interrupt(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "slips",
    [
        pytest.param({"common.running.runner.Runner._settle": ours}, id="between-entrants"),
        pytest.param({"common.running.judging.judge": ours}, id="of-one-entrant"),
        pytest.param({"common.running.runner.mark_identical": ours}, id="in-the-conclusion"),
        pytest.param(
            {
                "common.running.runner.Runner._time_components": interrupt,
                "common.running.runner.mark_identical": ours,
            },
            id="after-an-interrupt",
        ),
    ],
)
def test_an_error_of_our_own_is_nobody_elses(
    slips: dict[str, Any], small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was trained is kept, nobody is called failed, and the error is told."""
    for name, slip in slips.items():
        monkeypatch.setattr(name, slip)
    results = run({"right": LocalSession("numpy")}, small)
    assert isinstance(results.error, ZeroDivisionError)
    assert [record.status for record in results.records] == ["ok"]
    assert results.records[0].params is not None


def test_who_was_not_checked_for_an_error_of_our_own_says_so(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.running.judging.judge", ours)
    verdict = run({"right": LocalSession("numpy")}, small).verdicts["right"]
    assert verdict.verdict == "not checked"
    assert "an error of this project's own" in str(verdict.reason)


def test_an_entrants_error_is_its_own(small: Dataset) -> None:
    class Failing(LocalSession):
        def gradient(self, *_: Any, **__: Any) -> Any:
            raise Failed("it cannot")

    results = run({"bad": Failing("numpy"), "right": LocalSession("numpy")}, small)
    assert results.error is None
    assert [record.status for record in results.records] == ["failed", "ok"]
    assert results.records[0].reason == "it cannot"


def test_every_session_is_closed_whatever_one_of_them_does(small: Dataset) -> None:
    closed: list[str] = []

    class Closing(LocalSession):
        def close(self, *, at_once: bool = False) -> None:
            closed.append("closed")
            raise OSError("it will not")

    results = run({"a": Closing("numpy"), "b": Closing("numpy")}, small)
    assert closed == ["closed", "closed"]
    assert isinstance(results.error, OSError)
    assert [results.verdicts[name].verdict for name in "ab"] == ["rounding", "identical"]


def test_no_signal_keeps_a_session_open(small: Dataset) -> None:
    """An interrupt is late by then: what was found is kept, and the others are closed."""
    closed: list[str] = []

    class Closing(LocalSession):
        def close(self, *, at_once: bool = False) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)  # the handler runs between two instructions of this thread
            closed.append("closed")

    with Interruption() as interruption:
        sessions = {"a": Closing("numpy"), "b": Closing("numpy")}
        results = run(sessions, small, interruption=interruption)
    assert closed == ["closed", "closed"]
    assert results.error is None
    assert [results.verdicts[name].verdict for name in "ab"] == ["rounding", "identical"]


def test_who_ends_at_no_number_has_diverged_and_nobody_else(small: Dataset) -> None:
    class Endless(LocalSession):
        def params(self) -> Arrays:
            return {name: array * np.float32(math.inf) for name, array in super().params().items()}

    results = run({"bad": Endless("numpy"), "right": LocalSession("numpy")}, small, band=False)
    assert [record.status for record in results.records] == ["diverged", "ok"]
    assert "is not finite in the end" in str(results.records[0].reason)


def test_who_counts_wrongly_has_no_accuracy_and_spoils_no_file(small: Dataset) -> None:
    class Generous(LocalSession):
        def train(self, order: Array) -> Any:
            trained = super().train(order)
            return replace(trained, counts=trained.counts + 100)

    results = run({"bad": Generous("numpy"), "right": LocalSession("numpy")}, small, band=False)
    found = [record.epochs[-1]["train_accuracy"] for record in results.records]
    assert found[0] is None
    assert found[1] is not None
    convert(to_builtins(results.document()), Document)


def test_times_of_components_decide_nothing(small: Dataset) -> None:
    """An entrant that was verified stays so, with a note."""

    class Hasty(LocalSession):
        def component_seconds(self, index: Array) -> dict[str, float]:
            raise Failed("no clock")

    results = run({"a": Hasty("numpy")}, small)
    assert results.verdicts["a"].verdict == "rounding"
    assert "its components were not timed: no clock" in results.records[0].notes


# ---- drawn first, written then --------------------------------------------------------------


def test_orders_are_drawn_when_they_are_asked_for() -> None:
    plan = make_plan(epochs=5)
    orders = Orders(plan, 70)
    assert len(orders) == 5
    assert [order.tolist() for order in orders] == [orders[n].tolist() for n in range(5)]
    assert sorted(orders[-1].tolist()) == list(range(70))
    assert [order.tolist() for order in orders[1:3]] == [orders[1].tolist(), orders[2].tolist()]
    with pytest.raises(IndexError):
        orders[5]


def test_what_is_written_is_what_was_drawn(small: Dataset, tmp_path: Path) -> None:
    work = draw_work(make_plan(), small)
    assert list(tmp_path.iterdir()) == []
    write_work(work, tmp_path)
    written = np.load(tmp_path / "order.npy")
    assert written.dtype == np.int32
    assert [row.tolist() for row in written] == [order.tolist() for order in work.orders]


# ---- saving ---------------------------------------------------------------------------------


@pytest.fixture
def finished(small: Dataset) -> tuple[Results, Work]:
    plan = make_plan()
    work = draw_work(plan, small)
    entrants = [Entrant("a", "a", "numpy", "scratch", "eager", "memory")]
    records = new_records(entrants, BACKENDS, plan, {})
    session = LocalSession("numpy")
    return Runner(work, records, lambda record: session, Silent(), band=False).run(), work


def saved(finished: tuple[Results, Work], folder: Path, small: Dataset, draw: Any) -> list[str]:
    results, work = finished
    return saving.save(results, work, folder, small, draw)[-1]


LOST = ["write_arrays", "write_predictions", "write_pictures", "images", "draw"]


@pytest.mark.parametrize("lost", LOST)
def test_each_artefact_has_an_attempt_of_its_own(
    finished: tuple[Results, Work],
    small: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if lost == "images":
        monkeypatch.setattr(Dataset, "test", full)
    elif lost != "draw":
        monkeypatch.setattr(saving, lost, full)
    words = saved(finished, tmp_path, small, full if lost == "draw" else lambda folder: None)
    assert len(words) == 1
    assert "No space left on device" in words[0]
    there = {path.name for path in tmp_path.iterdir()}
    wanted = {"results.json", "params-a.safetensors", "predictions.npz", "pictures.npz"}
    missing = {"write_arrays": {"params-a.safetensors"}, "write_predictions": {"predictions.npz"}}
    missing |= {one: {"pictures.npz"} for one in ("write_pictures", "images")}
    assert there == wanted - missing.get(lost, set())


def test_results_are_written_before_anything_that_is_large(
    finished: tuple[Results, Work], small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = []

    def note(path: Path, *_: object) -> None:
        late.append((path.parent / "results.json").exists())

    for name in ("write_arrays", "write_predictions", "write_pictures"):
        monkeypatch.setattr(saving, name, note)
    assert saved(finished, tmp_path, small, lambda folder: note(folder / "report.html")) == []
    assert late == [True] * 4


def test_a_folder_that_is_gone_is_made_again(
    finished: tuple[Results, Work], small: Dataset, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert saved(finished, folder, small, lambda folder: None) == []
    assert (folder / "results.json").is_file()


def test_results_that_cannot_be_where_they_should_are_elsewhere(
    finished: tuple[Results, Work], small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "out").write_text("a file stands where the folder should")
    words = saved(finished, tmp_path / "out", small, lambda folder: None)
    assert "cannot be written" in words[0]
    elsewhere = Path(words[0].rpartition(" ")[2])
    assert (elsewhere / "results.json").is_file()


def test_results_of_an_earlier_process_are_not_taken_for_these(
    finished: tuple[Results, Work], small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results.json").write_text("of a process that was interrupted")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "write_json", full)
    assert "nor anywhere else" in saved(finished, tmp_path, small, lambda folder: None)[0]
    assert not (tmp_path / "results.json").exists()


def test_results_that_can_be_nowhere_are_told(
    finished: tuple[Results, Work], small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table is all there is then."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "write_json", full)
    words = saved(finished, tmp_path, small, lambda folder: None)
    assert len(words) == 1
    assert "results.json could not be written" in words[0]
    assert "nor anywhere else" in words[0]


# ---- whose nudged runs widen the band --------------------------------------------------------


@pytest.mark.parametrize(
    ("enough", "asked"),
    [
        pytest.param("errors", [], id="what-functions-err-by-suffices"),
        pytest.param("not checked", ["not checked"], id="their-own-suffice"),
        pytest.param("never", ["not checked", "rounding"], id="others-are-asked"),
    ],
)
def test_who_widens_the_band(
    enough: str, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions that err, those it must explain, then the others, but none that is wrong."""
    widened: list[str] = []
    known: list[float | None] = []

    class Band:
        width = growth = 0.5

        def __init__(self, bench: object, start: object, plain: float | None) -> None:
            known.append(plain)

        def settles(self, verdict: Verdict, losses: Array) -> bool:
            return enough in widened

        def widen_by_errors(self) -> None:
            widened.append("errors")

        def widen(self, session: Any, losses: Array) -> bool:
            widened.append(session)
            return True

        def settle(self, verdict: Verdict, losses: Array, *, repeats: bool) -> None:
            verdict.verdict = "rounding"

    monkeypatch.setattr("common.running.judging.Band", Band)
    judging = Judging(draw_work(make_plan("linear"), None))
    path = object()
    referee = SimpleNamespace(data={"initial": {}})
    benches: list[Any] = [SimpleNamespace(path=path, referee=referee) for _ in "ab"]
    judging._benches[(), (), None] = benches[0]
    run_ = FreeRun([np.ones(2, "float32")], "", 1)
    verdicts = []
    for name in ("not checked", "rounding", "differs"):
        entrant = Entrant(name, name, "numpy", "scratch", "eager", "memory")
        session: Any = name
        verdicts.append((Candidate(entrant, BACKENDS["numpy"], session, run_), Verdict(name)))
    judging.settle(verdicts)
    assert widened == ["errors", *asked]
    # Who errs in a function has a bench of his own, by the same run: its share is made once.
    judging._benches[(), (("exp", 1e-5),), None] = benches[1]
    other = Candidate(verdicts[0][0].entrant, erring(BACKENDS["numpy"]), "other", run_)  # type: ignore[arg-type]
    monkeypatch.setitem(MODELS, "linear", replace(MODELS["linear"], functions=("exp",)))
    judging.settle([(verdicts[0][0], Verdict("not checked")), (other, Verdict("not checked"))])
    assert known == [None, None, 0.5]


def erring(backend: Backend) -> Backend:
    """One whose exp errs."""
    return replace(backend, info=replace(backend.info, function_errors={"exp": 1e-5}))
