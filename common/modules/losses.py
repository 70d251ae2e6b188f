"""The loss as a unit, and, where it sees the parameters, as a network of those."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Answer, Asked, Asking, Net
from common.entrants.port import Port, sees_parameters
from common.modules.answered import Answered, answered
from common.modules.expected import Expectation, as_dtype, largest
from common.modules.functions import Parameters, side_of
from common.modules.links import there
from common.modules.matched import Matched, Side, rounded
from common.modules.units import LossFunction, Unit

#: Of the reference and of the port; None: the usual.
Losses = tuple[LossFunction | None, LossFunction | None]


@dataclass(frozen=True)
class Loss:
    """A loss as a unit: its inputs are the network's outputs, its output is the mean.

    Attributes:
        net: whose tensors it computes in.
        function: as for `Net.loss`.
        labels: of the examples.
    """

    net: Net
    function: LossFunction | None
    labels: Array

    @property
    def expectation(self) -> Callable[[Asked, str], Expectation] | None:
        """What is expected of it, if the network is a kit's, which has it written down."""
        kept: Callable[..., Expectation] | None = getattr(self.net, "expectation", None)
        return None if kept is None else partial(kept, loss=self)

    def run(self, asked: Asked) -> Answer:
        """The loss and its slopes; if they are to round, off as far as the port's exp may be.

        Not at random: of log Σ exp(o) it is as much whatever the number of examples. MindSpore's
        errors are mostly of one sign, and its log_softmax is off by 2e-6 on average (2.10.0).
        """
        labels = as_targets(self.labels, asked)
        value, slopes = self.net.loss(self.function, asked.inputs, labels)
        if asked.noise is not None and labels.dtype.kind in "iu":
            value = value + asked.exp_error
            slopes = tuple(
                one if one is None else one + asked.exp_error * largest(one) for one in slopes
            )
        return Answer((value,), input_slopes=slopes)


@dataclass(frozen=True, eq=False)
class Penalised:
    """A loss that sees the parameters: it has slopes in those, too.

    Attributes:
        net: a network of the parameters alone, of outputs and labels.
        names: of the parameters.
        labels: of the examples.
    """

    net: Net
    names: tuple[str, ...]
    labels: Array

    def run(self, asked: Asked) -> Answer:
        """The loss and its slopes."""
        labels = as_targets(self.labels, asked)
        values = {name: asked.values[name] for name in self.names}
        answer = self.net.run(replace(asked, values=values, inputs=(*asked.inputs, labels)))
        return replace(answer, input_slopes=answer.input_slopes[: len(asked.inputs)])


def as_targets(labels: Array, asked: Asked) -> Array:
    """Labels in the outputs' dtype, if they are floats: as the loss of a training meets them."""
    return labels.astype(asked.inputs[0].dtype) if labels.dtype.kind == "f" else labels


def penalised(function: LossFunction | None, outputs: int) -> bool:
    """Whether a loss takes (params, *outputs, labels)."""
    return function is not None and sees_parameters(function, outputs)


def as_unit(
    side: Side, function: LossFunction | None, labels: Array, outputs: int, *, weighed: bool
) -> Asking:
    """A side's loss, with slopes in its parameters if `weighed`."""
    if not weighed:
        return Loss(side.net, function, labels)
    arrays = {leaf.name: side.values[leaf.name] for leaf in side.leaves.values() if leaf.trained}
    usual = importlib.import_module(f"backends.{side.net.framework}.module").usual_loss
    called: Callable[..., Any] = function or usual
    sees = penalised(function, outputs)

    def forward(params: Any, *rest: Any) -> Any:
        return called(params, *rest) if sees else called(*rest)

    port = Port(side.net.framework, forward, called)
    net = side_of("loss", port, Parameters(arrays, None), None, "eager")
    return Penalised(net, tuple(arrays), labels)


def both_units(matched: Matched, labels: Array, losses: Losses) -> tuple[Asking, Asking]:
    """The losses of both, with slopes in the parameters if one of them sees those."""
    count = len(matched.reference.outputs)
    weighed = any(penalised(function, count) for function in losses)
    first, second = (
        as_unit(side, function, labels, count, weighed=weighed)
        for side, function in zip((matched.reference, matched.port), losses, strict=True)
    )
    return first, second


def loss_answered(matched: Matched, labels: Array, losses: Losses) -> Answered:
    """Ask both for the loss of the reference's outputs."""
    outputs = rounded(matched.reference.outputs, matched.dtype)
    reference = matched.reference.values
    asked = Asked(reference, outputs, cotangents=(np.ones((), matched.dtype),))
    of_port = replace(
        asked,
        values=matched.port.values,
        inputs=tuple(o for o in there(matched.returned, outputs) if o is not None),
    )
    mine, theirs = both_units(matched, labels, losses)
    return answered(matched, Unit("loss", asked, of_port), mine, theirs)


def loss_of_reference(matched: Matched, labels: Array, losses: Losses) -> Answer:
    """The reference's loss in float64."""
    outputs = rounded(matched.reference.outputs, "float64")
    asked = Asked(matched.reference.values, outputs, cotangents=(np.ones(()),))
    return both_units(matched, labels, losses)[0].run(as_dtype(asked, "float64"))
