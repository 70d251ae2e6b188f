"""The weight mapping: every role is proposed, decided by numbers, and differentiated."""

from dataclasses import replace

import numpy as np
import pytest

from common.mapping.decision import combinations, decide
from common.mapping.proposal import propose
from tests.mapped import CASES, F, branches, case, drawn, leaf, leaves, other_branches


@pytest.mark.parametrize("name", CASES)
def test_every_role_is_decided_by_numbers(name):
    mapping, values, residual, words = case(name)
    assert mapping.complete, mapping.notes
    found = decide(mapping, values, residual)
    assert residual(found.apply(values, "float64"), "") < 1e-13
    said = {entry.port: str(entry.source.transform) for entry in found.entries}
    assert said == said | words
    assert all(e.decided == "by numbers" for e in found.entries if e.candidates)
    assert found.complete


@pytest.mark.parametrize("name", CASES)
def test_a_planted_transform_is_rejected(name):
    mapping, values, residual, _ = case(name)
    right = decide(mapping, values, residual)
    for module in {entry.module for entry in right.entries}:
        own = [entry for entry in right.entries if entry.module == module]
        for planted in list(combinations(own))[1:4]:
            others = [entry for entry in right.entries if entry.module != module]
            wrong = right.with_entries([*others, *planted])
            assert residual(wrong.apply(values, "float64"), "") > 1e-6
            again = decide(wrong, values, residual)
            assert residual(again.apply(values, "float64"), "") < 1e-13


@pytest.mark.parametrize("name", CASES)
def test_slopes_take_the_way_that_is_said(name):
    """Σ of the outputs' squares, differentiated by each leaf of both by central differences."""
    _, theirs, port, ours, shape, _ = CASES[name]
    mapping, values, residual, _ = case(name)
    mapping = decide(mapping, values, residual)
    x = np.random.default_rng(7).normal(size=shape)
    want = mapping.pull(slopes_of(theirs, values, x))
    found = mapping.gather(slopes_of(ours, mapping.apply(values, "float64"), x))
    assert set(want) == set(found) == {one.name for one in port}
    for one in port:
        np.testing.assert_allclose(found[one.name], want[one.name], rtol=1e-6, atol=1e-6)


def slopes_of(function, values, x, step=1e-5):
    """By central differences."""
    found = {}
    for name, array in values.items():
        slope = np.zeros(array.shape)
        for place in np.ndindex(array.shape):
            ends = []
            for sign in (1, -1):
                moved = array.copy()
                moved[place] += sign * step
                ends.append(np.sum(function(values | {name: moved}, x) ** 2))
            slope[place] = (ends[0] - ends[1]) / (2 * step)
        found[name] = slope
    return found


FLAT = {"w1": (5, F), "b1": (5,), "w2": (5, 5), "b2": (5,)}


def test_a_bias_may_stand_beside_its_weight():
    reference = leaves("Linear", a__weight=(5, F), a__bias=(5,), o__weight=(5, 5), o__bias=(5,))
    found = propose(reference, [leaf(name, shape) for name, shape in FLAT.items()])
    made = {e.port: e.source.reference[0] for e in found.entries}
    assert made == {"w1": "a.weight", "b1": "a.bias", "w2": "o.weight", "b2": "o.bias"}


def test_a_missing_bias_is_not_another_layers():
    reference = leaves("Linear", a__weight=(5, F), a__bias=(5,), o__weight=(6, 5))
    port = leaves("Linear", a__weight=(5, F), o__weight=(6, 5), o__shift=(5,))
    assert len(propose(reference, port).entries) == 2


def test_branches_that_nothing_tells_apart_are_exchanged_until_the_whole_agrees():
    reference = leaves("Linear", a__weight=(F, F), b__weight=(F, F), c__weight=(F, F))
    port = leaves("Dense", m__u__kernel=(F, F), m__v__kernel=(F, F), m__w__kernel=(F, F))
    values, x = drawn(reference), np.random.default_rng(7).normal(size=(5, F))
    mapping = propose(reference, port)

    def residual(given, module):
        if module != "m":  # one branch alone is right whichever it is made of
            return 0.0
        return float(np.abs(other_branches(given, x) - branches(values, x)).max())

    assert residual(mapping.apply(values, "float64"), "m") > 0.1
    found = decide(mapping, values, residual)
    assert residual(found.apply(values, "float64"), "m") < 1e-13
    made = {e.port: e.source.reference[0] for e in found.entries}
    assert made == {
        "m.u.kernel": "c.weight",
        "m.v.kernel": "a.weight",
        "m.w.kernel": "b.weight",
    }
    assert {e.counterpart for e in found.entries} == {"a", "b", "c"}


def test_a_module_that_is_wrong_whatever_it_holds_is_left_as_proposed():
    mapping, values, _, _ = case("square")
    found = decide(mapping, values, lambda given, module: 1 + given["fc.kernel"][0, 1] / 100)
    assert found.entries == mapping.entries
    nowhere = decide(mapping, values, lambda given, module: float("nan"))
    assert nowhere.entries == mapping.entries


def test_no_more_combinations_are_asked_than_said():
    mapping, values, _, _ = case("within heads")
    asked = []
    decide(mapping, values, lambda given, module: asked.append(module) or 1.0, most=10)
    assert asked.count("a") == 10


def test_a_module_that_cannot_be_asked_is_decided_with_the_one_around_it():
    mapping, values, residual, words = case("attention")
    planted = [
        replace(e, source=e.candidates[0], candidates=(e.source,)) if "out" in e.port else e
        for e in mapping.entries
    ]

    def asked(given, module):
        return residual(given, module) if module == "a" else float("inf")

    found = decide(mapping.with_entries(planted), values, asked)
    said = {entry.port: str(entry.source.transform) for entry in found.entries}
    assert said == said | words
