"""`compare.py grid`: planned once, run wherever there is room, laid side by side."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from common.ask import grid as grid_asked
from common.ask import resume
from common.ask.grid_submit import LONGEST, arrays, parameters
from common.ask.settings import Settings
from common.errors import Refused
from common.results.grid import Cell, Needs, read_grid
from common.results.journal import JOURNAL
from common.shown.grid import ranges
from tests.conftest import Command
from tests.fakes import copy_backend
from tests.test_resume import FAULTY, ended_at, results_of, told

#: Two cells of NumPy on the small data.
FILE = """
backends = ["numpy"]
data-dir = "{data}"
custom-data = true
epochs = {epochs}
batch-size = 32
check = "quick"
{more}

[vary]
seed = {seeds}
"""


def planned(compare: Command, more: str = "", seeds: str = "[0, 1]", epochs: int = 2) -> Path:
    """Plan a grid; its folder."""
    text = FILE.format(data=compare.data, more=more, seeds=seeds, epochs=epochs)
    (compare.folder / "grid.toml").write_text(text)
    done = compare("grid", "plan", "grid.toml", "--out", "grid")
    assert done.returncode == 0, done.stderr
    return compare.folder / "grid"


def merged(compare: Command, *words: object, expect: int = 0) -> dict[str, Any]:
    """Merge it; grid.json."""
    done = compare("grid", "merge", "grid", *words, "--json", "-")
    assert done.returncode == expect, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# ---- the plan --------------------------------------------------------------------------------

SOUND = 'backends = ["numpy"]\nmodel = "linear"\n'


#: A grid.toml -> what is said of it.
REFUSED = [
    ('backends = ["numpy"', "is no TOML"),
    (SOUND + "epoch = 3", "epoch is unknown; there are backends, "),
    (SOUND + 'out = "here"', "out is the grid's own to decide"),
    (SOUND + "no_progress = true", "no_progress is the grid's own to decide"),
    ('backends = ["numpy"]\nmodel = ["softmax", "mlp"]', "model: ['softmax', 'mlp'] is no text"),
    ("backends = [1]", "backends: 1 is no text"),
    (SOUND + "data-dir = 5", "data_dir: 5 is no text"),
    (SOUND + "epochs = 0", "epochs: '0' is not a whole number of at least 1"),
    (SOUND + "[vary]\nepochs = [1, 0]", "epochs 0: epochs: '0' is not a whole number"),
    (SOUND + "[vary]\nepochs = 1", "[vary] epochs = 1 is no list of values"),
    (SOUND + '[vary]\nmodel = ["mlp"]', "model stands twice"),
    (SOUND + "[vary]\nseed = [1, 1]", "two cells are the same: seed 1"),
    (SOUND + "[vary]\nresize = [14]", "resize 14: linear is trained on synthetic data"),
    ('model = "linear"', "name its entrants"),
    (SOUND + "[vary]\nseed = [0]\n[[exclude]]\nseed = 1", "seed 1 leaves nothing out"),
    (SOUND + "[vary]\nseed = [0]\n[[exclude]]\nseed = 0", "leave out all 1 combinations"),
    (SOUND + "[exclude]\nseed = 1", "exclude is written [[exclude]]"),
    (SOUND + "[needs]\nmemory = 1", "[needs] memory is unknown; there are cores, memory-gb"),
    (SOUND + "[needs]\ncores = 0", "[needs] cores: '0' is not a whole number"),
    (SOUND + "[needs]\nexclusive = false", "must say threads, or [needs] cores"),
    (SOUND + "threads = 2\n[needs]\ncores = 1", "are less than its 2 threads"),
    (f"{SOUND}[vary]\nseed = {list(range(400))}\nepochs = {list(range(400))}", "160000 combin"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED, ids=[words for _, words in REFUSED])
def test_refused_by_name(text: str, words: str, compare: Command) -> None:
    (compare.folder / "grid.toml").write_text(text)
    done = compare("grid", "plan", "grid.toml", "--out", "grid")
    assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert done.stderr.count("\n") == 1
    assert not (compare.folder / "grid").exists()


def test_every_combination_but_those_left_out(compare: Command) -> None:
    (compare.folder / "grid.toml").write_text(
        f"""
        data-dir = "{compare.data}"
        [vary]
        backends = [["numpy", "numpy:scratch"], ["numpy"]]
        model = ["linear", "softmax"]
        custom-data = [true, false]
        device = ["cpu", "cuda"]
        [[exclude]]
        model = "linear"
        [[exclude]]
        backends = ["numpy"]
        device = ["cuda"]
        [[exclude]]
        custom-data = false
        [needs]
        minutes = 5
        """
    )
    done = compare("grid", "plan", "grid.toml", "--out", "grid")
    assert done.returncode == 0, done.stderr
    assert "left out 8 of 16 combinations: model linear\n" in done.stdout
    assert "left out 2 of 16 combinations: backends numpy, device cuda\n" in done.stdout
    assert "1 cell: a machine of its own, 1 GPU, at most 5 minutes" in done.stdout
    found = read_grid(compare.folder / "grid")
    told = [(cell.arguments["backends"], cell.arguments["device"]) for cell in found.cells]
    both = ["numpy", "numpy:scratch"]
    assert told == [(both, "cpu"), (both, "cuda"), (["numpy"], "cpu")]
    assert [cell.needs.gpus for cell in found.cells] == [0, 1, 0]
    assert len({cell.key for cell in found.cells}) == 3


def test_a_folder_of_something_else_is_refused(compare: Command) -> None:
    grid = planned(compare)
    assert compare("grid", "plan", "grid.toml", "--out", "grid").returncode == 0, "the same again"
    (compare.folder / "other.toml").write_text(SOUND)
    done = compare("grid", "plan", "other.toml", "--out", "grid")
    assert (done.returncode, "holds another grid" in done.stderr) == (2, True)
    done = compare("grid", "run", compare.folder)
    assert (done.returncode, "is no grid: it has no cells.json" in done.stderr) == (2, True)
    done = compare("grid", "run", grid, "--cell", 2)
    assert (done.returncode, "there are cells 0 to 1" in done.stderr) == (2, True)
    (grid / "cells.json").write_text('{"vary": 1}')
    done = compare("grid", "run", grid)
    assert (done.returncode, "cells.json cannot be read" in done.stderr) == (2, True)


# ---- running and merging -----------------------------------------------------------------------


@pytest.mark.slow
def test_run_here_and_elsewhere_and_merged(compare: Command) -> None:
    grid = planned(compare, more="threads = 1", seeds="[0, 1, 2]")
    compare.page = True
    one = compare("grid", "run", grid, "--cell", 1)
    assert (one.returncode, "cell 1: numpy agrees with the referee" in one.stderr) == (0, True)
    assert {path.name for path in grid.iterdir()} == {"cells.json", "1"}
    elsewhere = shutil.copytree(grid, compare.folder / "elsewhere")
    compare.page = False
    assert compare("grid", "run", elsewhere, "--quiet").returncode == 0
    assert "nothing is missing" in compare("grid", "run", elsewhere).stderr
    shutil.rmtree(elsewhere / "2")
    found = merged(compare, elsewhere, "--out", "all", expect=3)
    assert (found["missing"], found["failed"], found["foreign"]) == ([2], [], [])
    assert [cell["index"] for cell in found["cells"]] == [0, 1]
    assert [cell["varied"] for cell in found["cells"]] == [{"seed": 0}, {"seed": 1}]
    assert [one["index"] for one in found["twice"]] == [1]
    (accuracy,) = found["accuracies"]
    shares = [results_of(place)["entrants"][0]["epochs"][-1]["test_accuracy"] for place in
              (elsewhere / "0", grid / "1")]  # fmt: skip
    assert (accuracy["seeds"], accuracy["mean"]) == (2, pytest.approx(sum(shares) / 2))
    assert accuracy["deviation"] == pytest.approx(abs(shares[0] - shares[1]) / 2**0.5)
    page = (compare.folder / "all" / "grid.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert 'href="../grid/1/report.html"' in page
    assert (compare.folder / "all" / "../grid/1/report.html").is_file()


@pytest.mark.slow
def test_what_failed_is_named_and_can_be_tried_again(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = compare.folder / "fault"
    fault.touch()
    folder = compare.folder / "more"
    copy_backend(folder, "faulty", train=FAULTY.format(fault=str(fault)))
    more = f'backend-path = "{folder}"'
    text = FILE.format(data=compare.data, more=more, seeds="[0]", epochs=4)
    (compare.folder / "grid.toml").write_text(text.replace('["numpy"]', '["numpy", "faulty"]'))
    assert compare("grid", "plan", "grid.toml", "--out", "grid").returncode == 0
    assert compare("grid", "run", "grid").returncode == 3
    again = compare("grid", "run", "grid")
    assert (again.returncode, "nothing is missing" in again.stderr) == (0, True)
    found = merged(compare, expect=3)
    assert (found["failed"][0]["index"], found["missing"]) == (0, [])
    assert "faulty: failed: RuntimeError: a fault" in found["failed"][0]["why"]
    with monkeypatch.context() as other:
        other.setattr(resume, "_code", lambda: "0" * 64)
        done = compare("grid", "run", "grid", "--cell", 0)
        assert (done.returncode, "changed since it was planned" in done.stderr) == (2, True)
    assert merged(compare, expect=3) == found, "a cell that is refused is as it was"
    fault.unlink()
    done = compare("grid", "run", "grid", "--cell", 0)
    assert (done.returncode, "cell 0: All entrants agree" in done.stderr) == (0, True)
    assert merged(compare)["failed"] == []
    resumed = results_of(compare.folder / "grid" / "0")["entrants"]
    assert [one["resumed_epochs"] for one in resumed] == [[], [3, 4]]


def test_what_this_machine_has_says_nothing_of_where_it_will_run(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("common.running.memory.free_memory_bytes", lambda: 1.0)
    grid = planned(compare, seeds="[0]")
    done = compare("grid", "run", grid)
    assert (done.returncode, "too little memory" in done.stderr) == (2, True)


def test_a_cell_that_is_refused_keeps_no_other_from_running(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what was interrupted of it stays."""
    grid = planned(compare)
    (grid / ".0").mkdir()
    (grid / ".0" / JOURNAL).write_text("a line of somebody's\n")
    right = grid_asked.read_asked

    def refuse(asked: Settings, *more: object) -> object:
        if asked.seed == 0:
            raise Refused("there is no room for it here")
        return right(asked, *more)

    monkeypatch.setattr(grid_asked, "read_asked", refuse)
    done = compare("grid", "run", grid)
    assert (done.returncode, done.stderr.count("no room for it here")) == (2, 3)
    assert (grid / "1" / "cell.json").exists()
    assert [path.name for path in (grid / ".0").iterdir()] == [JOURNAL]
    # Killed while it was asked, what was left of it stands aside, and is found again.
    (grid / ".0").rename(grid / ".0.before")
    again = compare("grid", "run", grid)
    assert (again.returncode, "cell 0 is begun anew" in again.stderr) == (2, True)
    assert [path.name for path in (grid / ".0").iterdir()] == [JOURNAL]


