"""A likely cause: its kind for whoever reads it by program, and words for the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why something is wrong.

    Attributes:
        kind: of cause, in a noun or two: "eps", "padding"; several are joined by " and ".
        words: "X where the original has Y".
        confirm: how to make sure.
    """

    kind: str
    words: str
    confirm: str

    def __str__(self) -> str:
        return f"likely {self.words}; to confirm, {self.confirm}"
