"""`compare.py list`: of each backend whether it works here, or what it says if not."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.contract.registry import find
from common.entrants import tried
from tests.fakes import copy_backend


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("", None),
        ("raise ImportError('libcuda.so.1: cannot open shared object file')", "libcuda.so.1"),
        ("import a_module_of_nobody", "No module named 'a_module_of_nobody'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "by signal SIGSEGV"),
        ("import os; os._exit(3)", "ended with 3"),
    ],
    ids=["works", "library", "module", "error", "signal", "exit"],
)
def test_fault(code: str, words: str | None, tmp_path: Path) -> None:
    copy_backend(tmp_path, "odd", train=code)
    found = tried.fault(find(tmp_path)["odd"])
    assert found == words or (words and found and words in found)


@pytest.mark.slow
def test_one_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_backend(tmp_path, "odd", loss="import time; time.sleep(60)")
    monkeypatch.setattr(tried, "PATIENCE", 0.5)
    assert tried.fault(find(tmp_path)["odd"]) == "it is not imported after 0.5 s"
