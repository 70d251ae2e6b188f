"""Training: the five components put together, in JAX."""

import os
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

import jax.numpy as jnp

import jax
import numpy as np

from .data import take, to_array

PRODUCTS = 10  # of side 1024, to see which threads are XLA's pool
UNROLL = 4  # steps laid out in a row inside the loop of a fused epoch
COMPILING = (
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
spent = []  # seconds of everything that was compiled


def listen(event, seconds, **_):
    """Add up what JAX says of itself."""
    if event in COMPILING:
        spent.append(seconds)


jax.monitoring.register_event_duration_secs_listener(listen)


def setup(dtype, device, threads):
    """Prepare the framework for one run and report what it then says.

    Differs: 64-bit types exist only if asked for; products of float32, and
    convolutions, are true float32 only at the highest precision (elsewhere
    than on a CPU).

    See: https://docs.jax.dev/en/latest/config_options.html
    """
    jax.config.update("jax_enable_x64", dtype == "float64")
    precision = "tensorfloat32" if dtype == "tfloat32" else "highest"
    jax.config.update("jax_default_matmul_precision", precision)
    own = jax.local_devices(backend=device)[0]
    jax.config.update("jax_default_device", own)
    pinned = 0
    if device == "cpu" and os.environ.get("COMPARE_PIN_THREADS") == "1":
        pinned = pin_threads(threads)
    return {
        "jax_enable_x64": jax.config.jax_enable_x64,
        "jax_default_matmul_precision": precision,
        "device": str(own),
        "threads pinned": pinned,
    }


def compile_seconds():
    """How long it has compiled in this process so far.

    Differs: op by op it compiles, too, each operation and shape once.

    See: https://docs.jax.dev/en/latest/jax.monitoring.html
    """
    return sum(spent)


def gradients(forward, loss, mode):
    """Differentiate the loss by every parameter.

    Returns:
        (params, images, labels) -> value, logits, grads.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.value_and_grad.html
    """

    def objective(params, images, labels):
        logits = forward(params, images)
        return loss(logits, labels), logits

    differentiate = jax.value_and_grad(objective, has_aux=True)

    def value_and_gradients(params, images, labels):
        (value, logits), grads = differentiate(params, images, labels)
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

    See: https://docs.jax.dev/en/latest/_autosummary/jax.jit.html
    """
    return jax.jit(function)


def epoch(step, data, mode, batch_size):
    """Make one pass over an order, batch by batch, the last one maybe short.

    Args:
        step: from `step`.
        data: from `place`.
        mode: "eager", "jit" (one compiled call a step, the gather inside) or
            "fused" (all full batches in one compiled scan).
        batch_size: examples in a batch.

    Returns:
        (params, state, order) -> params, state, losses (steps,), counts;
        its `steps_per_call` says how many full batches one call holds, None
        for all there are.

    Differs: computation is asynchronous; the losses are fetched, and the
    parameters waited for, once, at the end.

    See: https://docs.jax.dev/en/latest/async_dispatch.html
    """

    def one(params, state, data, index):
        return step(params, state, *take(data, index))

    if mode != "eager":
        one = jax.jit(one, donate_argnums=(0, 1))
    if mode == "fused":
        many = jax.jit(scan_of(step), donate_argnums=(0, 1))

    def run(params, state, order):
        values, counts, start = [], [], 0
        if mode == "fused" and len(order) >= batch_size:
            start = len(order) - len(order) % batch_size
            full = order[:start].reshape(-1, batch_size)  # (steps, batch)
            params, state, value, count = many(params, state, data, full)
            values.append(value)
            counts.append(count)
        for first in range(start, len(order), batch_size):
            index = order[first : first + batch_size]
            params, state, value, count = one(params, state, data, index)
            values.append(value)
            counts.append(count)
        jax.block_until_ready(params)
        return params, state, fetch(values), fetch(counts)

    run.steps_per_call = None if mode == "fused" else 1
    return run


def evaluate(forward, loss, correct, data, mode, batch_size):
    """Measure loss and correct count batch by batch, without training.

    Returns:
        (params) -> losses, counts, one of each per batch.
    """
    examples = len(data[1])

    def one(params, data, index):
        images, labels = take(data, index)
        logits = forward(params, images)
        return loss(logits, labels), correct(logits, labels)

    if mode != "eager":
        one = jax.jit(one)

    def run(params):
        values, counts = [], []
        for start in range(0, examples, batch_size):
            index = np.arange(start, min(start + batch_size, examples))
            value, count = one(params, data, index.astype(np.int32))
            values.append(value)
            counts.append(count)
        return fetch(values), fetch(counts)

    return run


def scan_of(step):
    """Many steps as one `jax.lax.scan` over the rows of an order.

    See: https://docs.jax.dev/en/latest/_autosummary/jax.lax.scan.html
    """

    def many(params, state, data, order):
        def one(carry, index):
            *carry, value, count = step(*carry, *take(data, index))
            return tuple(carry), (value, jnp.asarray(count))

        carry, (values, counts) = jax.lax.scan(
            one, (params, state), order, unroll=UNROLL
        )
        return *carry, values, counts

    return many


def fetch(results):
    """Bring scalars, or rows of them, to the host in one go: (steps,)."""
    results = [np.atleast_1d(r) for r in jax.device_get(results)]
    return to_array(np.concatenate(results))


@cache
def pin_threads(threads):
    """Keep each thread of XLA's pool on a core of its own; say how many.

    Once: the pool stays as it is for as long as the process lives.

    Differs: no setting does it. After a pause Linux wakes the pool's threads
    on one core, where they take turns for epochs: a fused one of 0.021 s
    takes 0.037 s (2 cores). The pool is who works during products: alike,
    and ten times as much as anybody else.
    """
    cores = sorted(getattr(os, "sched_getaffinity", lambda _: [])(0))
    square = jnp.ones((1024, 1024), jnp.float32)
    jax.block_until_ready(square @ square)  # compiled, by another thread
    before = nanoseconds()
    for _ in range(PRODUCTS):
        jax.block_until_ready(square @ square)
    spent = {
        task: n - before.get(task, n) for task, n in nanoseconds().items()
    }
    pool = sorted(spent, key=spent.get)[-threads:]
    if len(cores) < threads or len(pool) < threads:
        return 0
    if 3 * spent[pool[0]] < spent[pool[-1]]:  # that is not the pool
        return 0
    for task, core in zip(pool, cores, strict=False):
        os.sched_setaffinity(task, {core})
    return threads


def nanoseconds():
    """CPU time of every other thread of this process, where Linux tells it."""
    found = {}
    for path in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError):  # that thread has just ended
            found[int(path.parent.name)] = int(path.read_text().split()[0])
    found.pop(threading.get_native_id(), None)
    return found
