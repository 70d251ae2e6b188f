"""Whatever goes wrong in an entrant is its own: the others are as if it had not been there.

A few of the cells of `python -m tests.benchmarks.faults`, which has them all.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.benchmarks.faults import rows
from tests.conftest import Command
from tests.fakes import HASTY, copy_backend
from tests.faulty import EPOCHS, FAULTS, SAYS, copy_faulty, promised

#: Moment and fault of each: what no other test has.
CELLS = [
    ("open", "exit 0"),
    ("warm-up", "out of memory"),
    ("last epoch", "closed pipe"),
    ("evaluation", "SIGSEGV"),
    ("checks", "garbage"),
    ("checks", "daemon"),
    ("close", "exception"),
]


def ran(compare: Command, out: str, code: int, *backends: str) -> dict[str, Any]:
    """Rows of a run of NumPy and copies of it."""
    words = ["--backend-path", "more", "--epochs", EPOCHS, "--check", "quick", "--out", out]
    done = compare(*compare.small(*words, "--backends", *backends))
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return rows(compare.folder / out)


@pytest.mark.slow
def test_only_who_is_faulty_is_faulty(compare: Command) -> None:
    names = [f"faulty{number}" for number in range(len(CELLS))]
    for name, (moment, fault) in zip(names, CELLS, strict=True):
        copy_faulty(compare.folder / "more", name, "numpy", fault, moment)
    right = ran(compare, "right", 0, "numpy")["numpy"]
    copy_backend(compare.folder / "more", "hasty", update=HASTY)
    found = ran(compare, "out", 3, "numpy", "hasty", *names)
    assert found["numpy"] == right
    assert {name for name in right if found["hasty"][name] != right[name]} == {
        "step losses", "rows", "parameters"
    }, "a row that is another must be seen"  # fmt: skip
    for name, (moment, fault) in zip(names, CELLS, strict=True):
        wanted, row = promised(moment, FAULTS[fault]), found[name]
        assert row["status"] == wanted.status, (moment, fault, row["reason"])
        assert re.search(wanted.reason, row["reason"] or ""), (moment, fault, row["reason"])
        if wanted.status == "ok":
            assert row == right, (moment, fault)


@pytest.mark.slow
def test_three_of_24_and_24_once_the_faults_are_gone(compare: Command) -> None:
    more = compare.folder / "more"
    faults = {"raises": "exception", "dies": "SIGKILL", "says": "garbage"}
    for name, fault in faults.items():
        copy_faulty(more, name, "numpy", fault, "last epoch")
    found = ran(compare, "out", 3, *["numpy"] * 21, *faults)
    assert len(found) == 24
    reasons = {row["reason"] for row in found.values() if row["status"] != "ok"}
    assert len(reasons) == 3
    whole = [row for row in found.values() if row["status"] == "ok"]
    assert len(whole) == 21
    assert all(row == whole[0] for row in whole)
    for name in faults:
        assert found[name]["status"] == FAULTS[faults[name]].status
        (more / name / SAYS).unlink()
    done = compare("--resume", "out")
    assert done.returncode == 0, done.stderr
    assert list(rows(compare.folder / "out").values()) == [whole[0]] * 24
