"""What is run of an entrant, each unit as tensors by name."""

from __future__ import annotations

import numpy as np

from common.contract.arrays import Array, Arrays
from common.entrants.session import Session


def loss_of(session: Session, logits: Array, labels: Array) -> Arrays:
    """The loss and its gradient in the logits, by name."""
    value, dlogits = session.gradient(logits, labels)
    return {"loss": np.asarray(value), "dlogits": dlogits}


def gradients_of(
    session: Session, params: Arrays, images: Array, labels: Array, compiled: bool = False
) -> Arrays:
    """Model and loss differentiated as one, by name, in the order they are computed."""
    value, logits, grads = session.gradients(params, images, labels, compiled)
    return {"logits": logits, "loss": np.asarray(value), **grads}


def one_step(session: Session, params: Arrays, state: Arrays, index: Array) -> Arrays:
    """One step from a given state: loss and count of before it, parameters and state after."""
    session.load(params, state)
    trained = session.train(index)
    values = {"loss": trained.losses, "correct": trained.counts}
    # One number each; of an entrant that made no step, or two, as many.
    scalars = {name: np.asarray(v[0]) if len(v) == 1 else v for name, v in values.items()}
    return {**scalars, **session.params(), **session.state()}


def several_steps(session: Session, params: Arrays, state: Arrays, order: Array) -> Arrays:
    """Steps from a given state: each one's loss and count, parameters and state in the end."""
    session.load(params, state)
    trained = session.train(order)
    losses, counts = trained.losses, trained.counts
    return {"loss": losses, "correct": counts, **session.params(), **session.state()}


def evaluation_of(session: Session, params: Arrays) -> Arrays:
    """Loss and count of the test set."""
    session.load(params)
    measured = session.evaluate()
    return {"loss": np.asarray(measured.loss), "count": np.asarray(measured.count)}
