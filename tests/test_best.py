"""`best`: every mode is tried, the quickest that agrees is taken, and the figures are told."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from common.contract.entrant import parse
from common.results.journal import Asked, ChosenLine, Journal, read_journal
from common.results.record import Record
from common.running.choosing import Choosing, Trial, taken
from common.running.work import draw_work
from common.shown.progress import Silent
from tests.conftest import BACKENDS, Command, make_plan
from tests.fakes import copy_backend

MODES = """
from dataclasses import replace
INFO = replace(INFO, modes=("eager", "jit", "fused"), absent={})
"""

#: Op by op it waits, and what is quickest is wrong.
EPOCH = """
import time
as_it_is = epoch

def epoch(step, data, mode, batch_size):
    def slow(*given):
        time.sleep({"eager": 0.02, "jit": 0.005}.get(mode, 0.0))
        params, state, value, count = step(*given)
        if mode == "fused":
            params = {name: 1.001 * param for name, param in params.items()}
        return params, state, value, count
    return as_it_is(slow, data, mode, batch_size)
"""


@pytest.mark.slow
def test_the_quickest_that_agrees_is_taken(compare: Command, tmp_path: Path) -> None:
    copy_backend(tmp_path / "more", "three", init=MODES, train=EPOCH)
    where = ("--backend-path", tmp_path / "more")
    found = compare.run("--backends", "three:best", "numpy:best", *where)
    three, numpy = found["entrants"]
    assert (three["label"], three["mode"], numpy["mode"]) == ("three:best", "jit", "eager")
    (words,) = (note for note in three["notes"] if note.startswith("best:"))
    assert words.startswith("best: jit, the quickest that agrees in 3 steps: eager ")
    assert "fused" in words
    assert words.endswith("ms a step (differs)")
    assert "best: eager is the only mode it has here" in numpy["notes"]
    assert found["parity"]["entrants"]["numpy:best"]["identical_to"] == "three:best"


@pytest.mark.parametrize("command", ["infer", "diagnose"])
def test_only_a_run_finds_out(compare: Command, command: str) -> None:
    data = ("--data-dir", compare.data, "--custom-data")
    done = compare(command, *data, "--backends", "numpy:best")
    assert done.returncode == 2
    assert f"found out in a run; for {command} name one of eager" in done.stderr


def test_none_agrees() -> None:
    trials = [Trial("eager", 1e-3, "differs"), Trial("jit", None, "failed: it broke")]
    assert taken(trials, "jit", 24) == (
        "jit",
        "best: no mode agreed in 24 steps, jit was taken: eager 1 ms a step (differs), "
        "jit (failed: it broke)",
    )


def test_what_was_found_out_is_not_tried_again(tmp_path: Path) -> None:
    """Of a run that is taken up: two modes round differently."""
    (entrant,) = parse(["torch:best"], BACKENDS)
    record = Record(entrant, BACKENDS["torch"])
    with Journal(tmp_path) as journal:
        journal.begin(Asked(settings={}, same={}))
        journal.choose(ChosenLine(label="torch:best", mode="eager", words="best: eager, ..."))

    def nobody(record: Record) -> NoReturn:
        raise AssertionError("it is tried again")

    work = draw_work(make_plan("linear"), None)
    with Journal(tmp_path, read_journal(tmp_path)) as journal:
        Choosing(work, nobody, Silent(), journal).choose(record)
    assert record.entrant.mode == "eager"
    assert record.notes[-1] == "best: eager, ..."
