"""What is left to `--thorough`, as tests/thorough.toml has it: cells for which others stand."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Choice:
    """What of a test is run each time.

    Attributes:
        left: patterns of the cells that are not.
        kept: patterns of the cells that are.
        stands: tests that are run for one that is left whole.
        why: they do.
    """

    left: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    stands: tuple[str, ...] = ()
    why: str = ""

    def leaves(self, cell: str) -> bool:
        """Whether a cell is left to `--thorough`."""
        if self.kept:
            return not any(fnmatchcase(cell, pattern) for pattern in self.kept)
        return bool(self.stands) or any(fnmatchcase(cell, pattern) for pattern in self.left)


def read(path: Path) -> Mapping[str, Choice]:
    """The choices, by file and test."""
    made: Mapping[str, Mapping[str, list[str] | str]] = tomllib.loads(path.read_text("utf-8"))
    return {
        name: Choice(**{k: v if isinstance(v, str) else tuple(v) for k, v in fields.items()})  # type: ignore[arg-type]
        for name, fields in made.items()
    }


CHOICES = read(Path(__file__).with_suffix(".toml"))


def name_of(node: str) -> str:
    """`tests/test_x.py::test_y[cell]` as `test_x::test_y`."""
    file, _, test = node.partition("::")
    return f"{Path(file).stem}::{test.partition('[')[0].partition('@')[0]}"


def cell_of(node: str) -> str:
    """What stands in a node's brackets."""
    return node.partition("[")[2].rpartition("]")[0]
