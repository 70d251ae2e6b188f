"""A table of entrants that fits the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

#: What a table's edge and padding take from each column.
GAP = 3

#: A column of a table of entrants: name, side, what goes first as the terminal gets narrower
#: (0: never).
Column = tuple[str, str, int]


def fitted(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str | Text]],
    width: int,
    labels: Sequence[str],
) -> Table:
    """A table of entrants; on a narrow terminal the less important columns go."""
    # Labels and verdicts may be folded; the rest is shown whole or not at all.
    folded = {"entrant": 9, "verdict": len("interrupted")}
    needed = [
        min(folded.get(name, width), max(map(cell_len, map(str, (name, *cells)))))
        for (name, *_), *cells in zip(columns, *rows, strict=True)
    ]
    shown: list[int] = []
    spare = width
    for place in sorted(range(len(columns)), key=lambda place: columns[place][2]):
        if columns[place][2] and spare < needed[place] + GAP:
            break
        shown.append(place)
        spare -= needed[place] + GAP
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in sorted(shown):
        name, side, rank = columns[place]
        wanted = needed[place] + (max(0, spare // 2) if name == "entrant" else 0)
        table.add_column(
            name,
            justify=side,  # type: ignore[arg-type]
            no_wrap=rank > 0,
            min_width=min(wanted, max(map(len, labels))) if name == "entrant" else wanted,
            overflow="fold",
        )
    for cells in rows:
        table.add_row(*(cells[place] for place in sorted(shown)))
    return table
