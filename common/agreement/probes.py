"""Questions that need no catalogue of slips: is it random, does it keep the dtype it is given?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from common.agreement.expected import FLOAT64_FLOOR
from common.agreement.inputs import Inputs
from common.agreement.slips.slip import fitted
from common.agreement.units import gradients_of, loss_of
from common.contract.arrays import Array, Arrays
from common.contract.precision import cast_one
from common.entrants.session import Session

#: Relative moves that float64 resolves to six digits, and that float32 rounds away (2⁻²⁴ is 6e-8).
SMALL = 1e-10

#: Relative moves that float32 resolves, too, to some three digits.
LARGE = 1e-4

#: A slope that is off by so much is another one: curvature and float64 leave less.
OTHER_SLOPE = 0.01

#: And of what is off the larger move has to mend so much.
MENDED = 2 / 3

DIRECTIONS = 3

#: Factors that are off by so much are two: float32 leaves a hundredth of it.
SAME_FACTOR = 1e-4


def parted(first: Arrays, again: Arrays, allowed: Mapping[str, object]) -> str | None:
    """The first tensor in which two answers to one question are further apart than allowed.

    Args:
        first, again: the answers.
        allowed: how far each may be, for each element or for all; float64's rounding, if it is
            not named.
    """
    for name, tensor in first.items():
        floor = FLOAT64_FLOOR * float(np.max(np.abs(tensor), initial=0.0))
        bound = np.asarray(allowed.get(name, floor))
        if bound.shape and bound.shape != tensor.shape:
            return None  # another shape than is allowed for: no question of chance
        with np.errstate(invalid="ignore"):  # two infinities are not apart
            apart = np.abs(again[name].astype("float64") - tensor)
        equal = (again[name] == tensor) | (np.isnan(again[name]) & np.isnan(tensor))
        if not (equal | (apart <= bound)).all():
            return name
    return None


def rounds_inside(session: Session, params: Arrays, images: Array, labels: Array) -> bool:
    """Whether somebody who was given float64 computes the loss in float32 somewhere.

    Args:
        session: opened in float64.
        params: where.
        images, labels: of one batch.
    """
    grads = gradients_of(session, params, images, labels)

    def loss(at: Arrays) -> float:
        return float(gradients_of(session, at, images, labels)["loss"])

    value = float(grads["loss"])
    return loses_small_moves(loss, params, value, grads, abs(value))


def loses_small_moves(
    function: Callable[[Arrays], float],
    params: Arrays,
    value: float,
    grads: Arrays,
    size: float,
) -> bool:
    """Whether a function that was given float64 computes part of it in float32.

    Along random directions d, (L(p + h d) - L(p)) / h has to be the slope that the gradient says,
    and so has (L(p + h d) - L(p - h d)) / 2h, which a larger h leaves right. In float64 they are,
    the first for h = 1e-10 and the second for 1e-4. What rounds to float32 has no part in the
    first, because so small a move is lost, and in the second it has. Where a branch is detached
    neither is right: that may be meant, and is not what is asked here.

    Args:
        function: L, of the parameters.
        params: where; a direction moves every element in proportion to itself.
        value, grads: L and its slopes there.
        size: of what L is a sum of: float64 rounds it to the last place of that.
    """
    draw = np.random.default_rng(4)

    def moved(way: Arrays, h: float) -> float:
        return function({name: p + h * way[name] for name, p in params.items()})

    # What one step of float64 in the value makes of so small a move says nothing.
    least = 64 * float(np.spacing(size)) / SMALL
    for _ in range(DIRECTIONS):
        way = {name: draw.normal(0, 1, p.shape) * magnitude(p) for name, p in params.items()}
        shares = [float(np.vdot(grads[name], way[name])) for name in params]
        near = abs((moved(way, SMALL) - value) / SMALL - sum(shares))
        if near <= max(OTHER_SLOPE * float(np.linalg.norm(shares)), least):
            return False
        far = (moved(way, LARGE) - moved(way, -LARGE)) / (2 * LARGE)
        if abs(far - sum(shares)) >= (1 - MENDED) * near:
            return False
    return True


def magnitude(array: Array) -> Array:
    """|array|; 0 of a mask's infinities, which stay as they are."""
    found: Array = np.where(np.isfinite(array), np.abs(array), 0.0)
    return found


def loss_factors(
    session: Session, exact: Session, inputs: Inputs, other: Array
) -> tuple[float, float] | None:
    """By which factors a loss and its gradient are another's, on two batches.

    Args:
        session: whose loss.
        exact: the referee's, in float64.
        inputs: the first batch.
        other: the examples of the second.

    Returns:
        the two factors; None if on either batch loss and gradient are not one multiple of the
        referee's, or if it is the same multiple on both.
    """
    found = []
    images, labels = exact.batch(other)
    for pictures, right in ((inputs.images64, inputs.labels64), (images, labels)):
        logits = exact.logits(inputs.params, pictures)
        wanted = loss_of(exact, logits, right)
        theirs = loss_of(session, cast_one(logits, inputs.dtype), right)
        factor = fitted(theirs, wanted)
        near = SAME_FACTOR * max(1.0, abs(factor))
        if any(
            not np.abs(theirs[name] - factor * wanted[name]).max()
            <= near * np.abs(wanted[name]).max()
            for name in wanted
        ):
            return None
        found.append(factor)
    first, second = found
    return None if abs(first - second) <= SAME_FACTOR * abs(first) else (first, second)
