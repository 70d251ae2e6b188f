"""Turns and the arithmetic of clock readings, on known numbers."""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.measure import machine, statistics, turns
from common.measure.machine import usable_cores
from common.measure.quiet import BUSY
from common.results.document import Pair
from common.shown.words import winner_words
from tests.benchmarks import overhead


@given(st.integers(0, 8), st.integers(0, 12), st.integers(0, 2**32))
def test_every_entrant_has_one_turn_in_every_epoch(entrants: int, epochs: int, seed: int) -> None:
    schedule = turns.turns(entrants, epochs, seed)
    assert len(schedule) == epochs
    assert all(sorted(turn) == list(range(entrants)) for turn in schedule)
    assert all(type(position) is int for turn in schedule for position in turn)


def test_turns_follow_from_the_seed() -> None:
    assert turns.turns(4, 10, 3) == turns.turns(4, 10, 3)
    assert turns.turns(4, 10, 3) != turns.turns(4, 10, 4)


def test_turns_are_shuffled_anew_in_every_epoch() -> None:
    """Nobody always follows the same neighbour, or always goes first."""
    schedule = turns.turns(3, 300, 0)
    orders = Counter(map(tuple, schedule))
    assert len(orders) == 6
    assert min(orders.values()) > 25
    firsts = Counter(turn[0] for turn in schedule)
    assert min(firsts.values()) > 70


def at(
    second: float, busy: float | None = 0.0, stolen: float | None = 0.0, own: float = 0.0
) -> machine.Reading:
    """What the machine says of two cores."""
    return machine.Reading(second, 2, busy, stolen, own)


@pytest.mark.parametrize(
    ("after", "worked", "expected"),
    [
        pytest.param({"busy": 1.0}, 1.0, False, id="all-its-own"),
        pytest.param({"busy": 1.0, "own": 0.5}, 0.5, False, id="and-this-process's"),
        pytest.param({"busy": 1.2}, 1.0, False, id="others-a-little"),
        pytest.param({"busy": 1.3}, 1.0, True, id="others-more"),
        pytest.param({"busy": 1.0, "stolen": 0.3}, 1.0, True, id="the-host"),
        pytest.param({"busy": 2.0}, None, False, id="several-processes"),
        pytest.param({"busy": 1.0, "stolen": 0.3}, None, True, id="several-and-the-host"),
        pytest.param({"busy": None, "stolen": None}, 1.0, False, id="does-not-tell"),
    ],
)
def test_disturbed(after: dict[str, float], worked: float, expected: bool) -> None:
    """Of two cores, one second: 0.2 + 0.03 s are forgiven."""
    assert machine.disturbed(at(0.0), at(1.0, **after), worked) == expected


def of_short(taken: float, noise: Callable[[], float], seconds: float = 0.02) -> list[bool]:
    """Forty epochs of two hundredths on two cores, of which others took some; what is said."""
    watch, work = machine.Watch(), 2 * seconds - taken
    return [
        watch.disturbed(at(0.0), at(seconds, busy=work + taken + noise()), work) for _ in range(40)
    ]


def test_short_epochs_are_judged_together() -> None:
    """One core of two is taken: too little to see in an epoch, and seen in four."""
    found = of_short(0.02, lambda: 0.0)
    assert found[:2] == [False, False]
    assert all(found[4:])
    draw = np.random.default_rng(0)
    for _ in range(200):  # what is counted in hundredths is off by one, this way or that
        assert not any(of_short(0.0, lambda: 0.01 * draw.integers(-1, 2)))


@pytest.mark.parametrize("seconds", [0.001, 0.002, 0.003, 0.02])
@pytest.mark.parametrize("cores", [1, 2])
def test_nobody_is_seen_where_nobody_is(seconds: float, cores: int) -> None:
    """Cores that an entrant keeps busy, counted in whole hundredths of a second."""
    watch, told = machine.Watch(), []
    for epoch in range(1000):
        readings = [
            machine.Reading(second, cores, cores * math.floor(100 * second) / 100, 0.0, 0.0)
            for second in (epoch * 1.37 * seconds, (epoch * 1.37 + 1) * seconds)
        ]
        told.append(watch.disturbed(readings[0], readings[1], cores * seconds))
    assert sum(told) < 20


