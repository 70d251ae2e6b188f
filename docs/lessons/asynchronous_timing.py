"""On a CPU, JAX returns from a product before it is done; torch and, as run here, MindSpore do not.

This project sets MS_DEV_HOST_BLOCKING_RUN=1 for MindSpore. Without that variable an operation
that is not compiled returns early in MindSpore too, after a thousandth of the time.
"""

TOPIC = "time"
WHY = "A clock read right after the call shows the time of asking for the work, not of doing it."
SEE = (
    "https://docs.jax.dev/en/latest/async_dispatch.html",
    "https://docs.pytorch.org/docs/stable/notes/cuda.html#asynchronous-execution",
    "https://www.mindspore.cn/docs/en/master/api_python/runtime/mindspore.runtime.launch_blocking.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0"}


def torch():
    import statistics
    import time

    import torch

    square, calls, ends = torch.ones(1500, 1500), [], []
    for _ in range(5):
        start = time.perf_counter()
        product = square @ square
        calls.append(time.perf_counter() - start)
        product[0, 0].item()
        ends.append(time.perf_counter() - start)
    call, end = statistics.median(calls), statistics.median(ends)
    return {
        "seconds until it returned": call,
        "seconds until it was done": end,
        "returned before half of it": call < end / 2,
    }


def jax():
    import statistics
    import time

    import jax
    import jax.numpy as jnp

    square, calls, ends = jnp.ones((1500, 1500)), [], []
    for _ in range(5):
        start = time.perf_counter()
        product = square @ square
        calls.append(time.perf_counter() - start)
        jax.block_until_ready(product)
        ends.append(time.perf_counter() - start)
    call, end = statistics.median(calls), statistics.median(ends)
    return {
        "seconds until it returned": call,
        "seconds until it was done": end,
        "returned before half of it": call < end / 2,
    }


def mindspore():
    import statistics
    import time

    from mindspore import ops

    square, calls, ends = ops.ones((1500, 1500)), [], []
    for _ in range(5):
        start = time.perf_counter()
        product = square @ square
        calls.append(time.perf_counter() - start)
        product.asnumpy()
        ends.append(time.perf_counter() - start)
    call, end = statistics.median(calls), statistics.median(ends)
    return {
        "seconds until it returned": call,
        "seconds until it was done": end,
        "returned before half of it": call < end / 2,
    }


CLAIM = {
    "torch": {"returned before half of it": False},
    "jax": {"returned before half of it": True},
    "mindspore": {"returned before half of it": False},
}
