"""How far a relative error of an entrant's exp reaches.

It comes in at the loss alone:
log Σ exp moves by at most that error, and softmax p by twice that times p; from there it goes back
into the gradients and on through the update.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.agreement.inputs import Inputs
from common.contract.arrays import Array, Arrays
from common.contract.losses import shares

#: A difference as long as an exp that is off by a ten-thousandth makes it.
LENGTH = 1e-4

#: Errors of either kind that are tried at random.
DIRECTIONS = 3


def dlogits_reach(plan: Mapping[str, Any], labels: Array, dlogits: Array) -> Array:
    """Into the gradient in the logits: twice the softmax, which dlogits is without the labels."""
    reach: Array = 2 * (dlogits + shares(plan, labels, dlogits.shape[1]))
    return reach


def gradient_reach(inputs: Inputs, dlogits: Array) -> Arrays:
    """From there into the gradients."""
    reach_in = dlogits_reach(inputs.plan.asdict(), inputs.labels, dlogits)
    if inputs.model.long_sums:
        return gradient_reach_at_random(inputs, reach_in)
    # With magnitudes for numbers, backward adds up how far an error can reach.
    magnitudes = {name: np.abs(array) for name, array in inputs.params.items()}
    reach = inputs.referee.exact.backward(magnitudes, np.abs(inputs.images64), reach_in)
    # A network of somebody's own may subtract.
    return {name: np.abs(array) for name, array in reach.items()}


def gradient_reach_at_random(inputs: Inputs, reach: Array) -> Arrays:
    """The same where magnitudes would saturate a sigmoid: the furthest of some errors, twice.

    An exp errs by another number for each logit, or by one for all logits of a class.
    """
    draw, found = np.random.default_rng(9), dict.fromkeys(inputs.params, 0.0)
    for shape in (reach.shape, (1, reach.shape[1])) * DIRECTIONS:
        signs = draw.choice([-1.0, 1.0], shape)
        grads = inputs.referee.exact.backward(inputs.params, inputs.images64, signs * reach)
        found = {name: max(found[name], float(np.abs(grads[name]).max())) for name in found}
    found |= dict.fromkeys(inputs.model.statistics, 0.0)  # in the place of a gradient, not one
    return {name: np.full(array.shape, 2 * found[name]) for name, array in inputs.params.items()}


def step_reach(inputs: Inputs, grads: Arrays, reach: Arrays) -> Arrays:
    """And through the update, into parameters and state.

    Args:
        inputs: where it is.
        grads: the referee's.
        reach: from `gradient_reach`.
    """
    update, state = inputs.referee.exact.update, inputs.state
    here = update(inputs.params, grads, state)
    found: Arrays = {}
    for sign in (1, -1):
        others = {name: array + sign * LENGTH * reach[name] for name, array in grads.items()}
        there = update(inputs.params, others, state)
        for now, then in zip(there, here, strict=True):
            for name, array in now.items():
                slope = np.abs(array - then[name]) / LENGTH
                found[name] = np.maximum(found.get(name, 0.0), slope)
    return found
