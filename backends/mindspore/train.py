"""Training: the five components put together, in MindSpore."""

from functools import partial

import mindspore
import numpy as np
from mindspore import Tensor, ops

from .data import take

STEPS = 6  # steps in one compiled call of mode "fused"


def setup(dtype, device, threads):
    """Prepare the framework for one run and report what it then says.

    Differs: once anything has been computed in a process, a device that was
    not named before cannot be named any more, not even the same (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.set_device.html
    """
    if mindspore.get_context("device_target") != "CPU":
        mindspore.set_device("CPU")
    return {"device_target": mindspore.get_context("device_target")}


def compile_seconds():
    """How long it has compiled in this process so far: it does not tell.

    Differs: it counts what it compiled, not how long that took; the first
    step contains it.
    """
    return None


def gradients(forward, loss, mode):
    """Differentiate the loss by every parameter.

    Returns:
        (params, images, labels) -> value, logits, grads.

    Differs: by the Parameters as weights, a list; a dict of them as an
    argument would have no gradient, silently.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.value_and_grad.html
    """

    def value_and_gradients(params, images, labels):
        def objective(images, labels):
            logits = forward(params, images)
            return loss(logits, labels), logits

        weights = tuple(params.values())
        differentiate = mindspore.value_and_grad(
            objective, None, weights, has_aux=True
        )
        (value, logits), grads = differentiate(images, labels)
        grads = {n: g for n, g in zip(params.keys(), grads)}
        return value, logits, grads

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
    """Compile one function of (held, *tensors), held a dict or a tuple of them.

    Args:
        function: returns tensors, or what it holds.
        updates: whether it returns what it holds, updated.

    Returns:
        the same function, compiled when first called.

    Differs: a compiled function keeps the Parameters it reads or changes, so
    that `held` must be the same objects in every call; it cannot return a
    dict, but what it updates is updated in place.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.jit.html
    """
    made = []

    def run(held, *tensors):
        if not made:

            def bound(*tensors):
                # Returned even if nobody reads it: a graph that drops the
                # result of an update never makes the update (2.10.0).
                return function(held, *tensors)

            made.append(mindspore.jit(bound, fullgraph=True))
        result = made[0](*tensors)
        return held if updates else result

    return run


def epoch(step, data, mode, batch_size):
    """Make one pass over an order, batch by batch, the last one maybe short.

    Args:
        step: from `step`.
        data: from `place`, or from `loader`.
        mode: "eager" (PyNative), "jit" (one compiled call a step, the gather
            inside) or "fused" (STEPS full batches in one compiled call).
        batch_size: examples in a batch.

    Returns:
        (params, state, order) -> params, state, losses (steps,), counts;
        its `steps_per_call` says how many full batches one call holds.
    """
    if callable(data):
        return epoch_of_loader(step, data, mode)
    if mode != "eager":
        return epoch_of_calls(step, data, mode, batch_size)

    def run(params, state, order):
        values, counts = [], []
        for start in range(0, len(order), batch_size):
            index = Tensor(order[start : start + batch_size])
            images, labels = take(data, index)
            params, state, value, count = step(params, state, images, labels)
            values.append(value)
            counts.append(count)
        wait(params)
        return params, state, fetch(values), fetch(counts)

    run.steps_per_call = 1
    return run


def evaluate(forward, loss, correct, data, mode, batch_size):
    """Measure loss and correct count batch by batch, without training.

    Returns:
        (params) -> losses, counts, one of each per batch.
    """
    examples = len(data[1])
    compiled = []

    def bound(params):
        def one(index):
            images, labels = take(data, index)
            logits = forward(params, images)
            return loss(logits, labels), correct(logits, labels)

        return one if mode == "eager" else mindspore.jit(one, fullgraph=True)

    def run(params):
        if not compiled:
            compiled.append(bound(params))
        values, counts = [], []
        for start in range(0, examples, batch_size):
            index = np.arange(start, min(start + batch_size, examples))
            value, count = compiled[0](Tensor(index.astype(np.int32)))
            values.append(value)
            counts.append(count)
        return fetch(values), fetch(counts)

    return run


def epoch_of_loader(step, batches, mode):
    """One pass over the batches that a loader hands out."""

    def bound(params, state):
        def one(images, labels):
            return step(params, state, images, labels)[2:]

        one = one if mode == "eager" else mindspore.jit(one, fullgraph=True)

        def calls(order):
            for images, labels in batches(order):
                yield one, images, labels

        return calls

    return epoch_along(bound, steps_per_call=1)


def epoch_of_calls(step, data, mode, batch_size):
    """One pass by compiled calls of one step, or of STEPS full batches.

    Differs: data sinking, its own way to make many steps in one call, does
    not exist on a CPU. In float64 a call holds one step: a graph of several
    rounds the parameters of its first steps to float32 (2.10.0).

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore/mindspore.jit.html
    """
    fused = mode == "fused" and data[0].dtype == mindspore.float32
    jit = partial(mindspore.jit, fullgraph=True)

    def bound(params, state):
        def gather_and_step(index):
            images, labels = take(data, index)
            return step(params, state, images, labels)[2:]

        def row_of_steps(order):
            values, counts = [], []
            for k in range(STEPS):
                value, count = gather_and_step(order[k])
                values.append(value)
                counts.append(count)
            return ops.stack(values), ops.stack(counts)

        one, many = jit(gather_and_step), jit(row_of_steps)

        def calls(order):
            start = 0
            if fused:
                start = len(order) - len(order) % (STEPS * batch_size)
                for rows in order[:start].reshape(-1, STEPS, batch_size):
                    yield many, Tensor(rows)
            for first in range(start, len(order), batch_size):
                yield one, Tensor(order[first : first + batch_size])

        return calls

    return epoch_along(bound, STEPS if fused else 1)


def epoch_along(bound, steps_per_call):
    """One pass along calls(order) -> iterator of (function, *tensors).

    Differs: a compiled function holds the Parameters it changes; it is made
    in the first pass, which sees them first.
    """
    made = []

    def run(params, state, order):
        if not made:
            made.append(bound(params, state))
        values, counts = [], []
        for call, *tensors in made[0](order):
            value, count = call(*tensors)
            values.append(value)
            counts.append(count)
        wait(params)
        return params, state, fetch(values), fetch(counts)

    run.steps_per_call = steps_per_call
    return run


def wait(params):
    """Wait for the last update; `runtime.synchronize` does not on a CPU."""
    for param in params.values():
        param.asnumpy()


def fetch(results):
    """Bring scalars, or rows of them, to the host: (steps,)."""
    return np.concatenate([np.atleast_1d(r.asnumpy()) for r in results])
