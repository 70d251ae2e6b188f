"""The exit codes."""

from __future__ import annotations

EXIT_REFUSED = 2

EXIT_UNFINISHED = 3

#: An error of this program's own.
EXIT_ERROR = 70

EXIT_INTERRUPTED = 130

#: The exit codes of a run, the one that counts among several last.
GRAVER = (0, 1, EXIT_UNFINISHED, EXIT_INTERRUPTED)
