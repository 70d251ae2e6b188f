"""Real networks of several frameworks: right ports accepted, wrong ones at their layer."""

from __future__ import annotations

from typing import Any

import pytest

from tests.zoo import LARGE, SMALL, WRONG, Pair, held

PACKAGES = {"nnx": "flax", "linen": "flax"}

#: Those of the small ones that are compiled here; all are by `tests/benchmarks/zoo.py --jit`.
COMPILED = ["mindspore:lenet", "mindspore:lstm", "nnx:lenet"]


def members(pairs: list[Pair]) -> list[Any]:
    """With their names, the slow ones marked."""
    slow = {True: (pytest.mark.slow,), False: ()}
    return [pytest.param(pair, marks=slow[pair.slow], id=str(pair)) for pair in pairs]


def need(pair: Pair) -> None:
    """Skip without what a pair needs."""
    frameworks = (name.partition(":")[0] for name in (pair.reference, pair.port))
    for package in (*(PACKAGES.get(one, one) for one in frameworks), *pair.needs):
        pytest.importorskip(package)


@pytest.mark.parametrize("pair", members(SMALL + LARGE))
def test_a_right_port_is_accepted(pair: Pair) -> None:
    need(pair)
    report = held(pair)
    assert report.verdict == pair.verdict, str(report)
    assert not report.matched.merged, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("pair", [one for one in SMALL if one.port in COMPILED], ids=str)
def test_a_right_port_is_accepted_compiled(pair: Pair) -> None:
    need(pair)
    report = held(pair, mode="jit")
    assert report.verdict == pair.verdict, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("pair", members(WRONG))
def test_a_wrong_port_is_found_at_its_layer(pair: Pair) -> None:
    need(pair)
    report = held(pair)
    assert report.first is not None, str(report)
    assert (report.first.place.layer, report.first.place.stage) == (pair.layer, pair.stage)
