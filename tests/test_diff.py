"""`compare.py diff`: two saved runs, and what changed between them."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from rich.console import Console

from common.cli.commands import main
from common.errors import Refused
from common.measure.quiet import BUSY
from common.results import diff
from common.results.document import Document
from common.results.folder import read_results, write_json
from common.shown import repeat
from common.shown.diff import print_diff, speed_words
from common.shown.notebook import Comparison
from tests.conftest import Command

STEADY = np.linspace(0.98, 1.02, 9)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, cache: Path, small_folder: Path) -> Any:
    """What a run of NumPy, twice, leaves."""
    command = Command(tmp_path_factory.mktemp("real"), cache, small_folder)
    return command.run("--backends", "numpy", "numpy")


@pytest.fixture
def saved(real: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """Make results whose first entrant, `a`, takes so many times its usual second an epoch."""

    def make(scale: float = 1.0, accuracy: float = 0.8) -> dict[str, Any]:
        results = copy.deepcopy(real)
        verdicts = results["parity"]["entrants"]
        for label, entrant in zip("ab", results["entrants"], strict=True):
            verdicts[label] = verdicts.pop(entrant["label"])
            entrant["label"] = label
            seconds = (STEADY * (scale if label == "a" else 1)).tolist()
            entrant["timing"]["epoch_seconds"] |= {
                "all": seconds,
                "median": float(np.median(seconds)),
                "disturbed": [False] * len(seconds),
                "rounds": [3, 3, 3],
            }
            entrant["epochs"][-1]["test_accuracy"] = accuracy if label == "a" else 0.8
            entrant["versions"] = {"fake": "1.0"}
        return results

    return make


Saved = Callable[..., dict[str, Any]]


def document(plain: dict[str, Any]) -> Document:
    """As it is read from a file."""
    return msgspec.convert(plain, Document)


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, diff.Change]:
    return {one.label: one for one in diff.changes(document(old), document(new))}


def unlike(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return diff.unlike(document(old), document(new))


def judged(old: dict[str, Any], new: dict[str, Any], bound: float) -> diff.Judged:
    before, after = document(old), document(new)
    return diff.above(diff.changes(before, after), before, after, bound)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "speed"),
    [
        (1.0, "no clear difference"),
        (1.04, "no clear difference"),
        (1.1, "slower"),
        (0.9, "faster"),
    ],
)
def test_speed(scale: float, speed: str, saved: Saved) -> None:
    found = changes(saved(), saved(scale))
    assert found["a"].speed == speed
    assert found["b"].speed == "no clear difference"
    assert found["a"].ratio == pytest.approx(scale)
    assert found["a"].low is not None
    assert found["a"].high is not None
    assert found["a"].low <= scale <= found["a"].high


def test_speed_of_who_does_not_agree_is_not_compared(saved: Saved) -> None:
    new = saved(2.0)
    new["parity"]["entrants"]["a"]["verdict"] = "differs"
    found = changes(saved(), new)["a"]
    assert (found.speed, found.ratio) == ("not compared", None)
    assert (found.old_verdict, found.new_verdict) == ("rounding", "differs")


def noisy(results: dict[str, Any], *disturbed: bool) -> dict[str, Any]:
    """With epochs of `a` during which others used the machine."""
    results["entrants"][0]["timing"]["epoch_seconds"]["disturbed"] = list(disturbed)
    return results


def measured(results: dict[str, Any], before: float, after: float | None) -> dict[str, Any]:
    """With what the machine did before training and after it."""
    rates = {"flops_per_second": before, "flops_per_second_after": after}
    results["limit"] = {
        "flops": 1e9,
        "bytes": 1e6,
        "bytes_per_second": 1e9,
        "seconds": 0.1,
        **rates,
    }
    return results


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "busy"),
    [
        pytest.param((1e11, 1e11), (1.05e11, 1e11), set(), id="quiet"),
        pytest.param((1e11, None), (1e11, None), set(), id="measured-once"),
        pytest.param((1e11, 1e11), (1e11, 0.8e11), {"a", "b"}, id="moved-in-one"),
        pytest.param((1e11, 1e11), (1.2e11, 1.2e11), {"a", "b"}, id="moved-between"),
    ],
)
def test_where_the_machine_moved_no_speed_is_judged(
    old: tuple[float, float | None],
    new: tuple[float, float | None],
    busy: set[str],
    saved: Saved,
) -> None:
    before, after = measured(saved(), *old), measured(saved(2.0), *new)
    found = changes(before, after)
    assert {label for label, one in found.items() if one.speed == BUSY} == busy
    decided = judged(before, after, 0.05)
    assert decided.exit_code() == (4 if busy else 1)
    assert all("its own rate moved" in line for line in decided.undecided)
    assert len(decided.undecided) == len(busy)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["old", "new"])
def test_who_was_mostly_disturbed_is_not_judged(which: str, saved: Saved) -> None:
    before, after = saved(), saved(2.0)
    noisy({"old": before, "new": after}[which], *[True] * 5, *[False] * 4)
    found = changes(before, after)
    assert (found["a"].speed, found["b"].speed) == (BUSY, "no clear difference")
    assert found["a"].ratio == pytest.approx(2.0), "it is told all the same"
    assert speed_words(found["a"]) == BUSY
    assert judged(before, after, 0.05).exit_code() == 4
    noisy({"old": before, "new": after}[which], *[True] * 4, *[False] * 5)
    assert changes(before, after)["a"].speed == "slower"


@pytest.mark.parametrize(
    ("scale", "speed", "code"),
    [
        (1.2, "no clear difference", 4),
        (1.5, "slower", 1),
        (1.0, "no clear difference", 0),
        (0.8, "no clear difference", 0),
        (0.6, "faster", 0),
    ],
)
def test_one_process_a_run_tells_a_large_difference_only(
    scale: float, speed: str, code: int, saved: Saved
) -> None:
    old, new = saved(), saved(scale)
    for results in (old, new):
        for entrant in results["entrants"]:
            entrant["timing"]["epoch_seconds"]["rounds"] = [9]
    assert changes(old, new)["a"].speed == speed
    found = judged(old, new, 0.05)
    assert found.exit_code() == code
    assert all("give both runs --rounds 3" in line for line in found.undecided)


def test_rounds_that_have_other_epochs_are_refused(saved: Saved) -> None:
    odd = saved()
    odd["entrants"][0]["timing"]["epoch_seconds"]["rounds"] = [3, 3]
    with pytest.raises(msgspec.ValidationError, match="rounds of 6 epochs have 9"):
        document(odd)


def test_few_epochs_have_no_interval() -> None:
    assert diff.ratio_of_medians([[2.0, 2.0]], [[1.0, 1.0, 1.0]]) == (2.0, None, None)


def test_interval_covers_the_true_ratio_nearly_as_often_as_it_says() -> None:
    draw, hits = np.random.default_rng(0), 0
    for _ in range(60):
        new, old = 1.1 * np.exp(0.05 * draw.normal(size=9)), np.exp(0.05 * draw.normal(size=9))
        _, low, high = diff.ratio_of_medians([new.tolist()], [old.tolist()])
        assert low is not None
        assert high is not None
        hits += low <= 1.1 <= high
    assert 50 <= hits <= 60


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (0.83, 0.83, "no clear difference"),
        (0.83, 0.838, "no clear difference"),
        (0.83, 0.845, "better"),
        (0.83, 0.815, "worse"),
        (None, 0.8, "not compared"),
    ],
)
def test_accuracy(old: float | None, new: float | None, expected: str) -> None:
    """Of 10 000 images: two accuracies near 0.83 are 0.0104 apart by chance in one of twenty."""
    assert diff.compared_accuracy(old, new, 10_000) == expected


@pytest.mark.slow
def test_accuracy_and_memory_are_of_the_two_runs(saved: Saved) -> None:
    new = saved(accuracy=0.1)
    new["entrants"][0]["peak_memory_bytes"] = 5
    found = changes(saved(), new)["a"]
    assert (found.old_accuracy, found.new_accuracy, found.accuracy) == (0.8, 0.1, "worse")
    assert found.new_memory == 5 != found.old_memory


@pytest.mark.slow
def test_versions_that_changed(saved: Saved) -> None:
    new = saved()
    new["entrants"][0]["versions"] = {"fake": "2.0", "more": "1"}
    found = changes(saved(), new)
    assert found["a"].changed == {"fake": ("1.0", "2.0"), "more": (None, "1")}
    assert found["b"].changed == {}


@pytest.mark.slow
def test_settings_and_code_that_changed(saved: Saved) -> None:
    new = saved()
    new["entrants"][0]["settings"]["OMP_NUM_THREADS"] = "7"
    new["entrants"][1]["source_sha256"] = "0" * 64
    found = changes(saved(), new)
    assert set(found["a"].changed) == {"OMP_NUM_THREADS"}
    assert set(found["b"].changed) == {"its code"}


def test_the_environment_that_changed(saved: Saved) -> None:
    new = saved()
    new["environment"]["python"] = "3.99"
    new["environment"]["packages"]["numpy"] = "9.9"
    assert set(diff.environment(document(saved()), document(new))) == {"python", "numpy"}


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        (("plan", "batch_size"), 7, "batch_size"),
        (("plan", "seed"), 9, "seed"),
        (("plan", "epochs"), 99, "epochs"),
        (("data", "sha256"), {"x": "0" * 64}, "other data"),
        (("environment", "cpu"), "another", "cpu"),
        (("environment", "cores"), 1000, "cores"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else None,
)
def test_unlike(where: tuple[str, str], value: Any, words: str, saved: Saved) -> None:
    old, new = saved(), saved()
    assert unlike(old, new) == []
    new[where[0]][where[1]] = value
    (reason,) = unlike(old, new)
    assert reason.startswith(words)


def test_rounds_do_not_make_another_work(saved: Saved) -> None:
    old, new = saved(), saved()
    new["plan"]["rounds"] = 3
    assert unlike(old, new) == []


@pytest.mark.slow
def test_above_is_the_whole_interval(saved: Saved) -> None:
    slow = "a is slower by more than 5 %"
    assert judged(saved(), saved(1.2), 0.05) == diff.Judged(worse=(slow,))
    assert judged(saved(), saved(1.2), 0.3) == diff.Judged()
    assert judged(saved(), saved(0.5), 0.0) == diff.Judged()


@pytest.mark.slow
def test_who_has_no_time_any_more_is_above_every_bound(saved: Saved) -> None:
    killed, wrong, gone = saved(), saved(), saved()
    killed["entrants"][0]["status"] = "killed"
    assert judged(saved(), killed, 10.0).worse == ("a did not finish: killed",)
    assert changes(saved(), killed)["a"].accuracy == "not compared"
    wrong["parity"]["entrants"]["a"]["verdict"] = "differs"
    assert judged(saved(), wrong, 10.0).worse == ("a does not agree any more: differs",)
    del gone["entrants"][0]
    assert judged(saved(), gone, 10.0).worse == ("a is not in the new run",)


def of_few_epochs(results: dict[str, Any], count: int) -> None:
    summary = results["entrants"][0]["timing"]["epoch_seconds"]
    summary |= {"all": summary["all"][:count], "low": None, "high": None}
    summary["rounds"] = [count] if count else []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(lambda r: of_few_epochs(r, 2), "2 steady epochs then and 9 now", id="two"),
        pytest.param(lambda r: of_few_epochs(r, 0), "0 steady epochs then and 9 now", id="none"),
        pytest.param(
            lambda r: r["entrants"][0].update(status="timeout", reason="x"),
            "it did not finish in the old run: timeout",
            id="unfinished",
        ),
        pytest.param(
            lambda r: r["parity"]["entrants"]["a"].update(verdict="differs"),
            "it does not agree with the referee in the old run: differs",
            id="differs",
        ),
        pytest.param(
            lambda r: r["entrants"][0]["timing"]["epoch_seconds"].update(all=[0.0] * 9),
            "its epochs took no time in the old run",
            id="no-time",
        ),
    ],
)
def test_what_cannot_be_judged_does_not_pass(
    spoil: Callable[[dict[str, Any]], Any], words: str, saved: Saved
) -> None:
    old = saved()
    spoil(old)
    found = judged(old, saved(2.0), 0.05)
    (line,) = found.undecided
    assert line.startswith(f"a could not be judged: {words}")
    assert (found.worse, found.exit_code()) == ((), 4)


def test_worse_counts_more_than_undecided(saved: Saved) -> None:
    old, new = saved(), saved()
    of_few_epochs(new, 2)
    new["entrants"][1].update(status="failed", reason="x")
    found = judged(old, new, 0.05)
    assert (len(found.worse), len(found.undecided), found.exit_code()) == (1, 1, 1)


def test_the_times_of_a_mixed_entrant_are_not_judged(saved: Saved) -> None:
    old, new = saved(), saved(3.0)
    for results in (old, new):
        results["entrants"][0]["backend"] = "mix"
    assert judged(old, new, 0.05) == diff.Judged()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ({"status": "killed"}, "it did not finish in both"),
        ({"verdict": "differs"}, "it does not agree with the referee in both"),
        ({"all": []}, "it has no steady epoch in both"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_why_times_are_not_compared(what: dict[str, Any], words: str, saved: Saved) -> None:
    new = saved()
    new["entrants"][0]["status"] = what.get("status", "ok")
    new["parity"]["entrants"]["a"]["verdict"] = what.get("verdict", "rounding")
    if "all" in what:
        new["entrants"][0]["timing"]["epoch_seconds"] |= {"all": [], "median": None, "rounds": []}
    assert speed_words(changes(saved(), new)["a"]) == f"its times are not compared: {words}"


def test_a_mixed_entrant_has_no_speed(saved: Saved) -> None:
    old, new = saved(), saved(3.0)
    for results in (old, new):
        results["entrants"][0]["backend"] = "mix"
    assert changes(old, new)["a"].speed == "not compared"


@pytest.mark.parametrize("name", ["backend", "style", "mode", "data"])
def test_an_entrant_of_another_kind_is_another_work(name: str, saved: Saved) -> None:
    new = saved()
    other = {"backend": "another", "style": "concise", "mode": "fused", "data": "loader"}
    new["entrants"][0][name] = other[name]
    (reason,) = unlike(saved(), new)
    assert reason.startswith(f"a: {name} ")


@pytest.mark.slow
def test_results_of_before_the_limit_can_be_read(saved: Saved) -> None:
    old = saved()
    del old["limit"]
    for entrant in old["entrants"]:
        del entrant["framework_memory_bytes"], entrant["timing"]["times_limit"]
    out = io.StringIO()
    before, after = document(old), document(saved())
    found, console = diff.changes(before, after), Console(file=out, width=160)
    print_diff(found, before, after, [], diff.Judged(), console)
    assert "s/epoch" in out.getvalue()


def printed(old: dict[str, Any], new: dict[str, Any]) -> str:
    out, before, after = io.StringIO(), document(old), document(new)
    found = diff.changes(before, after)
    judged = diff.above(found, before, after, 0.05)
    print_diff(found, before, after, [], judged, Console(file=out, width=160))
    return out.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["label", "backend", "versions", "settings", "cpu"])
def test_no_control_character_reaches_the_terminal(field: str, saved: Saved) -> None:
    old, new, hostile = saved(), saved(), "\x1b]0;title\x07[red]"
    for results in (old, new):
        entrant = results["entrants"][0]
        if field == "label":
            results["parity"]["entrants"][hostile] = results["parity"]["entrants"].pop("a")
            entrant["label"] = hostile
    if field in ("versions", "settings"):
        new["entrants"][0][field] = {hostile: hostile}
    elif field == "backend":
        new["entrants"][0]["backend"] = hostile
    elif field == "cpu":
        new["environment"]["cpu"] = hostile
    text = printed(old, new)
    assert not {"\x1b", "\x07"} & set(text)


def test_what_is_printed(saved: Saved) -> None:
    old, new = saved(), saved(1.5)
    new["entrants"][0]["versions"] = {"fake": "2.0"}
    new["entrants"][1]["label"] = "c"
    new["parity"]["entrants"]["c"] = new["parity"]["entrants"].pop("b")
    text = printed(old, new)
    assert "a: fake 1.0 → 2.0" in text
    assert "1.000 → 1.500" in text
    assert "a: slower; accuracy: no clear difference" in text
    assert "only in one of them: b, c" in text
    assert "a is slower by more than 5 %" in text
    assert "b is not in the new run" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "has no results"),
        ("{", "is not JSON"),
        ("[]", "Expected `object`, got `array`"),
        ('{"schema_version": 7}', "7"),
    ],
)
def test_what_cannot_be_read_is_refused(content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "results.json").write_text(content, encoding="utf-8")
    with pytest.raises(Refused, match=words):
        read_results(tmp_path)


#: In how many tests the places of a file are odd in turn.
PARTS = 4
ODD: tuple[Any, ...] = (None, "x\x1b", -1, 0, 1e308, [None], {})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, of lists the first item only."""
    yield path
    if isinstance(value, dict):
        for name, item in value.items():
            yield from places(item, (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def spoilt(plain: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], Any]) -> Any:
    """A copy of which one place is changed."""
    copied = copy.deepcopy(plain)
    inner = copied
    for step in path[:-1]:
        inner = inner[step]
    change(inner, path[-1])
    return copied


