"""What holding a port against its reference found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from common.agreement.cause import Cause
from common.agreement.parting import Parting
from common.mapping.mapping import WeightMap
from common.modules.held import Held
from common.modules.matched import Matched
from common.modules.words import report_text, some


@dataclass(frozen=True)
class Layer:
    """One layer, or what leads into it, in one direction.

    Attributes:
        name, port_name: what both sides call it; "" is the whole network.
        number: which of its calls, from 0.
        unit: "layer", "wiring" (what leads into it), "tap", "loss" or "whole".
        stage: "forward", "loss" or "backward".
        right: whether only rounding differs.
        worst: the tensor that is furthest from its reference, by its bound.
        loose: elements that no bound in float64 holds, because they are on an edge.
        from_own: the largest of its tensors' (`Held.from_own`).
    """

    name: str
    port_name: str
    number: int
    unit: str
    stage: str
    right: bool
    worst: Held
    loose: int
    from_own: float | None

    @property
    def error(self) -> float:
        """The worst tensor's."""
        return self.worst.error

    @property
    def bound(self) -> float:
        """The worst tensor's."""
        return self.worst.bound

    @property
    def judged(self) -> str:
        """By what the worst tensor was judged."""
        return self.worst.judged

    def asdict(self) -> dict[str, Any]:
        """As in the JSON."""
        return {
            "name": self.name,
            "port_name": self.port_name,
            "call": self.number,
            "unit": self.unit,
            "stage": self.stage,
            "right": self.right,
            "tensor": self.worst.place.tensor,
            "error": number_or_none(self.error),
            "bound": number_or_none(self.bound),
            "ulps": number_or_none(self.worst.ulps),
            "judged": self.judged,
            "on_an_edge": self.loose,
            "from_own": None if self.from_own is None else number_or_none(self.from_own),
        }


@dataclass(frozen=True, eq=False)
class ModuleReport:
    """What was found.

    Attributes:
        matched: both sides, and what stands for what.
        held: every tensor that was held, in order.
        seconds: how long it took.
        cause: of the first that is wrong, if one explains it.
        probes: what was asked of both sides before; None: it was not.
        parting: where between the layers; None where that is not certain.
        unasked: families of hypotheses that there was no time for.
    """

    matched: Matched
    held: list[Held]
    seconds: float
    cause: Cause | None = None
    probes: Mapping[str, bool | None] = field(default_factory=dict)
    parting: Parting | None = None
    unasked: Sequence[str] = ()

    @cached_property
    def first(self) -> Held | None:
        """The first tensor that no rounding explains."""
        return first_wrong(self.held)

    @property
    def likely_cause(self) -> str | None:
        """The cause in words, and how to make sure."""
        return None if self.cause is None else str(self.cause)

    @cached_property
    def layers(self) -> list[Layer]:
        """Every layer and every way into one, in both directions, in the order of judging."""
        return list(layers(self.held))

    @property
    def mapping(self) -> WeightMap:
        """How the port's leaves are made of the reference's."""
        return self.matched.mapping

    @property
    def without_counterpart(self) -> list[str]:
        """What of either side the other has nothing for, in words."""
        left = self.matched.mapping.left_over
        words = [words for side in left.values() for words in side.values()]
        return [*words, *self.matched.unlinked]

    @property
    def not_compared(self) -> list[str]:
        """What of either side nothing was held against, in words."""
        return [*self.without_counterpart, *self.matched.trained_apart]

    @property
    def verdict(self) -> str:
        """ "rounding", "declared", "differs"; "not checked" where something was not compared."""
        if self.first is not None:
            return "differs"
        if self.not_compared:
            return "not checked"
        return "declared" if self.declared else "rounding"

    @property
    def declared(self) -> list[str]:
        """The differences by design that were met, in words: each once, and of which buffers."""
        buffers: dict[str, dict[str, None]] = {}
        for one in self.held:
            if one.declared is not None:
                name, words = one.declared
                buffers.setdefault(words, {})[name] = None
        return [f"{some(list(names))}: {words}" for words, names in buffers.items()]

    @property
    def agrees(self) -> bool:
        """Whether only rounding differs, or what is declared, and everything was compared."""
        return self.verdict in ("rounding", "declared")

    def require(self) -> None:
        """For a test: raise an AssertionError with the text unless it agrees."""
        if not self.agrees:
            raise AssertionError(str(self))

    def asdict(self) -> dict[str, Any]:
        """As in the JSON."""
        first = self.first
        return {
            "schema_version": 1,
            "verdict": self.verdict,
            "agrees": self.agrees,
            "first": None
            if first is None
            else {
                "layer": first.place.layer,
                "port_layer": first.place.port_layer,
                "call": first.place.number,
                "unit": first.place.unit,
                "stage": first.place.stage,
                "tensor": first.place.tensor,
                "index": list(first.index),
                "value": number_or_none(first.value),
                "reference": number_or_none(first.reference),
                "bound": number_or_none(first.bound),
                "dtype": first.dtype,
                "fault": first.fault,
                "likely_cause": self.likely_cause,
                "no_time_for": list(self.unasked),
                "cause": None if self.cause is None else self.cause.kind,
            },
            "layers": [layer.asdict() for layer in self.layers],
            "mapping": [
                {
                    "port": entry.port,
                    "reference": list(entry.source.reference),
                    "transform": str(entry.source.transform),
                    "decided": entry.decided,
                }
                for entry in self.matched.mapping.entries
            ],
            "merged": list(self.matched.merged),
            "not_compared": self.not_compared,
            "probes": dict(self.probes),
            "declared": self.declared,
            "seconds": self.seconds,
        }

    def __str__(self) -> str:
        """The verdict, where it parts, what was right, how the weights were mapped."""
        return report_text(self)


def first_wrong(held: list[Held]) -> Held | None:
    """The first tensor that no rounding explains."""
    return next((one for one in held if not one.right), None)


def layers(held: list[Held]) -> Iterator[Layer]:
    """Tensors of one unit and stage, together."""

    def belongs(one: Held) -> tuple[str, str, int, str, str]:
        place = one.place
        return place.layer, place.port_layer, place.number, place.unit, place.stage

    for key, tensors in groupby(held, belongs):
        group = list(tensors)
        worst = max(group, key=lambda one: (not one.right, one.share))
        right, loose = all(one.right for one in group), sum(one.loose for one in group)
        from_own = max((one.from_own for one in group if one.from_own is not None), default=None)
        yield Layer(*key, right, worst, loose, from_own)


def number_or_none(value: float) -> float | None:
    """A number of JSON."""
    return value if abs(value) < float("inf") else None
