"""A kit in the port's place: what two versions of one network answered, held against each other.

Nothing is run. Each was asked on what its own layers returned. Where that is the same to the bit
in both, the kit in the port's place has the answer in float64, too; where last places differ, it
has one to nearly the same question, of which rounding alone is judged.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.net import Answer, Asked, Call, Key, Leaf, Some, Tensors
from common.contract.operations import Trace
from common.contract.precision import cast
from common.errors import Refused
from common.modules.expected import UnaskedError, answer_of, as_dtype
from common.modules.kept import Kept
from common.modules.kit import KitNet, asked_as, sha256
from common.modules.matched import rounded, values_of
from common.modules.parts import layers_of
from common.modules.plain import written


class Played:
    """As `common.contract.net.Net`: a network that answers what it was asked in its kit.

    Args:
        kit: written by the same check as the reference's (`refuse_unlike`).
    """

    #: Its answers are to its own questions: behind what is wrong they are others.
    played = True

    def __init__(self, kit: KitNet) -> None:
        self._kit = kit
        self.framework, self.doubles = kit.framework, kit.doubles
        self._dtype = str(kit.document.settings["dtype"])
        self._questions: dict[Key | None, list[str]] = defaultdict(list)
        for part, question in kit.document.parts:
            self._questions[part].append(question)
        self._asked: Counter[Key | None] = Counter()

    def leaves(self) -> list[Leaf]:
        """As `Net.leaves`."""
        return self._kit.leaves()

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """As `Net.record`: its own run in float64."""
        return recorded(self._kit)

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """As `Net.trace`: a kit keeps none."""
        return Trace()

    def source(self, path: str) -> str | None:
        """As `Net.source`: a kit holds no code."""
        return None

    def run(self, asked: Asked) -> Answer:
        """What it answered when it was asked that, or in the run's dtype as good as that.

        Raises:
            UnaskedError: in float64, something else in its last places.
        """
        dtype, answers = self._dtype, self._kit.document.answers
        in_float64 = is_float64(*asked.values.values(), *asked.inputs) and dtype != "float64"
        question = asked_as("part", written(as_dtype(asked, dtype)), dtype)
        if not in_float64:
            number = self._asked[asked.part]
            self._asked[asked.part] += 1
            if question not in answers:
                question = self._nearly(asked.part, number)
        kept = Kept(asked, dtype, self._kit.rows("a part", question))
        return answer_of(kept.exact if in_float64 else {**kept.exact, **kept.own})

    def _nearly(self, part: Key | None, number: int) -> str:
        """What it was asked in that place."""
        questions = self._questions[part]
        if number >= len(questions):
            raise UnaskedError(f"{self._kit.folder} was not asked that; write it again")
        return questions[number]

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """As `Net.loss`, of outputs as good as these."""
        own = rounded(recorded(self._kit)[1], self._dtype)
        in_float64 = is_float64(*outputs) and self._dtype != "float64"
        return self._kit.loss(function, outputs if in_float64 else own, labels)


def is_float64(*arrays: Array) -> bool:
    """Whether some are."""
    return any(one.dtype == np.float64 for one in arrays)


def recorded(kit: KitNet) -> tuple[list[Call], Tensors]:
    """The run that a kit's reference was put beside a port by: `of_reference`."""
    settings = kit.document.settings
    values = values_of(kit.leaves(), settings["seed"], settings["dtype"])
    inputs = rounded(kit.inputs, "float64")
    return kit.record(cast(values, "float64"), inputs, settings["train"])


def refuse_unlike(old: KitNet, new: KitNet) -> None:
    """Refuse two kits that are not of one network in one check.

    Args:
        old: in the reference's place.
        new: in the port's.

    Raises:
        Refused: the first thing in which they differ.
    """
    told = f"{new.folder} is not comparable with {old.folder}"
    one, other = new.document, old.document
    for name in dict.fromkeys([*other.settings, *one.settings]):
        was, became = (kit.settings.get(name) for kit in (other, one))
        if was != became:
            raise Refused(f"{told}: --{name} {became}, not {was}")
    if one.names != other.names or not same(new.inputs, old.inputs):
        raise Refused(f"{told}: other inputs; write both with the same --input and --seed")
    if not same((new.labels,), (old.labels,)):
        raise Refused(f"{told}: other labels; write both with the same --labels and --seed")
    refuse_other_weights(told, *({leaf.name: leaf for leaf in kit.leaves()} for kit in (old, new)))
    shapes = [shapes_of(kit) for kit in (old, new)]
    for key in dict.fromkeys([*shapes[0], *shapes[1]]):
        was, became = (one.get(key, "nothing of it") for one in shapes)
        if was != became:
            path, number = key
            words = f"{path or 'the whole'}, call {number + 1}"
            raise Refused(f"{told}: another network: {words} has {became}, not {was}")


def refuse_other_weights(told: str, old: dict[str, Leaf], new: dict[str, Leaf]) -> None:
    """Refuse leaves of other names, shapes or values.

    Args:
        told: how the refusal begins.
        old, new: the leaves of both, by name.
    """
    for name in dict.fromkeys([*old, *new]):
        was, became = (one[name].value.shape if name in one else None for one in (old, new))
        if was != became:
            raise Refused(
                f"{told}: another network: its leaf {name} is {became or 'missing'}, not "
                f"{was or 'missing'}"
            )
    for name, leaf in old.items():
        if not same((leaf.value,), (new[name].value,)):
            raise Refused(
                f"{told}: other weights, first {name}; let both networks load them from one file, "
                "if they are drawn otherwise"
            )


def shapes_of(kit: KitNet) -> dict[Key, str]:
    """What the layers and the whole return, in words."""
    calls, outputs = recorded(kit)
    layers = layers_of(kit.leaves(), calls).values()
    paths = set().union(*layers)
    found = {call.key: call.outputs for call in calls if call.path in paths}
    whole: dict[Key, Tensors] = {("", 0): outputs}
    return {
        key: " and ".join(str(one.shape) for one in some) or "no tensor"
        for key, some in {**found, **whole}.items()
    }


def same(some: Some, others: Some) -> bool:
    """Whether tensors are the same to the bit."""
    one, other = ([None if a is None else sha256(a) for a in each] for each in (some, others))
    return one == other
