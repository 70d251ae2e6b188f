"""`from compare import compare`: results that show themselves, and the example notebook."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.contract.root import ROOT
from common.errors import Refused
from common.shown.notebook import Comparison, Curves, Plot
from compare import compare

NOTEBOOK = ROOT / "docs" / "compare.ipynb"


@pytest.mark.slow
def test_settings_are_those_of_the_command_line(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))
    found = compare(
        backends=["numpy", "numpy:scratch"], model="mlp", hidden=8, epochs=2, batch_size=32,
        data_dir=small_folder, custom_data=True, drop_last=True, resize=None,
        mix=["loss=numpy"], out=tmp_path / "out",
    )  # fmt: skip
    plan = found.results["plan"]
    assert (plan["model"], plan["hidden"], plan["batch_size"]) == ("mlp", 8, 32)
    assert plan["drop_last"] is True
    assert [entrant["label"] for entrant in found.results["entrants"]] == [
        "numpy", "numpy:scratch", "mix(loss=numpy)",
    ]  # fmt: skip
    assert repr(found) == f"{found.verdict} Results in {tmp_path / 'out'}."
    assert (tmp_path / "out" / "report.html").exists()
    assert Comparison(tmp_path / "out").results == found.results


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"model": "vgg"}, "model: 'vgg' is unknown; there are"),
        ({"drop_last": 1}, "neither True nor False"),
        ({"backends": ["tensorflow"]}, "tensorflow"),
    ],
    ids=["value", "choice", "flag", "backend"],
)
def test_what_cannot_be_is_refused(
    settings: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match=words):
        compare(**{"backends": ["numpy"], **settings})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_interrupt_ends_the_script_and_loses_nothing(
    small_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes after `compare` is not run as if nothing had been asked."""
    monkeypatch.setenv("COMPARE_CACHE_DIR", str(tmp_path / "cache"))

    def interrupt(self: Curves, record: object, round_: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Curves, "epoch", interrupt)
    with pytest.raises(KeyboardInterrupt, match="what finished is saved in"):
        compare(
            backends=["numpy"], epochs=3, batch_size=32, data_dir=small_folder, custom_data=True,
            out=tmp_path / "out",
        )  # fmt: skip
    entrants = Comparison(tmp_path / "out").results["entrants"]
    assert [entrant["status"] for entrant in entrants] == ["interrupted"]


def test_curves_grow_once_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    monkeypatch.setattr(Curves, "_show", lambda self: drawn.append("picture"))
    a, b = (SimpleNamespace(status="ok", epochs=[]) for _ in range(2))
    gone = SimpleNamespace(status="unavailable", epochs=[])
    curves = Curves([a, b, gone])  # type: ignore[list-item]
    for record, round_, pictures in ((b, 0, 0), (a, 0, 1), (a, 0, 1), (b, 0, 2), (b, 1, 2)):
        record.epochs.append({})
        curves.epoch(record, round_)  # type: ignore[arg-type]
        assert len(drawn) == pictures


def test_outside_of_a_notebook_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Curves([]) as curves:
        curves.phase("training")
    assert capsys.readouterr() == ("", "")


def test_the_example_is_kept_with_what_came_out() -> None:
    """To be read where nothing runs; of no machine in particular."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] for cell in cells)
    assert {out["output_type"] for cell in cells for out in cell["outputs"]} <= {
        "display_data", "execute_result",
    }  # fmt: skip
    assert len(text) < 500_000
    assert not re.search(r"/(home|root|tmp|work|Users)/", text)
    assert "Warning" not in text


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.read(NOTEBOOK, as_version=4)
    first = book.cells[next(n for n, c in enumerate(book.cells) if c.cell_type == "code")]
    assert "epochs=3)" in first.source
    first.source = first.source.replace("epochs=3)", "epochs=3, limit=6000)")
    NotebookClient(book, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    shown = [{key for out in cell.outputs for key in out.get("data", {})} for cell in cells]
    assert "text/html" in shown[0], "the curves, and the table"
    first = "".join(out["data"]["text/html"] for out in cells[0].outputs if "data" in out)
    assert "<img " in first
    assert "data:image/svg+xml" in first
    assert "agree with the referee" in first
    assert {Plot.MIME, "image/svg+xml"} <= shown[3], "a chart"
    assert "def cross_entropy_concise" in cells[-1].outputs[0]["data"]["text/plain"]
    assert list(tmp_path.glob("runs/*/report.html"))
