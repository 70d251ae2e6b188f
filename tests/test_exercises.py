"""`compare.py exercise`: every slip is found, what is mended is solved, and another slip is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.ask.exercise import Look, place
from common.learning.exercises import STATE, Exercise, State, Where, exercises
from tests.conftest import Command

ALL = exercises()

ONE = "torch-update-1"

#: Where a kind of slip shows that is called otherwise.
STAGES = {"model": "forward"}


@pytest.fixture
def looking(compare: Command) -> Command:
    """Commands that look at real data, in the usual cache, each in a process of its own."""
    compare.env.pop("COMPARE_CACHE_DIR", None)
    return compare


def edit(path: Path, old: str, new: str) -> None:
    code = path.read_text(encoding="utf-8")
    assert old in code
    path.write_text(code.replace(old, new), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("exercise", ALL.values(), ids=ALL)
def test_found_and_solved(exercise: Exercise, looking: Command) -> None:
    folder = looking.folder / "here"
    begun = looking("exercise", exercise.name, "--start", folder)
    assert begun.returncode == 0, begun.stderr
    assert exercise.slip.answer not in begun.stdout + (folder / "README.md").read_text()
    first = looking("exercise", exercise.name, "--check", folder)
    assert first.returncode == 1, first.stderr
    kind = exercise.name.split("-")[1]
    # The bias begins at zero, where no decay shows.
    step = 2 if exercise.name.endswith("update-2") else 1
    where = f"not yet: it differs at step {step}, stage {STAGES.get(kind, kind)}, "
    assert first.stdout.startswith(where), first.stdout
    edit(folder / exercise.backend / exercise.slip.file, exercise.wrong, exercise.right)
    mended = looking("exercise", exercise.name, "--check", folder)
    assert (mended.returncode, mended.stderr.count("Traceback")) == (0, 0), mended.stdout
    assert mended.stdout == "solved: it agrees with the referee, step by step\n"
    another = ALL[f"{exercise.backend}-data-{1 if exercise.name.endswith('data-2') else 2}"]
    edit(folder / another.backend / another.slip.file, another.right, another.wrong)
    last = looking("exercise", exercise.name, "--check", folder)
    assert last.returncode == 1, last.stderr
    assert last.stdout.startswith("not yet: it differs at step 1, stage data, "), last.stdout


@pytest.mark.slow
def test_another_slip_is_not_solved(looking: Command) -> None:
    folder = looking.folder / "here"
    looking("exercise", ONE, "--start", folder)
    file = folder / "torch" / "update.py"
    edit(file, ALL[ONE].wrong, ".add_(2 * step)")
    done = looking("exercise", ONE, "--check", folder)
    assert (done.returncode, "not yet: it differs at step" in done.stdout) == (1, True)
    file.write_text("1 / 0")
    done = looking("exercise", ONE, "--check", folder)
    assert (done.returncode, "could not be followed" in done.stdout) == (1, True), done.stdout


EARLY, LATE = Where(1, "forward", "logits"), Where(1, "update", "output.bias")


@pytest.mark.parametrize(
    ("now", "before", "words"),
    [
        (EARLY, None, "tensor logits"),
        (EARLY, EARLY, "as before"),
        (LATE, EARLY, "warmer: that is later than before"),
        (EARLY, LATE, "colder: that is earlier"),
        (Where(2, "data", "labels"), LATE, "warmer: that is later than before"),
    ],
    ids=["first", "same", "later", "earlier", "next step"],
)
def test_warmer(now: Where, before: Where | None, words: str) -> None:
    assert Look(now, before, None).words.endswith(words)
    assert place(EARLY) < place(LATE)


def test_listed_hinted_and_answered(compare: Command) -> None:
    done = compare("exercise")
    assert all(name in done.stdout for name in ALL)
    assert len(ALL) == 30
    slip = ALL[ONE].slip
    assert compare("exercise", ONE).stdout.startswith(slip.task)
    assert compare("exercise", ONE, "--hint").stdout == slip.hint + "\n"
    assert slip.answer in compare("exercise", ONE, "--answer").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("torch-udpate-1",), "did you mean torch-update-1?"),
        ((ONE, "--start", "full"), "is there, and not empty"),
        ((ONE, "--start", "not/there"), "is not there"),
        ((ONE, "--check", "full"), "is no started exercise"),
        ((ONE, "--check", "other"), "is of the exercise jax-data-1"),
    ],
    ids=["name", "full", "no parent", "not started", "another"],
)
def test_refused(words: tuple[str, ...], said: str, compare: Command) -> None:
    (compare.folder / "full").mkdir()
    (compare.folder / "full" / "file").touch()
    (compare.folder / "other").mkdir()
    state = {"exercise": State("jax-data-1").exercise}
    (compare.folder / "other" / STATE).write_text(json.dumps(state))
    done = compare("exercise", *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") == 1
