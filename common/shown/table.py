"""A table of entrants that fits the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from common.locale.language import _
from common.shown.words import DASH

#: What a table's edge and padding take from each column.
GAP = 3

Row = TypeVar("Row")


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table of entrants.

    Attributes:
        name: at its head.
        side: left or right.
        rank: what goes first as the terminal gets narrower, the largest; 0 never goes.
        cell: what it says of a row.
    """

    name: str
    side: Literal["left", "right"]
    rank: int
    cell: Callable[[Row], str | Text]


def fitted(columns: Sequence[Column[Row]], rows: Sequence[Row], width: int) -> Table:
    """A table of entrants, their labels first; on a narrow terminal the less important go.

    A column that says nothing of anybody goes first: who learns a line has no accuracy.
    """
    cells = [[column.cell(row) for row in rows] for column in columns]
    silent = {place for place, said in enumerate(cells) if said and set(map(str, said)) == {DASH}}
    heads = [_(column.name) for column in columns]
    # Labels and verdicts may be folded; the rest is shown whole or not at all.
    folded = {"entrant": 9, "verdict": max(len("interrupted"), cell_len(_("rounding")))}
    needed = [
        min(folded.get(column.name, width), max(map(cell_len, map(str, (head, *of_column)))))
        for column, head, of_column in zip(columns, heads, cells, strict=True)
    ]
    shown: list[int] = []
    spare = width
    for place in sorted(range(len(columns)), key=lambda place: columns[place].rank):
        if place in silent:
            continue
        if columns[place].rank and spare < needed[place] + GAP:
            break
        shown.append(place)
        spare -= needed[place] + GAP
    shown.sort()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in shown:
        column, wanted = columns[place], needed[place]
        if column.name == "entrant":
            wanted = min(
                wanted + max(0, spare // 2), max(map(cell_len, map(str, cells[place])), default=0)
            )
        table.add_column(
            heads[place],
            justify=column.side,
            no_wrap=column.rank > 0,
            min_width=wanted,
            overflow="fold",
        )
    for row in zip(*(cells[place] for place in shown), strict=True):
        table.add_row(*row)
    return table
