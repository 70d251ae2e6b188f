"""Training: the five components put together, in PyTorch."""

import sys

import numpy as np
import torch

from .data import take, to_array

STEPS = 6  # steps in one compiled call of mode "fused"


def setup(dtype, device, threads):
    """Prepare the framework for one run and report what it then says.

    Differs: on a GPU products of float32 are true float32 unless allowed
    otherwise, and convolutions are not: cuDNN takes TF32 unless forbidden.
    What an earlier run in this process compiled is forgotten, or it would
    count towards a limit.

    See: https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("torch.cuda.is_available() is False")
    if "torch._dynamo" in sys.modules:  # importing it takes a second
        torch.compiler.reset()
    torch.set_num_threads(threads)
    in_tf32 = dtype == "tfloat32"
    torch.set_float32_matmul_precision("high" if in_tf32 else "highest")
    torch.backends.cudnn.allow_tf32 = in_tf32
    return {
        "num_threads": torch.get_num_threads(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
        "device": device,
    }


def compile_seconds():
    """How long it has compiled in this process so far.

    Differs: the time of each phase; this one contains the others.

    See: https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/torch.compiler_troubleshooting.html
    """
    if "torch._dynamo" not in sys.modules:
        return 0.0
    from torch._dynamo.utils import compilation_time_metrics as spent

    return sum(spent["_compile.compile_inner"]) if spent else 0.0


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
        # Zeros for a parameter that the loss does not use, as elsewhere.
        grads = torch.autograd.grad(
            value, list(leaves.values()), materialize_grads=True
        )
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
        mode: "eager", "jit" (one compiled call a step, the gather inside) or
            "fused" (STEPS full batches in one compiled call).
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
        values, counts, order = [], [], placed(order, data)
        for start in range(0, len(order), batch_size):
            images, labels = take(data, order[start : start + batch_size])
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

    Differs: op by op in either mode; compiling costs seconds, and saves
    milliseconds that no clock of the training sees.
    """
    examples, device = len(data[1]), data[1].device

    @torch.no_grad()
    def run(params):
        values, counts = [], []
        for index in torch.arange(examples, device=device).split(batch_size):
            images, labels = take(data, index)
            logits = forward(params, images)
            values.append(loss(logits, labels))
            counts.append(correct(logits, labels))
        return fetch(values), fetch(counts)

    return run


def epoch_of_loader(step, batches, mode):
    """One pass over the batches that a loader hands out."""
    one = step if mode == "eager" else compiled(step, updates=True)

    def calls(order):
        for images, labels in batches(order):
            yield one, images, labels

    return epoch_along(calls, steps_per_call=1)


def epoch_of_calls(step, data, mode, batch_size):
    """One pass by compiled calls of one step, or of STEPS full batches.

    Differs: a loop has no compiled form, so that its steps are laid out in a
    row; more of them compile longer and save nothing any more.

    See: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
    """

    def gather_and_step(params, state, data, index):
        return step(params, state, *take(data, index))

    one = compiled(gather_and_step, updates=True)
    many = compiled(row_of(step), updates=True)
    many = graphed(many) if data[1].is_cuda else many

    def calls(order):
        order, start = placed(order, data), 0
        if mode == "fused":
            start = len(order) - len(order) % (STEPS * batch_size)
            for rows in order[:start].view(-1, STEPS, batch_size):
                yield many, data, rows
        for first in range(start, len(order), batch_size):
            yield one, data, order[first : first + batch_size]

    return epoch_along(calls, STEPS if mode == "fused" else 1)


def graphed(many):
    """Several steps in one call, launched on a GPU as one CUDA graph.

    Differs: the kernels of a small model take less time than launching them.
    The first call runs as it is, because a graph holds neither compiling nor
    libraries that get ready. A graph reads and writes the memory it was
    captured on: parameters and state are updated in place, an order is copied
    there, and what comes out is copied before the next call.

    See: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """
    held = {}

    def call(params, state, data, order):
        if not held:
            held["order"] = torch.empty_like(order)
            return many(params, state, data, order)
        held["order"].copy_(order)
        if "graph" not in held:
            held["graph"] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(held["graph"]):
                held["found"] = many(params, state, data, held["order"])
        held["graph"].replay()
        _, _, values, counts = held["found"]
        return params, state, values.clone(), counts.clone()

    return call


def epoch_along(calls, steps_per_call):
    """One pass along calls(order) -> iterator of (function, *tensors)."""

    def run(params, state, order):
        values, counts = [], []
        for call, *tensors in calls(order):
            params, state, value, count = call(params, state, *tensors)
            values.append(value)
            counts.append(count)
        wait(params)
        return params, state, fetch(values), fetch(counts)

    run.steps_per_call = steps_per_call
    return run


def placed(order, data):
    """An order as positions on the data's device."""
    return torch.from_numpy(order.astype(np.int64)).to(data[1].device)


def row_of(step):
    """Several steps in a row, one for each row of an order.

    Returns:
        (params, state, data, order (steps, batch)) -> params, state, values
        (steps,), counts.
    """

    def many(params, state, data, order):
        values, counts = [], []
        for index in order.unbind():
            params, state, value, count = step(
                params, state, *take(data, index)
            )
            values.append(value)
            counts.append(count)
        return params, state, torch.stack(values), torch.stack(counts)

    return many


def wait(params):
    """Wait for the last update; a CPU computes at once, a GPU later.

    See: https://docs.pytorch.org/docs/stable/generated/torch.cuda.synchronize.html
    """
    if next(iter(params.values())).device.type == "cuda":
        torch.cuda.synchronize()


def fetch(results):
    """Bring scalars, or rows of them, to the host in one go: (steps,)."""
    return to_array(torch.cat([torch.atleast_1d(r) for r in results]))
