"""Standard output and standard error that end nothing when they can be written no more."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from common.locale.language import _


class Lasting:
    """A stream that goes silent when a write fails; in all else it is the stream.

    Args:
        stream: a text stream.

    Attributes:
        failure: what the first failed write said; None while all goes well.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            # What an encoding lacks is shown as a code, and nobody is stopped by it.
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or fall silent."""
        if self.failure is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._fall_silent(error)
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """As `write`."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Flush, or fall silent."""
        if self.failure is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._fall_silent(error)

    def _fall_silent(self, error: OSError) -> None:
        self.failure = error
        # What is still in its buffer would fail once more when the interpreter ends.
        with contextlib.suppress(OSError), open(os.devnull, "w") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), self._stream.fileno())


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Let no output that fails end what is done within; what was lost is told at the end.

    A reader that has enough (`| head`) has lost nothing.
    """
    # None where the descriptor was closed before the start.
    out, errors = (Lasting(one or open(os.devnull, "w")) for one in (sys.stdout, sys.stderr))  # noqa: PTH123, SIM115
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        try:
            yield
        finally:
            out.flush()
            if out.failure is not None and not isinstance(out.failure, BrokenPipeError):
                errors.write(
                    _(
                        "compare.py: not all was printed: {error}\n",
                        error=out.failure.strerror,
                    )
                )
            errors.flush()
