"""One run per value of a setting: what a step costs before any work, and the rate beyond.

The time of a step is taken for a straight line, seconds = overhead + operations / rate. What
dispatch, launching and Python cost is the overhead; what the framework reaches when there is
enough to do is the rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from common.contract.info import MIXED
from common.contract.models import MODELS
from common.measure.limit import work
from common.measure.quiet import BUSY
from common.measure.statistics import bootstrapped, interval
from common.results.record import AGREE, Results
from common.results.sweep import Line, Number, Point, Series, Values, usable

#: What is varied -> what the line is fitted to; more threads do not make more work.
UNITS: dict[str, Literal["step", "epoch"]] = {
    "batch-size": "step", "hidden": "step", "limit": "epoch",
}  # fmt: skip

#: What is varied for what is learnt: its times are all alike, and the ends are drawn.
NO_WORK = ("lr",)


def points(
    runs: Mapping[Values, Results], initial: Mapping[Values, Any], unit: str
) -> dict[str, list[Point]]:
    """What every entrant that agrees took in every run.

    Args:
        runs: what came out.
        initial: the initial parameters of each.
        unit: "step" or "epoch".
    """
    found: dict[str, list[Point]] = {}
    for values, results in runs.items():
        model, shape = MODELS[results.plan.model], results.data["inputs"].shape
        operations, _ = work(model, initial[values], shape, results.examples)
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
                *values,
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


def outcomes(results: Results) -> dict[str, str]:
    """Label -> the verdict, or the status of who did not finish."""
    found = {record.entrant.label: record.status for record in results.records}
    return {
        label: results.verdicts[label].verdict if status == "ok" else status
        for label, status in found.items()
    }


def disturbed(runs: Iterable[Results]) -> dict[str, list[bool]]:
    """Label -> whether others used the machine during an epoch, for all of all runs."""
    found: dict[str, list[bool]] = {}
    for results in runs:
        for record in results.records:
            noted = results.epoch_seconds(record)["disturbed"]
            found.setdefault(record.entrant.label, []).extend(noted)
    return found


def series(style: str, found: Sequence[Point], *, fit: bool) -> Series:
    """One entrant's points, and a line for each value of what was varied also."""
    others = dict.fromkeys(point.also for point in found) if fit else ()
    lines = (line(usable([one for one in found if one.also == also]), also) for also in others)
    return Series(style, list(found), [one for one in lines if one is not None])


def line(found: Sequence[Point], also: Number | None = None) -> Line | None:
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
        also,
    )


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
