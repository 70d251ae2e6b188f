"""What may be wrong with a loss, its gradient in the logits, or both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip, fitted, guarded, ratio_slips, softmax
from common.contract.arrays import Array, Arrays


def loss_slips(
    expectations: Expectations, right: Arrays, values: Arrays, *, together: bool
) -> Iterator[Slip]:
    """What may be wrong with a loss, its gradient in the logits, or both."""
    names = ("loss",) if together else ("loss", "dlogits")
    parts = {name: right[name] for name in names}
    outputs = expectations.logits.shape[1:]
    if expectations.model.classifies:
        yield from guarded(of_classes(expectations, names))
        if not together:
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
    n = len(labels)
    yield Slip(
        {"dlogits": chances / n},
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
    """Labels that give a share of their chance to all classes."""
    chances, labels = softmax(expectations.logits.astype("float64")), expectations.labels64
    n, classes = chances.shape
    one_hot = np.eye(classes)[labels]
    share = fitted({"dlogits": theirs - right}, {"dlogits": (one_hot - 1 / classes) / n})
    targets = (1 - share) * one_hot + share / classes
    predicted = {
        "loss": np.asarray(-(targets * np.log(chances)).sum() / n),
        "dlogits": (chances - targets) / n,
    }
    yield Slip(predicted, f"label smoothing of {share:.3g}", "look for that argument of the loss")
