"""Adding two vectors in one call is over ten times quicker than a loop over 1000 elements, in all.

The sums are the same to the last bit. In JAX, whose arrays cannot be written to, the loop makes a
new array for every element.
"""

TOPIC = "time"
WHY = "A loop over examples or pixels makes any framework slow, and says nothing of its speed."
SEE = (
    "https://zh.d2l.ai/chapter_linear-networks/linear-regression.html",
    "https://docs.jax.dev/en/latest/_autosummary/jax.numpy.ndarray.at.html",
)
SEEN = {"torch": "2.14.1", "jax": "0.7.1", "mindspore": "2.10.0", "numpy": "1.26.4"}


def numpy():
    import time

    import numpy as np

    numbers = np.random.default_rng(0).random((2, 1000), np.float32)
    a, b = numbers
    looped, whole, times = np.zeros(1000, np.float32), a + b, []
    start = time.perf_counter()
    for i in range(1000):
        looped[i] = a[i] + b[i]
    loop = time.perf_counter() - start
    for _ in range(5):
        start = time.perf_counter()
        whole = a + b
        times.append(time.perf_counter() - start)
    return {
        "seconds in a loop": loop,
        "seconds in one call": min(times),
        "over 10 times quicker": loop > 10 * min(times),
        "the same sums": (looped == whole).all().item(),
    }


def torch():
    import time

    import numpy as np
    import torch

    numbers = np.random.default_rng(0).random((2, 1000), np.float32)
    a, b = torch.tensor(numbers)
    looped, whole, times = torch.zeros(1000), a + b, []
    start = time.perf_counter()
    for i in range(1000):
        looped[i] = a[i] + b[i]
    loop = time.perf_counter() - start
    for _ in range(5):
        start = time.perf_counter()
        whole = a + b
        times.append(time.perf_counter() - start)
    return {
        "seconds in a loop": loop,
        "seconds in one call": min(times),
        "over 10 times quicker": loop > 10 * min(times),
        "the same sums": (looped == whole).all().item(),
    }


def jax():
    import time

    import jax.numpy as jnp
    import numpy as np

    numbers = np.random.default_rng(0).random((2, 1000), np.float32)
    a, b = jnp.array(numbers)
    looped, whole, times = jnp.zeros(1000).at[0].set(a[0]), a + b, []
    start = time.perf_counter()
    for i in range(1000):
        looped = looped.at[i].set(a[i] + b[i])
    looped.block_until_ready()
    loop = time.perf_counter() - start
    for _ in range(5):
        start = time.perf_counter()
        whole = (a + b).block_until_ready()
        times.append(time.perf_counter() - start)
    return {
        "seconds in a loop": loop,
        "seconds in one call": min(times),
        "over 10 times quicker": loop > 10 * min(times),
        "the same sums": (looped == whole).all().item(),
    }


def mindspore():
    import time

    import mindspore
    import numpy as np
    from mindspore import ops

    numbers = np.random.default_rng(0).random((2, 1000), np.float32)
    a, b = mindspore.Tensor(numbers)
    looped, whole, times = ops.zeros(1000), a + b, []
    start = time.perf_counter()
    for i in range(1000):
        looped[i] = a[i] + b[i]
    looped.asnumpy()
    loop = time.perf_counter() - start
    for _ in range(5):
        start = time.perf_counter()
        whole = a + b
        whole.asnumpy()
        times.append(time.perf_counter() - start)
    return {
        "seconds in a loop": loop,
        "seconds in one call": min(times),
        "over 10 times quicker": loop > 10 * min(times),
        "the same sums": (looped == whole).all().item(),
    }


CLAIM = {
    "torch": {"over 10 times quicker": True, "the same sums": True},
    "jax": {"over 10 times quicker": True, "the same sums": True},
    "mindspore": {"over 10 times quicker": True, "the same sums": True},
    "numpy": {"over 10 times quicker": True, "the same sums": True},
}
