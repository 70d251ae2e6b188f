"""The optimisers: what the referee means by each name, and what each is told of a plan.

`grad` is the gradient of the batch's mean loss, p a parameter, `decay` the plan's
`weight_decay`; everything on the right of an equals sign is from before the step, except
where the line above has just computed it. State starts at zero.

sgd and momentum (no dampening, no Nesterov; decay coupled, added to the gradient)::

    g = grad + decay * p
    m = momentum * m + g
    p = p - lr * m

`sgd` has a momentum of 0 unless told otherwise, and without momentum no state; `momentum` is
the same function with a usual momentum of 0.9.

adam (Kingma and Ba 2015, algorithm 1; decay coupled, as an L2 penalty would be)::

    g = grad + decay * p
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g²
    t = t + 1
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

adamw (Loshchilov and Hutter 2019; decay decoupled, both terms from the same old p)::

    m, v, t as in adam, with g = grad
    p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps) - lr * decay * p

State under neutral names: `<parameter>/m` and `<parameter>/v`, shaped like the parameter and
`(in, out)` when dumped; `step`, a 0-d int32 array, the number t of updates done.
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
        function: prefix of its functions in `update.py`.
        told: fields of the plan that these take after `params`, in order.
        rule: which of the formulas above it follows; what differs but in decay is one rule.
        decay: added to the gradient (coupled), or taken off the parameter (decoupled).
        momentum: what a run uses unless told otherwise.
    """

    name: str
    function: str
    told: tuple[str, ...]
    rule: Literal["sgd", "adam"]
    decay: Literal["coupled", "decoupled"]
    momentum: float = 0.0

    def settings(self, plan: Mapping[str, Any]) -> tuple[Any, ...]:
        """The arguments after `params`."""
        return tuple(plan[field] for field in self.told)


_SGD = ("lr", "momentum", "weight_decay")
_ADAM = ("lr", "betas", "eps", "weight_decay")

OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", "sgd", _SGD, rule="sgd", decay="coupled"),
        Optimizer("momentum", "sgd", _SGD, rule="sgd", decay="coupled", momentum=0.9),
        Optimizer("adam", "adam", _ADAM, rule="adam", decay="coupled"),
        Optimizer("adamw", "adamw", _ADAM, rule="adam", decay="decoupled"),
    )
}
