"""The learning rate of every step: what the referee means by each schedule.

T is the number of steps of the whole run, counted n = 1 to T over all epochs, W of them warm up,
R = T - W are the rest; k = n - W - 1 counts these from 0. lr is the plan's::

    n <= W      lr * n / W                          step 1 has lr / W, step W has lr
    constant    lr
    step        lr * 0.1^floor(k / ceil(R / 3))     a tenth from the second third of R, a hundredth
                                                    from the last
    linear      lr * (1 - k / R)                    step W + 1 has lr, step T has lr / R
    cosine      lr * (1 + cos(pi * k / R)) / 2      step W + 1 has lr, step T more than 0

So no step has a rate of 0: what would be its step T + 1 is never made. What runs on after T steps
keeps the rate of step T. The rate of step n is known from the number of updates before it, n - 1,
which the state keeps as `step` wherever the rate is not the same for all.

Warm-up: Goyal et al. 2017, 2.2 (https://arxiv.org/abs/1706.02677); cosine: Loshchilov and Hutter
2017, eq. 5, without restarts (https://arxiv.org/abs/1608.03983); a tenth at some places: He et al.
2016 (https://arxiv.org/abs/1512.03385).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What `--schedule` takes, the usual one first.
SCHEDULES = ("constant", "step", "linear", "cosine")


def varies(plan: Mapping[str, Any]) -> bool:
    """Whether a plan's learning rate is not the same for all steps."""
    return bool(plan["schedule"] != SCHEDULES[0] or plan["warm_up"])


def steps_of(plan: Mapping[str, Any], examples: int) -> int:
    """How many steps a whole run makes, over so many training examples."""
    size = plan["batch_size"]
    batches = examples // size if plan["drop_last"] else -(-examples // size)
    return int(plan["epochs"] * batches)
