"""Whether a started exercise is solved: the learner's backend, held against the referee."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from common.ask.diagnosis import diagnose
from common.ask.request import Request, Say, read_request, silence
from common.ask.run import Watching
from common.ask.settings import Settings
from common.learning.exercises import STATE, Exercise, State, Where, state_of
from common.results.folder import write_json

#: Makes who is told of a look as it happens.
Watch = Callable[[Request], Watching]

#: Steps and examples that every slip shows in.
SHORT = {"limit": 640, "batch_size": 64, "epochs": 1}

#: What comes before what in a step.
ORDER = ("data", "forward", "loss", "accuracy", "gradient", "update")


@dataclass(frozen=True)
class Look:
    """What a look at a started exercise came to.

    Attributes:
        where: the first difference; None if there is none.
        before: that of the last look.
        reason: why the learner's backend could not be followed to the end; None if it could.
    """

    where: Where | None
    before: Where | None
    reason: str | None

    @property
    def solved(self) -> bool:
        """Whether nothing is wrong any more."""
        return self.where is None and self.reason is None

    @property
    def words(self) -> str:
        """As it is said to the learner, without the cause."""
        if self.reason:
            return f"not yet: it could not be followed: {self.reason}"
        if self.where is None:
            return "solved: it agrees with the referee, step by step"
        found = self.where
        line = (
            f"not yet: it differs at step {found.step}, stage {found.stage}, tensor {found.tensor}"
        )
        if self.before is None:
            return line
        now, then = place(found), place(self.before)
        moved = "warmer: that is later than before" if now > then else "colder: that is earlier"
        return f"{line}; {'as before' if now == then else moved}"


def place(where: Where) -> tuple[int, int]:
    """How far into training a difference is."""
    return where.step, ORDER.index(where.stage) if where.stage in ORDER else len(ORDER)


def look(exercise: Exercise, folder: Path, watch: Watch, say: Say = silence) -> Look:
    """Diagnose a started exercise, and keep where it parts for the next time.

    Args:
        exercise: which.
        folder: where it was started.
        watch: makes who is told of everything as it happens.
        say: hears of a download.

    Raises:
        Refused: the folder is none of this exercise, or its backend cannot be read.
    """
    before = state_of(exercise, folder).last
    options = dict(exercise.slip.settings)
    entrant = f"{exercise.backend}:{options.pop('style')}"
    short = {} if options["model"] == "linear" else SHORT
    settings = Settings(backends=(entrant,), backend_path=folder, **{**short, **options})
    request = read_request(settings, say)
    found = diagnose(request, watch(request))
    (record,) = found.records
    diagnosis = found.found.get(record.entrant.label)
    where, reason = None, record.reason
    if diagnosis is not None:
        reason = diagnosis.unchecked or reason
        if first := diagnosis.difference:
            where, reason = Where(first.step, first.stage, first.tensor), None
    write_json(folder / STATE, State(exercise.name, where))
    return Look(where, before, reason)