def refusal(folder: Path) -> str | None:
    """Why a result folder cannot be read, if so."""
    try:
        read_results(folder)
    except Refused as error:
        return str(error)
    return None


def show(folder: Path, right: Document) -> None:
    """Compare what can be read with what is right, and show it."""
    found = read_results(folder)
    for pair in ((right, found), (found, right)):
        diff.unlike(*pair)
        changed = diff.changes(*pair)
        judged = diff.above(changed, *pair, 0.05)
        print_diff(changed, *pair, [], judged, Console(file=io.StringIO(), width=100))
    repr(Comparison(folder)._repr_html_())
    repeat.command(found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "part", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, PARTS))]
)
def test_whatever_stands_in_a_file_there_is_no_traceback(
    part: int, real: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every place of the file; every day at a quarter of them."""
    monkeypatch.setattr("common.measure.statistics.RESAMPLES", 20)
    plain = copy.deepcopy(real)
    for verdict in plain["parity"]["entrants"].values():
        del verdict["components"][1:]
    right, refused, read = document(plain), 0, 0
    for path in list(places(plain))[part::PARTS]:
        changes: list[Callable[[Any, Any], Any]]
        changes = [lambda inner, name, odd=odd: inner.__setitem__(name, odd) for odd in ODD]
        for change in [*changes, lambda inner, name: inner.__delitem__(name)] if path else ():
            text = json.dumps(spoilt(plain, path, change))
            (tmp_path / "results.json").write_text(text, encoding="utf-8")
            if words := refusal(tmp_path):
                assert words.isprintable()
                assert words.startswith(str(tmp_path))
                refused += 1
            else:
                show(tmp_path, right)
                read += 1
    assert refused > 2 * read > 100 / PARTS


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("plan", "lr"), "0.1", r"Expected `float`, got `str` - at `\$.plan.lr`"),
        (("entrants", 0, "status"), "fine", r"at `\$.entrants\[0\].status`"),
        (("entrants", 0, "slug"), "../x", r"at `\$.entrants\[0\].slug`"),
        (("entrants", 1, "label"), "numpy#1", "two entrants have one label"),
        (("parity", "entrants"), {}, "entrant 'numpy#1' has no verdict in parity.entrants"),
        (("plan", "dtype"), "float8", "plan.dtype is 'float8', not float32 or float64"),
        (("schema_version",), 2, "has schema_version 2; this program reads 1"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_wrong_file_is_told_where(
    path: tuple[Any, ...], value: Any, words: str, real: dict[str, Any], tmp_path: Path
) -> None:
    wrong = spoilt(real, path, lambda inner, name: inner.__setitem__(name, value))
    (tmp_path / "results.json").write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(Refused, match=words):
        read_results(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"schema_version": 1e999}',
        "\ufeff{}",
        b"\xff\xfe{}",
        '{"schema_version": NaN}',
    ],
    ids=["deep", "too-large", "byte-order-mark", "no-utf-8", "nan"],
)
def test_what_is_no_json_is_refused(text: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(Refused, match=r"results\.json is no") as found:
        read_results(tmp_path)
    assert len(str(found.value).splitlines()) == 1


def test_numbers_that_are_none_go_round(real: dict[str, Any], tmp_path: Path) -> None:
    """As null, in a loss and in a difference's value."""
    plain = copy.deepcopy(real)
    plain["entrants"][0]["step_losses"][0] = None
    plain["entrants"][0]["epochs"][0]["train_loss"] = None
    before = document(plain)
    losses = [float("nan"), float("inf"), np.float64(1.5)]
    entrant = msgspec.structs.replace(before.entrants[1], step_losses=losses)
    written = msgspec.structs.replace(before, entrants=[before.entrants[0], entrant])
    write_json(tmp_path / "results.json", written)
    after = read_results(tmp_path)
    assert after.entrants[0] == before.entrants[0]
    assert after.entrants[1].step_losses == [None, None, 1.5]


# ---- the command ---------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path, saved: Saved) -> dict[str, Path]:
    old = saved()
    unlike = copy.deepcopy(old)
    unlike["plan"]["lr"] = 3.0
    unchecked, wrong = saved(), saved()
    for made, word in ((unchecked, "not checked"), (wrong, "differs")):
        for verdict in made["parity"]["entrants"].values():
            verdict["verdict"] = word
    few = saved()
    of_few_epochs(few, 2)
    made = {
        "old": old,
        "few": few,
        "same": copy.deepcopy(old),
        "slow": saved(1.3),
        "unlike": unlike,
        "unchecked": unchecked,
        "wrong": wrong,
    }
    for name, results in made.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results), encoding="utf-8")
    return {name: tmp_path / name for name in made}


