"""Source in columns, on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

#: Narrower columns than this are shown one after another instead.
NARROWEST = 60

#: The width the files are written for.
WIDEST = 80


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


def _highlighted(code: str, width: int) -> Syntax:
    return Syntax(
        code,
        "python",
        theme="ansi_dark",
        background_color="default",
        code_width=width,
        word_wrap=True,
    )
