"""What may be wrong with an update by the right gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from common.agreement.clipping import KINDS, Clip
from common.agreement.expectations import Expectations
from common.agreement.slips.rules import Rule, clip_in, rule_of, settings
from common.agreement.slips.slip import Slip, as_float64, fitted, guarded
from common.contract.arrays import Arrays
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.contract.schedules import SCHEDULES

#: Two learning rates that are one.
NEAR = 1e-9


def update_slips(
    expectations: Expectations, start: Arrays, right: Arrays, values: Arrays
) -> Iterator[Slip]:
    """What may be wrong with an update by the referee's gradients."""
    grads, params = as_float64(expectations.grads), as_float64(start)
    if follows_plan(expectations, params, grads, right):
        yield from guarded(wrong_updates(expectations, params, grads))
    else:
        yield from guarded(unmoved(params, expectations.trained))
        yield from guarded(decayed(params, right, values, expectations.trained))
    yield from guarded(another_length(expectations, params, right, values))


def follows_plan(expectations: Expectations, start: Arrays, grads: Arrays, right: Arrays) -> bool:
    """Whether the plan's rule is the one that made what is right: an original may have its own."""
    if not expectations.referee.own_rule:
        return True
    plan, state = expectations.plan, expectations.state
    try:
        moved, memory = rule_of(plan)(start, grads, state, **settings(plan))
    except KeyError:  # a state that it does not know
        return False
    made = {**moved, **memory}
    return made.keys() == right.keys() and all(
        np.allclose(made[name], right[name], rtol=1e-9, atol=0) for name in made
    )


def wrong_updates(expectations: Expectations, start: Arrays, grads: Arrays) -> Iterator[Slip]:
    """Parameters and state as known slips in the update would have them."""
    plan, state = expectations.plan, expectations.state
    rule, usual = rule_of(plan), settings(plan)

    def told(one: Change) -> Slip:
        made = partial(after, rule, grads, state, {**usual, **one.changes}, 1)
        return Slip(made(start, {}), one.words, one.confirm, elsewhere=made, length=one.length)

    yield from guarded(map(told, of_other_schedules(expectations)))
    yield from guarded(map(told, of_other_clips(plan)))
    yield from guarded(unmoved(start, expectations.trained))
    known = [*rates(plan, len(expectations.labels)), *rounded(usual)]
    known += DECAYS if plan.weight_decay else ()
    known += OF_RULE[OPTIMIZERS[plan.optimizer].rule]
    yield from map(told, known)
    made = partial(after, rule, grads, state, usual, 2)
    yield Slip(made(start, {}), "the update is made twice", "count its calls", elsewhere=made)


def unmoved(start: Arrays, names: Sequence[str]) -> Iterator[Slip]:
    """Parameters left where they were, all or one."""

    def left(start: Arrays, right: Arrays) -> Arrays:
        return {name: start[name] for name in names}

    yield Slip(
        left(start, {}),
        "the parameters do not move",
        "print the learning rate of this step: it may be 0; and are they those the optimiser was "
        "given?",
        elsewhere=left,
        length=True,
    )
    for name in names:
        yield Slip(
            {name: start[name]},
            f"{name} does not move",
            "was the optimiser given it?",
            elsewhere=partial(alone, name),
        )


def decayed(start: Arrays, right: Arrays, values: Arrays, names: Sequence[str]) -> Iterator[Slip]:
    """Parameters of which another share is taken off in a step: all, or all of a kind, or one."""
    biases = tuple(name for name in names if start[name].ndim == 1)
    weights = tuple(name for name in names if name not in biases)
    for some in dict.fromkeys((tuple(names), biases, weights, *((name,) for name in names))):
        gone = {name: right[name] - values[name] for name in some}
        share = fitted(gone, {name: start[name] for name in some})
        yield Slip(
            shrunk(some, share, start, right),
            f"another weight decay of {', '.join(some)}: in a step {abs(share):.3g} of it "
            f"{'more' if share > 0 else 'less'} is taken off than the original takes",
            "make one step with a gradient of zero and look what remains",
            elsewhere=partial(shrunk, some, share),
        )


def shrunk(names: Sequence[str], share: float, start: Arrays, right: Arrays) -> Arrays:
    """What is right, less a share of some parameters."""
    return {name: right[name] - share * start[name] for name in names}


def alone(name: str, start: Arrays, right: Arrays) -> Arrays:
    """One parameter left where it was."""
    return {name: start[name]}


