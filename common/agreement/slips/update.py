"""What may be wrong with an update by the right gradients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from common.agreement.expected import Yardstick
from common.agreement.slips.rules import rule_of, settings, sgd_rule
from common.agreement.slips.slip import Slip, as_float64, fitted
from common.contract.arrays import Arrays

# Update.


def update_slips(yard: Yardstick, start: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with an update by the referee's gradients."""
    grads, params = as_float64(yard.grads), as_float64(start)
    yield from wrong_updates(yard, params, grads)
    yield from another_length(yard, params, grads, values)


def wrong_updates(yard: Yardstick, start: Arrays, grads: Arrays) -> Iterator[Slip]:
    """Parameters and state as known slips in the update would have them."""
    plan, state = yard.plan, yard.state
    rule, usual = rule_of(plan), settings(plan)

    def slip(words: str, confirm: str, **changes: Any) -> Slip:
        moved, memory = rule(start, grads, state, **{**usual, **changes})
        return Slip({**moved, **memory}, words, confirm)

    yield Slip(start, "the parameters do not move", "are they those the optimiser was given?")
    for name in start:
        yield Slip({name: start[name]}, f"{name} does not move", "was the optimiser given it?")
    n, lr = len(yard.labels), plan.lr
    yield slip(
        f"the update divides by the batch size, {n}, although the loss is a mean already: "
        f"the learning rate is {n} times too small",
        "double the batch: the step should hardly change",
        lr=lr / n,
    )
    yield slip("the update goes up the gradient", "the loss should fall, not rise", lr=-lr)
    for factor in (0.1, 10.0, 2.0, 0.5, float(n)):
        words = f"the learning rate is {factor:g} times lr"
        if factor == 2.0:
            words += ", or the update is made twice"
        yield slip(words, "print it", lr=factor * lr)
    rounded = {name: float32(value) for name, value in usual.items() if name in CONSTANTS}
    for name, value in rounded.items():
        yield slip(
            f"{WORDS[name]} is rounded to float32",
            "subtract the number from what the optimiser holds: it should be 0, not 1e-9",
            **{name: value},
        )
    yield slip("the constants are rounded to float32", "print them with 17 digits", **rounded)
    decays = {
        "none": "weight decay is left out",
        "coupled": "weight decay is coupled: added to the gradient, not to the step",
        "decoupled": "weight decay is decoupled: taken off the parameters, not added to the "
        "gradient",
        "weights": "weight decay spares the biases",
        "unscaled": "weight decay is not multiplied by the learning rate",
        "twice": "weight decay is applied twice",
    }
    if plan.weight_decay:
        look = "make one step with a gradient of zero and look what remains"
        for kind, words in decays.items():
            yield slip(words, look, decay_kind=kind)
    if rule is sgd_rule:
        look = "make three steps with a gradient of one and compare with 1, 1 + m, 1 + m + m²"
        yield slip(
            "momentum has dampening: m = momentum · m + (1 - momentum) · g", look, dampening=True
        )
        yield slip("Nesterov momentum", look, nesterov=True)
        yield slip("there is no momentum", look, momentum=0.0)
        yield slip("the learning rate is inside the momentum buffer", look, inside=True)
    else:
        look = "make one step with a gradient of 1e-6 and compare with lr · g / (|g| + eps)"
        yield slip("the bias correction is left out", look, correct_m=False, correct_v=False)
        yield slip("the mean is not bias-corrected", look, correct_m=False)
        yield slip("the mean square is not bias-corrected", look, correct_v=False)
        yield slip("eps is inside the square root", look, eps_kind="inside")
        yield slip(
            "eps is not scaled by the bias correction: lr · sqrt(1 - b2^t) / (1 - b1^t) · "
            "m / (sqrt(v) + eps)",
            look,
            eps_kind="unscaled",
        )
        yield slip("the two betas are exchanged", look, betas=tuple(reversed(plan.betas)))
        yield slip("the step count is one behind", "print it at the first step", late=-1)
        yield slip("the step count is one ahead", "print it at the first step", late=1)
    moved, memory = rule(start, grads, state, **usual)
    moved, memory = rule(moved, grads, memory, **usual)
    yield Slip({**moved, **memory}, "the update is made twice", "count its calls")


def another_length(yard: Yardstick, start: Arrays, grads: Arrays, values: Arrays) -> Iterator[Slip]:
    """All parameters moved too far, or not far enough, by a factor without a name."""
    moved, _ = rule_of(yard.plan)(start, grads, yard.state, **settings(yard.plan))
    theirs = {n: values[n].astype("float64") - start[n] for n in start}
    ours = {n: moved[n] - start[n] for n in start}
    if factor := fitted(theirs, ours):
        yield Slip(
            {n: start[n] + factor * ours[n] for n in ours},
            f"every parameter moves {factor:.7g} times as far as it should: "
            f"a learning rate of {factor * yard.plan.lr:.7g}",
            "print the learning rate that the optimiser holds",
        )


def float32(value: Any) -> Any:
    """One number, or a pair of them, as float32 has it."""
    if isinstance(value, (tuple, list)):
        return tuple(float32(one) for one in value)
    return float(np.float32(value))


#: what an update is told, and what it is called
WORDS = {
    "lr": "the learning rate",
    "momentum": "the momentum",
    "decay": "the weight decay",
    "betas": "beta 1 and 2",
}

CONSTANTS = set(WORDS)
