"""What an inference is asked: every option, its default, and the values it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.ask.settings import COUNT, POSITIVE, Settings
from common.errors import Refused

#: Of the batches, where nobody says: what one answer takes, and what a full batch does.
SIZES = (1, 256)

#: For how long each entrant is timed with batches of each size, in every round.
SECONDS = 4.0


@dataclass(frozen=True, kw_only=True)
class InferSettings:
    """What an inference is asked.

    Attributes:
        run: what it shares with a run, one that trains nothing.
        sizes: of the batches.
        seconds: for how long each entrant is timed with batches of each size, in every round.
        weights: file of the parameters; None: the initial ones.

    Raises:
        Refused: a value that its option does not take.
    """

    run: Settings
    sizes: Sequence[int] = SIZES
    seconds: float = SECONDS
    weights: Path | None = None

    def __post_init__(self) -> None:
        if not self.sizes or len(set(self.sizes)) < len(self.sizes):
            raise Refused(f"batch sizes: {list(self.sizes)} are not one or more, each once")
        for size in self.sizes:
            COUNT.read(size)
        POSITIVE.read(self.seconds)
