"""What the machine could do on this work: an estimate of the least time of an epoch.

    python -m common.measure.limit float32 2

measures the rate of a large product and of reading memory with two threads, and prints them
as JSON. It runs in a process of its own, because NumPy counts its threads once.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from common.contract.arrays import Arrays
from common.contract.models import MODELS, Model, Shape
from common.contract.plan import Plan
from common.contract.root import ROOT
from common.errors import one_line
from common.measure.machine import limit_cores

#: Side of the product, and bytes that are read: more than any cache holds.
SIDE, BYTES = 2048, 2**27
REPEATS = 3
#: Operations of an epoch under which no limit is measured: a fifth of a millisecond at most.
LEAST = 10**7
TIMEOUT = 60.0
#: NumPy's BLAS reads one of these when it is imported.
THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class NotMeasured(Exception):
    """The machine could not be measured; the message says why."""


def limit(plan: Plan, initial: Arrays, shape: Shape, examples: int) -> dict[str, float] | None:
    """Measure the machine, and say how quickly it could do one epoch.

    Args:
        plan: of the run; its dtype and its threads are measured.
        initial: the parameters, in the neutral order, the first layer's first.
        shape: of one example.
        examples: in one epoch.

    Returns:
        flops, bytes: see `work`.
        flops_per_second, bytes_per_second: of a product of matrices of side 2048, and of a dot
        product of 128 MB; the best of three.
        seconds: the longer of the two: what computing and reading at once would take. Who holds
        pixels as bytes has less to read; who multiplies more quickly than NumPy can be below.
        None for an epoch of under ten million operations: its time is all overhead.
    """
    flops, read = work(MODELS[plan.model], initial, shape, examples)
    if flops < LEAST:
        return None
    rates = machine(plan.dtype, plan.threads)
    return {
        "flops": flops,
        "bytes": read,
        **rates,
        "seconds": max(flops / rates["flops_per_second"], read / rates["bytes_per_second"]),
    }


def work(model: Model, initial: Arrays, shape: Shape, examples: int) -> tuple[int, int]:
    """Count the operations of one epoch, and the bytes it has to read.

    A weight's product with n examples takes 2 n operations for each of its numbers, a kernel's as
    many at each place of its output; its gradient as many, and as many again the gradient of its
    inputs, which the first layer does not need; a product of two numbers that are of no weight
    has two gradients, too. Every example is read once, in the run's dtype.
    """
    products, weights = 0, [name for name in initial if name.endswith(".weight")]
    for layer, name in enumerate(weights):
        times = model.uses[name](shape) if name in model.uses else 1
        products += initial[name].size * times * (3 if layer else 2)
    products += 3 * model.between(shape)
    return 2 * examples * products, examples * math.prod(shape) * initial[weights[0]].itemsize


def machine(dtype: str, threads: int) -> dict[str, float]:
    """Measure in a fresh process, as many threads as an entrant has.

    Raises:
        NotMeasured: that process ended badly, or took a minute.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads)), "PYTHONPATH": path}
    command = [sys.executable, "-P", "-m", "common.measure.limit", dtype, str(threads)]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=True
        )
        rates: dict[str, float] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as cause:
        raise NotMeasured(one_line(cause)) from cause
    return rates


def measure(dtype: str) -> dict[str, float]:
    """The two rates, in this process."""
    side = np.ones((SIDE, SIDE), dtype)
    row = np.ones(BYTES // side.itemsize, dtype)
    out = np.empty_like(side)
    return {
        "flops_per_second": 2 * SIDE**3 / best(lambda: np.matmul(side, side, out=out)),
        "bytes_per_second": row.nbytes / best(lambda: row @ row),
    }


def best(call: Callable[[], object]) -> float:
    """Least seconds of several calls, after one that is not counted."""
    call()
    seconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    limit_cores(int(sys.argv[2]))
    print(json.dumps(measure(sys.argv[1])))