@pytest.mark.parametrize(
    ("new", "options", "code"),
    [
        ("same", [], 0),
        ("same", ["--fail-above", "0%"], 0),
        ("slow", [], 0),
        ("slow", ["--fail-above", "5%"], 1),
        ("slow", ["--fail-above", "0.05"], 1),
        ("slow", ["--fail-above", "50%"], 0),
        ("slow", ["--fail-above", "5"], 2),
        ("few", ["--fail-above", "5%"], 4),
        ("unchecked", ["--fail-above", "5%"], 4),
        ("wrong", ["--fail-above", "5%"], 1),
        ("few", [], 0),
        ("unlike", [], 2),
        ("unlike", ["--anyway"], 0),
        ("none", [], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_code(
    new: str, options: list[str], code: int, folders: dict[str, Path], compare: Command
) -> None:
    done = compare("diff", folders["old"], folders.get(new, "none"), *options)
    assert done.returncode == code, done.stderr
    if code == 2:
        assert done.stderr.count("\n") == 1
        assert done.stdout == ""
    else:
        assert "s/epoch" in done.stdout
        assert ("could not be judged" in done.stdout) == (code == 4)


def test_a_refusal_has_no_control_character(
    folders: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = folders["same"] / "results.json"
    found = json.loads(path.read_text(encoding="utf-8"))
    found["environment"]["cpu"] = "\x1b]0;title\x07"
    path.write_text(json.dumps(found), encoding="utf-8")
    assert main(["diff", str(folders["old"]), str(folders["same"])]) == 2
    said = capsys.readouterr().err
    assert "cpu" in said
    assert not {"\x1b", "\x07"} & set(said)


@pytest.mark.slow
def test_json(folders: dict[str, Path], compare: Command) -> None:
    done = compare("diff", folders["old"], folders["slow"], "--json", "-")
    read = json.loads(done.stdout)
    assert read["unlike"] == []
    assert [one["speed"] for one in read["entrants"]] == ["slower", "no clear difference"]
    assert "s/epoch" in done.stderr
