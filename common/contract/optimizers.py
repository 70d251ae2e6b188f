"""The optimisers: what the referee means by each name, and what each is told of a plan.

`grad` is the gradient of the batch's mean loss, p a parameter, `decay` the plan's
`weight_decay`; everything on the right of an equals sign is from before the step, except
where the line above has just computed it. State starts at zero.

sgd and momentum (no dampening; decay coupled, added to the gradient)::

    g = grad + decay * p
    m = momentum * m + g
    p = p - lr * m

`sgd` has a momentum of 0 unless told otherwise, and without momentum no state; `momentum` is
the same function with a usual momentum of 0.9. With `--nesterov` (Sutskever et al. 2013, as PyTorch
has it) the last line is::

    p = p - lr * (g + momentum * m)

adam (Kingma and Ba 2015, algorithm 1; decay coupled, as an L2 penalty would be)::

    g = grad + decay * p
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g²
    t = t + 1
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

adamw (Loshchilov and Hutter 2019, decay times the rate as PyTorch has it; decay decoupled, both
terms from the same old p)::

    m, v, t as in adam, with g = grad
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) - lr * decay * p

rmsprop (Tieleman and Hinton 2012, eps outside the root as PyTorch has it; decay coupled)::

    g = grad + decay * p
    v = alpha * v + (1 - alpha) * g²
    p = p - lr * g / (sqrt(v) + eps)

adagrad (Duchi et al. 2011, likewise; its rate does not decay by itself)::

    g = grad + decay * p
    v = v + g²
    p = p - lr * g / (sqrt(v) + eps)

Before all that the gradients may be clipped, by one of these (`clip.py`)::

    --clip-value c   grad = min(max(grad, -c), c), number by number
    --clip-norm c    grad = grad * min(1, c / norm), norm = sqrt(sum of all their squares)

lr is the same for all steps, or that of the step in a schedule (`common.contract.schedules`).

State under neutral names: `<parameter>/m` and `<parameter>/v`, shaped like the parameter and
`(in, out)` when dumped; `step`, a 0-d int32 array, the number t of updates done, where the rule or
a schedule counts them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Optimizer:
    """One optimiser.

    Attributes:
        name: as on the command line.
        function: prefix of its functions, without Nesterov's momentum.
        told: fields of the plan that these take after `params`, in order.
        rule: which of the formulas above it follows; what differs but in decay is one rule.
        decay: added to the gradient (coupled), or taken off the parameter (decoupled).
        momentum, eps: what a run uses unless told otherwise.
        times: its usual learning rate, in those of Adam.
    """

    name: str
    function: str
    told: tuple[str, ...]
    rule: Literal["sgd", "adam", "rmsprop", "adagrad"]
    decay: Literal["coupled", "decoupled"]
    momentum: float = 0.0
    eps: float = 1e-8
    times: float = 1.0

    def settings(self, plan: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments after `params`."""
        return tuple(plan[field] for field in self.told)


def function_of(plan: Mapping[str, Any]) -> str:
    """Prefix of the functions that a plan's update is."""
    return "nesterov" if plan["nesterov"] else OPTIMIZERS[plan["optimizer"]].function


def clip_of(plan: Mapping[str, Any]) -> tuple[str, float] | None:
    """How a plan clips its gradients: prefix of the functions in `clip.py`, and what they leave."""
    for name in ("clip_value", "clip_norm"):
        if plan[name] is not None:
            return name, plan[name]
    return None


def functions_of(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """Prefixes of the functions that a plan's update is made of."""
    clip = clip_of(plan)
    return (function_of(plan), *([clip[0]] if clip else []))


_SGD = ("lr", "momentum", "weight_decay")
_ADAM = ("lr", "betas", "eps", "weight_decay")
_RMSPROP = ("lr", "alpha", "eps", "weight_decay")
_ADAGRAD = ("lr", "eps", "weight_decay")

OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", "sgd", _SGD, rule="sgd", decay="coupled"),
        Optimizer("momentum", "sgd", _SGD, rule="sgd", decay="coupled", momentum=0.9),
        Optimizer("adam", "adam", _ADAM, rule="adam", decay="coupled"),
        Optimizer("adamw", "adamw", _ADAM, rule="adam", decay="decoupled"),
        Optimizer("rmsprop", "rmsprop", _RMSPROP, rule="rmsprop", decay="coupled"),
        Optimizer(
            "adagrad", "adagrad", _ADAGRAD, rule="adagrad", decay="coupled", eps=1e-10, times=10.0
        ),
    )
}
