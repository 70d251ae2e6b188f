"""Source in columns, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

#: Narrower columns than this are shown one after another instead.
NARROWEST = 60

#: The width the files are written for.
WIDEST = 80

#: So many characters further in than its line goes on what is wrapped.
HANGING = 4


def show(found: Sequence[tuple[str, str]], console: Console) -> None:
    """Print columns of code; one after another where the console is narrow."""
    width = console.width // max(1, len(found)) - 3
    if (width < NARROWEST and len(found) > 1) or (not console.is_terminal and len(found) == 1):
        for title, code in found:
            console.print(Group(Rule(title, align="left"), _highlighted(code, console.width)))
        return
    table = Table(box=box.MINIMAL, pad_edge=False)
    for title, _ in found:
        table.add_column(title, width=min(width, WIDEST), no_wrap=False)
    table.add_row(*(_highlighted(code, min(width, WIDEST)) for _, code in found))
    console.print(table)


def _highlighted(code: str, width: int) -> Group:
    """Code in colours; what is wrapped hangs under its line's own indentation."""
    coloured = Syntax("", "python", theme="ansi_dark", background_color="default").highlight(code)
    return Group(*(part for line in coloured.split("\n") for part in _wrapped(line, width)))


def _wrapped(line: Text, width: int) -> list[Text]:
    """A line of code in pieces that fit, the further ones further in than it began."""
    line.rstrip()
    if line.cell_len <= width:
        return [line]
    inwards = min(len(line.plain) - len(line.plain.lstrip(" ")) + HANGING, width // 2)
    begun, rest = line.divide([inwards])
    pieces = rest.wrap(Console(width=width), width - inwards)
    first = Text.assemble(begun, pieces[0])
    found = [first, *(Text.assemble(" " * inwards, piece) for piece in pieces[1:])]
    for piece in found:
        piece.rstrip()
    return found
