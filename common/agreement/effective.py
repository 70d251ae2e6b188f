"""What an update does in effect: its rate at several steps, its eps, its decay of each tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from common.agreement.clipping import NEAR, Clip, clip_of, near
from common.agreement.expected import ULPS
from common.agreement.slips.slip import fitted
from common.agreement.track import Track
from common.agreement.units import gradients_of, loss_of
from common.contract.arrays import Array, Arrays
from common.contract.optimizers import OPTIMIZERS
from common.contract.precision import cast, cast_one
from common.entrants.session import Session

#: Steps that are asked, and the last.
ASKED = (1, 2, 3, 4, 5, 6)

#: Gradients are asked for as they are, and so many times as large.
SMALLER = 0.01

#: So small that nobody clips them; as they are; and more of them clipped.
SIZES = (1e-4, 1.0, 3.0)

Probe = Callable[[Session, Track], str | None]


class Move(NamedTuple):
    """How far a session and the referee move zero parameters, and by which gradients."""

    theirs: Arrays
    ours: Arrays
    grads: Arrays


def move(session: Session, track: Track, step: int, scale: float = 1.0) -> Move:
    """Ask both for the update of a step, by its gradients times a scale."""
    exact, at = track.referee.exact, track.at(step)
    params, state = cast(at.params, "float64"), cast(at.state, "float64")
    _, _, slopes = exact.gradients(params, *exact.batch(at.index))
    grads = {name: cast_one(scale * slopes[name], track.dtype) for name in params}
    zeros = {name: np.zeros_like(array) for name, array in at.params.items()}
    theirs, _ = session.update(zeros, grads, at.state)
    ours, _ = exact.update(cast(zeros, "float64"), cast(grads, "float64"), state)
    names = [name for name in params if name not in track.referee.described.statistics]
    moved = ({n: arrays[n] for n in names} for arrays in (theirs, ours, grads))
    return Move(*(cast(arrays, "float64") for arrays in moved))


def factor_of(values: Arrays, by: Arrays) -> float | None:
    """The number c for which values are c · by, all of them; None if there is none."""
    c = fitted(values, by)
    most = max(float(np.abs(array).max(initial=0.0)) for array in by.values())
    off = max(float(np.abs(values[n] - c * by[n]).max(initial=0.0)) for n in by)
    return c if most and off <= NEAR * abs(c) * most else None


def rates_apart(session: Session, track: Track) -> str | None:
    """A learning rate that is another multiple of the referee's at other steps.

    Everything is asked by gradients of two sizes: a schedule's rate stays, a clip's does not.
    """
    steps = sorted({*(s for s in ASKED if s <= track.total), track.total})
    asked = [move(session, track, step) for step in steps]
    again = [move(session, track, step, SMALLER) for step in steps]
    rates, smaller = rates_of(asked), rates_of(again)
    if rates and smaller and np.allclose(rates, smaller, rtol=NEAR, atol=0):
        return rates_in_words(steps, rates)
    found = []
    for large, small in zip(asked, again, strict=True):
        factor, other = factor_of(large.theirs, large.ours), factor_of(small.theirs, small.ours)
        if factor is None or other is None:
            return None
        if not np.isclose(factor, other, rtol=NEAR, atol=0):
            return clipped_in_words(rates_of([large]), rates_of([small]))
        found.append(factor)
    return factors_in_words(steps, found, track) if apart(found) else None


#: Learning rates of a session and of the referee, step by step.
Rates = list[tuple[float, float]]


def rates_of(asked: Sequence[Move]) -> Rates:
    """The learning rates, if every move is one times the gradient; none if any is not."""
    pairs = [(factor_of(m.theirs, m.grads), factor_of(m.ours, m.grads)) for m in asked]
    rates = [(-t, -o) for t, o in pairs if t is not None and o is not None]
    return rates if len(rates) == len(asked) else []


def clipped_in_words(rates: Rates, smaller: Rates) -> str | None:
    """What gradients of two sizes are multiplied by, if that is all that a step does to them."""
    if not rates or not smaller:
        return None
    (theirs, ours), (theirs_small, ours_small) = rates[0], smaller[0]
    return (
        f"likely the gradient is clipped otherwise: it moves by {theirs:.4g} times the gradient, "
        f"the referee by {ours:.4g}; of one that is {1 / SMALLER:g} times smaller, by "
        f"{theirs_small:.4g} and {ours_small:.4g}; to confirm, print its norm before and after"
    )


def clipped_otherwise(session: Session, track: Track) -> str | None:
    """Another rule of clipping, where a first step is a rate times what clipping leaves.

    The rate is that of gradients which nobody clips; the rule that the largest tell must hold for
    the others, too.
    """
    small, usual, large = (move(session, track, 1, scale) for scale in SIZES)
    rates = rates_of([small])
    if not rates or not np.isclose(*rates[0], rtol=NEAR, atol=0):
        return None
    rules: list[Clip] = []
    for who in ("theirs", "ours"):
        left, more = (
            {n: -array / rates[0][1] for n, array in getattr(one, who).items()}
            for one in (usual, large)
        )
        rule = clip_of(more, large.grads)
        if rule is None or not near(rule.of(usual.grads), left):
            return None
        rules.append(rule)
    theirs, ours = rules
    if (theirs.kind, f"{theirs.most:.4g}") == (ours.kind, f"{ours.most:.4g}"):
        return None
    return (
        f"likely the gradients are clipped otherwise: {theirs}, by the referee {ours}; to confirm, "
        "print their norm, and the largest of them, before and after"
    )


def factors_in_words(steps: Sequence[int], found: Sequence[float], track: Track) -> str:
    """How far a session moves, where a move is no multiple of the gradient."""
    adam = OPTIMIZERS[track.referee.plan.optimizer].rule == "adam"
    return (
        f"likely another schedule{', or correction of the bias' if adam else ''}: it moves "
        f"{numbers(found)} times as far as the referee at steps {listed(steps)}; to confirm, print "
        "the learning rate of each"
    )


def rates_in_words(steps: Sequence[int], rates: Rates) -> str | None:
    """Both schedules, if one is no multiple of the other."""
    theirs, ours = [t for t, _ in rates], [o for _, o in rates]
    ratios = [t / o for t, o in rates if o]
    if len(ratios) == len(rates) and not apart(ratios):
        return None
    words = (
        f"likely another schedule: its learning rate is {numbers(theirs)} at steps "
        f"{listed(steps)}, the referee's {numbers(ours)}"
    )
    if follows(steps, theirs, ours):
        words += ": its rate at step t is the referee's at t - 1"
    elif follows(steps, ours, theirs):
        words += ": its rate at step t is the referee's at t + 1"
    elif len(ratios) == len(rates):
        words += f", so {numbers(ratios)} times that"
        same = [s for s, r in zip(steps, ratios, strict=True) if abs(r - 1) <= NEAR]
        if same and same == steps[-len(same) :]:
            words += f": the same from step {same[0]} on"
    return f"{words}; to confirm, print the learning rate of each step"


def follows(steps: Sequence[int], rates: Sequence[float], first: Sequence[float]) -> bool:
    """Whether some rates are others of a step before."""
    before = [n for n, s in enumerate(steps) if s - 1 in steps]
    same = [np.isclose(rates[n], first[steps.index(steps[n] - 1)], rtol=NEAR) for n in before]
    return bool(before) and all(same)


def apart(some: Sequence[float]) -> bool:
    """Whether some numbers are not one."""
    found = np.array(some)
    return bool(np.ptp(found) > NEAR * np.abs(found).max())


def listed(steps: Sequence[int]) -> str:
    """Some steps in words."""
    return ", ".join(map(str, steps))


def numbers(found: Sequence[float]) -> str:
    """Some numbers, to four digits; what float32 leaves of zero is zero."""
    least = NEAR * max(map(abs, found))
    return ", ".join(f"{0.0 if abs(one) < least else one:.4g}" for one in found)


#: How far a step in float32 may be off a straight line, of the largest value, and how far off one
#: that is none has to be. Of right and wrong Adam and RMSprop on 20 seeds, with eps from 1e-5 to
#: 0.02, the line that holds was off by 3e-7 at most, the other by 7e-5 at least; of a smaller eps,
#: and of plain descent, both hold, and nothing is known.
STRAIGHT, CROOKED = 3e-6, 3e-5


def eps_elsewhere(session: Session, track: Track) -> str | None:
    """An eps inside the root, where the referee's is outside; or the other way round."""
    theirs, ours, grads = move(session, track, 1)
    mine, other = eps_of(theirs, grads), eps_of(ours, grads)
    if mine is None or other is None or mine[0] == other[0]:
        return None
    lr = track.referee.plan.lr
    theirs_eps, eps = (at * (lr**2 if where == "inside" else lr) for where, at in (mine, other))
    same = eps > 0 and abs(theirs_eps - eps) <= 100 * NEAR * eps
    return (
        f"likely eps{f', {eps:.3g},' if same else ''} is {mine[0]} the square root in the "
        f"port, {other[0]} in the referee; to confirm, make one step with a gradient of 1e-6"
    )


