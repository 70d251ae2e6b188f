"""What may be wrong with running statistics: their next values, from the referee's."""

from __future__ import annotations

from collections.abc import Iterator

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip
from common.contract.arrays import Arrays

#: The share of a new batch in the next value.
SHARE = 0.1

_ONE_STEP = "make one step from a mean of 0 and a variance of 1 and print them"


def statistic_slips(expectations: Expectations, right: Arrays) -> Iterator[Slip]:
    """What may be wrong with the next values of running statistics; `right` are the referee's."""
    names = expectations.model.statistics
    if not names:
        return
    held = {name: expectations.params[name] for name in names}
    new = {name: (right[name] - (1 - SHARE) * held[name]) / SHARE for name in names}

    def mixed(share: float) -> Arrays:
        return {name: (1 - share) * held[name] + share * new[name] for name in names}

    yield Slip(held, "the running statistics do not move", "is the model in training mode?")
    yield Slip(
        mixed(1 - SHARE),
        "the momentum is taken for its complement: the running statistics keep 0.1 of the old "
        "value, not 0.9",
        _ONE_STEP,
    )
    yield Slip(mixed(0.01), "the running statistics keep 0.99 of the old value", _ONE_STEP)
    yield Slip(new, "the running statistics are those of the last batch alone", _ONE_STEP)
    biased = {
        name: (1 - SHARE) * held[name] + SHARE * new[name] * (1 - 1 / count)
        for name, count in counts(expectations).items()
    }
    yield Slip(
        biased,
        "the running variance is divided by the number of values m, not by m - 1",
        "give it two examples: the two differ by half",
    )


def counts(expectations: Expectations) -> dict[str, int]:
    """Of each running variance, how many numbers of a batch it is the variance of: its norm
    follows the weight before it, whose output has as many places as the weight has uses.
    """
    model, found, places = expectations.model, dict[str, int](), 1
    for name, sizes in model.parameters.items():
        if "in" in sizes:
            use = model.uses.get(name)
            places = use(shape_of(expectations)) if use else 1
        elif name.endswith(".variance"):
            found[name] = len(expectations.labels) * places
    return found


def shape_of(expectations: Expectations) -> tuple[int, ...]:
    """Of one example."""
    shape: tuple[int, ...] = tuple(expectations.referee.data["inputs"]["shape"])
    return shape
