"""The update rules with every slip that they may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common.agreement.clipping import Clip
from common.contract.arrays import Array, Arrays
from common.contract.models import statistics_of
from common.contract.optimizers import OPTIMIZERS, clip_of
from common.contract.plan import Plan

Rule = Callable[..., tuple[Arrays, Arrays]]


def settings(plan: Plan) -> dict[str, Any]:
    """What the rules below are told of a plan."""
    optimizer = OPTIMIZERS[plan.optimizer]
    told = {name: getattr(plan, name) for name in optimizer.told}
    if optimizer.rule == "sgd":
        told["nesterov"] = plan.nesterov
    kinds = {"decay_kind": optimizer.decay, "decay_usual": optimizer.decay}
    return {**told, **kinds, "clip": clip_in(plan)}


#: How a plan clips -> what kind that is.
CLIPS = {"clip_value": "value", "clip_norm": "norm"}


def clip_in(plan: Plan) -> Clip:
    """The clipping of a plan."""
    asked = clip_of(plan.asdict())
    return Clip(CLIPS[asked[0]], asked[1]) if asked else Clip("none", np.inf)


def decayed(
    name: str, param: Array, grad: Array, lr: float, decay: float, kind: str, usual: str
) -> tuple[Array, Array | float]:
    """The gradient, and what is taken off the parameter directly, for a kind of decay.

    Sparing the biases, and twice, are said of the optimiser's usual kind.
    """
    if kind in ("weights", "twice"):
        decay *= 2.0 if kind == "twice" else float(param.ndim > 1)
        kind = usual
    if kind == "none":
        return grad, 0.0
    if kind == "decoupled":
        return grad, lr * decay * param
    if kind == "unscaled":
        return grad, decay * param
    if kind == "after":
        return grad, 0.0
    return grad + decay * param, 0.0


def sgd_rule(
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    decay_kind: str,
    decay_usual: str,
    dampening: bool = False,
    nesterov: bool = False,
    inside: bool = False,
) -> tuple[Arrays, Arrays]:
    """Mini-batch gradient descent with every slip it may have."""
    moved, memory = {}, {}
    for name, param in params.items():
        step, taken = decayed(name, param, grads[name], lr, weight_decay, decay_kind, decay_usual)
        rate = lr
        if f"{name}/m" in state:
            share = 1 - momentum if dampening else 1.0
            grad = step
            step = momentum * state[f"{name}/m"] + share * (lr if inside else 1.0) * step
            memory[f"{name}/m"] = step
            rate = 1.0 if inside else lr
            if nesterov:
                step = grad + momentum * step
        moved[name] = param - rate * step - taken
        if decay_kind == "after":
            moved[name] = moved[name] * (1 - lr * weight_decay)
    if "step" in state:
        memory["step"] = np.asarray(state["step"] + 1)
    return moved, memory


def adam_rule(
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    *,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    decay_kind: str,
    decay_usual: str,
    exchanged: bool = False,
    correct_m: bool = True,
    correct_v: bool = True,
    eps_kind: str = "outside",
    late: int = 0,
) -> tuple[Arrays, Arrays]:
    """Adam with every slip it may have."""
    b1, b2 = reversed(betas) if exchanged else betas
    t = float(state["step"]) + 1 + late
    moved: Arrays = {}
    memory: Arrays = {}
    c1 = 1 - b1**t if correct_m and t > 0 else 1.0
    c2 = 1 - b2**t if correct_v and t > 0 else 1.0
    for name, param in params.items():
        grad, taken = decayed(name, param, grads[name], lr, weight_decay, decay_kind, decay_usual)
        m = b1 * state[f"{name}/m"] + (1 - b1) * grad
        v = b2 * state[f"{name}/v"] + (1 - b2) * grad**2
        root = {
            "outside": np.sqrt(v / c2) + eps,
            "inside": np.sqrt(v / c2 + eps),
            "unscaled": (np.sqrt(v) + eps) / np.sqrt(c2),
        }[eps_kind]
        moved[name] = param - lr * m / c1 / root - taken
        if decay_kind == "after":
            moved[name] = moved[name] * (1 - lr * weight_decay)
        memory |= {f"{name}/m": m, f"{name}/v": v}
    memory["step"] = np.asarray(t - late)
    return moved, memory


def root_rule(
    params: Arrays,
    grads: Arrays,
    state: Arrays,
    *,
    lr: float,
    eps: float,
    weight_decay: float,
    decay_kind: str,
    decay_usual: str,
    alpha: float | None = None,
    eps_kind: str = "outside",
    summed: bool = False,
    before: bool = False,
) -> tuple[Arrays, Arrays]:
    """RMSprop, and AdaGrad, which has no alpha, with every slip they may have."""
    keep, new = (1.0, 1.0) if alpha is None else (alpha, 1.0 if summed else 1 - alpha)
    moved, memory = {}, {}
    for name, param in params.items():
        grad, taken = decayed(name, param, grads[name], lr, weight_decay, decay_kind, decay_usual)
        v = keep * state[f"{name}/v"] + new * grad**2
        of = state[f"{name}/v"] if before else v
        root = {
            "outside": np.sqrt(of) + eps,
            "inside": np.sqrt(of + eps),
            "none": np.sqrt(of),
        }[eps_kind]
        moved[name] = param - lr * grad / root - taken
        if decay_kind == "after":
            moved[name] = moved[name] * (1 - lr * weight_decay)
        memory[f"{name}/v"] = v
    if "step" in state:
        memory["step"] = np.asarray(state["step"] + 1)
    return moved, memory


def clipping(rule: Rule) -> Rule:
    """A rule that is told how the gradients are clipped before."""

    def clipped(
        params: Arrays, grads: Arrays, state: Arrays, *, clip: Clip, **told: Any
    ) -> tuple[Arrays, Arrays]:
        return rule(params, clip.of(grads), state, **told)

    return clipped


RULES: dict[str, Rule] = {
    "sgd": clipping(sgd_rule),
    "adam": clipping(adam_rule),
    "rmsprop": clipping(root_rule),
    "adagrad": clipping(root_rule),
}


def rule_of(plan: Plan) -> Rule:
    """The rule above that a plan's update has."""
    rule, statistics = RULES[OPTIMIZERS[plan.optimizer].rule], statistics_of(plan.model)

    def keeping(params: Arrays, grads: Arrays, state: Arrays, **told: Any) -> tuple[Arrays, Arrays]:
        trained = {name: array for name, array in params.items() if name not in statistics}
        slopes = {name: grads[name] for name in trained}
        moved, memory = rule(trained, slopes, state, **told)
        return {**moved, **{name: grads[name] for name in statistics}}, memory

    return keeping if statistics else rule