def eps_of(moved: Arrays, grads: Arrays) -> tuple[str, float] | None:
    """Where eps is in a first step from zero, and where its line meets 0; None if nobody knows.

    The mean square is c g² there, so that g / step = (√c |g| + eps) / lr is a straight line over
    |g| if eps is outside the root, and its square, (c g² + eps) / lr², one over g² if inside.
    """
    g = np.concatenate([grads[n].ravel() for n in grads])
    step = -np.concatenate([moved[n].ravel() for n in grads])
    there = (np.abs(g) > NEAR * np.abs(g).max()) & (step != 0)
    if there.sum() < 4:
        return None
    size, ratio = np.abs(g[there]), g[there] / step[there]
    outside, inside = line(size, ratio), line(size**2, ratio**2)
    for where, holds, fails in (("outside", outside, inside), ("inside", inside, outside)):
        if holds[1] <= STRAIGHT and fails[1] >= CROOKED:
            return where, holds[0]
    return None


def line(x: Array, y: Array) -> tuple[float, float]:
    """Where the line nearest to some points meets x = 0, and how far they are off, of the most."""
    slope, start = np.polyfit(x, y, 1)
    return float(start), float(np.abs(slope * x + start - y).max() / np.abs(y).max())


def decays_apart(session: Session, track: Track) -> str | None:
    """Another decay of each tensor, by the optimiser or by a penalty in the loss."""
    at, exact, lr = track.expected(1), track.referee.exact, track.referee.plan.lr
    logits = exact.logits(at.params, at.images64)
    _, dlogits = exact.gradient(logits, at.labels64)
    data = exact.backward(at.params, at.images64, dlogits)
    found, rests = [], []
    # What is left of nothing: of the gradients, and of the parameters that a step is made from.
    sizes = {n: np.abs(data[n]).max() + np.abs(at.params[n]).max() / lr * 1e-3 for n in at.params}
    for who, params, state, images, labels in (
        (session, at.at.params, at.at.state, at.images, at.labels),
        (exact, at.params, at.state, at.images64, at.labels64),
    ):
        whole = gradients_of(who, params, images, labels)
        moved, _ = who.update(params, {n: whole[n] for n in params}, state)
        rest = {n: (at.params[n] - moved[n]) / lr - data[n] for n in params}
        decay = {n: fitted({n: rest[n]}, {n: at.params[n]}) for n in params}
        for n, c in decay.items():
            if np.abs(rest[n] - c * at.params[n]).max() > 10 * NEAR * sizes[n]:
                return None
        found.append(decay)
        rests.append(rest)

    def is_decay(n: str) -> bool:
        """Whether a decay makes the difference: it is large, or all of what is left but little."""
        apart = (found[0][n] - found[1][n]) * at.params[n]
        most, left = np.abs(apart).max(), np.abs(rests[0][n] - rests[1][n] - apart).max()
        return bool(most > NEAR * sizes[n] or (apart.size >= 4 and left <= 0.2 * most))

    wrong = [n for n in at.params if abs(found[0][n] - found[1][n]) > 1e-3 * largest(found)]
    wrong = [n for n in wrong if is_decay(n)]
    if not wrong:
        return None
    words = "; ".join(decay_in_words(n, *(decay[n] for decay in found)) for n in wrong)
    return (
        f"likely another weight decay, of the optimiser and a penalty in the loss together: {words}"
        "; to confirm, try half the penalty, and say which tensors it has"
    )


