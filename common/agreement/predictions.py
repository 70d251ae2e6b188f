"""Is a forward pass right by itself? Its images and logits, from equal inputs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.agreement.checks import ALONE, Check, Outcome, batch_checks, compared
from common.agreement.expected import ERROR_FACTOR, SUMMATION_ORDERS, ULPS, Expected
from common.agreement.expected_components import expected_forwards
from common.agreement.inputs import Inputs, inputs_at
from common.agreement.neighbours import NUDGE_ULPS
from common.agreement.referee import Referee, State
from common.agreement.verdict import Difference, Verdict
from common.contract.arrays import Array, Arrays
from common.entrants.session import Session

CRITERION = (
    f"the logits of a batch, from equal images and parameters: within {ERROR_FACTOR} times the "
    f"error of the run's own arithmetic (the referee's formulas in {SUMMATION_ORDERS} summation "
    f"orders) + {ULPS} ulp + what {NUDGE_ULPS} ulp in the parameters change"
)


@dataclass(frozen=True)
class Predictions:
    """What the referee makes of one batch; what is expected is worked out once.

    Args:
        referee: of the run.
        params: of the model.
        index: the batch's examples.
    """

    referee: Referee
    params: Arrays
    index: Array

    @cached_property
    def inputs(self) -> Inputs:
        """The batch and the parameters, as they are and widened."""
        return inputs_at(self.referee, State(1, self.params, {}, self.index, self.index))

    @cached_property
    def expected(self) -> list[tuple[Arrays, dict[str, Expected]]]:
        """The logits, and how far from them rounding may lead; where biases are zero, others'."""
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not compared
            return expected_forwards(self.inputs)

    def judge(self, session: Session, *, compiled: bool) -> Verdict:
        """Hold an entrant's images and logits against the referee's.

        Args:
            session: the entrant.
            compiled: whether its model is compiled.
        """
        verdict, started = Verdict(criterion=CRITERION), time.perf_counter()
        for outcome in self._outcomes(session, compiled):
            verdict.components.append(outcome.check)
            if not outcome.check.right:
                verdict.differs(parted(outcome.check))
                break
        else:
            verdict.agrees(verdict.components, None)
        verdict.seconds = time.perf_counter() - started
        return verdict

    def _outcomes(self, session: Session, compiled: bool) -> Iterator[Outcome]:
        yield from batch_checks(session, self.inputs)
        for params, expected in self.expected:
            values = {"logits": session.logits(params, self.inputs.images, compiled)}
            yield from compared(self.inputs, 0.0, "forward", ALONE, compiled, values, expected)


def parted(check: Check) -> Difference:
    """What a failed check says."""
    return Difference(
        check.step,
        check.stage,
        check.tensor,
        check.index,
        check.value,
        check.referee,
        f"{check.tensor} {check.fault}" if check.fault else None,
        f"{check.unit}, compiled" if check.compiled else check.unit,
    )
