"""What the referee expects of whole steps as they run, and of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.agreement.bounds import near_ties
from common.agreement.expected import Expected, expect, widened, with_exp_reach
from common.agreement.inputs import Inputs
from common.agreement.neighbours import Neighbours
from common.agreement.own_rule import bound_of_update
from common.agreement.units import evaluation_of, one_step
from common.contract.arrays import Arrays


def expected_step(
    inputs: Inputs,
    gradients: Mapping[str, Expected],
    near: Neighbours,
    noise: list[Arrays],
    reach: Arrays,
) -> dict[str, Expected]:
    """One whole step as it runs: loss, count, parameters and state after it.

    Args:
        inputs: where it starts.
        gradients: model and loss differentiated as one.
        near: the gradients at the neighbours.
        noise: the gradients with random rounding.
        reach: of exp, through the update.
    """
    exact, plain, at = inputs.referee.exact, inputs.referee.plain, inputs.at

    def rearranged(draw: np.random.Generator) -> Arrays:
        return one_step(plain, at.params, at.state, draw.permutation(at.index))

    right = one_step(exact, inputs.params, inputs.state, at.index)
    own = one_step(plain, at.params, at.state, at.index)

    def after(found: Arrays) -> Arrays:
        grads = {name: found[name] for name in inputs.params}
        params, state = exact.update(inputs.params, grads, inputs.state)
        return {**right, "loss": found["loss"], **params, **state}

    expected = expect(
        inputs.dtype, right, own, rearranged, near.through(after), list(map(after, noise))
    )
    # The update's own bound, too: the constants of the run's dtype may err by luck only little.
    grads = {name: gradients[name].right for name in inputs.params}
    after_params = {name: right[name] for name in inputs.params}
    memory = {name: right[name] for name in inputs.state}
    bounds = bound_of_update(
        inputs.referee, inputs.params, grads, inputs.state, after_params, memory
    )
    expected = widened(expected, bounds)
    # Those of training: in evaluation a normalised model has others.
    logits = gradients["logits"]
    ties = near_ties(logits.right, float(np.max(logits.allowed)))
    expected["correct"] = Expected(right["correct"], allowed=ties)
    if inputs.model.classifies:
        expected = with_exp_reach(expected, {"loss": 1.0, **reach})
    return expected


def expected_evaluation(inputs: Inputs, logits: Expected, loss: Expected) -> dict[str, Expected]:
    """Loss and count of the whole test set.

    The bounds are those of logits, and of the loss from equal logits; its slope in an
    example's logits has magnitudes that sum to 2 at most.
    """
    exact = inputs.referee.exact
    bound = float(np.max(logits.allowed))
    right = evaluation_of(exact, inputs.params)
    ties = near_ties(exact.test_logits(inputs.params), bound)
    allowed: Any = float(np.max(loss.allowed)) + 2 * bound
    return {
        "loss": Expected(right["loss"], 0.0, allowed, exp_reach=1.0),
        "count": Expected(right["count"], 0.0, ties),
    }
