"""The learning rate of every step, in JAX."""

import jax.numpy as jnp
import optax

import jax
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
        "linear": 1 - k / rest,
        "cosine": (1 + np.cos(np.pi * k / rest)) / 2,
    }
    rise = np.arange(1, warm_up + 1) / max(warm_up, 1)
    return lr * np.concatenate([rise, after[schedule]])


def schedule_concise(lr, schedule, warm_up, steps):
    """The learning rates of a run by optax.

    Differs: a schedule is a function of the number of updates done, in the
    arithmetic of the run. Not `exponential_decay` in stairs: compiled, XLA
    multiplies by 1 / third, and 784 steps of 784 are 0.999..., no stair yet.

    See: https://optax.readthedocs.io/en/latest/api/optimizer_schedules.html
    """
    rest = steps - warm_up
    third = -(-rest // 3)
    tenths = {third: 0.1, 2 * third: 0.1}
    after = {
        "constant": optax.constant_schedule(lr),
        "step": optax.piecewise_constant_schedule(lr, tenths),
        "linear": optax.linear_schedule(lr, 0.0, rest),
        "cosine": optax.cosine_decay_schedule(lr, rest),
    }
    rates = after[schedule]
    if warm_up > 1:  # from lr / warm_up to lr, in one step fewer than it has
        rise = optax.linear_schedule(lr / warm_up, lr, warm_up - 1)
        rates = optax.join_schedules([rise, rates], [warm_up])
    elif warm_up:
        constant = optax.constant_schedule(lr)
        rates = optax.join_schedules([constant, rates], [warm_up])
    made = jax.jit(jax.vmap(rates))(jnp.arange(steps))
    return jnp.broadcast_to(made, steps)
