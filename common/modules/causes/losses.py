"""A loss of another rule: its mean, its labels, what is smoothed, which numbers it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import prod

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.case import Batch, Case, Guess, in_parts
from common.modules.causes.functions import softmax
from common.modules.causes.leaves import fitted
from common.modules.expected import Name
from common.modules.losses import Loss, Penalised

#: What is taken for a label that does not count, by habit.
USUAL_IGNORED = (-100, -1, 0)

#: How near a rule must come to the reference's.
NEAR = 1e-9

#: Less smoothing nobody sets, and rounding looks like it.
LEAST = 1e-3

#: The loss and its slope in the outputs.
VALUE, SLOPE = ("output", 0), ("input slope", 0)


#: What may be another.
PARTS = ("label smoothing", "ignored labels", "class weights", "mean", "softmax twice")


@dataclass(frozen=True)
class CrossEntropy:
    """A rule for the loss of classes.

    Attributes:
        smoothing: of the labels, over all classes.
        ignored: a label that does not count; None: all do.
        over: what it is divided by: "all", "counted" or "nothing"; "masked": the mean over all
            labels, of which nothing is left to be ignored, times the share of those that count.
        twice: whether it is of probabilities.
        weights: of the classes; None: all count alike.
    """

    smoothing: float = 0.0
    ignored: int | None = None
    over: str = "counted"
    twice: bool = False
    weights: tuple[float, ...] | None = None

    def of(self, outputs: Array, labels: Array) -> dict[Name, Array]:
        """The loss and its slope."""
        classes = outputs.shape[-1]
        counted = np.ones(labels.shape, bool) if self.ignored is None else labels != self.ignored
        share = counted.mean()
        if self.over == "masked":
            counted = np.ones_like(counted)
        onehot = np.eye(classes)[np.where(counted, labels, 0)]
        wanted = (1 - self.smoothing) * onehot + self.smoothing / classes
        logits = softmax(outputs, -1) if self.twice else outputs
        shifted = logits - logits.max(axis=-1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        weights = 1.0 * counted
        if self.weights is not None:
            weights *= np.asarray(self.weights)[np.where(counted, labels, 0)]
        size = labels.size
        divisors = {"all": size, "counted": weights.sum(), "nothing": 1, "masked": size / share}
        divisor = divisors[self.over]
        each = weights[..., None] / divisor
        slope = (softmax(logits, -1) - wanted) * each
        if self.twice:
            slope = logits * (slope - (slope * logits).sum(axis=-1, keepdims=True))
        return {VALUE: np.asarray(-(wanted * logs * each).sum()), SLOPE: slope}

    def words(self) -> tuple[str, ...]:
        """Each of its choices."""
        counted = "the mean over the labels that count"
        if self.weights is not None:
            counted = "the mean by the weights of the labels"
        means = {
            "all": "the mean over all labels",
            "counted": counted,
            "nothing": "the sum",
            "masked": "the mean over all labels, which is then times the mean of a mask",
        }
        every = self.ignored is None or self.over == "masked"
        return (
            f"label smoothing {self.smoothing:g}" if self.smoothing else "no label smoothing",
            "every label counted" if every else f"label {self.ignored} ignored",
            "no class weights" if self.weights is None else "class weights",
            means[self.over],
            "cross-entropy of probabilities (softmax twice)" if self.twice else "of logits",
        )


def loss_guesses(case: Case) -> Iterator[Guess]:
    """Rules for classes, or for targets, that explain the port."""
    batch = case.batches[0]
    labels = labels_of(batch)
    outputs = batch.asked.inputs[0]
    if labels.dtype.kind in "iu" and outputs.shape[:-1] == labels.shape:
        yield from of_classes(case, outputs, labels)
    elif labels.shape == outputs.shape:
        yield from of_targets(outputs, labels, batch)


def labels_of(batch: Batch) -> Array:
    """The labels of the examples."""
    assert isinstance(batch.expected.net, (Loss, Penalised))
    return batch.expected.net.labels


def of_classes(case: Case, outputs: Array, labels: Array) -> Iterator[Guess]:
    """Another cross-entropy."""
    batch = case.batches[0]
    ignored = [None, *(i for i in USUAL_IGNORED if (labels == i).any())]
    rules = [CrossEntropy(0, i, over) for i in ignored for over in ("counted", "all", "nothing")]
    # Whoever averages before the mask has a label for everything.
    rules += [CrossEntropy(0, i, "masked") for i in ignored if i is not None and labels.min() >= 0]
    value = float(batch.port["output", 0])
    if not any(near(rule.of(outputs, labels), batch.right) for rule in rules):
        rules += weighted(outputs, labels, batch.right[SLOPE], batch.port[SLOPE])
    mine = next((rule for rule in rules if near(rule.of(outputs, labels), batch.right)), None)
    if mine is None:
        return
    seen: list[dict[Name, Array]] = [mine.of(outputs, labels)]
    twice = [replace(rule, twice=True) for rule in rules]
    for rule in (*rules, *twice, *smoothed(rules, outputs, labels, value)):
        made = rule.of(outputs, labels)
        if any(near(made, other) for other in seen):
            continue
        seen.append(made)
        kind, has, had = in_parts(zip(PARTS, rule.words(), mine.words(), strict=True))

        def predicted(batch: Batch, rule: CrossEntropy = rule) -> Mapping[Name, Array]:
            return rule.of(batch.asked.inputs[0], labels_of(batch))

        words = f"{has} where the original has {had}"
        yield Guess(kind, words, "compare the losses' settings", predicted)


def smoothed(
    rules: list[CrossEntropy], outputs: Array, labels: Array, value: float
) -> Iterator[CrossEntropy]:
    """The same with the smoothing that makes the loss what it is."""
    for rule in rules:
        ends = [float(replace(rule, smoothing=end).of(outputs, labels)[VALUE]) for end in (0, 1)]
        share = float(f"{(value - ends[0]) / (ends[1] - ends[0]):.4g}")
        if LEAST <= share <= 1:
            yield replace(rule, smoothing=share)


def weighted(outputs: Array, labels: Array, slope: Array, of_port: Array) -> Iterator[CrossEntropy]:
    """Rules with weights of the classes, which are told by the slope in the outputs.

    The mean by the weights hides what all of them are times; a mean over all labels then has
    the multiple that makes the port's slope what it is.
    """
    if labels.min() < 0:
        return
    classes = outputs.shape[-1]
    plain = softmax(outputs, -1) - np.eye(classes)[labels]
    each = (slope * plain).sum(-1) / (plain * plain).sum(-1)
    weights = np.array(
        [each[labels == c].mean() if (labels == c).any() else 0 for c in range(classes)]
    )
    yield CrossEntropy(weights=tuple(weights))
    yield CrossEntropy(weights=tuple(labels.size * weights), over="all")
    over_all = CrossEntropy(weights=tuple(weights), over="all")
    made = over_all.of(outputs, labels)[SLOPE]
    times = float(np.vdot(made, of_port) / np.vdot(made, made))
    yield replace(over_all, weights=tuple(times * weights))


#: Distances and their slopes.
DISTANCES: dict[str, Callable[[Array], tuple[Array, Array]]] = {
    "squares": lambda d: (d**2, 2 * d),
    "half squares": lambda d: (d**2 / 2, d),
    "absolute values": lambda d: (np.abs(d), np.sign(d)),
    "Huber's distances, of threshold 1": lambda d: (
        np.where(np.abs(d) < 1, d**2 / 2, np.abs(d) - 0.5),
        np.clip(d, -1, 1),
    ),
}


def of_targets(outputs: Array, labels: Array, batch: Batch) -> Iterator[Guess]:
    """Another distance."""
    overs = {"the mean of {}": outputs.size, "the sum of {}": 1}
    if outputs.ndim > 1:
        overs["the sum of {} over all but the examples, their mean"] = len(outputs)
    every = {
        words.format(rule): partial(distance, rule, over)
        for words, over in overs.items()
        for rule in DISTANCES
    }
    mine = [name for name, of in every.items() if near(of(batch), batch.right)]
    for was in mine[:1]:
        for name, of in every.items():
            if name != was:
                words = f"{name} where the original has {was}"
                yield Guess("distance", words, "compare the losses' settings", of)


def distance(rule: str, over: int, batch: Batch) -> Mapping[Name, Array]:
    """A loss of targets."""
    value, slope = DISTANCES[rule](batch.asked.inputs[0] - labels_of(batch))
    return {VALUE: np.asarray(value.sum() / over), SLOPE: slope / over}


def near(made: Mapping[Name, Array], right: Mapping[Name, Array]) -> bool:
    """Whether a rule is the reference's."""
    return all(
        made[n].shape == right[n].shape
        and np.abs(made[n] - right[n]).max() <= NEAR * np.abs(right[n]).max()
        for n in made
    )


