"""What every component is given at one state: equal for all, and exact for the referee."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.agreement.referee import Referee, State
from common.contract.arrays import Array, Arrays
from common.contract.models import Model
from common.contract.plan import Plan
from common.contract.precision import cast, cast_one
from common.entrants.rounding_port import UnroundedError
from common.entrants.session import Session

#: Runs with random rounding; and where somebody is blamed otherwise: three may all be small.
DRAWS, MORE_DRAWS = 3, 16


@dataclass(frozen=True, eq=False)
class Inputs:
    """One state and its batch, in the run's dtype and widened.

    Attributes:
        referee: exact and plain.
        at: the state.
        images, labels: of its batch, in the run's dtype; tokens and classes are whole numbers.
        images64, labels64: widened; whole numbers stay what they are.
        params, state: of `at`, widened.
    """

    referee: Referee
    at: State
    images: Array
    labels: Array
    images64: Array
    labels64: Array
    params: Arrays
    state: Arrays

    @property
    def plan(self) -> Plan:
        """Of the run; its learning rate is that of this step."""
        return self.referee.plan_at(self.state)

    @property
    def dtype(self) -> str:
        """Of the run."""
        return self.referee.plan.dtype

    @property
    def model(self) -> Model:
        """What is trained."""
        return self.referee.described

    @property
    def trained(self) -> list[str]:
        """The parameters that have a gradient: all but running statistics."""
        return [name for name in self.params if name not in self.model.statistics]


def rounded(inputs: Inputs, function: Callable[[Session], Arrays]) -> list[Arrays]:
    """What the referee makes of a question when its operations round at random.

    Where sums are long, or may be, alone: elsewhere a few orders of summation tell what rounding
    does.
    """
    if not (inputs.model.long_sums or inputs.referee.draws):
        return []
    draws = MORE_DRAWS if inputs.referee.draws else DRAWS
    try:
        return [function(inputs.referee.rounding) for _ in range(draws)]
    except UnroundedError:  # then nothing is allowed for it
        return []


def inputs_at(referee: Referee, at: State) -> Inputs:
    """The batch and the parameters of a state, as they are and widened."""
    images, labels = referee.plain.batch(at.index)
    labels64 = labels if referee.described.classifies else labels.astype("float64")
    return Inputs(
        referee,
        at,
        images,
        labels,
        cast_one(images, "float64"),
        labels64,
        cast(at.params, "float64"),
        cast(at.state, "float64"),
    )
