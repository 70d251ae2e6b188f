"""Which unit of a reference is which of a port: by names, order of execution and shapes.

Units that cannot be each other have no pair. Of the rest the sum of likenesses is the largest
(`scipy.optimize.linear_sum_assignment`); asked again a few times, each time with what stands
before, after and around them in the last answer, because a norm follows its convolution
whatever both are called.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from common.mapping.names import renumbered, similarity
from common.mapping.units import Unit

#: How often the neighbours are asked.
ROUNDS = 4

#: Names that are alike to this degree say it alone.
TELLING = 0.75

Matrix = NDArray[np.float64]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Paired:
    """A unit of the reference and the one of the port that it is.

    Attributes:
        reference, port: both.
        by: "by name", "by shape" or "by order".
    """

    reference: Unit
    port: Unit
    by: str


def paired(
    reference: Sequence[Unit], port: Sequence[Unit], fits: Callable[[Unit, Unit], float]
) -> list[Paired]:
    """Pair units, one to one.

    Args:
        reference, port: in order of execution.
        fits: the share of a unit's leaves that can be the other's; 0: it cannot be that one.
    """
    if not reference or not port:
        return []
    fit = np.array([[fits(a, b) for b in port] for a in reference])
    names = _by_name(reference, port, fit)
    alone = names + _by_order(reference, port) + 1.5 * fit + 0.3 * _by_kind(reference, port)
    pairs = _assigned(alone, fit)
    for _ in range(ROUNDS):
        again = _assigned(alone + _by_neighbours(reference, port, pairs), fit)
        if again == pairs:
            break
        pairs = again
    return [Paired(reference[a], port[b], _why(a, b, fit, names)) for a, b in pairs]


def _assigned(score: Matrix, fit: Matrix) -> list[Pair]:
    """The pairs with the largest sum, those that cannot be left out."""
    rows, columns = linear_sum_assignment(np.where(fit > 0, score + 10, 0), maximize=True)
    return [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if fit[a, b] > 0]


def _by_name(reference: Sequence[Unit], port: Sequence[Unit], fit: Matrix) -> Matrix:
    """How alike the names are, from 0 to 1, and half as much again if they are the same."""
    words = [renumbered(unit.name for unit in side) for side in (reference, port)]
    found = np.zeros(fit.shape)
    for a, b in np.argwhere(fit > 0):
        one, other = words[0][reference[a].name], words[1][port[b].name]
        alike = similarity(one, other)
        found[a, b] = alike + 0.5 * (alike == 1)
    return found


def _by_order(reference: Sequence[Unit], port: Sequence[Unit]) -> Matrix:
    """How close they come among the units of their size, 1 at most, in order of execution."""
    ranks = [_ranks(side) for side in (reference, port)]
    first, second = (np.array([rank for rank, _ in side])[:, None] for side in ranks)
    share = [np.array([rank / max(n - 1, 1) for rank, n in side]) for side in ranks]
    many = [np.array([n for _, n in side]) for side in ranks]
    close: Matrix = 1.0 / (1.0 + np.abs(first - second.T))
    apart: Matrix = 1.0 - np.abs(share[0][:, None] - share[1][None])
    return np.where(many[0][:, None] == many[1][None], close, 0.5 * close + 0.5 * apart)


def _ranks(side: Sequence[Unit]) -> list[tuple[int, int]]:
    """The how manyth of its size each unit is, and of how many."""
    total = Counter(unit.size for unit in side)
    seen: Counter[int] = Counter()
    found = []
    for unit in side:
        found.append((seen[unit.size], total[unit.size]))
        seen[unit.size] += 1
    return found


def _by_kind(reference: Sequence[Unit], port: Sequence[Unit]) -> Matrix:
    """1 where both are the same kind of module, 0 where one is another, 0.5 if it is not known."""
    return np.array(
        [
            [0.5 if not (a.about and b.about) else float(a.about == b.about) for b in port]
            for a in reference
        ]
    )


def _by_neighbours(
    reference: Sequence[Unit], port: Sequence[Unit], pairs: Sequence[Pair]
) -> Matrix:
    """What the pairs of the last round say about each other, from 0 to 2.

    Half for the unit before and half for the one after, if these are a pair; and the share of
    the modules around both whose leaves went to each other.
    """
    found = np.zeros((len(reference), len(port)))
    for a, b in pairs:
        if a + 1 < len(reference) and b + 1 < len(port):
            found[a + 1, b + 1] += 0.5
        if a > 0 and b > 0:
            found[a - 1, b - 1] += 0.5
    votes: dict[tuple[str, str], int] = defaultdict(int)
    around = [[_parent(unit) for unit in side] for side in (reference, port)]
    many = [Counter(side) for side in around]
    for a, b in pairs:
        votes[around[0][a], around[1][b]] += 1
    for a, one in enumerate(around[0]):
        for b, other in enumerate(around[1]):
            found[a, b] += votes.get((one, other), 0) / max(many[0][one], many[1][other])
    return found


def _parent(unit: Unit) -> str:
    return unit.path.rpartition(".")[0]


def _why(a: int, b: int, fit: Matrix, names: Matrix) -> str:
    """By what a pair was told from others."""
    row, column = names[a][fit[a] > 0], names[:, b][fit[:, b] > 0]
    best = names[a, b]
    rivals = (np.sum(row >= best) - 1) + (np.sum(column >= best) - 1)
    if best >= TELLING and not rivals:
        return "by name"
    if len(row) == len(column) == 1:
        return "by shape"
    return "by order"
