"""Known slips are found where they are, in every backend, and nothing is said without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import BACKENDS
from tests.planted import NAMES, PLANTS, run_all

Rows = dict[str, dict[str, Any]]


def looked_for(backend: str) -> list[str]:
    """The slips of a backend's copies that are tested.

    The numbers decide what is said of a slip, and NumPy has all of them. What a framework adds is
    whether the answers of its components come to be judged: one slip of each file, stage and way
    to run, and those that NumPy cannot have. `python -m tests.planted` looks at all in all.
    """
    kinds: dict[object, str] = {}
    for name, one in PLANTS.items():
        if one.can_be_in(backend):
            kind = (one.file, one.stage, backend in one.modes)
            alone = backend == "numpy" or "numpy" in one.absent
            kinds.setdefault(name if alone else kind, name)
    return list(kinds.values())


CELLS = [(backend, name) for backend in NAMES for name in looked_for(backend)]


def slow_but(backend: str, *values: str) -> Any:
    """A cell, slow unless its backend is NumPy."""
    cell = (backend, *values)
    marks = () if backend == "numpy" else pytest.mark.slow
    return pytest.param(*cell, marks=marks, id="-".join(cell))


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Rows]:
    """What is said of a backend's copies: one process each, when first asked."""
    known: dict[str, Rows] = {}
    folder = tmp_path_factory.mktemp("planted")

    def of(backend: str) -> Rows:
        if backend not in known:
            known[backend] = {
                row["name"]: row for row in run_all(backend, looked_for(backend), folder)
            }
        return known[backend]

    return of


def test_every_backend_has_every_slip_or_says_why_not() -> None:
    assert set(NAMES) == set(BACKENDS)
    for name, one in PLANTS.items():
        missing = {backend for backend in NAMES if not one.can_be_in(backend)}
        assert missing == set(one.absent), name


@pytest.mark.parametrize(("backend", "name"), [slow_but(*cell) for cell in CELLS])
def test_found(backend: str, name: str, said: Callable[[str], Rows]) -> None:
    row = said(backend)[name]
    assert row["placed"], row
    assert row["cause"], row


@pytest.mark.parametrize("backend", [slow_but(backend) for backend in NAMES])
def test_a_copy_as_it_is_is_not_blamed(backend: str, said: Callable[[str], Rows]) -> None:
    others = [row for row in said(backend).values() if not row["slip"]]
    assert len(others) >= 5
    assert [row for row in others if row["found"]] == []
