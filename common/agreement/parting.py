"""Where two runs part: the last values that both make, and what either makes of them alone.

The operations of two frameworks do not stand for each other one by one: one adds a bias inside
a convolution, the other after it. Their values do. A value is made by both if, on two batches,
one of the other's has the same numbers, in whatever order. From the outputs back along what
neither shares, the first that is made of shared values alone is where they part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from common.agreement.cause import Cause
from common.contract.arrays import Array
from common.contract.operations import INPUTS, Operation, Site, Trace

#: How near the numbers of both must be, in float64, of the largest.
NEAR = 1e-9

#: The same of a sum with one constant, of the largest.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Parting:
    """Where two runs part.

    Attributes:
        agreed: makes the last value of the reference's that the port makes, too; None: it was
            given, or nobody's code is known.
        given: what that was, if it was given.
        reference: makes of it what the port never makes.
        port: makes of it what the reference never makes; None where that is not certain.
        permuted: whether the same rows of numbers go into both, in another order.
        eps: what both add to a variance of it, the reference's first; None: not seen, or equal.
    """

    agreed: Site | None
    given: str | None
    reference: Site
    port: Site | None = None
    permuted: bool = False
    eps: tuple[float, float] | None = None

    def __str__(self) -> str:
        """In one sentence."""
        base = self.given if self.agreed is None else str(self.agreed)
        words = f"the two agree as far as {base}; of that the reference makes {self.reference}"
        words += ", which the port never makes"
        return words if self.port is None else f"{words}: it makes {self.port}"

    @property
    def cause(self) -> Cause | None:
        """What the values show of the reason."""
        if self.permuted:
            return Cause(
                "order",
                "what goes into it is permuted: the same numbers in each row, in another order",
                "compare the order of axes before it was flattened",
            )
        if self.eps is not None:
            return Cause(
                "eps",
                f"eps {self.eps[1]:.6g} where the original has eps {self.eps[0]:.6g}",
                "compare what both add to the variance",
            )
        return None

    @property
    def likely_cause(self) -> str | None:
        """The cause in words, and how to make sure."""
        return None if self.cause is None else str(self.cause)


@dataclass(frozen=True, eq=False)
class Run:
    """One side on two batches.

    Attributes:
        batches: what it made of each.
    """

    batches: tuple[Trace, Trace]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Those of the first batch."""
        return self.batches[0].operations

    @cached_property
    def alike(self) -> bool:
        """Whether it did the same with both, and there is anything to see."""
        first, second = (
            (one.outputs, [(o.name, o.of, o.value.shape) for o in one.operations])
            for one in self.batches
        )
        return bool(first[0]) and first == second

    def values(self, at: int) -> tuple[Array, Array]:
        """What one operation made of both batches."""
        first, second = (one.operations[at].value for one in self.batches)
        return first, second

    @cached_property
    def moved(self) -> list[bool]:
        """Whether each depends on what was given."""
        found: list[bool] = []
        for one in self.operations:
            found.append(one.given is not None or any(found[i] for i in one.of))
        return found

    @cached_property
    def fed(self) -> list[bool]:
        """Whether each depends on the inputs."""
        found: list[bool] = []
        for one in self.operations:
            found.append(one.given == INPUTS or any(found[i] for i in one.of))
        return found

    def last_fed(self, at: int) -> int | None:
        """The last of what an operation is made of that depends on the inputs."""
        return max((i for i in self.operations[at].of if self.fed[i]), default=None)

    @cached_property
    def numbers(self) -> dict[int, tuple[Array, Array]]:
        """The numbers of all floats that were made or given, sorted."""
        return {
            at: (np.sort(first, axis=None), np.sort(second, axis=None))
            for at in range(len(self.operations))
            for first, second in [self.values(at)]
            if first.dtype == np.float64 and first.size
        }

    def parts(self, shared: set[int]) -> list[int]:
        """What is made of shared values alone, and leads to the outputs past all others."""

        def known(at: int) -> bool:
            return at in shared or not self.moved[at] or self.operations[at].given is not None

        ahead = [at for at in self.batches[0].outputs if not known(at)]
        seen, found = set(ahead), []
        while ahead:
            at = ahead.pop()
            new = {i for i in self.operations[at].of if not known(i)}
            if not new:
                found.append(at)
            ahead += new - seen
            seen |= new
        return sorted(found)


