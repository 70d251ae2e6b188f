"""What may have been meant by a word that is unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

#: How alike two words are, 0 to 1, of which one may have been meant by the other.
ALIKE = 0.7

NOTHING: Mapping[str, str] = {}


def meant(word: str, known: Iterable[str], also: Mapping[str, str] = NOTHING) -> str:
    """A question to go behind a refusal, "; did you mean torch?"; empty if nothing is near.

    Args:
        word: that is unknown.
        known: words that are not.
        also: what others call one of those -> that one.
    """
    names = {other.lower(): name for other, name in also.items()}
    names |= {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), names, 1, ALIKE)
    return f"; did you mean {names[near[0]]}?" if near else ""
