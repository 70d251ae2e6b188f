"""Two runs of the same work: what got faster or slower beyond noise, and what else changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from common.contract.info import MIXED
from common.measure.statistics import CLEAR, LEAST
from common.results.record import AGREE

#: What makes two machines the same; a new kernel does not make another one.
MACHINE = ("cpu", "cores")
#: What an entrant is, whatever its label says.
CHOICES = ("backend", "style", "mode", "data")
#: What of a plan does not change the work.
FREE = ("rounds",)
RESAMPLES = 2000


@dataclass(frozen=True)
class Change:
    """One entrant of both runs.

    Attributes:
        label: as in both.
        changed: version or setting -> (old, new), of those that changed.
        old_seconds, new_seconds: median of the steady epochs.
        ratio, low, high: new over old, with its 95 % interval; None where they are not compared.
        speed: "faster", "slower", "no clear difference" or "not compared".
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


def unlike(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Why two runs cannot be compared: other work, or another machine; empty if they can."""
    reasons = []
    plans = old["plan"], new["plan"]
    for name in sorted(plans[0].keys() | plans[1].keys()):
        then, now = (plan.get(name) for plan in plans)
        if name not in FREE and then != now:
            reasons.append(f"{name} {then} and {now}")
    if old["data"]["sha256"] != new["data"]["sha256"]:
        reasons.append("other data")
    for name in MACHINE:
        then, now = (one["environment"].get(name) for one in (old, new))
        if then != now:
            reasons.append(f"{name} {then} and {now}")
    after = by_label(new)
    for label, entrant in by_label(old).items():
        for name in CHOICES:
            then, now = (one.get(name) for one in (entrant, after.get(label, entrant)))
            if then != now:
                reasons.append(f"{label}: {name} {then} and {now}")
    return reasons


def by_label(results: Mapping[str, Any]) -> dict[str, Any]:
    """The entrants of a run."""
    return {entrant["label"]: entrant for entrant in results["entrants"]}


def environment(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What changed around the entrants: Python, the system, the parent's packages."""
    flat = [{**one["environment"], **one["environment"].get("packages", {})} for one in (old, new)]
    for one in flat:
        for name in ("packages", "commit", "memory_bytes"):
            one.pop(name, None)
    return moved(*flat)


def moved(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Name -> (old, new), of what is not the same."""
    names = sorted(old.keys() | new.keys())
    return {n: (old.get(n), new.get(n)) for n in names if old.get(n) != new.get(n)}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every entrant that both runs have."""
    before, after = by_label(old), by_label(new)
    return [
        change(label, before[label], after[label], old, new) for label in before if label in after
    ]


def change(
    label: str,
    then: Mapping[str, Any],
    now: Mapping[str, Any],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
) -> Change:
    """Compare one entrant's two results."""
    verdicts = [run["parity"]["entrants"][label]["verdict"] for run in (old, new)]
    seconds = [one["timing"]["epoch_seconds"] for one in (then, now)]
    finished = all(one["status"] == "ok" for one in (then, now))
    agree = finished and all(verdict in AGREE for verdict in verdicts)
    ratio, low, high = (None, None, None)
    # The seconds of a mixed entrant are the harness's.
    if agree and then["backend"] != MIXED and all(one["all"] for one in seconds):
        ratio, low, high = ratio_of_medians(seconds[1]["all"], seconds[0]["all"])
    speed = "not compared"
    if ratio is not None:
        speed = "no clear difference"
        if low is not None and high is not None:
            speed = "slower" if low > 1 + CLEAR else "faster" if high < 1 - CLEAR else speed
    accuracies = [
        one["epochs"][-1]["test_accuracy"] if finished and one["epochs"] else None
        for one in (then, now)
    ]
    changed = moved(then["versions"], now["versions"]) | moved(then["settings"], now["settings"])
    if then["source_sha256"] != now["source_sha256"]:
        changed["its code"] = (then["source_sha256"][:12], now["source_sha256"][:12])
    return Change(
        label,
        changed=changed,
        old_seconds=seconds[0]["median"],
        new_seconds=seconds[1]["median"],
        ratio=ratio,
        low=low,
        high=high,
        speed=speed,
        old_accuracy=accuracies[0],
        new_accuracy=accuracies[1],
        accuracy=compared_accuracy(accuracies[0], accuracies[1], new["data"]["test_examples"]),
        old_status=then["status"],
        new_status=now["status"],
        old_verdict=verdicts[0],
        new_verdict=verdicts[1],
        old_memory=then["peak_memory_bytes"],
        new_memory=now["peak_memory_bytes"],
    )


def ratio_of_medians(
    new: Sequence[float], old: Sequence[float]
) -> tuple[float, float | None, float | None]:
    """New median over old, with a 95 % bootstrap interval; the runs' epochs are no pairs."""
    ratio = float(np.median(new) / np.median(old))
    if min(len(new), len(old)) < LEAST:
        return ratio, None, None
    draw = np.random.default_rng(0)
    medians = [np.median(draw.choice(one, (RESAMPLES, len(one))), axis=1) for one in (new, old)]
    low, high = np.percentile(medians[0] / medians[1], [2.5, 97.5])
    return ratio, float(low), float(high)


def compared_accuracy(old: float | None, new: float | None, examples: int) -> str:
    """Whether two accuracies differ by more than the test set's own chance: 1.96 errors."""
    if old is None or new is None or not examples:
        return "not compared"
    error = math.sqrt((old * (1 - old) + new * (1 - new)) / examples)
    if abs(new - old) <= 1.96 * error:
        return "no clear difference"
    return "better" if new > old else "worse"


def above(
    found: Sequence[Change], old: Mapping[str, Any], new: Mapping[str, Any], bound: float
) -> list[str]:
    """Who does not keep to a bound, and why, a line each.

    Slower by more, with its whole interval; or it had a time in the old run and has none that
    counts in the new one.
    """
    lines = []
    for one in found:
        if one.low is not None and one.low > 1 + bound:
            lines.append(f"{one.label} is slower by more than {100 * bound:g} %")
        elif one.ratio is None and one.old_status == "ok" and one.old_verdict in AGREE:
            if one.new_status != "ok":
                lines.append(f"{one.label} did not finish: {one.new_status}")
            elif one.new_verdict not in AGREE:
                lines.append(f"{one.label} does not agree any more: {one.new_verdict}")
    gone = by_label(old).keys() - by_label(new).keys()
    return lines + [f"{label} is not in the new run" for label in sorted(gone)]
