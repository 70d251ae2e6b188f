"""One run per value of a setting: what a step costs before any work, and the rate beyond.

The time of a step is taken for a straight line, seconds = overhead + operations / rate. What
dispatch, launching and Python cost is the overhead; what the framework reaches when there is
enough to do is the rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from common.contract.info import MIXED
from common.contract.models import MODELS
from common.measure.limit import work
from common.measure.quiet import BUSY
from common.measure.statistics import bootstrapped, interval
from common.results.record import AGREE, Results, flat

#: What is varied -> what the line is fitted to; more threads do not make more work.
UNITS = {"batch-size": "step", "hidden": "step", "limit": "epoch"}

#: What is varied for what is learnt: its times are all alike, and the ends are drawn.
NO_WORK = ("lr",)


@dataclass(frozen=True)
class Point:
    """One entrant at one value.

    Attributes:
        value: of the setting.
        operations: of a step, or of an epoch.
        rounds: seconds of it, one for each steady epoch of each round.
        verdict: whether its times count.
        low, high: 95 % interval of the median; None under three epochs.
        memory: peak of its process, bytes.
        loss, accuracy: on what was trained on, and on the test set, in the end.
    """

    value: float
    operations: float
    rounds: tuple[tuple[float, ...], ...]
    verdict: str
    low: float | None = None
    high: float | None = None
    memory: int | None = None
    loss: float | None = None
    accuracy: float | None = None

    @property
    def seconds(self) -> list[float]:
        """Of all rounds, in a row."""
        return flat(self.rounds)

    @property
    def median(self) -> float:
        """The middle of its times."""
        return float(np.median(self.seconds))


@dataclass(frozen=True)
class Line:
    """seconds = overhead + operations / rate, with 95 % bootstrap intervals.

    The intervals need three epochs at every value; two values say nothing of how straight it is.

    Attributes:
        overhead, overhead_low, overhead_high: seconds.
        rate, rate_low, rate_high: operations a second; None where more work took no longer.
        off: largest share by which a median lies off the line.
    """

    overhead: float
    overhead_low: float | None
    overhead_high: float | None
    rate: float | None
    rate_low: float | None
    rate_high: float | None
    off: float | None


def points(
    runs: Mapping[float, Results], initial: Mapping[float, Any], unit: str
) -> dict[str, list[Point]]:
    """What every entrant that agrees took at every value.

    Args:
        runs: value -> what came out.
        initial: value -> the initial parameters.
        unit: "step" or "epoch".
    """
    found: dict[str, list[Point]] = {}
    for value, results in runs.items():
        model, shape = MODELS[results.plan.model], results.data["inputs"].shape
        operations, _ = work(model, initial[value], shape, results.examples)
        for record in results.records:
            label = record.entrant.label
            verdict = results.verdicts[label].verdict
            if record.status != "ok" or not record.steady:
                verdict = record.status if record.status != "ok" else "one epoch has no time"
            if record.entrant.backend == MIXED:
                verdict = "the harness's time"
            if verdict in AGREE and (results.unquiet or record.mostly_disturbed):
                verdict = BUSY
            steps = len(record.losses[0]) if record.losses and unit == "step" else 1
            rounds = tuple(
                tuple(second / steps for second in seconds)
                for seconds in record.steady_of(record.rounds)
            )
            last = record.epochs[-1] if record.status == "ok" and record.epochs else {}
            point = Point(
                value,
                operations / steps,
                rounds,
                verdict,
                *interval(rounds),
                record.peak_memory_bytes,
                last.get("train_loss"),
                last.get("test_accuracy"),
            )
            found.setdefault(label, []).append(point)
    return found


def usable(found: Sequence[Point]) -> list[Point]:
    """Those that have times, of runs that agree."""
    return [point for point in found if point.verdict in AGREE and point.seconds]


def ended(found: Sequence[Point]) -> list[Point]:
    """Those that were trained to the end, whatever their times."""
    return [point for point in found if point.loss is not None]


def line(found: Sequence[Point]) -> Line | None:
    """Fit overhead and rate; None under two values.

    Both at least zero, by least squares of what each median is off in shares of itself: a
    percent counts the same at every size.
    """
    if len({point.operations for point in found}) < 2:
        return None
    operations = np.array([point.operations for point in found])
    medians = np.array([point.median for point in found])
    overhead, inverse = _fitted(operations, medians)
    off = np.abs(overhead + inverse * operations - medians) / medians
    straight = float(off.max()) if len(medians) > 2 else None
    samples = [point.rounds for point in found]

    def fitted(which: int, *seconds: Any, axis: int) -> Any:
        again = np.stack([np.nanmedian(one, axis=axis) for one in seconds], axis=-1)
        return np.apply_along_axis(lambda row: _fitted(operations, row)[which], -1, again)

    def overhead_of(*seconds: Any, axis: int) -> Any:
        return fitted(0, *seconds, axis=axis)

    def inverse_of(*seconds: Any, axis: int) -> Any:
        return fitted(1, *seconds, axis=axis)

    inverses = bootstrapped(samples, inverse_of)
    return Line(
        overhead,
        *bootstrapped(samples, overhead_of),
        _inverse(inverse),
        _inverse(inverses[1]),
        _inverse(inverses[0]),
        straight,
    )


def as_plain(
    found: Mapping[str, Sequence[Point]], lines: Mapping[str, Line | None]
) -> dict[str, Any]:
    """Points and line of every entrant, as in sweep.json."""
    return {
        label: {
            "points": [{**asdict(point), "seconds": point.seconds} for point in of_label],
            "line": asdict(fit) if (fit := lines.get(label)) else None,
        }
        for label, of_label in found.items()
    }


def _fitted(operations: Any, seconds: Any) -> tuple[float, float]:
    from scipy.optimize import nnls

    # Scaled, so that both columns are of like size.
    scale = operations.max()
    columns = np.stack([1 / seconds, operations / scale / seconds], axis=1)
    (overhead, slope), _ = nnls(columns, np.ones(len(seconds)))
    if slope < 1e-9 * seconds.max():
        slope = 0.0  # nothing but the solver's rounding
    return float(overhead), float(slope / scale)


def _inverse(value: float | None) -> float | None:
    return float(1 / value) if value else None
