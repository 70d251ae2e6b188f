"""What a grid leaves: `cells.json`, what each cell is, and `cell.json`, how one came to be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from common.errors import Refused
from common.results.document import Count, Natural, NotNegative, Positive, Sha256, Words

CELLS = "cells.json"

#: In the folder of each cell that was run.
CELL = "cell.json"


class Needs(Struct, frozen=True, kw_only=True):
    """What one cell takes of a machine; None: nothing was said.

    `exclusive` is a machine that nobody else uses, without which times say little.
    """

    cores: Count | None = None
    memory_gb: Positive | None = None
    minutes: Count | None = None
    gpus: Natural = 0
    exclusive: bool = True


class Cell(Struct, frozen=True, kw_only=True):
    """One comparison: `arguments` are those of `compare()`, `key` a digest of what decides it."""

    index: Natural
    arguments: dict[str, Any]
    needs: Needs
    key: Sha256


class Grid(Struct, frozen=True, kw_only=True):
    """cells.json: every cell, which arguments `vary`, and with what it was planned.

    `code` has a digest for each part of the code, `versions` those of packages.
    """

    schema_version: Literal[1] = 1
    vary: list[Words]
    code: dict[str, Sha256]
    versions: dict[str, Words]
    cells: Annotated[list[Cell], Meta(min_length=1)]

    def __post_init__(self) -> None:
        """Hold the cells to their places."""
        for place, cell in enumerate(self.cells):
            if cell.index != place:
                raise ValueError(f"cell {place} has the index {cell.index}")

    def cell(self, index: int) -> Cell:
        """A cell by its index.

        Raises:
            Refused: there is none.
        """
        if not 0 <= index < len(self.cells):
            raise Refused(f"--cell {index}: there are cells 0 to {len(self.cells) - 1}")
        return self.cells[index]

    def varied(self, cell: Cell) -> dict[str, Any]:
        """What a cell has of that which varies."""
        return {name: cell.arguments.get(name) for name in self.vary}

    def words(self, cell: Cell) -> str:
        """What varies, of a cell; all it is told where nothing does."""
        return words_of(self.varied(cell) or cell.arguments)


class Ran(Struct, frozen=True, kw_only=True):
    """cell.json: with what a cell was run, where, and what its run ended with."""

    key: Sha256
    code: dict[str, Sha256]
    versions: dict[str, Words]
    host: Words
    seconds: NotNegative
    exit_code: Natural


Kind = TypeVar("Kind", bound=Struct)


def read_grid(folder: Path) -> Grid:
    """Read cells.json of a grid's folder.

    Raises:
        Refused: there is none, or it is none.
    """
    try:
        return read_struct(folder / CELLS, Grid)
    except FileNotFoundError as cause:
        words = f"{folder} is no grid: it has no {CELLS}; `grid plan FILE --out {folder}` makes one"
        raise Refused(words) from cause


def read_struct(path: Path, kind: type[Kind]) -> Kind:
    """Read a JSON file of a kind.

    Raises:
        FileNotFoundError: there is none.
        Refused: it cannot be read as one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        raise
    except OSError as cause:
        raise Refused(f"{path} cannot be read: {cause.strerror}") from cause
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as cause:
        raise Refused(f"{path} cannot be read: {cause}") from cause


def words_of(arguments: Mapping[str, Any]) -> str:
    """Arguments in a row: model mlp, batch-size 32."""
    return ", ".join(f"{name.replace('_', '-')} {value_words(v)}" for name, v in arguments.items())


def value_words(value: Any) -> str:
    """One value, several in a row."""
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return "–" if value is None else str(value)
