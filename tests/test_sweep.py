"""`compare.py sweep`: the line through known times, and real runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from common.ask import sweep as sweeping
from common.contract.inputs import Inputs
from common.contract.models import MODELS
from common.errors import Refused
from common.measure.limit import work
from common.measure.quiet import BUSY
from common.results.sweep import Line, Point, Run, Series, Sweep, Values, ended, usable
from common.running.sweep import disturbed, line, points
from common.shown.sweep import line_words
from common.shown.sweep_charts import times
from common.shown.words import disturbed_line
from common.shown.words import seconds as words_of_seconds
from tests.conftest import Command, make_plan
from tests.fakes import RAISES, copy_backend

OVERHEAD, RATE = 1e-4, 2e9
SIZES = (32, 256, 2048, 8192)


def timed(noise: float = 0.0, epochs: int = 9, curve: float = 0.0) -> list[Point]:
    """Steps that cost a tenth of a millisecond and do 2 GFLOP/s."""
    draw = np.random.default_rng(0)
    found = []
    for size in SIZES:
        operations = size * 31360.0
        seconds = OVERHEAD + operations / RATE * (1 + curve * size)
        drawn = seconds * np.exp(noise * draw.normal(size=epochs))
        found.append(Point(size, None, operations, (tuple(drawn.tolist()),), "rounding"))
    return found


def fitted(found: list[Point]) -> Line:
    result = line(found)
    assert result is not None
    return result


@pytest.mark.slow
def test_a_straight_line_is_found() -> None:
    found = fitted(timed())
    assert found.overhead == pytest.approx(OVERHEAD, rel=1e-6)
    assert found.rate == pytest.approx(RATE, rel=1e-6)
    assert found.off < 1e-6
    assert found.overhead_low == pytest.approx(found.overhead_high, rel=1e-6)


def test_intervals_hold_what_is_true_under_noise() -> None:
    found = fitted(timed(noise=0.1))
    assert found.overhead_low < OVERHEAD < found.overhead_high
    assert found.rate_low is not None
    assert found.rate_high is not None
    assert found.rate_low < RATE < found.rate_high
    # A median of 9 is off by 1.253 * 10 % / sqrt(9) of the smallest step's 0.6 ms: 25 us of the
    # overhead, and 95 % are 3.92 times as wide.
    assert 0.5e-4 < found.overhead_high - found.overhead_low < 2e-4


@pytest.mark.slow
def test_what_is_no_line_is_said_to_be_off() -> None:
    assert fitted(timed(curve=1e-4)).off > 0.05


def test_more_work_that_takes_no_longer_has_no_rate() -> None:
    found = fitted([Point(n, None, n * 1e6, ((1e-3,) * 5,), "rounding") for n in (1, 2, 4)])
    assert found.rate is None
    assert found.overhead == pytest.approx(1e-3)


def test_less_than_nothing_is_no_overhead() -> None:
    found = fitted(
        [Point(n, None, n * 1e6, ((1e-3 * n**1.5,) * 5,), "rounding") for n in (1, 2, 4)]
    )
    assert found.overhead == 0.0
    said = line_words(found, "step")
    assert said.startswith("a step costs nothing that shows before any work is done, and does")
    said = line_words(msgspec.structs.replace(found, overhead_high=2e-3), "step")
    assert "is done; 95 %: at most 2 ms, and does" in said


def test_who_was_disturbed_is_said_of_all_runs_together() -> None:
    def ran(*disturbed: bool) -> Any:
        record = SimpleNamespace(entrant=SimpleNamespace(label="a"))
        seconds = {"disturbed": list(disturbed)}
        return SimpleNamespace(records=[record], epoch_seconds=lambda _: seconds)

    said = disturbed_line(disturbed([ran(False, True), ran(True, True)]))
    assert said.startswith("others used the machine during 3 of 4 epochs of a; ")
    assert disturbed_line(disturbed([ran(False), ran(False)])) == ""


def test_few_epochs_have_no_intervals_and_two_values_are_always_straight() -> None:
    found = fitted(timed(epochs=2)[:2])
    assert found.overhead == pytest.approx(OVERHEAD)
    assert (found.overhead_low, found.overhead_high, found.rate_low, found.off) == (None,) * 4


def test_one_value_has_no_line() -> None:
    assert line(timed()[:1]) is None
    assert line([]) is None


def test_only_times_of_who_agrees_count() -> None:
    right, wrong = (
        Point(1, None, 1.0, ((1.0,),), "rounding"),
        Point(2, None, 2.0, ((1.0,),), "differs"),
    )
    assert usable([right, wrong, Point(4, None, 4.0, (), "rounding")]) == [right]


@pytest.mark.parametrize(("unit", "steps"), [("step", 3), ("epoch", 1)])
def test_points_are_seconds_and_operations_of_a_step_or_an_epoch(unit: str, steps: int) -> None:
    start = {"output.weight": np.zeros((4, 10), "float32"), "output.bias": np.zeros(10, "float32")}

    def record(label: str, status: str, *seconds: float, backend: str = "torch") -> Any:
        losses = [np.zeros(3)]
        entrant = SimpleNamespace(label=label, backend=backend)
        return SimpleNamespace(
            entrant=entrant, status=status, steady=list(seconds), losses=losses, rounds=[],
            steady_of=lambda rounds: [list(seconds)], mostly_disturbed=label == "e",
            peak_memory_bytes=5, epochs=[{"train_loss": 0.5, "test_accuracy": 0.8}],
        )  # fmt: skip

    records = [record("a", "ok", 3.0, 6.0), record("b", "timeout"), record("c", "ok")]
    records.append(record("d", "ok", 1.0, backend="mix"))
    records.append(record("e", "ok", 1.0))
    verdicts = {label: SimpleNamespace(verdict="rounding") for label in "abcde"}
    results: Any = SimpleNamespace(records=records, verdicts=verdicts, examples=70, unquiet=False)
    results.plan, results.data = make_plan("softmax"), {"inputs": Inputs("vector", (4,))}
    found = points({Values(7): results}, {Values(7): start}, unit)
    (point,) = found["a"]
    assert (point.value, point.seconds) == (7, [3.0 / steps, 6.0 / steps])
    operations, _ = work(MODELS["softmax"], start, (4,), 70)
    assert point.operations == operations / steps == 2 * 2 * 40 * 70 / steps
    assert point.verdict == "rounding"
    assert (point.low, point.high, point.memory) == (None, None, 5)
    assert (point.loss, point.accuracy) == (0.5, 0.8)
    assert ended(found["b"]) == []
    others = [one.verdict for label in "bcde" for one in found[label]]
    assert others == ["timeout", "one epoch has no time", "the harness's time", BUSY]
    assert usable(found["e"]) == []
    results.unquiet = True
    assert points({Values(7): results}, {Values(7): start}, unit)["a"][0].verdict == BUSY


def swept(*others: float) -> Sweep:
    """Two entrants, the second at one value; at each of the others, if there are any."""
    also = others or (None,)
    found = {"a": timed(), "b": timed()[:1]}
    points = {
        label: [msgspec.structs.replace(point, also=one) for one in also for point in of_label]
        for label, of_label in found.items()
    }
    return Sweep(
        planned=8, vary="batch-size", also="hidden" if others else None, unit="step", model="mlp",
        runs=[Run(size, one, f"{size}-{one}", {"a": "rounding"}) for one in also for size in SIZES],
        entrants={
            "a": Series("concise", points["a"], []), "b": Series("scratch", points["b"], []),
        },
        comparisons=[], disturbed={},
    )  # fmt: skip


def test_the_chart_has_a_point_for_every_value() -> None:
    drawn = times(swept()).to_dict()
    (rows,) = drawn["datasets"].values()
    assert [(row["entrant"], row["value"]) for row in rows] == [
        *(("a", size) for size in SIZES),
        ("b", SIZES[0]),
    ]


def test_two_settings_have_a_chart_for_each_value_of_the_second() -> None:
    drawn = times(swept(64, 8)).to_dict()
    assert drawn["facet"]["sort"] == ["hidden 64", "hidden 8"]
    (rows,) = drawn["datasets"].values()
    found = [(row["entrant"], row["value"], row["also"]) for row in rows]
    assert found.count(("a", 32, "hidden 8")) == 1
    assert len(found) == 2 * (len(SIZES) + 1)


SMALL = ["--custom-data", "--epochs", 3]

# ---- the command ---------------------------------------------------------------------------


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that nobody else uses: what is measured on another is not fitted."""
    monkeypatch.setattr("common.results.record.many", lambda noted: False)
    monkeypatch.setattr("common.results.record.moved", lambda before, after: False)


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_command(compare: Command) -> None:
    done = compare(
        "sweep", "--vary", "batch-size=7,35", *SMALL,
        *("--data-dir", compare.data, "--backends", "numpy", "--out", "swept", "--json", "-"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    assert (read["vary"], read["unit"]) == ("batch-size", "step")
    (entrant,) = read["entrants"].values()
    assert [point["value"] for point in entrant["points"]] == [7, 35]
    (line_,) = entrant["lines"]
    assert line_["overhead"] >= 0
    assert "numpy: a step costs" in done.stderr
    for title in ("test accuracy in the end, by batch-size", "peak memory, by batch-size"):
        assert title in done.stderr
    assert "times as long" not in done.stderr, "there is nobody else"
    for point in entrant["points"]:
        results = json.loads(
            (compare.folder / "swept" / f"batch-size-{point['value']}" / "results.json").read_text()
        )
        (one,) = results["entrants"]
        assert point["memory"] == one["peak_memory_bytes"]
        assert point["accuracy"] == one["epochs"][-1]["test_accuracy"]
    folder = compare.folder / "swept"
    assert json.loads((folder / "sweep.json").read_text(encoding="utf-8")) == read
    assert "<svg" in (folder / "sweep.svg").read_text(encoding="utf-8")
    for value in (7, 35):
        results = json.loads((folder / f"batch-size-{value}" / "results.json").read_text())
        assert results["plan"]["batch_size"] == value


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_ratios_are_those_of_each_run(compare: Command) -> None:
    done = compare(
        "sweep", "--vary", "limit=35,70", *SMALL, "--rounds", 2, "--check", "quick",
        *("--data-dir", compare.data, "--backends", "numpy", "numpy", "--out", "swept"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "how many times as long, by limit" in done.stdout
    folder = compare.folder / "swept"
    found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["comparisons"]
    assert [pair["value"] for pair in found] == [35, 70]
    for pair in found:
        run = json.loads((folder / f"limit-{pair['value']}" / "results.json").read_text())
        (whole,) = run["comparisons"]
        assert pair["ratio"] == whole["ratio"] is not None
        assert re.search(rf"^ .* {pair['ratio']:.3g} ", done.stdout, re.MULTILINE)
        assert f"{pair['low']:.3g} to {pair['high']:.3g}" in done.stdout
    for point in read_points(folder, found[0]["b"]):
        assert point["low"] <= np.median(np.concatenate(point["rounds"])) <= point["high"]


def read_points(folder: Path, label: str) -> list[dict[str, Any]]:
    text = (folder / "sweep.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)["entrants"][label]["points"]
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("quiet")
def test_each_value_of_two_settings_with_each_of_the_others(compare: Command) -> None:
    """Six runs of a network, a line for each width, and a page that `report` makes again."""
    done = compare(
        "sweep", "--vary", "batch-size=7,35", "--vary", "hidden=8,16,4", "--model", "mlp", *SMALL,
        *("--data-dir", compare.data, "--backends", "numpy", "numpy"),
        *("--check", "quick", "--out", "swept", "--json", "-"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder = compare.folder / "swept"
    read: dict[str, Any] = json.loads(done.stdout)
    assert json.loads((folder / "sweep.json").read_text(encoding="utf-8")) == read
    assert (read["vary"], read["also"]) == ("batch-size", "hidden")
    asked = [(size, width) for width in (8, 16, 4) for size in (7, 35)]
    assert [(one["value"], one["also"]) for one in read["runs"]] == asked
    for one in read["runs"]:
        plan = json.loads((folder / one["folder"] / "results.json").read_text())["plan"]
        assert (plan["batch_size"], plan["hidden"]) == (one["value"], one["also"])
    for entrant in read["entrants"].values():
        assert [(point["value"], point["also"]) for point in entrant["points"]] == asked
        assert [line_["also"] for line_ in entrant["lines"]] == [8, 16, 4]
        work_of = {
            (point["value"], point["also"]): point["operations"] for point in entrant["points"]
        }
        assert work_of[35, 16] == 2 * work_of[35, 8] == 4 * work_of[35, 4]
    assert [(one["value"], one["also"]) for one in read["comparisons"]] == asked
    for width in (8, 16, 4):
        assert f"numpy#1, hidden {width}: a step costs" in done.stderr
    (folder / "sweep.html").rename(compare.folder / "before.html")
    again = compare("report", folder)
    assert (again.returncode, again.stdout.split()) == (0, [str(folder / "sweep.html")])
    text = (folder / "sweep.html").read_text(encoding="utf-8")
    assert text == (compare.folder / "before.html").read_text(encoding="utf-8")
    assert "6 of 6 runs agree" in text
    for one in read["runs"]:
        assert f'href="{one["folder"]}/report.html"' in text
    for point in read["entrants"]["numpy#1"]["points"]:
        assert words_of_seconds(float(np.median(np.concatenate(point["rounds"])))) in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "title"),
    [
        ("softmax", "test accuracy in the end"),
        ("linear", "train loss in the end"),
    ],
)
def test_rates_are_varied_for_what_is_learnt(model: str, title: str, compare: Command) -> None:
    data = ["--custom-data", "--data-dir", compare.data] if model == "softmax" else []
    done = compare(
        "sweep", "--vary", "lr=0.01,0.1", "--epochs", 2, "--model", model, *data,
        *("--backends", "numpy", "--check", "none", "--out", "swept"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{title}, by lr" in done.stdout
    assert "costs" not in done.stdout
    folder = compare.folder / "swept"
    points = read_points(folder, "numpy")
    assert [point["value"] for point in points] == [0.01, 0.1]
    assert points[0]["loss"] > points[1]["loss"], "it learns less"
    assert title in (folder / "sweep.svg").read_text(encoding="utf-8")
    assert (folder / "lr-0.01" / "results.json").is_file()


@pytest.mark.slow
def test_who_did_not_finish_has_no_time_and_costs_the_others_nothing(compare: Command) -> None:
    """A copy of NumPy that fails; the whole says 3, and keeps what there is."""
    folder = compare.folder / "more"
    copy_backend(folder, "broken", accuracy=RAISES)
    done = compare(
        "sweep", "--vary", "batch-size=7,35", *SMALL, "--data-dir", compare.data,
        "--backends", "numpy", "broken", "--backend-path", folder, "--out", "swept",
    )  # fmt: skip
    assert done.returncode == 3
    assert "failed" in done.stdout
    assert "numpy: a step costs" in done.stdout
    assert "broken: a step costs" not in done.stdout


@pytest.mark.slow
def test_a_value_that_is_refused_late_costs_no_other(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, begun = sweeping.train, []

    def train(*given: Any) -> Any:
        begun.append(given)
        if len(begun) == 2:
            raise Refused("there is no room for it")
        return right(*given)

    monkeypatch.setattr(sweeping, "train", train)
    words = ["sweep", "--vary", "limit=30,70", *SMALL, "--data-dir", compare.data, "--out", "out"]
    done = compare(*words, "--backends", "numpy", "--check", "none")
    assert (done.returncode, "there is no room for it" in done.stderr) == (3, True)
    found = json.loads((compare.folder / "out" / "sweep.json").read_text(encoding="utf-8"))
    assert [point["value"] for point in found["entrants"]["numpy"]["points"]] == [30]
    page = (compare.folder / "out" / "sweep.html").read_text(encoding="utf-8")
    assert "0 of 2 runs agree, 1 not checked to the end, 1 missing" in page


@pytest.mark.slow
def test_a_page_that_cannot_be_drawn_costs_nothing(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> str:
        raise ValueError("no font")

    words = ["sweep", "--vary", "limit=30,70", *SMALL, "--data-dir", compare.data, "--out", "out"]
    with monkeypatch.context() as patched:
        patched.setattr("common.shown.sweep_page.render", broken)
        done = compare(*words, "--backends", "numpy", "--check", "none")
    assert done.returncode == 0
    assert "sweep.html could not be written: ValueError: no font" in done.stderr
    assert not (compare.folder / "out" / "sweep.html").exists()
    again = compare("report", "out")
    assert (again.returncode, again.stdout) == (0, "out/sweep.html\n")


def test_an_older_file_is_named_as_one(compare: Command) -> None:
    folder = compare.folder / "old"
    folder.mkdir()
    (folder / "sweep.json").write_text('{"vary": "limit", "unit": "epoch", "entrants": {}}')
    done = compare("report", "old")
    assert done.returncode == 2
    assert "old/sweep.json has schema_version None; this program reads 1" in done.stderr
    too_long = compare("report", "a" * 300)
    assert (too_long.returncode, too_long.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
def test_force_leaves_what_is_not_a_sweeps(compare: Command) -> None:
    folder = compare.folder / "swept"
    folder.mkdir()
    for name in ("results.json", "notes.txt"):
        (folder / name).write_text("mine")
    words = ["sweep", "--vary", "limit=30,70", *SMALL, "--data-dir", compare.data, "--out", folder]
    refused = compare(*words, "--backends", "numpy")
    assert (refused.returncode, "is not empty" in refused.stderr) == (2, True)
    refused = compare(*words, "--backends", "numpy", "--force")
    assert (refused.returncode, "is not a run's" in refused.stderr) == (2, True)
    (folder / "sweep.json").write_text('{"vary": "limit"}')
    unchecked = ["--backends", "numpy", "--force", "--check", "none"]
    assert compare(*words, *unchecked, "--strict").returncode == 1
    done = compare(*words, *unchecked)
    assert done.returncode == 0, done.stderr
    assert {"results.json", "notes.txt", "sweep.json"} <= {p.name for p in folder.iterdir()}
    assert (folder / "results.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--vary", "seed=1,2"], "is not SETTING=VALUE,..."),
        (["--vary", "lr=1,0"], "is not a finite number above 0"),
        (["--vary", "lr=1,2", "--lr", 3], "say two things"),
        (["--vary", "batch-size"], "is not SETTING=VALUE,..."),
        (["--vary", "batch-size=32"], "has not two or more different values"),
        (["--vary", "batch-size=32,32"], "has not two or more different values"),
        (["--vary", "batch-size=32,x"], "is not a whole number"),
        (["--vary", "hidden=8,16"], "softmax has no hidden layer"),
        (["--vary", "threads=1,9999"], "this process may use"),
        (["--vary", "batch-size=7,35", "--epochs", 1], "no steady epoch"),
        (["--vary", "batch-size=7,35", "--batch-size", 9], "say two things"),
        (["--vary", "limit=7,71"], "there are 70 training examples"),
        (["--vary", "limit=7,70", "--vary", "limit=9,10"], "names one setting twice"),
        (
            ["--vary", "limit=7,70", "--vary", "batch-size=7,9", "--vary", "lr=1,2"],
            "one setting can vary, or two",
        ),
        (["--vary", "batch-size=7,9", "--vary", "limit=7,71"], "there are 70 training examples"),
        (["--vary", "batch-size=7,9", "--vary", "lr=1,2", "--epochs", 1], "no steady epoch"),
        ([], "--vary"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else None,
)
def test_refused(options: list[object], words: str, compare: Command) -> None:
    data = ["--data-dir", compare.data, "--backends", "numpy", "--out", "swept"]
    done = compare("sweep", *SMALL, *data, *options)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (compare.folder / "swept").exists()


@pytest.mark.slow
def test_a_rate_at_which_training_breaks_up_is_told(compare: Command) -> None:
    words = ["sweep", "--vary", "lr=0.1,1e30", "--epochs", 4, "--model", "linear"]
    done = compare(*words, "--backends", "numpy", "--check", "none", "--out", "swept")
    assert done.returncode == 3, done.stderr
    assert "diverged" in done.stdout
    sound, broken = read_points(compare.folder / "swept", "numpy")
    assert sound["loss"] < 1
    assert (broken["loss"], broken["verdict"]) == (None, "diverged")
    assert "<svg" in (compare.folder / "swept" / "sweep.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_one_epoch_is_enough_for_what_is_learnt(compare: Command) -> None:
    words = ["sweep", "--vary", "lr=0.01,0.1", "--epochs", 1, "--model", "linear", "--out", "swept"]
    done = compare(*words, "--backends", "numpy", "--check", "none")
    assert done.returncode == 0, done.stderr
    assert (compare.folder / "swept" / "sweep.svg").is_file()
