"""The small functions that say how far is too far, by hand: a number each, and its edge."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from common.agreement.bounds import largest_error, near_ties, update_bound
from common.agreement.diagnose import growth
from common.agreement.differences import miscount, rows_off
from common.agreement.divergence import distance, in_dtype, overflows
from common.agreement.drift import band_limit, beyond, drift, free_limit
from common.agreement.exp_reach import dlogits_reach
from common.agreement.expected import expect
from common.agreement.neighbours import NUDGE_ULPS, Neighbours, moved
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.track import Off, Track, off_by, root_mean_square
from common.agreement.verdict import Difference, Verdict, undecided
from common.contract.arrays import Arrays
from common.contract.plan import Plan
from common.contract.precision import cast
from common.data.description import Dataset
from common.entrants.local import LocalSession
from common.running.work import draw_work
from tests.conftest import make_plan

NAN, INF = float("nan"), float("inf")
#: Float32's relative spacing, and half of it: what one rounding may err by.
EPS = 2.0**-23
UNIT = EPS / 2
TINY = float(np.finfo("float32").tiny)


# ---- rows -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        # Half of a row is enough to call it wrong, a third is not.
        ([1, 1, 1, 0, 0, 0], "only row 3 of w differs"),
        ([1, 1, 0, 0, 0, 0], None),
    ],
)
def test_a_row_is_called_wrong_if_half_of_it_is(wrong: list[int], words: str | None) -> None:
    right = np.ones((16, 6))
    value = right.copy()
    value[3] += wrong
    wanted = SimpleNamespace(right=right, allowed=1e-6, exp_reach=0.0)
    check = SimpleNamespace(tensor="w")
    outcome: Any = SimpleNamespace(check=check, values={"w": value}, expected={"w": wanted})
    assert rows_off(outcome) == words


# ---- losses ---------------------------------------------------------------------------------


def test_free_limit_is_16_units_in_the_last_place_of_each_loss() -> None:
    assert free_limit(np.array([1.0, 2.5, -0.5]), "float32").tolist() == [
        16 * EPS,
        32 * EPS,
        8 * EPS,
    ]


def test_free_limit_of_float64_is_relative_to_losses_above_one() -> None:
    assert free_limit(np.array([0.1, 1.0, -4.0]), "float64").tolist() == [1e-12, 1e-12, 4e-12]


def test_band_limit_is_4_bands_and_4_units_in_the_last_place() -> None:
    assert band_limit(np.array([1.0, 2.0]), "float32", 0.5).tolist() == [2 + 4 * EPS, 2 + 8 * EPS]


@pytest.mark.parametrize(
    ("loss", "right", "limit", "wanted"),
    [
        (1.5, 1.0, 0.5, False),
        (1.5, 1.0, 0.25, True),
        (0.5, 1.0, 0.25, True),
        (1.0, 1.0, 0.0, False),
        (1.0, 1.0, NAN, False),
        (1.5, 1.0, NAN, True),
        (NAN, 1.0, INF, False),
        (NAN, 1.0, 1.0, True),
        (INF, 1e39, 0.0, False),
        (3e38, 1e39, 1.0, True),
    ],
    ids=[
        "at-the-limit",
        "above",
        "below",
        "equal",
        "equal-no-limit",
        "no-limit",
        "nan-any-limit",
        "nan",
        "both-overflow",
        "one-overflows",
    ],
)
def test_beyond(loss: float, right: float, limit: float, wanted: bool) -> None:
    found = beyond(np.array([loss]), np.array([right]), np.array([limit]), "float32")
    assert found.tolist() == [wanted]


def test_drift_is_from_what_the_dtype_holds() -> None:
    assert drift(np.array([INF, 2.0]), np.array([1e39, 1.5]), "float32").tolist() == [0.0, 0.5]


# ---- numbers that are none ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "right", "wanted"),
    [(3, 1, 2), (1, 3, 2), (NAN, NAN, 0), (INF, -INF, 0), (NAN, 1, INF), (1, INF, INF)],
)
def test_distance(found: float, right: float, wanted: float) -> None:
    assert distance(np.array([found]), np.array([right])).tolist() == [wanted]


def test_in_dtype_turns_what_is_too_large_into_infinity() -> None:
    largest = float(np.finfo("float32").max)
    given = np.array([largest, 1e39, -1e39, 0.0])
    assert in_dtype(given, "float32").tolist() == [largest, INF, -INF, 0.0]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(1e19, False), (-1e19, False), (1e20, True), (-1e20, True), (NAN, True), (INF, True)],
)
def test_overflows_where_a_square_does(value: float, wanted: bool) -> None:
    arrays = [np.zeros(2), np.array([1.0, value])]
    assert overflows(arrays, "float32") == wanted


# ---- counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("logits", "bound", "wanted"),
    [
        ([[1.0, 2.0, 5.0]], 1.0, 0),
        ([[1.0, 3.0, 5.0]], 1.0, 1),
        ([[5.0, 3.0, 1.0], [5.0, 4.0, 1.0], [5.0, 1.0, 1.0]], 1.0, 2),
        ([[4.0, 4.0]], 0.0, 1),
        ([[1.0, 100.0]], NAN, 1),
        ([[1.0], [2.0]], INF, 0),
    ],
    ids=["apart", "twice-the-bound", "of-three", "tie", "no-bound", "one-class"],
)
def test_near_ties(logits: list[list[float]], bound: float, wanted: int) -> None:
    assert near_ties(np.array(logits), bound) == wanted


def test_largest_error_is_of_the_numbers() -> None:
    found, right = np.array([1.0, NAN, 7.0, 2.0]), np.array([1.5, 3.0, INF, 4.0])
    assert largest_error(found, right) == 2.0
    assert largest_error(found[1:2], right[1:2]) == 0.0


# ---- updates --------------------------------------------------------------------------------


def bound_of(plan: Plan, param: float, grad: float, state: Arrays, after: Arrays) -> dict[str, Any]:
    """`update_bound` of one parameter that is one number, in roundings of float32."""
    arrays = {"p": np.array([param])}
    slopes = {"p": np.array([grad])}
    found = update_bound(plan, arrays, slopes, state, {"p": after["p"]}, after)
    return {name: float(np.sum(value)) / UNIT for name, value in found.items() if name != "step"}


def one(value: float) -> np.ndarray:
    return np.array([value])


def test_bound_of_gradient_descent() -> None:
    """6 roundings of each term that is subtracted, and 2 of the result."""
    plan = make_plan(lr=0.25, weight_decay=0.5)
    # Terms 2 + 0.5 · 4 = 4, times lr: 1. Result 3.
    found = bound_of(plan, 4.0, -2.0, {}, {"p": one(3.0)})
    assert found == {"p": 6 * 1 + 2 * 3}


def test_bound_of_momentum() -> None:
    plan = make_plan(optimizer="momentum", lr=0.5, momentum=0.5)
    after = {"p": one(-4.0), "p/m": one(3.0)}
    # Terms 2 + 0.5 · 4 = 4.
    found = bound_of(plan, 1.0, 2.0, {"p/m": one(-4.0)}, after)
    assert found == {"p/m": 6 * 4 + 2 * 3, "p": 6 * 0.5 * 4 + 2 * 4}


@pytest.mark.parametrize(
    ("optimizer", "wanted"),
    [
        # The slope is the gradient and decay, 0.5 + 0.5: m = v = 0.5, m errs by 4.5, v by 7.5.
        # Of the parameter: 9 by m, 7 and 3.5 by the corrections, 7.5 by v, 8 by the step itself;
        # 2 · 0.75 of the result and 1 of what it was.
        ("adam", {"p/m": 4.5, "p/v": 7.5, "p": 9 + 7 + 3.5 + 7.5 + 8 + 1.5 + 1}),
        # The slope is the gradient, 0.5, which halves what m errs by: 2.75; v errs by 2.625.
        # By m 5.5, by v 2.625; decay, 0.5, is taken off by itself: 3.
        ("adamw", {"p/m": 2.75, "p/v": 2.625, "p": 5.5 + 7 + 3.5 + 2.625 + 8 + 1.5 + 3 + 1}),
    ],
)
def test_bound_of_adam(optimizer: str, wanted: dict[str, float]) -> None:
    """From a state of zeros, with numbers that make both corrections 0.5 and the step 1."""
    plan = make_plan(optimizer=optimizer, lr=1.0, weight_decay=0.5)
    plan = replace(plan, betas=(0.5, 0.5), eps=0.0)
    state = {"step": np.asarray(0), "p/m": one(0.0), "p/v": one(0.0)}
    after = {"p": one(0.75), "p/m": one(0.5), "p/v": one(0.5)}
    found = bound_of(plan, 1.0, 0.5, state, after)
    assert found == pytest.approx(wanted)


def test_no_bound_is_below_the_smallest_normal_number() -> None:
    found = update_bound(
        make_plan(), {"p": one(0.0)}, {"p": one(0.0)}, {}, {"p": one(0.0)}, {"p": one(0.0)}
    )
    assert {name: float(np.sum(value)) for name, value in found.items()} == {
        "step": TINY,
        "p": TINY,
    }


def test_a_run_in_float64_rounds_twice_as_often() -> None:
    plan = make_plan(lr=0.25, dtype="float64")
    found = update_bound(plan, {"p": one(1.0)}, {"p": one(4.0)}, {}, {"p": one(0.0)}, {})
    assert float(found["p"][0]) == pytest.approx(6 * 2.0**-52)


# ---- the criterion --------------------------------------------------------------------------


def test_eight_errors_and_four_units_in_the_last_place_are_allowed() -> None:
    right = {"x": np.array([1.0, 2.0])}
    runs = iter([1e-5, 3e-5, 2e-5, 0.0])
    own = {"x": np.array([1.0, 2.0 + 1e-6])}
    expected = expect("float32", right, own, lambda draw: {"x": right["x"] + next(runs)})["x"]
    assert expected.own == pytest.approx(3e-5)
    assert expected.allowed.tolist() == pytest.approx([8 * 3e-5 + 4 * 2 * EPS] * 2)
    assert next(runs, None) is None


def test_of_float64_a_share_of_the_largest_value_is_allowed() -> None:
    right = {"x": np.array([1.0, -2.0])}
    assert expect("float64", right, right, lambda draw: right)["x"].allowed.tolist() == [2e-13] * 2


def test_whole_numbers_have_no_room() -> None:
    right = {"n": np.array([3])}
    assert expect("float32", right, {"n": np.array([5])}, lambda d: right)["n"].allowed == [0.0]


def test_what_is_no_number_in_one_run_has_no_limit() -> None:
    right = {"x": np.array([1.0, 2.0])}
    runs = iter([1.0, NAN, 1.0, 1.0])
    expected = expect("float32", right, right, lambda draw: {"x": np.array([next(runs), 2.0])})
    assert np.isnan(expected["x"].allowed).tolist() == [True, False]


def test_sensitivity_adds_edges_to_the_largest_move() -> None:
    """Edge by edge outwards, each way by itself: what two units switch does not cancel."""
    moves = [{"x": one(1.5)}, {"x": one(0.75)}]
    ways = [[{"x": one(3.0)}, {"x": one(1.0)}], [{"x": one(1.0)}, {"x": one(0.5)}]]
    assert Neighbours(moves, ways).sensitivity("x", one(1.0)).tolist() == [0.5 + 4 + 0.5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_neighbours_are_16_roundings_away_at_most(dtype: str) -> None:
    params = {"p": np.full((50, 20), -3.0)}
    away = np.stack([np.abs(near["p"] / -3.0 - 1) for near in moved(params, dtype)])
    unit = float(np.finfo(dtype).eps) / 2
    assert away.shape == (4, 50, 20)
    assert 0.9 * NUDGE_ULPS * unit < away.max() <= (NUDGE_ULPS + 4) * unit
    assert not (away[0] == away[1]).all()


def test_an_exp_reaches_twice_the_softmax() -> None:
    softmax = np.array([[0.25, 0.75], [0.5, 0.5]])
    labels = np.array([1, 0])
    dlogits = (softmax - np.eye(2)[labels]) / 2
    plan = make_plan("softmax").asdict()
    assert dlogits_reach(plan, labels, dlogits).tolist() == softmax.tolist()
    weighted = {**plan, "class_weights": (1.0, 3.0)}
    counted = np.array([[0.75], [0.25]])
    reach = dlogits_reach(weighted, labels, counted * (softmax - np.eye(2)[labels]))
    np.testing.assert_allclose(reach, 2 * counted * softmax, rtol=1e-15)
    smoothed = {**plan, "label_smoothing": 0.2}
    reach = dlogits_reach(smoothed, labels, (softmax - (0.8 * np.eye(2)[labels] + 0.1)) / 2)
    np.testing.assert_allclose(reach, softmax, rtol=1e-15)


# ---- along the path -------------------------------------------------------------------------


def test_off_by() -> None:
    right, wanted = np.array([1.0, 2.0]), {"p": np.array([0.0, 0.0]), "q": one(1.0)}
    off = off_by(np.array([1.0, 1.5]), {"p": np.array([3.0, 4.0])}, right, wanted)
    assert off == Off(0.5, {"p": pytest.approx(np.sqrt(12.5)), "q": INF})


def test_a_tensor_of_another_shape_is_infinitely_far() -> None:
    assert root_mean_square(np.zeros((2, 1)), np.zeros((1, 2))) == INF


def test_the_larger_of_two() -> None:
    one_, other = Off(1.0, {"p": 2.0, "q": 1.0}), Off(3.0, {"q": 5.0, "r": 4.0})
    assert one_ | other == Off(3.0, {"p": 2.0, "q": 5.0, "r": 4.0})
    assert other | one_ == one_ | other


# ---- steps and verdicts ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "step"),
    [
        ([[1, 2, 3], [4, 5, 6]], None),
        ([[1, 2], [4, 5, 6]], 3),
        ([[], [4, 5, 6]], 1),
        ([[1, 2, 3], [4]], 5),
        ([[1, 2, 3], [4, 5, 5.5, 6]], 5),
        ([[1, 2, 3], [4, 5, 6, 7]], 6),
        ([[1, 1.5, 2, 3], [4]], 1),
    ],
    ids=[
        "all",
        "last-left-out",
        "none",
        "second-epoch",
        "twice",
        "last-twice",
        "first-epoch-first",
    ],
)
def test_miscount(losses: list[list[float]], step: int | None) -> None:
    schedule = Schedule([np.arange(6), np.arange(6)], 2)
    right = np.arange(1.0, 7.0)
    found = miscount([np.array(epoch, "float32") for epoch in losses], schedule, right, "float32")
    assert (found.step if found else None) == step


@pytest.mark.parametrize(
    ("verdict", "wanted"),
    [
        (Verdict(), True),
        (Verdict("rounding"), False),
        (Verdict("differs"), False),
        (Verdict(comparable=False), False),
        (Verdict(first_difference=Difference(1, "loss", "loss", (), 1.0, 2.0)), False),
    ],
    ids=["open", "rounding", "differs", "not-comparable", "parted"],
)
def test_undecided(verdict: Verdict, wanted: bool) -> None:
    assert undecided(verdict) == wanted


@pytest.mark.parametrize(
    ("loss", "tensor", "within"),
    [
        pytest.param(0.0, 0.0, True, id="not-off"),
        pytest.param(8e-4, 8e-3, True, id="eight-times-its-own"),
        pytest.param(9e-4, 0.0, False, id="loss"),
        pytest.param(0.0, 9e-3, False, id="tensor"),
        pytest.param(np.nan, 0.0, False, id="no-number"),
    ],
)
def test_within_eight_times_the_runs_own_arithmetic(
    loss: float, tensor: float, within: bool
) -> None:
    track: Any = SimpleNamespace(
        own=Off(1e-4, {"w": 1e-3}), losses=np.ones(3), end={"w": np.ones(2)}, dtype="float32"
    )
    assert Track.within(track, Off(loss, {"w": tensor})) is within


@pytest.mark.parametrize("known", [True, False], ids=["known", "not-known"])
def test_what_functions_err_by_explains_a_segment(pictures: Dataset, known: bool) -> None:
    plan = make_plan("lenet", lr=0.9, momentum=0.5, epochs=1)
    work = draw_work(plan, pictures)
    referee = Referee(plan, work.data, errors={"exp": 1e-3} if known else {})
    track = Track(referee, Schedule(work.orders, plan.batch_size))
    errs = Referee(plan, work.data, errors={"exp": 7e-4}).erring
    first, stop = track.parts[-1]
    off = track.off(errs, first, stop, cast(track.states[first].params, "float64"))
    assert not track.within(off)
    assert track.explained_by_nudges(first, stop, off) == known


def test_growth_begins_at_the_step_that_was_asked_for(small: Dataset) -> None:
    """Of plain arithmetic it is rounding; a step aside it would be the losses' own difference."""
    plan = make_plan()
    work = draw_work(plan, small)
    track = Track(Referee(plan, work.data), Schedule(work.orders, plan.batch_size))
    session = LocalSession("numpy")
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(plan.asdict(), choices, work.data)
    for step in (2, 3):
        found = growth(session, track, step)
        assert [later for later, _ in found] == ([0, 1, 2, 4] if step == 2 else [0, 1, 2, 3])
        assert max(drift for _, drift in found) < 1e-6