def parting(reference: Run, port: Run) -> Parting | None:
    """Where two part; None where that cannot be said for certain."""
    if not (reference.alike and port.alike):
        return None
    links = shared(reference, port)
    ours = reference.parts(set(links))
    theirs = port.parts({j for same in links.values() for j in same})
    lasts = {reference.last_fed(at) for at in ours}
    if len(lasts) != 1 or None in lasts:
        return None  # of several it is not certain which is wrong
    (last,) = lasts
    assert last is not None
    agreed, site = reference.operations[last], reference.operations[ours[0]].site
    if site is None or (agreed.site is None and agreed.given is None):
        return None
    found = Parting(agreed.site, agreed.given, site)
    for at in theirs:
        for same in set(port.operations[at].of) & set(links.get(last, ())):
            return replace(
                found,
                port=port.operations[at].site,
                permuted=permuted(reference.values(last), port.values(same)),
                eps=other_eps(reference, last, port, same),
            )
    return found


def shared(reference: Run, port: Run) -> dict[int, list[int]]:
    """What of the reference's the port makes, too, and which of its values that is."""
    sizes = defaultdict(list)
    for j, numbers in port.numbers.items():
        sizes[numbers[0].size].append((j, numbers))
    found = {}
    for i, numbers in reference.numbers.items():
        same = [j for j, others in sizes[numbers[0].size] if all(map(near, numbers, others))]
        if same:
            found[i] = same
    return found


def near(one: Array, other: Array) -> bool:
    """Whether the numbers are the same but for rounding, infinite ones included."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other)
    sizes = np.abs(one[np.isfinite(one)])
    return bool(np.all((one == other) | (apart <= NEAR * sizes.max(initial=0.0))))


def permuted(one: tuple[Array, Array], other: tuple[Array, Array]) -> bool:
    """Whether each row of a matrix has the same numbers in another order, on both batches."""
    return all(
        a.ndim == b.ndim == 2
        and a.shape == b.shape
        and near(np.sort(a, axis=1).ravel(), np.sort(b, axis=1).ravel())
        and not near(a.ravel(), b.ravel())
        for a, b in zip(one, other, strict=True)
    )


def other_eps(reference: Run, mine: int, port: Run, theirs: int) -> tuple[float, float] | None:
    """What both add to a variance of the same values, if it is not the same."""
    first, second = (set(added(run, at)) for run, at in ((reference, mine), (port, theirs)))
    if len(first) != 1 or len(second) != 1 or first == second:
        return None
    return first.pop(), second.pop()


def added(run: Run, at: int) -> Iterator[float]:
    """The constants that, added to a variance of some values, make another value, or its root.

    A value r is v + eps, its root, or one over that; v is the variance of the values along some
    axes. It has to be the same eps for every row of both batches.
    """
    given = run.values(at)
    if not all(np.isfinite(one).all() for one in given):
        return
    for axes in axes_of(given[0].ndim):
        spread = [one.var(axis=axes).ravel() for one in given]
        if not all(one.size > 1 and np.ptp(one) for one in spread):
            continue
        for later in range(at + 1, len(run.operations)):
            made = run.values(later)
            if made[0].size != spread[0].size or made[0].dtype != np.float64:
                continue
            for undone in (lambda r: r, np.square, lambda r: 1 / np.square(r)):
                with np.errstate(all="ignore"):
                    rest = np.concatenate(
                        [undone(m.ravel()) - v for m, v in zip(made, spread, strict=True)]
                    )
                most = max(float(one.max()) for one in spread)
                if np.ptp(rest) <= CONSTANT * most < rest.min() / 100:
                    yield float(f"{rest.mean():.6g}")


def axes_of(axes: int) -> Sequence[tuple[int, ...]]:
    """Along which axes a tensor is normalised: the last, or all but one that may be channels."""
    kinds: list[tuple[int, ...]] = [(axes - 1,)]
    if axes > 2:
        every = tuple(range(axes))
        kinds += [every[1:], every[:1] + every[2:], every[:-1]]
    if axes == 2:
        kinds.append((0,))
    return kinds if axes else []
