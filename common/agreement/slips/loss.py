"""What may be wrong with a loss, its gradient in the logits, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip, fitted, guarded, ratio_slips, softmax
from common.contract.arrays import Array, Arrays
from common.contract.losses import shares


def loss_slips(
    expectations: Expectations, right: Arrays, values: Arrays, *, together: bool
) -> Iterator[Slip]:
    """What may be wrong with a loss, its gradient in the logits, or both."""
    names = ("loss",) if together else ("loss", "dlogits")
    parts = {name: right[name] for name in names}
    outputs = expectations.logits.shape[1:]
    if expectations.model.classifies:
        yield from guarded(of_classes(expectations, names))
        if expectations.plan.class_weights is not None:
            yield from guarded(weighted(expectations, names))
        elif not together:
            yield from guarded(smoothed(expectations, right["dlogits"], values["dlogits"]))
    elif outputs in ((), (1,)) and len(expectations.labels) > 1:
        yield from guarded(of_pairs(expectations, names))
    yield from guarded(ratio_slips(parts, "the loss is {:.6g} times the mean", expectations))
    for name in names:
        yield from guarded(
            ratio_slips({name: right[name]}, f"{name} alone is {{:.6g}} times", expectations)
        )


Names = Sequence[str]


def of_classes(expectations: Expectations, names: Names) -> Iterator[Slip]:
    """What may be wrong with a loss of classes."""
    logits, labels = expectations.logits.astype("float64"), expectations.labels64
    chances = softmax(logits)
    value, slope = expectations.referee.exact.gradient(chances, labels)
    through = chances * (slope - (slope * chances).sum(axis=1, keepdims=True))
    twice = {"loss": np.asarray(value), "dlogits": through}
    yield Slip(
        {name: twice[name] for name in names},
        "softmax is applied twice: the loss takes probabilities for logits",
        "give the loss logits; framework losses apply the softmax themselves",
    )
    classes = logits.shape[1]
    for shift in (1, -1):
        yield Slip(
            loss_at(expectations, logits, (labels + shift) % classes, names),
            f"the labels are shifted by {shift:+d}",
            "compare the loss of one example with -log of its label's probability",
        )
    counted = shares(expectations.plan.asdict(), labels, classes).sum(axis=1, keepdims=True)
    yield Slip(
        {"dlogits": counted * chances},
        "the gradient lacks the -1 at the label: it is that of log Σ exp alone",
        "its rows should sum to 0",
    )


def of_pairs(expectations: Expectations, names: Names) -> Iterator[Slip]:
    """Every prediction held against every target."""
    logits, labels = expectations.logits.astype("float64"), expectations.labels64
    pairs = [
        loss_at(expectations, logits, np.roll(labels, shift, axis=0), names)
        for shift in range(len(labels))
    ]
    yield Slip(
        {name: np.mean([one[name] for one in pairs], axis=0) for name in names},
        "every prediction is compared with every target, not with its own: (n, 1) against (n,) "
        "is broadcast to (n, n)",
        "print the shapes of predictions and targets in the loss",
    )


def loss_at(expectations: Expectations, logits: Array, labels: Array, names: Names) -> Arrays:
    """The reference's loss and its gradient of other inputs."""
    value, dlogits = expectations.referee.exact.gradient(logits, labels)
    both = {"loss": np.asarray(value), "dlogits": dlogits}
    return {name: both[name] for name in names}


def smoothed(expectations: Expectations, right: Array, theirs: Array) -> Iterator[Slip]:
    """Labels that give another share of their chance to all classes."""
    labels, (n, classes) = expectations.labels64, expectations.logits.shape
    meant = expectations.plan.label_smoothing
    one_hot = np.eye(classes)[labels]
    more = fitted({"dlogits": theirs - right}, {"dlogits": (one_hot - 1 / classes) / n})
    share = meant + more
    targets = ((1 - share) * one_hot + share / classes) / n
    none = meant and abs(share) < 1e-3 * meant
    words = "no label smoothing" if none else f"label smoothing of {share:.3g}"
    if meant:
        words += f", where {meant:.3g} was asked for"
    yield Slip(by_shares(expectations, targets), words, "look for that argument of the loss")


def weighted(expectations: Expectations, names: Names) -> Iterator[Slip]:
    """Examples that count otherwise than their classes' weights say."""
    labels, (n, classes) = expectations.labels64, expectations.logits.shape
    one_hot, weights = np.eye(classes)[labels], np.asarray(expectations.plan.class_weights)
    confirm = "a batch of one example shows its own loss, whatever its weight"
    for words, counted in {
        "every example counts the same: no class weights": one_hot / n,
        f"the weighted sum is divided by the number of examples, {n}, not by the sum of their "
        "weights": one_hot * weights / n,
        "the weighted sum is divided by the sum of all classes' weights, not by those of the "
        "examples": one_hot * weights / weights.sum(),
        "examples count by one over their class's weight": one_hot
        / weights
        / (one_hot / weights).sum(),
    }.items():
        predicted = by_shares(expectations, counted)
        yield Slip({name: predicted[name] for name in names}, words, confirm)


def by_shares(expectations: Expectations, counted: Array) -> Arrays:
    """The loss and its gradient, where each class of each example counts so much: (n, classes)."""
    chances = softmax(expectations.logits.astype("float64"))
    return {
        "loss": np.asarray(-(counted * np.log(chances)).sum()),
        "dlogits": counted.sum(axis=1, keepdims=True) * chances - counted,
    }
