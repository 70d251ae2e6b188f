"""Chinese as it is set: a space between it and Latin letters, none within it, and its lines.

A translation cannot know which its values are, so that spaces are seen to where they are put in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from rich.cells import cell_len

#: A Chinese character or sign, at the end of a text and at its beginning.
WIDE = "[\u2e80-\u9fff\uff00-\uffef]"
WIDE_ENDS, WIDE_BEGINS = re.compile(f"{WIDE}$"), re.compile(WIDE)
#: A character alone, and a Latin letter or a digit.
CHARACTER_ENDS, CHARACTER_BEGINS = re.compile("[\u4e00-\u9fff]$"), re.compile("[\u4e00-\u9fff]")
LATIN_ENDS, LATIN_BEGINS = re.compile("[A-Za-z0-9]$"), re.compile("[A-Za-z0-9]")

#: What stays on one line: a Chinese character, or letters up to a space, and the sign behind it.
UNBROKEN = re.compile("\\s+|(?:[\u2e80-\uffef]|[^\\s\u2e80-\uffef]+)[，。；：、）]*")


def filled(text: str, values: Mapping[str, Any]) -> str:
    """A translation with its values, which stay as they are."""
    found = ""
    for before, name, how, _conversion in Formatter().parse(text):
        found = beside(found, before)
        if name is not None:
            found = beside(found, format(values[name], how or ""))
    return found


def beside(left: str, right: str) -> str:
    """Two parts of a text, and between them the space that belongs there."""
    if right.startswith(" ") and WIDE_ENDS.search(left) and WIDE_BEGINS.match(right.lstrip(" ")):
        right = right.lstrip(" ")
    elif left.endswith(" ") and WIDE_BEGINS.match(right) and WIDE_ENDS.search(left.rstrip(" ")):
        left = left.rstrip(" ")
    mixed = (CHARACTER_ENDS.search(left) and LATIN_BEGINS.match(right)) or (
        LATIN_ENDS.search(left) and CHARACTER_BEGINS.match(right)
    )
    return f"{left} {right}" if mixed else left + right


def wrapped(text: str, width: int) -> list[str]:
    """Lines of so many columns; Chinese breaks between any two characters, but before no sign."""
    lines = [""]
    for part in UNBROKEN.findall(text.strip()):
        if lines[-1] and cell_len(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part if lines[-1] else part.lstrip()
    return [line.rstrip() for line in lines]