def test_what_two_short_epochs_suffered_is_forgotten() -> None:
    watch = machine.Watch()
    for _ in range(2):
        watch.disturbed(at(0.0), at(0.02, busy=0.04), 0.0)
    later = [watch.disturbed(at(0.0), at(0.02, busy=0.04), 0.04) for _ in range(10)]
    assert not any(later[4:])


def test_reading_counts_the_cores_it_is_asked_for(tmp_path: Path) -> None:
    stat = tmp_path / "stat"
    stat.write_text(
        "cpu  103 23 33 4003 53 9 10 83 0 0\n"
        "cpu0 100 20 30 4000 50 6 7 80 0 0\n"
        "cpu1 1 1 1 1 1 1 1 1 0 0\n"
        "cpu12 2 2 2 2 2 2 2 2 0 0\n"
        "intr 5\n"
    )
    tick = os.sysconf("SC_CLK_TCK")
    for cores, busy, stolen in (([0], 163, 80), ([1], 5, 1), ([0, 12], 173, 82)):
        found = machine.reading(cores, stat)
        assert found.cores == len(cores)
        assert (found.busy, found.stolen) == pytest.approx((busy / tick, stolen / tick))
    nothing = machine.reading([0], tmp_path / "none")
    assert (nothing.busy, nothing.stolen) == (None, None)


def test_reading_sees_who_works() -> None:
    """This machine's own numbers."""
    cores = usable_cores()
    before = machine.reading(cores)
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    after = machine.reading(cores)
    assert after.own - before.own >= 0.2
    if before.busy is not None and after.busy is not None:
        assert after.busy - before.busy >= 0.1


