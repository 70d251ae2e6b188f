"""Training: the five components put together, in PyTorch."""

import sys

import numpy as np
import torch

from .data import take


def setup(dtype, device, threads):
    """Prepare the framework for one run and report what it then says.

    Differs: products of float32 on a GPU are true float32 unless allowed
    otherwise; said here all the same. What an earlier run in this process
    compiled is forgotten, or it would count towards a limit.

    See: https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("torch.cuda.is_available() is False")
    if "torch._dynamo" in sys.modules:  # importing it takes a second
        torch.compiler.reset()
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision("highest")
    return {
        "num_threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "device": device,
    }


def gradients(forward, loss, mode):
    """Differentiate the loss by every parameter.

    Returns:
        (params, images, labels) -> value, logits, grads.

    Differs: two forms: torch.compile takes only the functional one, which is
    about 1.8 times slower op by op.

    See: https://docs.pytorch.org/docs/stable/func.api.html
    """

    def objective(params, images, labels):
        logits = forward(params, images)
        return loss(logits, labels), logits

    def recorded(params, images, labels):
        leaves = {n: p.detach().requires_grad_() for n, p in params.items()}
        value, logits = objective(leaves, images, labels)
        grads = torch.autograd.grad(value, list(leaves.values()))
        grads = dict(zip(leaves, grads, strict=True))
        return value.detach(), logits.detach(), grads

    def functional(params, images, labels):
        differentiate = torch.func.grad_and_value(objective, has_aux=True)
        grads, (value, logits) = differentiate(params, images, labels)
        return value, logits, grads

    return recorded if mode == "eager" else functional


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

    See: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """
    return torch.compile(function, fullgraph=True, dynamic=False)


def epoch(step, data, mode, batch_size):
    """Make one pass over an order, batch by batch, the last one maybe short.

    Args:
        step: from `step`.
        data: from `place`, or from `loader`.
        mode: "eager" or "jit" (one compiled call a step, the gather inside).
        batch_size: examples in a batch.

    Returns:
        (params, state, order) -> params, state, losses (steps,), counts;
        its `steps_per_call` says how many steps one call holds.

    See: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """

    def gather_and_step(params, state, data, index):
        return step(params, state, *take(data, index))

    def slices(order):
        order = torch.from_numpy(order.astype(np.int64)).to(data[1].device)
        for index in order.split(batch_size):
            yield data, index

    one, batches = gather_and_step, slices
    if callable(data):
        one, batches = step, data
    if mode == "jit":
        one = compiled(one, updates=True)

    def run(params, state, order):
        values, counts = [], []
        for batch in batches(order):
            params, state, value, count = one(params, state, *batch)
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

    Differs: op by op in either mode; compiling costs seconds, and saves
    milliseconds that no clock of the training sees.
    """
    examples = len(data[1])

    @torch.no_grad()
    def run(params):
        values, counts = [], []
        for start in range(0, examples, batch_size):
            stop = min(start + batch_size, examples)
            images, labels = take(data, slice(start, stop))
            logits = forward(params, images)
            values.append(loss(logits, labels))
            counts.append(correct(logits, labels))
        return fetch(values), fetch(counts)

    return run


def wait(params):
    """Wait for the last update; a CPU computes at once, a GPU later.

    See: https://docs.pytorch.org/docs/stable/generated/torch.cuda.synchronize.html
    """
    if next(iter(params.values())).device.type == "cuda":
        torch.cuda.synchronize()


def fetch(results):
    """Bring scalars to the host in one go: (steps,)."""
    return torch.stack(results).cpu().numpy()
