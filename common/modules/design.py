"""What a framework's layers have otherwise by design: the reference, asked as they would be.

A running variance moves by the variance of a batch, divided by n in one framework and by n - 1
in another: new = old (1 - m) + m v. What a backend has declared (`Info.declared_layers`) is
followed here, so that such a buffer is held to rounding all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.info import DeclaredLayer
from common.contract.net import Answer, Asked, Asking, Leaf
from common.contract.precision import cast
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
        other = self.of(answer.buffers[self.name], asked.values[self.name])
        return replace(answer, buffers={**answer.buffers, self.name: other})

    def of(self, new: Array, old: Array) -> Array:
        """The buffer as the port leaves it, of what the reference makes of what it was."""
        moved = new - (self.kept * old).astype(new.dtype)
        other: Array = (new + (self.factor - 1) * moved).astype(new.dtype)
        return other


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
    asked = Asked(values, rounded(call.inputs, "float64"), key, train=matched.train)
    count = call.inputs[0].size / mine.value.size
    factor = (count - 1) / count
    rule = rules[1] or rules[0]
    assert rule is not None
    whose = "the port's" if rules[1] else "the reference's"
    return Design(
        side.net,
        reference,
        shares_kept(side.net, asked, [reference])[reference],
        factor if rules[1] else 1 / factor,
        f"{rule.reason}, by design of {whose} framework (measured in {rule.version})",
    )


def shares_kept(net: Asking, asked: Asked, buffers: Iterable[str]) -> Arrays:
    """The share of what it was that each of some buffers keeps.

    Args:
        net: the reference; a kit has it written down.
        asked: of a layer, in float64 and forwards.
        buffers: of the layer, floats.
    """
    written: Callable[[Iterable[str]], Arrays] | None = getattr(net, "shares_kept", None)
    if written is not None:
        return written(buffers)

    def after(old: float) -> Arrays:
        others = {name: np.full_like(asked.values[name], old) for name in buffers}
        return dict(net.run(replace(asked, values={**asked.values, **others})).buffers)

    ones, zeros = after(1), after(0)
    return {name: ones[name] - zeros[name] for name in buffers}


def declared(framework: str, leaf: Leaf) -> DeclaredLayer | None:
    """What a framework has declared of a buffer."""
    rules: Mapping[str, DeclaredLayer] = {
        kind: rule for rule in find()[framework].info.declared_layers for kind in rule.kinds
    }
    rule = rules.get(leaf.kind)
    return rule if rule is not None and not leaf.trained and leaf.role == rule.buffer else None
