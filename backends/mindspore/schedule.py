"""The learning rate of every step, in MindSpore."""

import math

from mindspore import nn


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
        the rates, a list of steps numbers; none is 0.

    See: https://arxiv.org/abs/1706.02677, 2.2; https://arxiv.org/abs/1608.03983
    """
    rest = steps - warm_up
    third = math.ceil(rest / 3)
    after = {
        "constant": lambda k: 1.0,
        "step": lambda k: 0.1 ** (k // third),
        "linear": lambda k: 1 - k / rest,
        "cosine": lambda k: (1 + math.cos(math.pi * k / rest)) / 2,
    }
    rise = [lr * n / warm_up for n in range(1, warm_up + 1)]
    return rise + [lr * after[schedule](k) for k in range(rest)]


def schedule_concise(lr, schedule, warm_up, steps):
    """The learning rates of a run by `nn.dynamic_lr`.

    Differs: lists made beforehand. `nn.warmup_lr` begins with a rate of 0,
    which is left out; the others count epochs, here of one step each.

    See: https://www.mindspore.cn/docs/en/master/api_python/mindspore.nn.html#dynamic-lr-function
    """
    rest = steps - warm_up
    third = math.ceil(rest / 3)
    after = {
        "constant": lambda: nn.piecewise_constant_lr([rest], [lr]),
        "step": lambda: nn.exponential_decay_lr(
            lr, 0.1, rest, 1, third, is_stair=True
        ),
        "linear": lambda: nn.polynomial_decay_lr(lr, 0.0, rest, 1, rest, 1.0),
        "cosine": lambda: nn.cosine_decay_lr(0.0, lr, rest, 1, rest),
    }
    rates = after[schedule]()
    if warm_up:
        rates = nn.warmup_lr(lr, warm_up + 1, 1, warm_up)[1:] + rates
    return rates