def in_rounds(a: Sequence[float], b: Sequence[float]) -> tuple[list[list[float]], ...]:
    """The same epochs in three rounds, which is as many as it takes to tell a few percent."""
    cuts = [len(a) // 3, 2 * len(a) // 3]
    return tuple([list(part) for part in np.split(np.asarray(one), cuts)] for one in (a, b))


@pytest.mark.parametrize("readings", [[], [1.0], [1.0, 2.0]], ids=len)
def test_under_three_readings_have_no_interval(readings: list[float]) -> None:
    assert statistics.interval([readings]) == (None, None)


def test_interval_of_equal_readings_has_no_width() -> None:
    assert statistics.interval([[2.0, 2.0, 2.0]]) == (2.0, 2.0)


def test_interval_lies_in_the_readings_around_their_median() -> None:
    readings = np.random.default_rng(0).normal(10.0, 1.0, 40).tolist()
    low, high = statistics.interval([readings])
    assert low is not None
    assert high is not None
    assert min(readings) < low < np.median(readings) < high < max(readings)
    # The standard error of a median of 40 normal readings is 1.253 / sqrt(40) = 0.2.
    assert 0.3 < high - low < 1.6


def test_interval_covers_the_true_median_nearly_as_often_as_it_says() -> None:
    draw = np.random.default_rng(1)
    hits = 0
    for _ in range(60):
        low, high = statistics.interval([draw.normal(0.0, 1.0, 20).tolist()])
        assert low is not None
        assert high is not None
        hits += low <= 0.0 <= high
    assert 50 <= hits <= 60


def test_interval_repeats() -> None:
    readings = [1.0, 1.5, 1.2, 1.1, 1.3]
    assert statistics.interval([readings]) == statistics.interval([readings])


def test_outlier_moves_neither_median_nor_interval_far() -> None:
    """One epoch in which the machine did something else."""
    usual = [1.0 + 0.01 * n for n in range(10)]
    found = statistics.summary([[*usual, 60.0]])
    assert found["median"] == pytest.approx(1.05)
    assert found["high"] < 1.11


@pytest.mark.parametrize(
    ("readings", "median", "least"),
    [([3.0], 3.0, 3.0), ([3.0, 1.0], 2.0, 1.0), ([3.0, 1.0, 2.0], 2.0, 1.0)],
    ids=["one", "two", "three"],
)
def test_summary(readings: list[float], median: float, least: float) -> None:
    found = statistics.summary([readings])
    assert list(found) == ["median", "low", "high", "min", "all", "rounds"]
    assert (found["median"], found["min"], found["all"]) == (median, least, readings)
    assert (found["low"] is None) == (found["high"] is None) == (len(readings) < 3)


def test_summary_of_nothing() -> None:
    """One epoch: its time holds first-time costs, so there is no steady one."""
    nothing = {"median": None, "low": None, "high": None, "min": None, "all": [], "rounds": []}
    assert statistics.summary([]) == nothing


@pytest.mark.parametrize(
    ("a", "b", "ratio", "verdict"),
    [
        ([1.0] * 5, [2.0] * 5, 0.5, "a is faster"),
        ([2.0] * 5, [1.0] * 5, 2.0, "b is faster"),
        ([1.0] * 5, [1.0] * 5, 1.0, "no clear difference"),
        ([1.04] * 5, [1.0] * 5, 1.04, "no clear difference"),
        ([1.06] * 5, [1.0] * 5, 1.06, "b is faster"),
        ([0.96] * 5, [1.0] * 5, 0.96, "no clear difference"),
        ([0.94] * 5, [1.0] * 5, 0.94, "a is faster"),
        ([1.0] * 2, [9.0] * 2, 1 / 9, "no clear difference"),
        ([1.0], [9.0], 1 / 9, "no clear difference"),
        ([0.5, 1.0, 2.0, 0.4, 1.9], [1.0] * 5, 1.0, "no clear difference"),
        ([0.5, 0.6, 0.7, 1.3, 0.5], [1.0] * 5, 0.6, "no clear difference"),
    ],
    ids=[
        "twice-as-fast",
        "twice-as-slow",
        "equal",
        "4%-slower",
        "6%-slower",
        "4%-faster",
        "6%-faster",
        "two-epochs",
        "one-epoch",
        "scattered",
        "interval-reaches-over",
    ],
)
def test_compare(a: list[float], b: list[float], ratio: float, verdict: str) -> None:
    found = statistics.compare(*in_rounds(a, b))
    assert found["ratio"] == pytest.approx(ratio)
    assert found["verdict"] == verdict
    assert (found["low"] is None) == (found["high"] is None) == (len(a) < 3)


def test_compare_pairs_the_same_epochs() -> None:
    """Drift that hits both alike cancels: each of b's epochs is twice the same one of a."""
    a = [1.0, 5.0, 2.0, 9.0, 3.0]
    found = statistics.compare([a], [[2 * seconds for seconds in a]])
    assert (found["ratio"], found["low"], found["high"]) == (0.5, 0.5, 0.5)
    assert found["verdict"] == "a is faster"


def test_compare_nothing_is_not_compared() -> None:
    nothing = {"ratio": None, "low": None, "high": None, "verdict": "not compared"}
    assert statistics.compare([], []) == nothing


def test_compare_the_other_way_round_says_the_same() -> None:
    draw = np.random.default_rng(2)
    a, b = draw.normal(1.0, 0.05, 12), draw.normal(1.5, 0.05, 12)
    there, back = statistics.compare([a], [b]), statistics.compare([b], [a])
    assert there["verdict"] == "a is faster"
    assert back["verdict"] == "b is faster"
    assert there["ratio"] * back["ratio"] == pytest.approx(1.0, rel=1e-2)


@pytest.mark.slow
def test_same_entrant_twice_has_no_clear_difference() -> None:
    """The A/A control, with a drift of a third over the run and 3 % of noise."""
    draw, wrong = np.random.default_rng(3), 0
    for _ in range(40):
        drift = np.linspace(1.0, 1.33, 12)
        a, b = (drift * draw.normal(1.0, 0.03, 12) for _ in range(2))
        wrong += statistics.compare(*in_rounds(a, b))["verdict"] != "no clear difference"
    assert wrong == 0


@pytest.mark.slow
def test_ten_percent_are_found_under_the_same_noise() -> None:
    """What would not be found if the interval were too wide."""
    draw, found = np.random.default_rng(4), 0
    for _ in range(40):
        drift = np.linspace(1.0, 1.33, 12)
        a, b = (drift * draw.normal(1.0, 0.02, 12) for _ in range(2))
        found += statistics.compare(*in_rounds(a, 1.15 * b))["verdict"] == "a is faster"
    assert found >= 38


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.29, "no clear difference"), (1.31, "b is faster"), (0.78, "no clear difference"),
     (0.76, "a is faster")],
)  # fmt: skip
@pytest.mark.parametrize("rounds", [1, 2])
def test_few_processes_tell_a_large_difference_only(
    rounds: int, ratio: float, verdict: str
) -> None:
    """However alike the epochs of a process are."""
    a, b = [[ratio] * 9] * rounds, [[1.0] * 9] * rounds
    assert statistics.compare(a, b)["verdict"] == verdict


