"""How far a relative error of an entrant's exp reaches.

It comes in at the loss alone:
log Σ exp moves by at most that error, and softmax p by twice that times p; from there it goes back
into the gradients and on through the update.
"""

from __future__ import annotations

import numpy as np

from common.agreement.inputs import Inputs
from common.contract.arrays import Array, Arrays

#: A difference as long as an exp that is off by a ten-thousandth makes it.
LENGTH = 1e-4


def dlogits_reach(labels: Array, dlogits: Array) -> Array:
    """Into the gradient in the logits: twice the softmax, which dlogits is without the -1."""
    one_hot = np.eye(dlogits.shape[1])[labels]
    reach: Array = 2 * (dlogits + one_hot / len(labels))
    return reach


def gradient_reach(inputs: Inputs, dlogits: Array) -> Arrays:
    """From there into the gradients."""
    # With magnitudes for numbers, backward adds up how far an error can reach.
    magnitudes = {name: np.abs(array) for name, array in inputs.params.items()}
    reach = inputs.referee.exact.backward(
        magnitudes, np.abs(inputs.images64), dlogits_reach(inputs.labels, dlogits)
    )
    # A network of somebody's own may subtract.
    return {name: np.abs(array) for name, array in reach.items()}


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
