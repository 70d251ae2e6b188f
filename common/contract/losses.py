"""The losses: what the referee means by each, and which of them a plan uses.

n examples, K classes, p = softmax(o) of the logits o, y the label::

    squared_error    1/n Σ (ŷ - y)² / 2
    cross_entropy    1/n Σ -log p_y

With `--label-smoothing e` (https://arxiv.org/abs/1512.00567, section 7) a label gives a
share of its chance to all classes, its own among them::

    1/n Σ [(1 - e) (-log p_y) + e/K Σ_k -log p_k]

With `--class-weights w` each example counts as its label's weight says, and the sum is divided by
the weights that are in it, not by n, so that equal weights change nothing::

    Σ w_y (-log p_y) / Σ w_y

Both hold wherever a loss is told, of test data too. A batch's weights are its own: the mean of a
data set is that of its batches, each as its examples count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.models import MODELS


def loss_function(plan: Mapping[str, Any]) -> tuple[str, float | tuple[float, ...] | None]:
    """Prefix of the functions that a plan's loss is, and what they are told, if anything."""
    loss = MODELS[plan["model"]].loss
    if plan["label_smoothing"]:
        return f"smoothed_{loss}", plan["label_smoothing"]
    if plan["class_weights"] is not None:
        return f"weighted_{loss}", tuple(plan["class_weights"])
    return loss, None


def shares(plan: Mapping[str, Any], labels: Array, classes: int) -> Array:
    """What each class of each example counts in a plan's mean: (n, classes), of sum 1.

    The loss is the sum of these times -log p; its gradient in the logits, with s the sum of a row,
    s p less that row.
    """
    found: Array
    one_hot = np.eye(classes)[labels]
    if plan["class_weights"] is not None:
        found = one_hot * np.asarray(plan["class_weights"])
        found /= found.sum()
        return found
    smoothing = plan["label_smoothing"]
    found = ((1 - smoothing) * one_hot + smoothing / classes) / len(labels)
    return found


def balanced(labels: Array, classes: int) -> tuple[float, ...]:
    """The weights n / (K n_k), by which every class counts alike; n_k examples are of class k."""
    counts = np.bincount(labels, minlength=classes)
    with np.errstate(divide="ignore"):
        return tuple((len(labels) / (classes * counts)).tolist())
