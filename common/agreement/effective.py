"""What an update does in effect: its rate at several steps, its eps, its decay of each tensor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import numpy as np

from common.agreement.expected import ULPS
from common.agreement.slips.slip import fitted
from common.agreement.track import Track
from common.agreement.units import gradients_of, loss_of
from common.contract.arrays import Array, Arrays, cast
from common.entrants.session import Session

#: Steps that are asked, and the last.
ASKED = (1, 2, 3, 4, 5, 6)

#: What float32 leaves of a relation that holds.
NEAR = 1e-4

Probe = Callable[[Session, Track], str | None]


def moves(session: Session, track: Track, step: int) -> tuple[Arrays, Arrays, Arrays]:
    """How far a session and the referee move zero parameters, and by which gradients."""
    at = track.expected(step)
    zeros64 = cast(at.zeros, "float64")
    theirs, _ = session.update(at.zeros, at.grads, at.at.state)
    ours, _ = track.referee.exact.update(zeros64, cast(at.grads, "float64"), at.state)
    return cast(theirs, "float64"), ours, cast(at.grads, "float64")


def factor_of(values: Arrays, by: Arrays) -> float | None:
    """The number c for which values are c · by, all of them; None if there is none."""
    c = fitted(values, by)
    largest = max(float(np.abs(array).max(initial=0.0)) for array in by.values())
    off = max(float(np.abs(values[n] - c * by[n]).max(initial=0.0)) for n in by)
    return c if largest and off <= NEAR * max(abs(c), NEAR) * largest else None


def rates_apart(session: Session, track: Track) -> str | None:
    """A learning rate that is another multiple of the referee's at other steps."""
    steps = sorted({*(s for s in ASKED if s <= track.total), track.total})
    asked = [moves(session, track, step) for step in steps]
    pairs = [(factor_of(t, g), factor_of(o, g)) for t, o, g in asked]
    rates = [(-t, -o) for t, o in pairs if t is not None and o is not None]
    listed = ", ".join(map(str, steps))
    if len(rates) == len(steps):
        return rates_in_words(steps, rates, listed)
    factors = [factor_of(theirs, ours) for theirs, ours, _ in asked]
    if None in factors or not apart(factors):
        return None
    return (
        f"likely another schedule: it moves {numbers(factors)} times as far as the referee at "
        f"steps {listed}; to confirm, print the learning rate of each"
    )


def rates_in_words(steps: list[int], rates: list[tuple[float, float]], listed: str) -> str | None:
    """Both schedules, if one is no multiple of the other."""
    theirs, ours = [t for t, _ in rates], [o for _, o in rates]
    ratios = [t / o for t, o in rates if o]
    if len(ratios) == len(rates) and not apart(ratios):
        return None
    words = (
        f"likely another schedule: its learning rate is {numbers(theirs)} at steps {listed}, "
        f"the referee's {numbers(ours)}"
    )
    before = [n for n, s in enumerate(steps) if s - 1 in steps]
    late = [np.isclose(theirs[n], ours[steps.index(steps[n] - 1)], rtol=NEAR) for n in before]
    if before and all(late):
        words += ": its rate at step t is the referee's at t - 1"
    elif len(ratios) == len(rates):
        words += f", so {numbers(ratios)} times that"
        same = [s for s, r in zip(steps, ratios, strict=True) if abs(r - 1) <= NEAR]
        if same and same == steps[-len(same) :]:
            words += f": the same from step {same[0]} on"
    return f"{words}; to confirm, print the learning rate of each step"


def apart(numbers: list[float | None]) -> bool:
    """Whether some numbers are not one."""
    found = np.array(numbers, dtype="float64")
    return bool(np.ptp(found) > NEAR * np.abs(found).max())


def numbers(found: list[float]) -> str:
    """Some numbers, to four digits; what float32 leaves of zero is zero."""
    least = NEAR * max(map(abs, found))
    return ", ".join(f"{0.0 if abs(one) < least else one:.4g}" for one in found)


