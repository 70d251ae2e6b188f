"""The one hypothesis that explains what is wrong, or nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from common.modules.causes.asking import case_of
from common.modules.causes.between import (
    activation_guesses,
    end_guesses,
    moved_guesses,
    sum_guesses,
)
from common.modules.causes.case import Case, Guess
from common.modules.causes.leaves import leaf_guesses
from common.modules.causes.normal import normal_guesses, running_guesses
from common.modules.causes.outputs import output_guesses
from common.modules.causes.running import buffer_guesses
from common.modules.held import Held
from common.modules.judging import Judge

#: Makes hypotheses; those of one family stand beside each other.
Family = Callable[[Case], Iterator[Guess]]

#: (unit, stage) -> families, the special ones before the general.
FAMILIES: dict[tuple[str, str], tuple[Family, ...]] = {
    ("layer", "forward"): (
        leaf_guesses,
        normal_guesses,
        running_guesses,
        buffer_guesses,
        output_guesses,
    ),
    ("wiring", "forward"): (activation_guesses, end_guesses, sum_guesses, moved_guesses),
}


def likely_cause(judge: Judge, first: Held) -> str | None:
    """Say why a tensor is wrong, if one hypothesis explains it.

    Args:
        judge: what was judged.
        first: the first tensor that is wrong.

    Returns:
        "likely X where the original has Y; to confirm, Z"; None if nothing, or more than one
        thing, explains what the port answers on both batches.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            case = case_of(judge, first)
            if case is None or not case.told:
                return None
        except Exception:
            # The second batch is drawn; somebody's network need not take it.
            return None
        for family in FAMILIES.get((first.place.unit, first.place.stage), ()):
            found = {str(guess) for guess in guesses(family, case) if holds(case, guess)}
            if found:
                return found.pop() if len(found) == 1 else None
    return None


def guesses(family: Family, case: Case) -> Iterator[Guess]:
    """Those of one family; what fails to be made is none."""
    made = family(case)
    while True:
        try:
            yield next(made)
        except StopIteration:
            return
        except Exception:
            # A formula that does not fit the shapes ends its family.
            return


def holds(case: Case, guess: Guess) -> bool:
    """Whether a hypothesis explains both batches; one that cannot be computed does not."""
    try:
        return case.believed(guess)
    except Exception:
        return False
