"""How an update clips its gradients: by value, by the norm of all, or by that of each tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from common.agreement.slips.slip import fitted
from common.contract.arrays import Array, Arrays

#: What float32 leaves of a relation that holds.
NEAR = 1e-4

#: Kinds of clipping, in words.
KINDS = {
    "none": "not at all",
    "value": "by value, each number to {:.4g} at most",
    "norm": "to a norm of {:.4g}, of all tensors together",
    "tensor": "to a norm of {:.4g}, of each tensor by itself",
}


@dataclass(frozen=True)
class Clip:
    """A rule that makes gradients smaller.

    Attributes:
        kind: in `KINDS`.
        most: the largest number, or norm, that it leaves.
    """

    kind: str
    most: float

    def of(self, grads: Arrays) -> Arrays:
        """The gradients that it leaves."""
        if self.kind == "value":
            return {n: np.clip(g, -self.most, self.most) for n, g in grads.items()}
        if self.kind == "norm":
            share = self.most / max(norm(*grads.values()), self.most)
            return {n: share * g for n, g in grads.items()}
        if self.kind == "tensor":
            return {n: self.most / max(norm(g), self.most) * g for n, g in grads.items()}
        return grads

    def __str__(self) -> str:
        return KINDS[self.kind].format(self.most)


def norm(*arrays: Array) -> float:
    """The root of the sum of all squares."""
    return float(np.sqrt(sum(float((array**2).sum()) for array in arrays)))


def near(one: Arrays, other: Arrays) -> bool:
    """Whether two sets of gradients are one but for float32."""
    most = max(float(np.abs(g).max(initial=0.0)) for g in other.values())
    apart = max(float(np.abs(one[n] - g).max(initial=0.0)) for n, g in other.items())
    return apart <= NEAR * most


def clip_of(left: Arrays, grads: Arrays) -> Clip | None:
    """The rule that left these of some gradients; None if it is no such rule, or more than one."""
    shares = {n: fitted({n: left[n]}, {n: grads[n]}) for n in grads}
    clipped = [n for n, share in shares.items() if share < 1 - NEAR]
    rules = [
        Clip("none", np.inf),
        Clip("norm", norm(*left.values())),
        Clip("value", max(float(np.abs(g).max(initial=0.0)) for g in left.values())),
        Clip("tensor", max((norm(left[n]) for n in clipped), default=np.inf)),
    ]
    found = [rule for rule in rules if near(rule.of(grads), left)]
    if found and found[0].kind == "none":
        return found[0]
    return found[0] if len(found) == 1 else None
