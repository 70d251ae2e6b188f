"""What may be wrong only where the components meet: what a step remembers, and when."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.accuracy import accuracy_slips
from common.agreement.slips.gradient import clipped, wrong_gradients
from common.agreement.slips.rules import rule_of, settings
from common.agreement.slips.slip import Slip, guarded
from common.agreement.slips.update import another_length, follows_plan, wrong_updates
from common.contract.arrays import Arrays
from common.contract.optimizers import OPTIMIZERS


def step_slips(expectations: Expectations, right: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong only where the components meet: what a step remembers, and when."""
    exact = expectations.referee.exact
    grads = {name: expectations.gradients[name].right for name in expectations.params}
    after = {name: right[name] for name in expectations.params}
    value, logits, _ = exact.gradients(after, expectations.images64, expectations.labels64)
    look = "print the loss of the very first step: ln 10 = 2.3026 for ten classes and small weights"
    later = {"loss": np.asarray(value)}
    count = {"correct": np.asarray(exact.correct(logits, expectations.labels64), dtype="float64")}
    words = "measured after the update"
    yield Slip({**later, **count}, f"loss and count are {words}", look, "loss")
    yield Slip(later, f"the loss is {words}", look, "loss")
    yield Slip(count, f"the count is {words}", look, "accuracy")
    yield from guarded(accuracy_slips(expectations, values))
    # Before the gradients: model and loss as one were right, and where a learning rate and a
    # factor in the gradient come to the same, it is more likely the former.
    moves = {name: right[name] for name in (*expectations.params, *expectations.state)}
    if not follows_plan(expectations, expectations.params, grads, moves):
        return
    yield from guarded(wrong_updates(expectations, expectations.params, grads))
    yield from guarded(after_wrong_gradients(expectations, grads, values))
    yield from guarded(another_length(expectations, expectations.params, right, values))


def after_wrong_gradients(
    expectations: Expectations, grads: Arrays, values: Arrays
) -> Iterator[Slip]:
    """What a step makes of gradients with a slip."""
    wrongs = [
        *guarded(wrong_gradients(expectations, grads)),
        *clipped(grads, implied_gradients(expectations, values)),
    ]
    for slip in wrongs:
        yield after_gradients(expectations, grads, slip)


def after_gradients(expectations: Expectations, grads: Arrays, slip: Slip) -> Slip:
    """What a step makes of gradients that are right but for a slip's; it may name the loss, too."""
    plan, predicted = expectations.plan, dict(slip.predicted)
    loss = {"loss": predicted.pop("loss")} if "loss" in predicted else {}
    wrong = {**grads, **predicted}
    moved, memory = rule_of(plan)(expectations.params, wrong, expectations.state, **settings(plan))
    return Slip({**loss, **moved, **memory}, slip.words, slip.confirm, "gradient")


def implied_gradients(expectations: Expectations, values: Arrays) -> Arrays:
    """The gradients that a step must have had, from what it made of the parameters."""
    plan, optimizer, grads = expectations.plan, OPTIMIZERS[expectations.plan.optimizer], {}
    b1, share = plan.momentum, 1.0
    if optimizer.rule == "adam":
        b1 = plan.betas[0]
        share = 1 - b1
    for name in expectations.model.statistics:
        grads[name] = values[name]
    for name, param in ((n, expectations.params[n]) for n in expectations.trained):
        step = (param - values[name]) / plan.lr
        if (memory := f"{name}/m") in expectations.state:
            step = (values[memory] - b1 * expectations.state[memory]) / share
        coupled = optimizer.decay == "coupled"
        grads[name] = step - (plan.weight_decay * param if coupled else 0.0)
    return grads
