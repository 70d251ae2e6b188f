"""Ctrl-C, SIGTERM and SIGHUP: taken once, where a run can take them.

Python raises KeyboardInterrupt wherever it happens to be, a second one while the first is being
answered, and ends at once on SIGTERM. Here all three ask for the same; the first one is raised in
the part that expects it, and from then on nothing interrupts the saving of what there is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

#: SIGHUP comes when the terminal is closed; Windows has none.
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@contextmanager
def ending() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt, as SIGINT does, each time that they come.

    Where somebody else answers one, or it was ignored, that stays so.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interruption:
    """Answers the signals while it is entered; outside the main thread none ever arrive.

    A signal that was ignored when this process was started, by nohup for instance, stays so.
    """

    def __init__(self) -> None:
        self._asked = self._taken = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Answer the signals from now on."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._answer)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave them to whoever answered before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _answer(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        if self._taken:
            self._taken = False
            raise KeyboardInterrupt

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Run a part that an interrupt may end, by one KeyboardInterrupt; later ones only count.

        One that came before is raised here.
        """
        self._taken = True
        try:
            if self._asked:
                self._taken = False
                raise KeyboardInterrupt
            yield
        finally:
            self._taken = False
