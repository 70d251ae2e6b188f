"""Training: the five components put together, in NumPy."""

import numpy as np

from . import loss as losses
from . import model
from .data import take


def setup(dtype, device, threads):
    """Prepare the framework for one run and report what it then says.

    Differs: BLAS reads its thread count from the environment, once.
    """
    return {"dtype": dtype}


def gradients(forward, loss, mode):
    """Differentiate the loss by every parameter.

    Returns:
        (params, images, labels) -> value, logits, grads.

    Differs: the chain rule by hand: logits, then back through the loss, then
    back through the model.
    """
    loss_gradient = losses.gradient(loss)
    model_gradient = model.backward(forward)

    def value_and_gradients(params, images, labels):
        logits = forward(params, images)
        value, dlogits = loss_gradient(logits, labels)
        return value, logits, model_gradient(params, images, dlogits)

    return value_and_gradients


def step(gradients, update, correct):
    """Make one training step; loss and count are from before its update.

    Returns:
        (params, state, images, labels) -> params, state, value, count.
    """

    def one_step(params, state, images, labels):
        value, logits, grads = gradients(params, images, labels)
        count = correct(logits, labels)
        params, state = update(params, grads, state)
        return params, state, value, count

    return one_step


def compiled(function, updates):
    """Leave a function of (held, *tensors) as it is: NumPy compiles nothing."""
    return function


def epoch(step, data, mode, batch_size):
    """Make one pass over an order, batch by batch, the last one maybe short.

    Args:
        step: from `step`.
        data: from `place`.
        mode: "eager".
        batch_size: examples in a batch.

    Returns:
        (params, state, order) -> params, state, losses (steps,), counts;
        its `steps_per_call` says how many steps one call holds.
    """

    def run(params, state, order):
        values, counts = [], []
        for start in range(0, len(order), batch_size):
            images, labels = take(data, order[start : start + batch_size])
            params, state, value, count = step(params, state, images, labels)
            values.append(value)
            counts.append(count)
        return params, state, np.array(values), np.array(counts)

    run.steps_per_call = 1
    return run


def evaluate(forward, loss, correct, data, mode, batch_size):
    """Measure loss and correct count batch by batch, without training.

    Returns:
        (params) -> losses, counts, one of each per batch.
    """
    examples = len(data[1])

    def run(params):
        values, counts = [], []
        for start in range(0, examples, batch_size):
            stop = min(start + batch_size, examples)
            images, labels = take(data, np.arange(start, stop))
            logits = forward(params, images)
            values.append(loss(logits, labels))
            counts.append(correct(logits, labels))
        return np.array(values), np.array(counts)

    return run
