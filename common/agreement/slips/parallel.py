"""What may be wrong where several devices train one model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from common.agreement.checks import STEP, TOGETHER, Outcome
from common.agreement.expectations import Expectations
from common.agreement.slips.rules import rule_of, settings
from common.agreement.slips.slip import Slip, as_float64
from common.agreement.slips.step import after_gradients
from common.contract.arrays import Array, Arrays


def parallel_slips(
    expectations: Expectations, outcome: Outcome, right: Arrays, ranks: int
) -> Iterator[Slip]:
    """What may be wrong with what several devices make of a batch, or of an update."""
    unit, stage = outcome.check.unit, outcome.check.stage
    if stage == "data":
        yield from shifted(expectations, ranks)
    elif unit == TOGETHER:
        if expectations.model.statistics:
            yield local_statistics(expectations, ranks)
        yield from wrong_reductions(expectations, right, ranks)
    elif unit == STEP:
        grads = {name: expectations.gradients[name].right for name in expectations.trained}
        loss = {"loss": expectations.gradients["loss"].right}
        for slip in wrong_reductions(expectations, {**loss, **grads}, ranks):
            yield after_gradients(expectations, grads, slip)
        yield longer(expectations, expectations.params, grads, ranks)
    elif stage == "update" and outcome.start is not None:
        grads = as_float64(expectations.grads)
        yield longer(expectations, as_float64(outcome.start), grads, ranks)


def wrong_reductions(expectations: Expectations, right: Arrays, ranks: int) -> Iterator[Slip]:
    """Losses and gradients of the devices put together by another rule.

    Args:
        expectations: what is right at this state.
        right: the loss and every gradient.
        ranks: how many devices there are.
    """
    grads = {name: right[name] for name in expectations.trained}
    size = len(expectations.labels)
    if size % ranks:
        words = (
            f"each of the {ranks} ranks counts alike, though their shares of this batch of {size} "
            "are not: it is the mean of their means"
        )
        look = "look for a loss that is not weighted by the number of its examples"
        loss, slopes = mean_of_means(expectations, ranks)
        yield Slip({"loss": loss, **slopes}, words, look)
        yield Slip(slopes, words, look)
        yield filled_up(expectations, ranks)
    for factor, words, look in (
        (
            ranks,
            f"summed over the {ranks} ranks, not averaged",
            "look for a SUM without a division",
        ),
        (1 / ranks, f"divided by the {ranks} ranks once more", "look for a second division"),
    ):
        scaled = {name: factor * array for name, array in grads.items()}
        yield Slip({"loss": factor * right["loss"], **scaled}, f"the loss is {words}", look)
        yield Slip(scaled, f"every gradient is {words}", look)


def mean_of_means(expectations: Expectations, ranks: int) -> tuple[Array, Arrays]:
    """Loss and gradients of the shares of a batch, averaged as if all had as many examples."""
    exact, losses, slopes = expectations.referee.exact, [], []
    for rank in range(ranks):
        images, labels = expectations.images64[rank::ranks], expectations.labels64[rank::ranks]
        value, _, grads = exact.gradients(expectations.params, images, labels)
        losses.append(value)
        slopes.append(grads)
    mean = {name: np.mean([one[name] for one in slopes], axis=0) for name in expectations.trained}
    return np.asarray(np.mean(losses)), mean


def local_statistics(expectations: Expectations, ranks: int) -> Slip:
    """Every share normalised by its own mean and variance; the rest as it should be."""
    exact, size = expectations.referee.exact, len(expectations.labels)
    logits: Array = np.empty(expectations.logits.shape)
    loss, slopes = np.zeros(()), dict.fromkeys(expectations.trained, np.zeros(()))
    for rank in range(ranks):
        images, labels = expectations.images64[rank::ranks], expectations.labels64[rank::ranks]
        value, logits[rank::ranks], grads = exact.gradients(expectations.params, images, labels)
        share = len(labels) / size
        loss = loss + share * value
        slopes = {name: one + share * grads[name] for name, one in slopes.items()}
    return Slip(
        {"logits": logits, "loss": loss, **slopes},
        f"each of the {ranks} ranks normalises by the statistics of its share, not of the batch",
        "look for a batch normalisation that is not synchronised between devices",
    )


def filled_up(expectations: Expectations, ranks: int) -> Slip:
    """Shares as long as the longest, the first examples once more in them, and all counted."""
    size, exact = len(expectations.labels), expectations.referee.exact
    rows = np.concatenate([np.arange(size), np.arange(-size % ranks)])
    images, labels = expectations.images64[rows], expectations.labels64[rows]
    value, _, grads = exact.gradients(expectations.params, images, labels)
    slopes = {name: grads[name] for name in expectations.trained}
    words = f"what fills up the shares counts, too: {len(rows)} examples in place of {size}"
    look = "look for rows that were repeated so that every device has as many"
    return Slip({"loss": np.asarray(value), **slopes}, words, look)


def longer(expectations: Expectations, start: Arrays, grads: Arrays, ranks: int) -> Slip:
    """A learning rate that grew with the number of devices."""
    plan = expectations.plan
    rule, told = rule_of(plan), settings(replace(plan, lr=plan.lr * ranks))

    def made(start: Arrays, right: Arrays) -> Arrays:
        moved, memory = rule(start, grads, expectations.state, **told)
        return {**moved, **memory}

    words = f"the learning rate is multiplied by the {ranks} ranks"
    look = "the mean over the batch is the same on one device: print the optimiser's lr"
    return Slip(made(start, {}), words, look, elsewhere=made, length=True)


def shifted(expectations: Expectations, ranks: int) -> Iterator[Slip]:
    """One device that takes its share from another order: one place on, or one place back."""
    rows = np.arange(len(expectations.labels))
    for rank, places in itertools.product(range(ranks), (-1, 1)):
        for moved in (np.roll(rows, places)[rank::ranks], np.roll(rows[rank::ranks], places)):
            taken = rows.copy()
            taken[rank::ranks] = moved
            yield took(expectations, rank, taken)


def took(expectations: Expectations, rank: int, rows: Array) -> Slip:
    """A batch of other rows, because a rank counts them otherwise."""
    return Slip(
        {
            "images": expectations.images64[rows],
            "labels": expectations.labels64[rows].astype("float64"),
        },
        f"rank {rank} takes its share of the batch from a shifted order",
        "print the positions that each rank takes of the first batch",
    )
