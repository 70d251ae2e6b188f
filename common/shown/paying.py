"""How long the first result takes, and after which epoch compiling has paid, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from common.contract.plan import Plan
from common.locale.language import _
from common.results.document import EntrantResult, Pair, Timing
from common.shown.words import seconds

SECONDS = ("import_seconds", "open_seconds", "compile_seconds", "first_step_seconds")


def first_result(timing: Timing) -> float | None:
    """Seconds from nothing to the first step made: importing, opening, compiling, that step."""
    if timing.first_step_seconds is None:
        return None
    return sum(getattr(timing, name) or 0.0 for name in SECONDS)


def first_line(entrants: Sequence[EntrantResult]) -> str:
    """How long the modes of a backend take to the first result; empty where nobody has two."""
    modes: dict[str, list[EntrantResult]] = {}
    for entrant in entrants:
        modes.setdefault(entrant.backend, []).append(entrant)
    parts = [
        f"{entrant.label} {seconds(took)}"
        for alike in modes.values()
        if len({entrant.mode for entrant in alike}) > 1
        for entrant in alike
        if (took := first_result(entrant.timing)) is not None
    ]
    words = _("time to the first result (import, open, compile, first step): ")
    return words + _(", ").join(parts) if parts else ""


def paid_lines(
    entrants: Sequence[EntrantResult], pairs: Sequence[Pair], plan: Plan, examples: int
) -> Iterator[str]:
    """A line for each two modes of a backend of which the quicker one took longer to begin.

    Where one is called faster: n epochs of the quicker one make up for what it takes longer to
    begin with, n = (start - other start) / (other epoch - epoch).

    Args:
        entrants, pairs: of a run.
        plan: of it.
        examples: in one epoch.
    """
    rows = {entrant.label: entrant for entrant in entrants}
    steps = -(-examples // plan.batch_size)
    for pair in pairs:
        labels = {"a is faster": (pair.a, pair.b), "b is faster": (pair.b, pair.a)}
        if (both := labels.get(pair.verdict)) is None:
            continue
        quick, slow = rows[both[0]], rows[both[1]]
        if not of_two_modes(quick, slow) or None in (pair.ratio, pair.low, pair.high):
            continue
        more = start(quick, steps) - start(slow, steps)
        epoch = slow.timing.epoch_seconds.median
        if more <= 0 or epoch is None:
            continue
        ratios = [pair.ratio, pair.low, pair.high]
        shares = [r if quick.label == pair.a else 1 / r for r in ratios if r is not None]
        after, *span = (more / (epoch * (1 - share)) for share in shares)
        yield words(quick, slow, after, min(span), max(span), plan.epochs)


def of_two_modes(quick: EntrantResult, slow: EntrantResult) -> bool:
    """Whether two differ in their mode alone, and it is known what compiling the one took.

    A framework that does not tell has it in the first step, but for what is compiled later: of
    two that compile it is not known who does more of that.
    """
    alike = (quick.backend, quick.style, quick.data) == (slow.backend, slow.style, slow.data)
    known = quick.timing.compile_seconds is not None or slow.mode == "eager"
    return alike and quick.mode != slow.mode and known


def start(entrant: EntrantResult, steps: int) -> float:
    """Seconds of the beginning that no later call takes: compiling, and the first call's more."""
    timing = entrant.timing
    epoch = timing.epoch_seconds.median or 0.0
    usual = epoch * min(1.0, entrant.steps_per_call / steps)
    return (timing.compile_seconds or 0.0) + max(0.0, (timing.first_step_seconds or 0.0) - usual)


def words(
    quick: EntrantResult, slow: EntrantResult, after: float, low: float, high: float, epochs: int
) -> str:
    """After how many epochs it has paid, and whether the run has so many."""
    least = _(" at least") if quick.timing.compile_seconds is None else ""
    within = "" if after <= epochs else _(": not within this run of {epochs}", epochs=epochs)
    return _(
        "{label} has paid for its compilation after{least} {after:.1f} epochs beside "
        "{other} (95 %: {low:.1f} to {high:.1f}){within}",
        label=quick.label,
        least=least,
        after=after,
        other=slow.label,
        low=low,
        high=high,
        within=within,
    )