FEW = "no clear difference, by so few processes; --rounds 3 tells"


@pytest.mark.parametrize(
    ("low", "high", "verdict", "rounds", "words"),
    [
        (1.1, 1.2, "no clear difference", 1, FEW),
        (0.8, 0.9, "no clear difference", 2, FEW),
        (0.97, 1.2, "no clear difference", 1, "no clear difference"),
        (1.04, 1.049, "no clear difference", 3, "no clear difference"),
        (1.4, 1.5, "b is faster", 1, "y is faster"),
        (0.4, 0.5, "a is faster", 3, "x is faster"),
        (None, None, "no clear difference", 1, "too few epochs to tell"),
        (1.4, 1.5, BUSY, 1, BUSY),
        (None, None, BUSY, 1, BUSY),
    ],
)  # fmt: skip
def test_who_is_faster_in_words(
    low: float | None, high: float | None, verdict: str, rounds: int, words: str
) -> None:
    pair = Pair(
        a="x", b="y", ratio=1.0, low=low, high=high, prediction_agreement=None, verdict=verdict
    )
    assert winner_words(pair, rounds) == words


@pytest.mark.parametrize(("by_hand", "missed"), [(1.0, False), (0.9, True)], ids=["met", "missed"])
def test_a_goal_of_the_loops_by_hand(by_hand: float, missed: bool) -> None:
    noise = 1 + np.random.default_rng(3).normal(0, 0.01, 20)
    rows, found = overhead.judged(
        {"jax jit": list(noise), "jax jit by hand": list(by_hand * noise[::-1])}
    )
    assert (len(rows), found) == (1, missed)
    assert ("missed" in rows[0]) == missed


def test_rounds_are_drawn_before_epochs() -> None:
    """Epochs of one process are alike: as many of three processes say what three readings do."""
    rounds = [[1.0] * 20, [1.1] * 20, [1.3] * 20]
    assert statistics.interval(rounds) == (1.0, 1.3)
    low, high = statistics.interval([[second for each in rounds for second in each]])
    assert low is not None
    assert high is not None
    assert high - low < 0.3


@pytest.mark.slow
def test_the_same_entrant_in_other_processes_has_no_clear_difference() -> None:
    """Each process is up to a tenth off, its epochs 1 %: the epochs alone would tell a winner."""
    draw, wrong, by_epochs = np.random.default_rng(5), 0, 0
    for _ in range(40):
        a, b = (
            [(1 + each) * draw.normal(1.0, 0.01, 9) for each in draw.uniform(-0.1, 0.1, 5)]
            for _ in range(2)
        )
        wrong += statistics.compare(a, b)["verdict"] != "no clear difference"
        low, high = statistics.interval([np.concatenate(a) / np.concatenate(b)])
        assert low is not None
        assert high is not None
        by_epochs += low > 1.05 or high < 1 / 1.05
    assert wrong <= 3
    assert by_epochs > 2 * wrong
