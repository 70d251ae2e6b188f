"""States of any form, classes of any number, and hypotheses that raise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from common.agreement.slips import causes
from common.agreement.slips.slip import Slip
from common.entrants.local import classes_of
from common.entrants.own_state import leaves, with_leaves


class Pair(NamedTuple):
    """As optax keeps states."""

    count: Any
    mean: Any


def test_a_state_of_any_form_is_named_and_rebuilt() -> None:
    tree = (Pair(np.asarray(3), {"w": np.ones(2)}), None, [{"rate": 0.5}])
    named = {".".join(way): leaf for way, leaf in leaves(tree)}
    assert set(named) == {"0.count", "0.mean.w", "2.0.rate"}
    doubled = {name: 2 * np.asarray(leaf) for name, leaf in named.items()}
    made = with_leaves(tree, (), doubled)
    assert made[0].count == 6
    assert made[0].mean["w"].tolist() == [2, 2]
    assert (made[1], made[2], type(made[2][0]["rate"])) == (None, [{"rate": 1.0}], float)


@pytest.mark.parametrize("classes", [10, 256, 257, 70_000])
def test_no_class_wraps_round(classes: int) -> None:
    logits = np.zeros((1, classes), "float32")
    logits[0, -1] = 1
    assert classes_of(logits).tolist() == [classes - 1]


def test_a_hypothesis_that_raises_explains_nothing() -> None:
    def broken() -> Iterator[Slip]:
        yield Slip({}, "one", "look")
        raise ValueError("operands could not be broadcast together")

    assert [slip.words for slip in causes.guarded(broken())] == ["one"]
    outcome: Any = None
    assert causes.share_left(Slip({}, "one", "look"), outcome) is None
