"""What a network computes, operation by operation, and where its code asks for it."""

from __future__ import annotations

import linecache
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from common.contract.arrays import Array
from common.contract.root import ROOT

#: So many characters of an expression are shown.
MOST_SHOWN = 120

#: So many numbers are kept of one run: those of a ResNet-18 on eight pictures of 32 x 32.
MOST_NUMBERS = 2**24

OWN = tuple(f"{ROOT / folder}/" for folder in ("backends", "common"))


@dataclass(frozen=True)
class Site:
    """An expression in somebody's code.

    Attributes:
        file: its path.
        function: that it stands in.
        lines, columns: first and last; columns in bytes of UTF-8, None where nobody knows.
    """

    file: str
    function: str
    lines: tuple[int, int]
    columns: tuple[int | None, int | None]

    @property
    def code(self) -> str:
        """The expression, in one line; all of its lines, if its columns are not known."""
        first, last = self.lines
        lines = [linecache.getline(self.file, n).encode() for n in range(first, last + 1)]
        begin, end = self.columns
        if lines and begin is not None and end is not None:
            lines[-1] = lines[-1][:end]
            lines[0] = lines[0][begin:]
        text = " ".join(b"".join(lines).decode(errors="replace").split())
        return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."

    def __str__(self) -> str:
        where = f"{Path(self.file).name}:{self.lines[0]}"
        return f"`{self.code}` ({where})" if self.code else where


@dataclass(frozen=True, eq=False)
class Operation:
    """A tensor that was given, or made of others.

    Attributes:
        name: what the framework calls the operation; "" of what was given.
        value: the tensor.
        of: which of the tensors before it was made of, by their place in the list.
        given: what was given: a leaf's name, or "the inputs"; None of what was made.
        site: whose expression made it; None where nobody's did.
    """

    name: str
    value: Array
    of: tuple[int, ...] = ()
    given: str | None = None
    site: Site | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """A run of a network.

    Attributes:
        operations: in the order in which they were made; what was given first.
        outputs: which of them it returned.
    """

    operations: tuple[Operation, ...] = ()
    outputs: tuple[int, ...] = ()


#: What is given beside the leaves.
INPUTS = "the inputs"


def site_of(frames: Iterable[tuple[CodeType, int]], libraries: tuple[str, ...]) -> Site | None:
    """The innermost expression that is neither a library's nor this project's.

    Args:
        frames: code and the offset of its last instruction, the innermost first.
        libraries: folders whose code is passed by; Python's own is, too.
    """
    stdlib, installed = (sysconfig.get_path(name) for name in ("stdlib", "purelib"))
    for code, at in frames:
        file = code.co_filename
        in_python = file.startswith(stdlib) and not file.startswith(installed)
        if in_python or file.startswith((*libraries, *OWN, "<frozen")):
            continue
        first, last, begin, end = list(code.co_positions())[at // 2]
        if first is not None and last is not None:
            return Site(file, code.co_name, (first, last), (begin, end))
    return None
