"""What was found of a planted error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """Of one error in one kind of module, or of functions.

    Attributes:
        placed: whether it was found at its place.
        cause: "right", "none" or "WRONG".
        said: the cause in words, or what was said instead of the place.
    """

    placed: bool
    cause: str
    said: str
