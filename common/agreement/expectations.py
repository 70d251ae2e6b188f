"""Everything that the referee expects at one state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from common.agreement.exp_reach import gradient_reach, step_reach
from common.agreement.expected import Expected
from common.agreement.expected_components import (
    expected_accuracy,
    expected_forwards,
    expected_gradient,
    expected_gradients,
    expected_loss,
    expected_update,
    ties_of,
)
from common.agreement.expected_steps import expected_evaluation, expected_step
from common.agreement.inputs import Inputs, inputs_at, rounded
from common.agreement.neighbours import neighbours
from common.agreement.referee import Referee, State
from common.agreement.units import gradients_of
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast_one
from common.entrants.session import Session

Tensors = Mapping[str, Expected]


@dataclass(frozen=True, eq=False)
class Expectations(Inputs):
    """What the referee expects at one state: made once, held against every entrant.

    Attributes:
        logits, dlogits, grads: the referee's, rounded: inputs of loss, model backwards, update.
        ties: logits whose largest value each label shares with the next class; None without any.
        zeros: parameters that hide nothing of an update.
        forwards: from several parameters, the state's first.
        loss, accuracy, gradient: of each component alone.
        gradients: model and loss differentiated as one.
        updates: from zero, where nothing hides them, and from the parameters as they are.
        step: one whole step as it runs.
        evaluation: of the test set; empty but at the run's last step, or if there is none.
    """

    logits: Array
    dlogits: Array
    grads: Arrays
    ties: Array | None
    zeros: Arrays
    forwards: list[tuple[Arrays, dict[str, Expected]]]
    loss: Tensors
    accuracy: Tensors
    gradient: Tensors
    gradients: Tensors
    updates: list[tuple[Arrays, dict[str, Expected]]]
    step: Tensors
    evaluation: Tensors

    @property
    def forward(self) -> Tensors:
        """The logits from the parameters as they are."""
        return self.forwards[0][1]


def expected_at(referee: Referee, at: State) -> Expectations:
    """Work out everything that is expected at a state; several threads may read it."""
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is not compared
        return _expected_at(referee, at)


def _expected_at(referee: Referee, at: State) -> Expectations:
    inputs = inputs_at(referee, at)
    classifies, dtype = inputs.model.classifies, inputs.dtype
    near = neighbours(inputs)
    forwards = expected_forwards(inputs)
    forward = forwards[0][1]["logits"]
    logits = cast_one(forward.right, dtype)
    loss = expected_loss(inputs, logits)
    dlogits = cast_one(loss["dlogits"].right, dtype)
    gradient = expected_gradient(inputs, dlogits, near)
    grads = {name: cast_one(e.right, dtype) for name, e in gradient.items()}

    def differentiated(params: Arrays, session: Session = referee.exact) -> Arrays:
        return gradients_of(session, params, inputs.images64, inputs.labels64)

    near_gradients = near.through(differentiated)
    noise = rounded(inputs, partial(differentiated, inputs.params))
    reach = gradient_reach(inputs, loss["dlogits"].right) if classifies else {}
    gradients = expected_gradients(inputs, near_gradients, noise, reach)
    slopes = {name: gradients[name].right for name in inputs.params}
    moved = step_reach(inputs, slopes, reach) if classifies else {}
    ties = ties_of(inputs, logits) if classifies else None
    zeros = {name: np.zeros_like(array) for name, array in at.params.items()}
    evaluation: dict[str, Expected] = {}
    if at.last and referee.exact.has_test_set():
        evaluation = expected_evaluation(inputs, forward, loss["loss"])
    return Expectations(
        **vars(inputs),
        logits=logits,
        dlogits=dlogits,
        grads=grads,
        ties=ties,
        zeros=zeros,
        forwards=forwards,
        loss=loss,
        accuracy=expected_accuracy(inputs, logits, ties),
        gradient=gradient,
        gradients=gradients,
        updates=[(start, expected_update(inputs, start, grads)) for start in (zeros, at.params)],
        step=expected_step(inputs, gradients, near_gradients, noise, moved),
        evaluation=evaluation,
    )