def test_a_copy_that_is_whole_counts_before_one_that_is_not(compare: Command) -> None:
    grid = planned(compare, seeds="[0]")
    assert compare("grid", "run", grid).returncode == 0
    shutil.copytree(grid, compare.folder / "copy")
    (grid / "0" / "results.json").write_text("a page of somebody's")
    found = merged(compare, "copy")
    assert (len(found["cells"]), found["failed"]) == (1, [])
    assert found["cells"][0]["folder"] == "copy/0"
    assert [one["why"] for one in found["twice"]] == ["grid/0 is left out, copy/0 counts"]


def test_other_code_runs_no_cell_and_its_results_are_foreign(
    compare: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = planned(compare)
    assert compare("grid", "run", grid, "--cell", 0).returncode == 0
    right = resume.versions_of
    monkeypatch.setattr(resume, "_code", lambda: "0" * 64)
    monkeypatch.setattr("common.ask.grid_file.versions_of", lambda r: right(r) | {"numpy": "0.1"})
    done = compare("grid", "run", grid)
    assert done.returncode == 2
    assert "cell 1: the code of compare.py and common and numpy (" in done.stderr
    assert ", here 0.1) changed since it was planned" in done.stderr
    shutil.move(grid, compare.folder / "before")
    planned(compare)
    found = merged(compare, "before", expect=3)
    assert [one["index"] for one in found["foreign"]] == [0]
    assert "another code of compare.py and common" in found["foreign"][0]["why"]
    assert (found["missing"], found["cells"]) == ([1], [])


def test_a_result_of_another_cell_or_none_is_not_counted(compare: Command) -> None:
    grid = planned(compare)
    assert compare("grid", "run", grid, "--cell", 0).returncode == 0
    (grid / "0").rename(grid / "1")
    shutil.copytree(grid / "1", grid / "0")
    (grid / "0" / "results.json").write_text('{"schema_version": 1, "entrants": 3}')
    found = merged(compare, expect=3)
    assert [one["index"] for one in found["failed"]] == [0]
    assert "results.json cannot be read" in found["failed"][0]["why"]
    assert [one["why"] for one in found["foreign"]] == ["grid/1: another plan, or other data"]
    done = compare("grid", "run", grid, "--cell", 1)
    assert (done.returncode, "is not of this plan" in done.stderr) == (2, True)


def test_a_cell_is_run_by_one_process_at_a_time(compare: Command) -> None:
    grid = planned(compare)
    with FileLock(grid / ".0.lock"):
        done = compare("grid", "run", grid, "--cell", 0)
        assert (done.returncode, "is being run by another" in done.stderr) == (2, True)
        done = compare("grid", "run", grid)
        assert (done.returncode, "; left to it" in done.stderr) == (0, True)
    assert {path.name for path in grid.iterdir()} >= {"1", "cells.json"}
    assert not (grid / "0").exists()


@pytest.mark.slow
def test_a_cell_that_was_killed_is_taken_up(compare: Command) -> None:
    grid = planned(compare, epochs=150, more="optimizer = 'adam'\nno-band = true")
    ended_at(compare.words("grid", "run", grid), compare, grid / ".0" / JOURNAL, 40)
    assert {path.name for path in grid.iterdir()} >= {".0", "cells.json"}
    assert (merged(compare, expect=3)["missing"], (grid / "0").exists()) == ([0, 1], False)
    done = compare("grid", "run", grid, "--cell", 0)
    assert done.returncode == 0, done.stderr
    assert results_of(grid / "0")["entrants"][0]["resumed_epochs"]
    whole = shutil.copytree(grid, compare.folder / "whole", ignore=lambda *_: ["0", "1"])
    assert compare("grid", "run", whole, "--cell", 0).returncode == 0
    assert told(results_of(grid / "0")) == told(results_of(whole / "0"))


def test_what_cannot_be_taken_up_is_begun_anew(compare: Command) -> None:
    grid = planned(compare)
    (grid / "0").mkdir()  # as Snakemake does
    (grid / ".0").mkdir()
    (grid / ".0" / JOURNAL).write_text("nothing\n")
    done = compare("grid", "run", grid, "--cell", 0)
    assert (done.returncode, "cell 0 is begun anew: --resume" in done.stderr) == (0, True)
    assert (grid / "0" / "results.json").is_file()


# ---- jobs ------------------------------------------------------------------------------------


def test_an_array_for_each_kind_of_need() -> None:
    def cell(index: int, **needs: Any) -> Cell:
        return Cell(index=index, arguments={}, needs=Needs(**needs), key="0" * 64)

    cells = [cell(0), cell(1, gpus=1), cell(2), *(cell(n, cores=4) for n in range(3, LONGEST + 4))]
    found = [[cell.index for cell in some] for _, some in arrays(cells)]
    assert found == [[0, 2], [1], list(range(3, LONGEST + 3)), [LONGEST + 3]]
    told = parameters(Needs(cores=4, memory_gb=2, gpus=1, minutes=5), {"partition": "gpu"})
    assert (told["cpus_per_task"], told["mem_gb"], told["gpus_per_node"]) == (4, 2, 1)
    assert (told["timeout_min"], told["slurm_exclusive"]) == (5, True)
    assert told["slurm_additional_parameters"]["partition"] == "gpu"
    assert "slurm_exclusive" not in parameters(Needs(cores=4, exclusive=False), {})


def test_without_slurm_it_is_said(compare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = planned(compare)
    monkeypatch.setitem(compare.env, "PATH", "")
    done = compare("grid", "submit", grid, "--slurm", "partition=all")
    assert (done.returncode, "there is no Slurm here; --local" in done.stderr) == (2, True)
    done = compare("grid", "submit", grid, "--slurm", "partition")
    assert (done.returncode, "'partition' is not KEY=VALUE" in done.stderr) == (2, True)


def until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it never was"
        time.sleep(0.1)


@pytest.mark.slow
def test_on_this_machine_as_a_job(compare: Command) -> None:
    grid = planned(compare)
    done = compare.process("grid", "submit", grid, "--local")
    assert (done.returncode, "cells 0-1" in done.stderr) == (0, True), done.stderr
    until(lambda: (grid / "1").exists())
    assert len(merged(compare)["cells"]) == 2


@pytest.mark.slow
def test_killed_twice_at_random_it_is_as_undisturbed(compare: Command) -> None:
    grid = planned(compare, epochs=60, seeds="[0, 1, 2]", more="no-band = true")
    whole = shutil.copytree(grid, compare.folder / "whole")
    began = time.monotonic()
    assert compare.process("grid", "run", whole, timeout=200).returncode == 0
    took = time.monotonic() - began
    draw = random.Random(0)
    for _ in range(2):
        running = subprocess.Popen(
            compare.words("grid", "run", grid), cwd=compare.folder, env=compare.env,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(draw.uniform(0.3, 0.8) * took)
        running.kill()
        running.wait()
    assert compare.process("grid", "run", grid, timeout=200).returncode == 0
    assert {path.name for path in grid.iterdir()} == {"0", "1", "2", "cells.json"}
    for place in "012":
        assert told(results_of(grid / place)) == told(results_of(whole / place))
    assert [one["index"] for one in merged(compare)["cells"]] == [0, 1, 2]


def test_numbers_in_a_row() -> None:
    assert ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert ranges([]) == ""
