"""Judge a port against its reference: the wiring, every layer, the loss, the whole, some steps.

Forwards, the first wrong tensor in the order in which the reference computes is the answer;
backwards, if all is right forwards, the first in the order in which slopes flow, from the loss.
After a layer that is wrong forwards nothing more is run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

from common.contract.arrays import Array, Arrays
from common.contract.net import Key, Some
from common.contract.precision import cast
from common.modules import holding
from common.modules.answered import Answered, answered
from common.modules.held import EFFECT, Held, Place, failure, faulty
from common.modules.links import Link
from common.modules.losses import Losses, loss_answered, loss_of_reference
from common.modules.matched import Matched, rounded
from common.modules.units import Unit, drawn, layer_unit, whole_unit

#: What was held of a layer: forwards and backwards.
Layer = tuple[list[Held], list[Held]]

#: (values, slopes) -> the values after a step of the reference.
Step = Callable[[Arrays, Arrays], Arrays]


@dataclass(frozen=True, eq=False)
class Judge:
    """Both sides, and what to ask.

    Attributes:
        matched: both.
        seed: of the cotangents.
        labels: of the examples; None: no loss.
        losses: of the reference and of the port; None: the usual.
        only: a pattern of the layers' names; the others are not judged.
        update: makes a step of the reference's values.
        steps: at how many states the whole is judged, the first included.
    """

    matched: Matched
    seed: int = 0
    labels: Array | None = None
    losses: Losses = (None, None)
    only: str = "*"
    update: Step | None = None
    steps: int = 1
    _layers: dict[Key, Layer] = field(default_factory=dict)

    @cached_property
    def wiring(self) -> Answered:
        """What both answered, the outputs of all layers given."""
        return answered(self.matched, self._wiring())

    def judged(self) -> list[Held]:
        """Everything that was held, in the order in which it is computed."""
        wiring = self.wiring
        if wiring.failed is not None:
            return [failure(Place("", "", "forward", "wiring", ""), wiring.failed, "")]
        forwards: list[Held] = []
        backwards: list[list[Held]] = []
        for mine, theirs in self.matched.keys:
            tap = mine[0] in self.matched.taps
            unit = "tap" if tap else "wiring"
            place = Place(mine[0], theirs[0], "forward", unit, "", mine[1])
            reached, layer = self._reached(place, mine, theirs, wiring)
            forwards += reached
            if not all_right(forwards):
                return forwards
            slopes = list(
                holding.given_slopes(wiring, replace(place, stage="backward"), mine, theirs)
            )
            if not tap and fnmatchcase(mine[0], self.only):
                ahead, back = layer or self._alone(mine, theirs)
                forwards += ahead
                slopes += back
            if not all_right(forwards):
                return forwards
            backwards.append(slopes)
        place = Place("", "", "forward", "wiring", "")
        forwards += holding.outputs(wiring, place, self.matched.returned)
        forwards += self._other_outputs(place)
        if getattr(self.matched.port.net, "played", False) and not all_right(forwards):
            return forwards
        place = replace(place, stage="backward")
        last = [*holding.slopes(wiring, place)][::-1]
        last += holding.input_slopes(wiring, place, self._inputs())
        found = forwards + self._loss()
        found += [held for slopes in reversed(backwards) for held in slopes] + last
        return found + list(self._whole(parted=self._parted())) if all_right(found) else found

    def _other_outputs(self, place: Place) -> list[Held]:
        """Outputs that have another shape than the reference's, or are none."""
        ours, links = self.matched.port.outputs, self.matched.returned
        ats = {link.at for link in links if link is not None}
        lost = [one for at, one in enumerate(self.matched.reference.outputs) if at not in ats]
        other = [one for one, link in zip(ours, links, strict=True) if link is None]
        if not lost or (ours and not other):
            return []
        words = f"has shape {other[0].shape}" if other else "is no tensor"
        words = f"{words}, the reference's has {lost[0].shape}"
        return [faulty(replace(place, tensor="output"), words, self.matched.dtype)]

    def _wiring(self) -> Unit:
        outputs = rounded(self.matched.reference.outputs, self.matched.dtype)
        cotangents = drawn(outputs, self.seed, "outputs")
        return whole_unit(self.matched, cotangents, wired=True, seed=self.seed)

    def _inputs(self) -> tuple[Link, ...]:
        return tuple(Link(at, layout) for at, layout in enumerate(self.matched.layouts))

    def _reached(
        self, place: Place, mine: Key, theirs: Key, wiring: Answered
    ) -> tuple[list[Held], Layer | None]:
        """What reached a call, and the layer if it was asked because of that.

        What depends on nothing, a mask, may have another value in the port, -1e9 for minus
        infinity: it is right if the port's layer makes of it what the reference's makes of its
        own; or what it makes of the reference's: then whatever is wrong is the layer's.
        """
        reached = holding.arrived(wiring, place, mine, theirs)
        other = {at for at, one in reached.items() if not one.right}
        constant = all(wiring.expected.is_constant(("arrived", mine, at)) for at in other)
        if not other or not constant or place.unit == "tap":
            return list(reached.values()), None
        links = self.matched.inputs[mine]
        kept = tuple(None if link is None or link.at in other else link for link in links)
        own = replace(self.matched, inputs={**self.matched.inputs, mine: kept})
        layer = replace(self, matched=own)._layer(mine, theirs, wiring)
        ahead, back = layer
        if not all_right(ahead + back):
            one, another = (
                answered(each, layer_unit(each, mine, theirs, self.seed))
                for each in (own, self.matched)
            )
            slopes = [
                ("input slope", i)
                for i, (link, linked) in enumerate(zip(kept, links, strict=True))
                if link != linked
            ]
            if not one.same(another, slopes):
                return list(reached.values()), None
        return [
            replace(one, right=True, judged=EFFECT) if at in other else one
            for at, one in reached.items()
        ], layer

    def _alone(self, mine: Key, theirs: Key) -> Layer:
        """A layer, asked once: it is the same whatever stands around it."""
        if mine not in self._layers:
            self._layers[mine] = self._layer(mine, theirs, self.wiring)
        return self._layers[mine]

    def _layer(self, mine: Key, theirs: Key, wiring: Answered) -> Layer:
        """One call of one layer, forwards and backwards."""
        place = Place(mine[0], theirs[0], "forward", "layer", "", mine[1])
        found = answered(self.matched, layer_unit(self.matched, mine, theirs, self.seed))
        if found.failed is not None:
            return [failure(place, found.failed, self.matched.dtype)], []
        links = self.matched.outputs[mine]
        if links and all(self.matched.inputs[mine]) and not any(links):
            shapes = [
                ", ".join(str(one.shape) for one in call.outputs)
                for call in (self.matched.port.calls[theirs], self.matched.reference.calls[mine])
            ]
            words = f"has shape {shapes[0]}, expected {shapes[1]}, in whatever order of axes"
            return [faulty(replace(place, tensor="output"), words, self.matched.dtype)], []
        ahead = [
            *holding.outputs(found, place, self.matched.outputs[mine]),
            *(holding.buffers(found, place) if self.matched.train else ()),
        ]
        place = replace(place, stage="backward")
        return ahead, [
            *holding.slopes(found, place),
            *holding.input_slopes(
                found,
                place,
                self.matched.inputs[mine],
                lambda at: wiring.expected.is_constant(("arrived", mine, at)),
            ),
        ]

    def _loss(self) -> list[Held]:
        """The loss of the reference's outputs, if the port has any of them."""
        if self.labels is None or not any(self.matched.returned):
            return []
        found = loss_answered(self.matched, self.labels, self.losses)
        place = Place("", "", "loss", "loss", "")
        if found.failed is not None:
            return [failure(place, found.failed, self.matched.dtype)]
        value = holding.outputs(found, place, found.matched.returned[:1])
        return [
            *(replace(held, place=replace(held.place, tensor="loss")) for held in value),
            *(
                replace(held, place=replace(held.place, tensor="slope in the outputs"))
                for held in holding.input_slopes(found, place, self.matched.returned)
            ),
            *holding.slopes(found, place),
        ]

    def whole(self) -> list[Held]:
        """The loss, and the whole at every state; nothing if no state of it is judged."""
        found = list(self._whole())
        return [*self._loss(), *found] if found else []

    def _parted(self) -> bool:
        """Whether the parts that the whole is made of are judged: every layer there is."""
        taps = self.matched.taps
        return self.only == "*" and any(mine[0] not in taps for mine, _ in self.matched.keys)

    def _whole(self, *, parted: bool = False) -> Iterator[Held]:
        """The whole, at the state given and at some steps' after it.

        Args:
            parted: whether its parts were found right, at the state given.
        """
        matched = self.matched
        for number in range(self.steps):
            cotangents, penalty = self._cotangents(matched)
            found = answered(matched, whole_unit(matched, cotangents))
            step = f"step {number + 1}" if self.steps > 1 else ""
            composed = parted and (number == 0 or found.answers[1] is not None)
            yield from self._at(found, step, composed=composed)
            if number + 1 < self.steps and self.update is not None:
                matched = self._moved(matched, found, penalty)

    def _at(self, found: Answered, step: str, *, composed: bool) -> Iterator[Held]:
        place = Place("", "", "forward", "whole", "")
        if found.failed is not None:
            yield failure(place, found.failed, self.matched.dtype)
            return
        held = [*holding.outputs(found, place, self.matched.returned)]
        if self.matched.train:
            held += holding.buffers(found, place)
        held += holding.slopes(found, replace(place, stage="backward"), composed=composed)
        for one in held:
            words = f"{one.place.tensor} at {step}" if step else one.place.tensor
            yield replace(one, place=replace(one.place, tensor=words))

    def _cotangents(self, matched: Matched) -> tuple[Some, Arrays]:
        """The loss's slopes in the outputs, drawn if there is no loss; those in the parameters."""
        outputs = rounded(matched.reference.outputs, matched.dtype)
        if self.labels is None:
            return drawn(outputs, self.seed, "outputs"), {}
        loss = loss_of_reference(matched, self.labels, self.losses)
        slopes = (one for one in loss.input_slopes if one is not None)
        return rounded(slopes, matched.dtype), loss.slopes

    def _moved(self, matched: Matched, found: Answered, penalty: Arrays) -> Matched:
        """Both after a step of the reference's, and its buffers; what each counts, it counted.

        Args:
            matched: before it.
            found: of the whole.
            penalty: the slopes of a loss that sees the parameters.
        """
        assert self.update is not None
        exact = found.expected.exact
        slopes = {str(name[1]): one for name, one in exact.items() if name[0] == "slope"}
        slopes |= {name: slopes[name] + one for name, one in penalty.items() if name in slopes}
        buffers = {str(name[1]): one for name, one in exact.items() if name[0] == "buffer"}
        before = {**cast(dict(matched.reference.values), "float64"), **buffers}
        values = cast(self.update(before, slopes), matched.dtype)
        kept = {} if found.answers[0] is None else found.answers[0].buffers
        counters = {name: one for name, one in kept.items() if one.dtype.kind != "f"}
        made = matched.mapping.apply(values, matched.dtype)
        port = {**matched.port.values, **counters, **made}
        outputs = matched.reference.net.record(
            cast(values, "float64"), rounded(matched.reference.inputs, "float64"), matched.train
        )[1]
        return replace(
            matched,
            reference=replace(matched.reference, values=values, outputs=outputs),
            port=replace(matched.port, values=port),
        )


def all_right(held: Sequence[Held]) -> bool:
    """Whether only rounding differs."""
    return all(one.right for one in held)