def eps_elsewhere(session: Session, track: Track) -> str | None:
    """An eps inside the root, where the referee's is outside; or the other way round.

    At the first step the mean square is c g², so that g / step = (√c |g| + eps) / lr is a straight
    line over |g| if eps is outside, and its square, (c g² + eps) / lr², one over g² if inside.
    """
    theirs, ours, grads = moves(session, track, 1)
    g = np.concatenate([grads[n].ravel() for n in grads])
    forms = []
    for moved in (theirs, ours):
        step = -np.concatenate([moved[n].ravel() for n in grads])
        there = (np.abs(g) > NEAR * np.abs(g).max()) & (step != 0)
        ratio, slope = (g / np.where(step == 0, 1.0, step))[there], np.abs(g[there])
        lines = {"outside": (slope, ratio), "inside": (slope**2, ratio**2)}
        forms.append({n: line for n, xy in lines.items() if (line := straight(*xy)) is not None})
    port, original = forms
    lr = track.referee.plan.lr
    for mine, other in (("inside", "outside"), ("outside", "inside")):
        if mine in port and other in original and not {other} & port.keys():
            eps = [
                f[k] * (lr**2 if k == "inside" else lr)
                for f, k in zip(forms, (mine, other), strict=True)
            ]
            same = abs(eps[0] - eps[1]) <= 100 * NEAR * abs(eps[1])
            number = f", {eps[1]:.3g}," if same and eps[1] > 0 else ""
            return (
                f"likely eps{number} is {mine} the square root in the port, {other} in the "
                "referee; to confirm, make one step with a gradient of 1e-6"
            )
    return None


def straight(x: Array, y: Array) -> float | None:
    """Where a straight line through all points meets x = 0; None if there is none, or at 0."""
    if len(x) < 4:
        return None
    slope, start = np.polyfit(x, y, 1)
    off = float(np.abs(slope * x + start - y).max())
    return float(start) if off <= 10 * NEAR * np.abs(y).max() < abs(start) else None


def decays_apart(session: Session, track: Track) -> str | None:
    """Another decay of each tensor, by the optimiser or by a penalty in the loss."""
    at, exact, lr = track.expected(1), track.referee.exact, track.referee.plan.lr
    logits = exact.logits(at.params, at.images64)
    _, dlogits = exact.gradient(logits, at.labels64)
    data = exact.backward(at.params, at.images64, dlogits)
    found = []
    for who, params, state, images, labels in (
        (session, at.at.params, at.at.state, at.images, at.labels),
        (exact, at.params, at.state, at.images64, at.labels64),
    ):
        whole = gradients_of(who, params, images, labels)
        moved, _ = who.update(params, {n: whole[n] for n in params}, state)
        rest = {n: (at.params[n] - moved[n]) / lr - data[n] for n in params}
        decay = {n: fitted({n: rest[n]}, {n: at.params[n]}) for n in params}
        for n, c in decay.items():
            size = np.abs(data[n]).max() + np.abs(at.params[n]).max() / lr * 1e-3
            if np.abs(rest[n] - c * at.params[n]).max() > 10 * NEAR * size:
                return None
        found.append(decay)
    wrong = [n for n in at.params if abs(found[0][n] - found[1][n]) > 1e-3 * largest(found)]
    if not wrong:
        return None
    least = 1e-3 * largest(found)
    told = "; ".join(
        "{} {:.3g} for {:.3g}".format(n, *(d[n] if abs(d[n]) > least else 0.0 for d in found))
        for n in wrong
    )
    words = (
        f"likely another weight decay, of the optimiser and a penalty in the loss together: {told}"
    )
    if any(abs(found[0][n] - 2 * found[1][n]) <= 1e-2 * largest(found) for n in wrong):
        words += ", twice as much: a penalty of wd times the squares decays by 2 wd"
    return f"{words}; to confirm, try half the penalty, and say which tensors it has"


def largest(found: list[dict[str, float]]) -> float:
    """The largest of some decays."""
    return max(abs(c) for decay in found for c in decay.values()) or 1.0


def constant_in_loss(session: Session, track: Track) -> str | None:
    """A loss that is off by one number on any logits, which its gradient does not know of."""
    at, exact = track.expected(1), track.referee.exact
    offs = []
    for scale in (1.0, 0.5):
        logits = (scale * at.logits).astype(at.dtype)
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
    "update": (rates_apart, eps_elsewhere),
}


def in_effect(stage: str, session: Session, track: Track, *, penalty: bool) -> str | None:
    """What the probes of a stage find; one that raises has found nothing."""
    probes = (decays_apart,) if penalty and stage != "update" else PROBES.get(stage, ())
    for probe in probes:
        with suppress(Exception), np.errstate(all="ignore"):
            if (words := probe(session, track)) is not None:
                return words
    return None
