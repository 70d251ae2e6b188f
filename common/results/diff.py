"""Two runs of the same work: what got faster or slower beyond noise, and what else changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
import numpy as np

from common.contract.info import MIXED
from common.measure.quiet import BUSY
from common.measure.quiet import moved as moved_rate
from common.measure.statistics import APART, LEAST, ROUNDS, Rounds, bootstrapped, clear
from common.results.document import Document, EntrantResult
from common.results.record import AGREE

#: What makes two machines the same; a new kernel does not make another one.
MACHINE = ("cpu", "cores")
#: What an entrant is, whatever its label says.
CHOICES = ("backend", "style", "mode", "data")
#: What of a plan does not change the work; data are held against each other by their digests.
FREE = ("rounds", "dataset")
#: What of the environment is no version.
ASIDE = ("packages", "commit", "memory_bytes")


@dataclass(frozen=True)
class Change:
    """One entrant of both runs.

    Attributes:
        label: as in both.
        changed: version or setting -> (old, new), of those that changed.
        old_seconds, new_seconds: median of the steady epochs.
        ratio, low, high: new over old, with its 95 % interval; None where they are not compared.
        rounds: of the run that had fewer, each of them a process.
        speed: "faster", "slower", "no clear difference", "not compared", or that the machine was
            busy.
        old_accuracy, new_accuracy: on the test set, in the end.
        accuracy: "better", "worse", "no clear difference" or "not compared".
        old_status, new_status: whether it finished.
        old_verdict, new_verdict: of the referee.
        old_memory, new_memory: peak, bytes.
    """

    label: str
    changed: dict[str, tuple[Any, Any]]
    old_seconds: float | None
    new_seconds: float | None
    ratio: float | None
    low: float | None
    high: float | None
    rounds: int
    speed: str
    old_accuracy: float | None
    new_accuracy: float | None
    accuracy: str
    old_status: str
    new_status: str
    old_verdict: str
    new_verdict: str
    old_memory: int | None
    new_memory: int | None

    def asdict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    def is_slower(self, bound: float) -> bool:
        """Whether the whole interval is, and as many processes were tried as it takes to tell."""
        apart = 1 if self.rounds >= ROUNDS else 1 + APART
        return self.low is not None and self.low > apart * (1 + bound)


def unlike(old: Document, new: Document) -> list[str]:
    """Why two runs cannot be compared: other work, or another machine; empty if they can."""
    reasons = [
        f"{name} {then} and {now}"
        for name, (then, now) in moved(old.plan.asdict(), new.plan.asdict()).items()
        if name not in FREE
    ]
    if old.data.sha256 != new.data.sha256:
        reasons.append("other data")
    pairs: list[tuple[str, str, Any, Any]]
    pairs = [("", name, old.environment, new.environment) for name in MACHINE]
    after = new.by_label()
    pairs += [
        (f"{label}: ", name, entrant, after.get(label, entrant))
        for label, entrant in old.by_label().items()
        for name in CHOICES
    ]
    for whose, name, before, behind in pairs:
        then, now = getattr(before, name), getattr(behind, name)
        if then != now:
            reasons.append(f"{whose}{name} {then} and {now}")
    return reasons


def environment(old: Document, new: Document) -> dict[str, tuple[Any, Any]]:
    """What changed around the entrants: Python, the system, the parent's packages."""
    flat = []
    for one in (old.environment, new.environment):
        plain = {**msgspec.to_builtins(one), **one.packages}
        flat.append({name: value for name, value in plain.items() if name not in ASIDE})
    return moved(*flat)


def moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (old, new), of what is not the same."""
    names = sorted(old.keys() | new.keys())
    return {n: (old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)}


def changes(old: Document, new: Document) -> list[Change]:
    """Every entrant that both runs have."""
    before, after = old.by_label(), new.by_label()
    return [change(old, before[label], new, after[label]) for label in before if label in after]


def change(old: Document, then: EntrantResult, new: Document, now: EntrantResult) -> Change:
    """Compare one entrant's two results."""
    verdicts = old.verdict(then).verdict, new.verdict(now).verdict
    seconds = then.timing.epoch_seconds, now.timing.epoch_seconds
    finished = then.status == now.status == "ok"
    rounds = [one.by_round() for one in seconds]
    ratio, low, high = None, None, None
    # The seconds of a mixed entrant are the harness's.
    if finished and set(verdicts) <= set(AGREE) and then.backend != MIXED:
        ratio, low, high = ratio_of_medians(rounds[1], rounds[0])
    busy = old.was_busy(then) or new.was_busy(now) or rates_moved(old, new)
    accuracies = [
        one.epochs[-1].test_accuracy if finished and one.epochs else None for one in (then, now)
    ]
    return Change(
        then.label,
        changed=changed(then, now),
        old_seconds=seconds[0].median,
        new_seconds=seconds[1].median,
        ratio=ratio,
        low=low,
        high=high,
        rounds=min(map(len, rounds)),
        speed=BUSY if busy and ratio is not None else speed(ratio, low, high, *map(len, rounds)),
        old_accuracy=accuracies[0],
        new_accuracy=accuracies[1],
        accuracy=compared_accuracy(accuracies[0], accuracies[1], new.data.test_examples),
        old_status=then.status,
        new_status=now.status,
        old_verdict=verdicts[0],
        new_verdict=verdicts[1],
        old_memory=then.peak_memory_bytes,
        new_memory=now.peak_memory_bytes,
    )