def after(
    rule: Rule,
    grads: Arrays,
    memory: Arrays,
    told: Mapping[str, Any],
    times: int,
    start: Arrays,
    right: Arrays,
) -> Arrays:
    """Parameters and state after so many updates by a rule, whatever would be right."""
    moved = start
    for _ in range(times):
        moved, memory = rule(moved, grads, memory, **told)
    return {**moved, **memory}


@dataclass(frozen=True)
class Change:
    """A rule that is told something else than the plan says.

    Attributes:
        words, confirm: as of a slip.
        changes: arguments of the rule, and what it is told.
        length: as of a slip.
    """

    words: str
    confirm: str
    changes: Mapping[str, Any]
    length: bool = False


def of_other_schedules(expectations: Expectations) -> Iterator[Change]:
    """Learning rates that this step would have by another schedule, each with all that leads to it.

    Plain factors are among them: the rate of a step may be twice as large for more than one reason.
    """
    plan, exact = expectations.plan, expectations.referee.exact
    if exact.rates is None:
        return
    whole, made = expectations.referee.plan, int(expectations.state["step"])
    last = len(exact.rates) - 1
    found = [
        (whole.lr, "there is no schedule"),
        (exact.rates[min(made + 1, last)], "it is a step ahead"),
        (exact.rates[made // (len(exact.rates) // whole.epochs)], "it moves once an epoch"),
    ]
    if made:
        found.append((exact.rates[min(made, last) - 1], "it is a step behind"))
    if made < whole.warm_up:
        found.append((whole.lr * made / whole.warm_up, "its warm-up begins with 0"))
    others: list[tuple[str, dict[str, Any]]]
    others = [(f"it is {one}", {"schedule": one}) for one in SCHEDULES if one != whole.schedule]
    for why, change in [("it has no warm-up", {"warm_up": 0}), *others]:
        found.append((exact.rates_of({**whole.asdict(), **change})[min(made, last)], why))
    found += [(factor * plan.lr, f"it is multiplied by {factor:g}") for factor in (0.1, 0.5, 2, 10)]
    reasons: dict[float, list[str]] = {}
    for rate, why in found:
        reasons.setdefault(float(f"{rate:.9g}"), []).append(why)
    for rate, several in reasons.items():
        if not np.isclose(rate, plan.lr, rtol=NEAR, atol=0):
            yield Change(
                f"another schedule: the learning rate of this step is {rate:.6g}, not "
                f"{plan.lr:.6g}: {', or '.join(several)}",
                "print the learning rate of every step",
                {"lr": rate},
                length=True,
            )


def of_other_clips(plan: Plan) -> Iterator[Change]:
    """Gradients that are clipped by another rule, or not at all."""
    ours = clip_in(plan)
    for kind in KINDS if ours.kind != "none" else ():
        if kind != ours.kind:
            clip = Clip(kind, ours.most)
            yield Change(
                f"the gradients are clipped otherwise: {clip}; the plan says {ours}",
                "print their norm, and the largest of them, before and after",
                {"clip": clip},
            )


def rates(plan: Plan, examples: int) -> Iterator[Change]:
    """Learning rates that are some factor too large or too small."""
    yield Change(
        f"the update divides by the batch size, {examples}, although the loss is a mean already: "
        f"the learning rate is {examples} times too small",
        "double the batch: the step should hardly change",
        {"lr": plan.lr / examples},
        length=True,
    )
    yield Change(
        "the update goes up the gradient", "the loss should fall, not rise", {"lr": -plan.lr}
    )
    for factor in (0.1, 10.0, 2.0, 0.5, float(examples)):
        words = f"the learning rate is {factor:g} times lr"
        if factor == 2.0:
            words += ", or the update is made twice"
        yield Change(words, "print it", {"lr": factor * plan.lr}, length=True)


#: what an update is told, and what it is called
CONSTANTS = {
    "lr": "the learning rate",
    "momentum": "the momentum",
    "weight_decay": "the weight decay",
    "betas": "beta 1 and 2",
    "alpha": "alpha",
}


def rounded(usual: Mapping[str, Any]) -> Iterator[Change]:
    """Constants as float32 has them: each alone, then all."""
    every = {name: float32(value) for name, value in usual.items() if name in CONSTANTS}
    for name, value in every.items():
        yield Change(
            f"{CONSTANTS[name]} is rounded to float32",
            "subtract the number from what the optimiser holds: it should be 0, not 1e-9",
            {name: value},
        )
    yield Change("the constants are rounded to float32", "print them with 17 digits", every)


def float32(value: Any) -> Any:
    """One number, or a pair of them, as float32 has it."""
    if isinstance(value, (tuple, list)):
        return tuple(float32(one) for one in value)
    return float(np.float32(value))


DECAYS = tuple(
    Change(
        words, "make one step with a gradient of zero and look what remains", {"decay_kind": kind}
    )
    for kind, words in {
        "none": "weight decay is left out",
        "coupled": "weight decay is coupled: added to the gradient, not to the step",
        "decoupled": "weight decay is decoupled: taken off the parameters, not added to the "
        "gradient",
        "weights": "weight decay spares the biases",
        "unscaled": "weight decay is not multiplied by the learning rate",
        "twice": "weight decay is applied twice",
        "after": "weight decay is taken off what the step has made, not what it started from",
    }.items()
)

_THREE_STEPS = "make three steps with a gradient of one and compare with 1, 1 + m, 1 + m + m²"

_SMALL_STEP = "make one step with a gradient of 1e-6 and compare with lr · g / (|g| + eps)"

_COUNT = "print it at the first step"

OF_ROOTS = (
    Change("eps is inside the square root", _SMALL_STEP, {"eps_kind": "inside"}),
    Change("there is no eps", _SMALL_STEP, {"eps_kind": "none"}),
    Change("the root is of the squares before this step", _SMALL_STEP, {"before": True}),
)

#: rule -> what may be wrong with it alone
OF_RULE = {
    "sgd": (
        Change(
            "momentum has dampening: m = momentum · m + (1 - momentum) · g",
            _THREE_STEPS,
            {"dampening": True},
        ),
        Change("Nesterov momentum", _THREE_STEPS, {"nesterov": True}),
        Change("Nesterov's step is missing: plain momentum", _THREE_STEPS, {"nesterov": False}),
        Change("there is no momentum", _THREE_STEPS, {"momentum": 0.0}),
        Change("the learning rate is inside the momentum buffer", _THREE_STEPS, {"inside": True}),
    ),
    "adam": (
        Change(
            "the bias correction is left out",
            _SMALL_STEP,
            {"correct_m": False, "correct_v": False},
        ),
        Change("the mean is not bias-corrected", _SMALL_STEP, {"correct_m": False}),
        Change("the mean square is not bias-corrected", _SMALL_STEP, {"correct_v": False}),
        Change("eps is inside the square root", _SMALL_STEP, {"eps_kind": "inside"}),
        Change(
            "eps is not scaled by the bias correction: lr · sqrt(1 - b2^t) / (1 - b1^t) · "
            "m / (sqrt(v) + eps)",
            _SMALL_STEP,
            {"eps_kind": "unscaled"},
        ),
        Change("the two betas are exchanged", _SMALL_STEP, {"exchanged": True}),
        Change("the step count is one behind", _COUNT, {"late": -1}),
        Change("the step count is one ahead", _COUNT, {"late": 1}),
    ),
    "rmsprop": (
        *OF_ROOTS,
        Change("the new square is not multiplied by 1 - alpha", _SMALL_STEP, {"summed": True}),
    ),
    "adagrad": OF_ROOTS,
}


def another_length(
    expectations: Expectations, start: Arrays, right: Arrays, values: Arrays
) -> Iterator[Slip]:
    """All parameters moved too far, or not far enough, by a factor without a name."""
    theirs = {n: values[n].astype("float64") - start[n] for n in expectations.trained}
    ours = {n: right[n] - start[n] for n in theirs}
    if factor := fitted(theirs, ours):
        made = partial(stretched, factor, expectations.trained)
        words = f"every parameter moves {factor:.7g} times as far as it should"
        if expectations.model.parameters:  # an original's own update may not have the plan's rate
            words += f": a learning rate of {factor * expectations.plan.lr:.7g}"
        yield Slip(
            made(start, right),
            words,
            "print the learning rate that the optimiser holds",
            elsewhere=made,
            length=True,
        )


def stretched(factor: float, names: Sequence[str], start: Arrays, right: Arrays) -> Arrays:
    """Parameters that moved so many times as far as is right."""
    return {n: start[n] + factor * (right[n] - start[n]) for n in names}
