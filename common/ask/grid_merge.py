"""A grid's cells, from wherever they were run, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from common.errors import Refused
from common.results.folder import write_json
from common.results.grid import Grid
from common.results.grid_merged import Merged, Merging
from common.shown.grid_page import write


def merge(grid: Grid, folders: Sequence[Path], out: Path) -> Merged:
    """Read every cell, and write grid.json and grid.html.

    Args:
        grid: as it was planned.
        folders: copies of its folder; the first that has a cell counts.
        out: where both are written.

    Raises:
        Refused: a folder is none, or the files cannot be written.
    """
    for folder in folders:
        if not folder.is_dir():
            raise Refused(f"{folder} is no folder; name copies of the grid's")
    merged = Merging(grid, folders).merged()
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "grid.json", merged)
        write(merged, out)
    except OSError as cause:
        raise Refused(f"--out {out} cannot be written: {cause.strerror}") from cause
    return merged