def decay_in_words(name: str, theirs: float, ours: float) -> str:
    """Both decays of one tensor; what float32 leaves of zero is zero."""
    most = max(abs(theirs), abs(ours))
    theirs, ours = (0.0 if abs(c) <= 1e-3 * most else c for c in (theirs, ours))
    words = f"{name} {theirs:.3g} for {ours:.3g}"
    if ours and abs(theirs - 2 * ours) <= 0.01 * most:
        words += ", twice as much: a penalty of wd times the squares decays by 2 wd"
    return words


def largest(found: list[dict[str, float]]) -> float:
    """The largest of some decays."""
    return max(abs(c) for decay in found for c in decay.values()) or 1.0


def constant_in_loss(session: Session, track: Track) -> str | None:
    """A loss that is off by one number on any logits, which its gradient does not know of."""
    at, exact = track.expected(1), track.referee.exact
    offs = []
    for scale in (1.0, 0.5):
        logits = cast_one(scale * at.logits, at.dtype)
        theirs = loss_of(session, logits, at.labels)
        ours = loss_of(exact, logits.astype("float64"), at.labels64)
        if np.abs(theirs["dlogits"] - ours["dlogits"]).max() > NEAR * np.abs(ours["dlogits"]).max():
            return None
        offs.append(float(theirs["loss"] - ours["loss"]))
    unit = ULPS * NEAR * max(1.0, abs(offs[0]))
    if abs(offs[0]) <= unit or abs(offs[0] - offs[1]) > unit:
        return None
    return (
        f"likely something constant, {offs[0]:.6g}, is added to the loss: its gradient in the "
        "logits is right, and a penalty on parameters that the loss has closed over has none; give "
        "a loss of (params, logits, labels), and its penalty has a gradient"
    )


#: stage -> what is asked there.
PROBES: dict[str, tuple[Probe, ...]] = {
    "loss": (constant_in_loss,),
    "gradient": (decays_apart,),
    "update": (eps_elsewhere, clipped_otherwise, rates_apart),
}


#: Where a penalty shows that one side has in the loss.
WITH_PENALTY = ("loss", "gradient")


def in_effect(stage: str, session: Session, track: Track, *, penalty: bool) -> str | None:
    """What the probes of a stage find; one that raises has found nothing."""
    probes = (decays_apart,) if penalty and stage in WITH_PENALTY else PROBES.get(stage, ())
    for probe in probes:
        with suppress(Exception), np.errstate(all="ignore"):
            if (words := probe(session, track)) is not None:
                return words
    return None
