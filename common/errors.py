"""The errors users can meet, one small tree.

    CompareError
    ├── Refused            the request is wrong; nothing ran, nothing was written (exit 2)
    └── EntrantError       one entrant did not finish; the others go on (exit 3)
        ├── Unavailable    its framework or device is not there
        ├── Failed         its code raised
        ├── BadLabel       it was given a label that no loss can take
        ├── Killed         its process died
        ├── TimedOut       a call took longer than --timeout
        └── Diverged       its loss became infinite or NaN

Every message is one line: what was wrong, what was received, what can be done.
An error that has a foreign cause is raised `from` it.
"""

from __future__ import annotations


class CompareError(Exception):
    """The root: anything this project raises on purpose."""


class Refused(CompareError):
    """The request cannot be run as it stands."""


class EntrantError(CompareError):
    """One entrant did not finish; `status` is the word results.json uses for it."""

    status = "failed"


class Unavailable(EntrantError):
    status = "unavailable"


class Failed(EntrantError):
    status = "failed"


class BadLabel(EntrantError, ValueError):
    status = "failed"


class Killed(EntrantError):
    """A process that ended by itself, or by a signal.

    Attributes:
        signal: that; None if there was none.
    """

    status = "killed"
    signal: int | None = None


class TimedOut(EntrantError):
    status = "timeout"


class Diverged(EntrantError):
    status = "diverged"


ENTRANT_ERRORS: dict[str, type[EntrantError]] = {
    kind.__name__: kind for kind in (Unavailable, Failed, BadLabel, Killed, TimedOut, Diverged)
}


def one_line(error: BaseException) -> str:
    """First line of an error's message, with its kind."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
