"""Two runs of the same work: what got faster or slower beyond noise, and what else changed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.errors import Refused
from common.results import AGREE, SCHEMA_VERSION
from common.timing import CLEAR, LEAST

#: What makes two machines the same.
MACHINE = ("platform", "cpu", "cores", "memory_bytes")
#: What of a plan does not change the work.
FREE = ("rounds",)
RESAMPLES = 2000


@dataclass(frozen=True)
class Change:
    """One entrant of both runs.

    Attributes:
        label: as in both.
        versions: package -> (old, new), of those that changed.
        old_seconds, new_seconds: median of the steady epochs.
        ratio, low, high: new over old, with its 95 % interval; None where they are not compared.
        speed: "faster", "slower", "no clear difference" or "not compared".
        old_accuracy, new_accuracy: on the test set, in the end.
        accuracy: "better", "worse", "no clear difference" or "not compared".
        old_verdict, new_verdict: of the referee.
        old_memory, new_memory: peak, bytes.
    """

    label: str
    versions: dict[str, tuple[str | None, str | None]]
    old_seconds: float | None
    new_seconds: float | None
    ratio: float | None
    low: float | None
    high: float | None
    speed: str
    old_accuracy: float | None
    new_accuracy: float | None
    accuracy: str
    old_verdict: str
    new_verdict: str
    old_memory: int | None
    new_memory: int | None

    def asdict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def read(folder: Path) -> dict[str, Any]:
    """Read the results of a run.

    Raises:
        Refused: there are none, or not such as this version writes.
    """
    path = folder / "results.json" if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise Refused(f"{folder} has no results: {path.name}: {cause.strerror}") from cause
    except ValueError as cause:
        raise Refused(f"{path} is not JSON: {cause}") from cause
    version = found.get("schema_version") if isinstance(found, dict) else None
    if version != SCHEMA_VERSION:
        raise Refused(f"{path} has schema_version {version}; this is {SCHEMA_VERSION}")
    return dict(found)


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
    return reasons


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """Every entrant that both runs have."""
    before = {entrant["label"]: entrant for entrant in old["entrants"]}
    after = {entrant["label"]: entrant for entrant in new["entrants"]}
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
    agree = all(verdict in AGREE for verdict in verdicts)
    ratio, low, high = (None, None, None)
    if agree and all(one["all"] for one in seconds):
        ratio, low, high = ratio_of_medians(seconds[1]["all"], seconds[0]["all"])
    speed = "not compared"
    if ratio is not None:
        speed = "no clear difference"
        if low is not None and high is not None:
            speed = "slower" if low > 1 + CLEAR else "faster" if high < 1 - CLEAR else speed
    accuracies = [
        one["epochs"][-1]["test_accuracy"] if one["epochs"] else None for one in (then, now)
    ]
    known = then["versions"].keys() | now["versions"].keys()
    versions = {n: (then["versions"].get(n), now["versions"].get(n)) for n in sorted(known)}
    return Change(
        label,
        versions={name: pair for name, pair in versions.items() if pair[0] != pair[1]},
        old_seconds=seconds[0]["median"],
        new_seconds=seconds[1]["median"],
        ratio=ratio,
        low=low,
        high=high,
        speed=speed,
        old_accuracy=accuracies[0],
        new_accuracy=accuracies[1],
        accuracy=compared_accuracy(accuracies[0], accuracies[1], new["data"]["test_examples"]),
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


def above(found: Sequence[Change], bound: float) -> list[Change]:
    """Those that became slower by more than a bound, with their whole interval."""
    return [one for one in found if one.low is not None and one.low > 1 + bound]
