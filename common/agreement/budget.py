"""How long checks may take, and what was left out because it would have taken longer."""

from __future__ import annotations

import math
import time


class Budget:
    """So many seconds from now on; each check that need not be asks whether it still fits.

    Args:
        seconds: for everything together.
        quick: whether nothing fits that need not be.

    Attributes:
        left_out: what did not fit, in words, in the order in which it came up.
    """

    def __init__(self, seconds: float = math.inf, *, quick: bool = False) -> None:
        self.seconds, self._quick = seconds, quick
        self._ends = time.monotonic() + seconds
        self._left_out: dict[str, None] = {}

    @property
    def left(self) -> float:
        """Seconds that nothing has taken yet."""
        return max(0.0, self._ends - time.monotonic())

    def reserve(self, seconds: float) -> None:
        """Have so long from now on at least, whatever was taken so far."""
        self._ends = max(self._ends, time.monotonic() + seconds)

    def lacks(self, what: str, seconds: float = 0.0) -> bool:
        """Whether something is left out, and noted, because there is no time for it.

        Args:
            what: it is, in words.
            seconds: that it will probably take.
        """
        if not self._quick and self.left > seconds:
            return False
        self._left_out[what] = None
        return True

    @property
    def left_out(self) -> list[str]:
        """What did not fit."""
        return list(self._left_out)
