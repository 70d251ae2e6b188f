"""What a framework's layers have otherwise by design: the reference, asked as they would be.

A running variance moves by the variance of a batch, divided by n in one framework and by n - 1
in another: new = old (1 - m) + m v. What a backend has declared (`Info.declared_layers`) is
followed here, so that such a buffer is held to rounding all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from common.contract.arrays import Array, cast
from common.contract.info import DeclaredLayer
from common.contract.net import Answer, Asked, Asking, Leaf
from common.contract.registry import find
from common.modules.matched import Matched, rounded


@dataclass(frozen=True, eq=False)
class Design:
    """The reference, with one running statistic as the port has it by design.

    Attributes:
        net: the reference.
        name: of the buffer.
        kept: the share of the old that it keeps.
        factor: the port's statistics of a batch, of the reference's.
        words: what is declared.
    """

    net: Asking
    name: str
    kept: Array
    factor: float
    words: str

    def run(self, asked: Asked) -> Answer:
        """Run a part, and move the buffer by the port's statistics."""
        answer = self.net.run(asked)
        new = answer.buffers[self.name]
        moved = new - (self.kept * asked.values[self.name]).astype(new.dtype)
        other = (new + (self.factor - 1) * moved).astype(new.dtype)
        return replace(answer, buffers={**answer.buffers, self.name: other})


def design_of(matched: Matched, reference: str, port: str) -> Design | None:
    """What is declared of a buffer of the port's; None if nothing is.

    Args:
        matched: both.
        reference, port: the buffer's names.
    """
    side = matched.reference
    mine, theirs = side.leaves[reference], matched.port.leaves[port]
    rules = declared(side.net.framework, mine), declared(matched.port.net.framework, theirs)
    key = mine.owners[0], 0
    if (rules[0] is None) == (rules[1] is None) or key not in side.calls:
        return None
    call = side.calls[key]
    values = cast(dict(side.values), "float64")
    inputs = rounded(call.inputs, "float64")

    def after(old: float) -> Array:
        other = {**values, reference: np.full_like(values[reference], old)}
        asked = Asked(other, inputs, key, train=matched.train)
        return side.net.run(asked).buffers[reference]

    count = inputs[0].size / mine.value.size
    factor = (count - 1) / count
    rule = rules[1] or rules[0]
    assert rule is not None
    whose = "the port's" if rules[1] else "the reference's"
    return Design(
        side.net,
        reference,
        after(1) - after(0),
        factor if rules[1] else 1 / factor,
        f"{port}: {rule.reason}, by design of {whose} framework ({rule.version})",
    )


def declared(framework: str, leaf: Leaf) -> DeclaredLayer | None:
    """What a framework has declared of a buffer."""
    rules: Mapping[str, DeclaredLayer] = {
        kind: rule for rule in find()[framework].info.declared_layers for kind in rule.kinds
    }
    rule = rules.get(leaf.kind)
    return rule if rule is not None and not leaf.trained and leaf.role == rule.buffer else None
