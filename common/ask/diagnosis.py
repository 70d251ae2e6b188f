"""Where entrants leave the referee's path; nothing is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.agreement.diagnose import Diagnosis
from common.ask.request import Request, refuse_best
from common.ask.run import Watching, drawn
from common.errors import Refused
from common.results.record import Record
from common.running.diagnosing import Diagnoser


@dataclass(frozen=True)
class Diagnosed:
    """What was found.

    Attributes:
        found: label -> where it parts, of everybody who could be followed.
        records: of all entrants: who could not, and why.
        document: the same as plain values.
    """

    found: dict[str, Diagnosis]
    records: list[Record]
    document: dict[str, Any]


def diagnose(request: Request, watching: Watching) -> Diagnosed:
    """Follow every entrant along the referee's path.

    Args:
        request: from `read_request`.
        watching: is told of everything as it happens, and left when that is over.

    Raises:
        Refused: everybody is to begin elsewhere, or a mode would have to be found out.
    """
    refuse_best(request, "diagnose")
    if request.plan.init == "framework":
        raise Refused(
            "--init framework: diagnose follows everybody along one path, from the same weights; "
            "a run holds each against a referee of its own"
        )
    records = request.records
    with tempfile.TemporaryDirectory(prefix="compare-") as name:
        folder = Path(name)
        work = drawn(request)
        with watching as observer:
            found = Diagnoser(work, records, request.connect(folder), observer).run()
    document = {
        "plan": request.plan.asdict(),
        "entrants": [
            {"label": r.entrant.label, "status": r.status, "reason": r.reason,
             **(found[r.entrant.label].asdict() if r.entrant.label in found else {})}
            for r in records
        ],
    }  # fmt: skip
    return Diagnosed(found, records, document)
