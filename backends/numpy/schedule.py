"""The learning rate of every step, in NumPy."""

import numpy as np


def schedule_scratch(lr, schedule, warm_up, steps):
    """The learning rates of a run, written out.

    n counts all steps from 1, k = n - warm_up - 1 those after the warm-up,
    of which there are R = steps - warm_up:

    n <= warm_up: lr * n / warm_up
    constant:     lr
    step:         lr * 0.1^floor(k / ceil(R / 3))
    linear:       lr * (1 - k / R)
    cosine:       lr * (1 + cos(pi * k / R)) / 2

    Args:
        lr: what the rates rise to, and come from.
        schedule: "constant", "step", "linear" or "cosine".
        warm_up: steps in which they rise, fewer than all.
        steps: of the whole run.

    Returns:
        the rates (steps,), in float64; none is 0.

    See: https://arxiv.org/abs/1706.02677, 2.2; https://arxiv.org/abs/1608.03983
    """
    rest = steps - warm_up
    k = np.arange(rest)
    after = {
        "constant": np.ones(rest),
        "step": 0.1 ** (k // -(-rest // 3)),
        "linear": (rest - k) / rest,
        # (1 + cos x) / 2 = sin²((pi - x) / 2), which near its end is exact.
        "cosine": np.sin(np.pi * (rest - k) / (2 * rest)) ** 2,
    }
    rise = np.arange(1, warm_up + 1) / max(warm_up, 1)
    return lr * np.concatenate([rise, after[schedule]])