def rates_moved(old: Document, new: Document) -> bool:
    """Whether the machine was quicker in one run than in the other."""
    return moved_rate(*(run.limit.flops_per_second if run.limit else None for run in (old, new)))


def changed(then: EntrantResult, now: EntrantResult) -> dict[str, tuple[Any, Any]]:
    """Versions and settings that are not the same, and whether the code is another."""
    found = moved(then.versions, now.versions) | moved(then.settings, now.settings)
    if then.source_sha256 != now.source_sha256:
        digests = [one.source_sha256 or "" for one in (then, now)]
        found["its code"] = (digests[0][:12], digests[1][:12])
    return found


def speed(ratio: float | None, low: float | None, high: float | None, *rounds: int) -> str:
    """What a ratio says: a difference only where its whole interval is clear."""
    beyond = clear(min(rounds))
    if ratio is None:
        return "not compared"
    if low is None or high is None:
        return "no clear difference"
    if low > 1 + beyond:
        return "slower"
    return "faster" if high < 1 / (1 + beyond) else "no clear difference"


def ratio_of_medians(new: Rounds, old: Rounds) -> tuple[float | None, float | None, float | None]:
    """New median over old, with a 95 % interval; the runs' epochs are no pairs.

    None where there is nothing to divide, or to divide by.
    """
    later, before = (np.concatenate([*map(np.asarray, rounds), []]) for rounds in (new, old))
    if not len(later) or not len(before) or not np.median(before):
        return None, None, None
    ratio = float(_ratio(later, before))
    if not math.isfinite(ratio):
        return None, None, None
    return ratio, *bootstrapped((new, old), _ratio)


def _ratio(new: Any, old: Any, axis: int = -1) -> Any:
    with np.errstate(over="ignore"):
        return np.nanmedian(new, axis=axis) / np.nanmedian(old, axis=axis)


def compared_accuracy(old: float | None, new: float | None, examples: int) -> str:
    """Whether two accuracies differ by more than the test set's own chance: 1.96 errors."""
    if old is None or new is None or not examples:
        return "not compared"
    error = math.sqrt((old * (1 - old) + new * (1 - new)) / examples)
    if abs(new - old) <= 1.96 * error:
        return "no clear difference"
    return "better" if new > old else "worse"


@dataclass(frozen=True)
class Judged:
    """Entrants held against a bound, a line for each that does not keep to it.

    Attributes:
        worse: who is slower by more, or has no time any more that counts.
        undecided: of whom that cannot be said, and why.
    """

    worse: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()

    def exit_code(self) -> int:
        """0 all keep to it, 1 some do not, 4 of some it cannot be said."""
        return 1 if self.worse else 4 if self.undecided else 0


def above(found: Sequence[Change], old: Document, new: Document, bound: float) -> Judged:
    """Who does not keep to a bound: slower by more, with the whole interval, or gone."""
    worse = [line for one in found if (line := exceeds(one, bound))]
    gone = old.by_label().keys() - new.by_label().keys()
    worse += [f"{label} is not in the new run" for label in sorted(gone)]
    epochs = {
        label: [len(run.by_label()[label].timing.epoch_seconds.all) for run in (old, new)]
        for label in (one.label for one in found)
    }
    mixed = {label for label, entrant in old.by_label().items() if entrant.backend == MIXED}
    undecided = [
        f"{one.label} could not be judged: {line}"
        for one in found
        # The seconds of a mixed entrant are the harness's, and are never judged.
        if one.label not in mixed and not exceeds(one, bound)
        if (line := undecidable(one, bound, *epochs[one.label]))
    ]
    return Judged(tuple(worse), tuple(undecided))


def exceeds(one: Change, bound: float) -> str | None:
    """That an entrant is slower by more, or had a time that counts and has none now."""
    if one.speed != BUSY and one.is_slower(bound):
        return f"{one.label} is slower by more than {100 * bound:g} %"
    if one.old_status == "ok" and one.old_verdict in AGREE:
        if one.new_status != "ok":
            return f"{one.label} did not finish: {one.new_status}"
        if one.new_verdict == "differs":
            return f"{one.label} does not agree any more: {one.new_verdict}"
    return None


def undecidable(one: Change, bound: float, old_epochs: int, new_epochs: int) -> str | None:
    """Why nothing can be said of an entrant's time against a bound, if so."""
    if one.speed == BUSY:
        return "others used the machine, or its own rate moved by more than a tenth; run it again"
    if one.low is not None:
        if one.low <= 1 + bound:
            return None
        return (
            f"it took {one.ratio:.2f} times as long, and two processes of one entrant have been "
            f"{1 + APART:.1f} times apart; give both runs --rounds {ROUNDS}"
        )
    if one.old_status != "ok":
        return f"it did not finish in the old run: {one.old_status}"
    if one.old_verdict not in AGREE:
        return f"it does not agree with the referee in the old run: {one.old_verdict}"
    if one.new_verdict not in AGREE:
        return f"it was not held against the referee in the new run: {one.new_verdict}"
    if min(old_epochs, new_epochs) < LEAST:
        had = f"{old_epochs} steady epochs then and {new_epochs} now"
        return f"{had}, and an interval takes {LEAST}; train with more --epochs or --rounds"
    return "its epochs took no time in the old run"
