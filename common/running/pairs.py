"""Every pair of entrants: whose epochs are quicker, and on how many images they agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from common.agreement.verdict import Verdict
from common.contract.info import MIXED
from common.measure import statistics
from common.measure.quiet import BUSY
from common.results.record import AGREE, Record


def compare_all(
    records: Iterable[Record], verdicts: Mapping[str, Verdict], *, unquiet: bool = False
) -> list[dict[str, Any]]:
    """Compare the times of every pair that agrees.

    Args:
        records, verdicts: of the entrants.
        unquiet: whether the machine was during the whole run, so that no pair is judged.
    """
    found = []
    for a, b in itertools.combinations(records, 2):
        pair = (a.entrant.label, b.entrant.label)
        agree = all(verdicts[label].verdict in AGREE for label in pair)
        both = a.status == b.status == "ok"
        # The seconds of a mixed entrant are the harness's: its arrays cross on the host.
        timed = agree and both and MIXED not in (a.entrant.backend, b.entrant.backend)
        times = paired(a, b) if timed else ([], [])
        agreement = None
        if a.classes is not None and b.classes is not None:
            agreement = float((a.classes == b.classes).mean())
        # One that reads files beside one that has arrays is compared in its loader, above all.
        readers = [one for one in (a, b) if one.entrant.data == "loader"]
        reader = readers[0] if len(readers) == 1 else None
        compared = statistics.compare(*times)
        busy = unquiet or any(one.mostly_disturbed for one in (a, b))
        if compared["ratio"] is not None and busy:
            compared["verdict"] = BUSY
        found.append(
            {
                "a": pair[0],
                "b": pair[1],
                **compared,
                "prediction_agreement": agreement,
                "reads_files": reader.entrant.label if reader else None,
                "waiting_share": reader.waiting_share if reader else None,
            }
        )
    return found


def paired(a: Record, b: Record) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds of the same epochs of two entrants, those that count of both, round by round."""
    both = [place for place in a.steady_at if place in set(b.steady_at)]
    of_round = {round_: [e for r, e in both if r == round_] for round_, _ in both}
    first, second = (
        [[one.rounds[round_][epoch] for epoch in epochs] for round_, epochs in of_round.items()]
        for one in (a, b)
    )
    return first, second
