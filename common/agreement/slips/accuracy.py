"""What may be wrong with a count of correct rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip
from common.contract.arrays import Arrays


def accuracy_slips(expectations: Expectations, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with a count of correct rows."""
    if "correct" not in values or expectations.ties is None:
        return
    labels, logits = expectations.labels, expectations.logits
    n, counted = len(labels), float(values["correct"])
    right = float((logits.argmax(axis=1) == labels).sum())

    def slip(count: float, words: str, confirm: str, tensor: str = "correct") -> Slip:
        return Slip({tensor: np.asarray(count)}, words, confirm, "accuracy")

    last = logits.shape[1] - 1 - expectations.ties[:, ::-1].argmax(axis=1)
    yield slip(
        float((last == labels).sum()),
        "ties go to the highest index",
        "count the correct ones among equal logits: the label 0 alone is right",
        "ties",
    )
    smallest = float((logits.argmin(axis=1) == labels).sum())
    yield slip(smallest, "the smallest logit is taken", "look for argmin, or for a sign")
    for shift in (1, -1):
        moved = float((logits.argmax(axis=1) == labels + shift).sum())
        yield slip(moved, f"labels are shifted by {shift:+d}", "compare one by one")
    yield slip(n - right, "the wrong ones are counted", "count a batch by hand")
    yield slip(right / n, "it is a share, not a count", "multiply by the batch size")
    if counted.is_integer() and counted != right:
        yield slip(
            counted,
            f"the count is off by {counted - right:+g}: a counter that does not start at 0?",
            "print the counter before the first batch",
        )