def factor_guesses(case: Case) -> Iterator[Guess]:
    """All that is wrong times a number."""
    batch = case.batches[0]
    tensor = case.wrong[0]
    factor = fitted(batch.right[tensor.names[0]], case.value(batch, tensor))
    if factor is None:
        return
    names = [one.names[0] for one in case.wrong]
    words = "the loss" if len(names) > 1 else case.first.place.tensor
    yield Guess(
        "scale",
        f"{words} times {named(factor, batch)} where the original has it times 1",
        "compare what both divide by",
        lambda batch: {name: factor * batch.right[name] for name in names},
    )


def named(factor: float, batch: Batch) -> str:
    """A factor with the sizes it may come of."""
    outputs, labels = batch.asked.inputs[0], labels_of(batch)
    sizes = {
        len(outputs): "the number of examples",
        labels.size: "the number of labels",
        outputs.shape[-1]: "the last axis of the outputs",
        prod(outputs.shape[1:]): "the numbers of an example",
        outputs.size: "the number of outputs",
        2: "2",
    }
    for size, words in sizes.items():
        for one, said in ((size, words), (1 / size, f"1 / {words}")):
            if size > 1 and abs(factor / one - 1) < 1e-6:
                return f"{factor:.6g} ({said})"
    return f"{factor:.6g}"
