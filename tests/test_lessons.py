"""Every lesson holds in every framework, and one that does not is said to be wrong."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from common.contract.root import ROOT
from common.errors import Refused
from common.learning import lessons
from common.learning.lessons import Lesson, Outcome
from tests.conftest import BACKENDS, FRAMEWORKS, Command

LESSONS = lessons.find()
CELLS = [
    pytest.param(name, framework, id=f"{name}-{framework}", marks=pytest.mark.slow)
    for name, lesson in LESSONS.items()
    for framework in lesson.code
]

#: A lesson that holds in NumPy, and what is wrong with it if `VALUE` is not 3.
TEXT = '''"""Two and one are three."""

TOPIC = "types"
WHY = "Else nothing adds up."
SEE = ("https://numpy.org/doc/stable/reference/generated/numpy.add.html",)
SEEN = {"numpy": "1.26.4"}


def numpy():
    import numpy

    print("noise")
    VALUE
    return {"sum": int(numpy.add(2, 1)), "seconds": 0.5}


CLAIM = {"numpy": {"sum": RIGHT}}
'''


def written(folder: Path, value: str = "pass", right: str = "3", name: str = "three") -> Lesson:
    path = folder / f"{name}.py"
    path.write_text(TEXT.replace("VALUE", value).replace("RIGHT", right), encoding="utf-8")
    return lessons.read(path)


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Outcome]]:
    """All lessons in all frameworks, once for all test processes."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of this run, and shared by its processes
    kept = folder / "lessons.json"
    with FileLock(f"{kept}.lock"):
        if not kept.exists():
            run = lessons.run(list(LESSONS.values()), BACKENDS)
            plain = {
                name: {one: [outcome.values, outcome.wrong] for one, outcome in of.items()}
                for name, of in run.items()
            }
            kept.write_text(json.dumps(plain), encoding="utf-8")
        plain = json.loads(kept.read_text(encoding="utf-8"))
    return {
        name: {one: Outcome(values, tuple(wrong)) for one, (values, wrong) in of.items()}
        for name, of in plain.items()
    }


@pytest.mark.parametrize(("name", "framework"), CELLS)
def test_holds(name: str, framework: str, found: dict[str, dict[str, Outcome]]) -> None:
    outcome = found[name][framework]
    assert outcome.wrong == ()
    assert outcome.values


def test_there_are_enough_of_every_kind() -> None:
    assert len(LESSONS) >= 64
    assert {lesson.topic for lesson in LESSONS.values()} == set(lessons.TOPICS)


@pytest.mark.parametrize("name", LESSONS)
def test_is_complete(name: str) -> None:
    lesson = LESSONS[name]
    assert len(lesson.claim) <= 160, "a sentence"
    assert lesson.claim.endswith(".")
    assert lesson.why.endswith(".")
    assert lesson.see
    assert all(page.startswith("https://") for page in lesson.see)
    assert set(lesson.code) == set(lesson.expected) == set(lesson.seen)
    assert set(lesson.code) <= set(BACKENDS)
    for framework in set(FRAMEWORKS) - set(lesson.code):
        assert BACKENDS[framework].info.title in lesson.text, "who is left out is told why"
    assert all(lesson.expected.values()), "a framework of which nothing is claimed"


def test_differences_are_current() -> None:
    """`compare.py lessons --markdown > docs/differences.md` writes it again."""
    text = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
    assert text == lessons.markdown(LESSONS.values())


def test_runs_a_lesson_whatever_it_prints(tmp_path: Path) -> None:
    lesson = written(tmp_path)
    out = lessons.run([lesson], BACKENDS)
    assert out == {"three": {"numpy": Outcome({"sum": 3, "seconds": 0.5}, ())}}


@pytest.mark.parametrize(
    ("value", "right", "words"),
    [
        ("pass", "4", "sum: 3 where 4 is claimed"),
        ("pass", "3.0001", None),
        ("pass", "3.01", "sum: 3 where 3.01 is claimed"),
        ("return {}", "3", "sum: – where 3 is claimed"),
        ("raise ValueError('no\\nway')", "3", "ValueError: no way"),
        ("import os; os._exit(3)", "3", "its process ended without an answer"),
    ],
    ids=["another", "close", "not-close", "nothing", "raises", "ends"],
)
def test_a_claim_that_does_not_hold(
    value: str, right: str, words: str | None, tmp_path: Path
) -> None:
    found = lessons.run([written(tmp_path, value, right)], BACKENDS)["three"]["numpy"]
    assert found.wrong == (() if words is None else (words,))


def test_one_that_raises_does_not_cost_the_next(tmp_path: Path) -> None:
    both = [written(tmp_path, "1 / 0", name="first"), written(tmp_path, name="second")]
    found = lessons.run(both, BACKENDS)
    assert found["first"]["numpy"].wrong == ("ZeroDivisionError: division by zero",)
    assert found["second"]["numpy"].wrong == ()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "right", "same"),
    [
        (NAN, NAN, True), (NAN, 1.0, False), (1.0, NAN, False), (INF, INF, True),
        (-INF, INF, False), (1.0005, 1.0, True), (1.002, 1.0, False), (0.0, 0.0, True),
        (1e-9, 0.0, False), (1, 1.0, True), (True, 1.0, False), (True, 1, False), (1, True, False),
        (1, 1, True), ("a", "a", True), ("a", "b", False), ([1.0, [2]], [1.0, [2]], True),
        ([1.0], [1.0, 2.0], False), (None, None, True), (None, 0, False),
    ],
)  # fmt: skip
def test_same(value: Any, right: Any, same: bool) -> None:
    assert lessons.same(value, right) is same


@pytest.mark.parametrize(
    ("value", "words"),
    [(True, "yes"), (False, "no"), (None, "–"), (0.123456, "0.12346"), (math.inf, "inf"),
     ([1.5, True], "[1.5, yes]"), ("IndexError", "IndexError"), (7, "7")],
)  # fmt: skip
def test_shown(value: Any, words: str) -> None:
    assert lessons.shown(value) == words


def test_unknown_lessons_are_refused_with_what_may_be_meant() -> None:
    with pytest.raises(Refused, match="did you mean momentum_first_step"):
        lessons.choose("momentum_first_stepp", LESSONS)
    with pytest.raises(Refused, match="lessons lists them"):
        lessons.choose("zzz", LESSONS)


@pytest.mark.slow
def test_lists_them_by_topic(compare: Command) -> None:
    done = compare("lessons")
    assert done.returncode == 0, done.stderr
    for name in LESSONS:
        assert name in done.stdout
    assert compare("lessons", "zzz").returncode == 2
    some = compare("lessons", "--topic", "loss").stdout
    assert [name for name in LESSONS if name in some] == [
        name for name, lesson in LESSONS.items() if lesson.topic == "loss"
    ]


@pytest.mark.slow
def test_one_from_the_command_line(compare: Command) -> None:
    """One that a single framework has: all are run together by `found`."""
    done = compare("lessons", "thread_count_bit", "--backends", "torch")
    assert done.returncode == 0, done.stderr
    assert "torch.set_num_threads(threads)" in done.stdout
    assert "it holds in torch" in done.stdout
    heads = ("Why it matters", "The code", "What came out", "Try it yourself")
    places = [done.stdout.index(f"\n{head}\n") for head in heads]
    assert places == sorted(places)
    page = compare("lessons", "thread_count_bit", "--html").stdout
    assert page.startswith("<!doctype html>")
    assert all(f"<h3>{head}</h3>" in page for head in heads if head != "What came out")
