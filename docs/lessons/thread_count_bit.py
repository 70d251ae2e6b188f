"""torch.sum of one vector differs in its last bits with one thread and with two.

With the same number of threads it gives the same bits every time. JAX (NPROC) and MindSpore
(op_tuning.threads_num, which may be set once) fix the number of threads for the whole process, so
they have no function here.
"""

TOPIC = "types"
WHY = "A run repeated on a machine with another number of cores need not have the same bits."
SEE = (
    "https://docs.pytorch.org/docs/stable/generated/torch.set_num_threads.html",
    "https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",
)
SEEN = {"torch": "2.14.1"}


def torch():
    import numpy as np
    import torch

    numbers = np.random.default_rng(0).normal(size=(20, 100_000))
    rows = torch.tensor(numbers, dtype=torch.float32)
    kept, sums = torch.get_num_threads(), []
    for threads in (1, 2, 1, 2):
        torch.set_num_threads(threads)
        sums.append([row.sum().item() for row in rows])
    torch.set_num_threads(kept)
    exact = numbers.astype(np.float32).sum(1, dtype=np.float64)
    pairs = list(zip(sums[0], sums[1], strict=True))
    return {
        "sums of 20 that differ": sum(one != two for one, two in pairs),
        "some differ": sums[0] != sums[1],
        "all within 0.001": bool(abs(sums - exact).max() < 1e-3),
        "one thread, again the same": sums[0] == sums[2],
        "two threads, again the same": sums[1] == sums[3],
    }


CLAIM = {
    "torch": {
        "some differ": True,
        "all within 0.001": True,
        "one thread, again the same": True,
        "two threads, again the same": True,
    },
}
