"""The learning rate of every step, in PyTorch."""

import math

from torch.optim import SGD
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    PolynomialLR,
    SequentialLR,
    StepLR,
)

import torch


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
    k = torch.arange(rest, dtype=torch.float64)
    after = {
        "constant": torch.ones_like(k),
        "step": 0.1 ** (k // math.ceil(rest / 3)),
        "linear": 1 - k / rest,
        "cosine": (1 + torch.cos(math.pi * k / rest)) / 2,
    }
    rise = torch.arange(1, warm_up + 1, dtype=torch.float64) / max(warm_up, 1)
    return lr * torch.cat([rise, after[schedule]])


def schedule_concise(lr, schedule, warm_up, steps):
    """The learning rates of a run by torch.optim.lr_scheduler.

    Differs: a scheduler sets the rate of an optimiser from outside, a Python
    float after each step; here one without anything to learn is led through
    all steps beforehand. Most rates are made of the one before.

    See: https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
    """
    rest, optimizer = steps - warm_up, SGD([torch.zeros(())], lr)
    after = {
        "constant": lambda: ConstantLR(optimizer, factor=1.0),
        "step": lambda: StepLR(optimizer, math.ceil(rest / 3), gamma=0.1),
        "linear": lambda: PolynomialLR(optimizer, rest, power=1.0),
        "cosine": lambda: CosineAnnealingLR(optimizer, rest),
    }
    if warm_up > 1:  # from lr / warm_up to lr, in one step fewer than it has
        first = LinearLR(optimizer, 1 / warm_up, total_iters=warm_up - 1)
    else:
        first = ConstantLR(optimizer, factor=1.0)
    scheduler = after[schedule]()
    if warm_up:
        scheduler = SequentialLR(optimizer, [first, scheduler], [warm_up])
    rates = []
    for _ in range(steps):
        rates += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step()
    return rates
