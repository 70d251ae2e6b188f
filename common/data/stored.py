"""An array in a file, read from its beginning, some rows at a time: never whole in memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from common.errors import Refused

Shape = tuple[int, ...]

#: Bytes that are read at once, about.
BLOCK = 1 << 20

#: Values of one row at most: of a picture of 4096 x 4096 pixels, or one of 2364 x 2364 in colour.
LARGEST_ROW = 1 << 24


@dataclass(frozen=True)
class Stored:
    """An array in a file; its values follow one another in C order.

    Attributes:
        name: the file, and the array in it, for messages.
        dtype: of its values, byte order and all.
        shape: what its header says.
        opened: opens the file at the first value; refuses what it cannot read.
    """

    name: str
    dtype: np.dtype[Any]
    shape: Shape
    opened: Callable[[], AbstractContextManager[BinaryIO]]

    @property
    def words(self) -> str:
        """Type and shape in words: int32 of shape (300, 8)."""
        return f"{self.dtype.name} of shape {self.shape}"

    def check_row(self) -> None:
        """Refuse rows that are longer than anything that can be trained on."""
        if math.prod(self.shape[1:]) > LARGEST_ROW:
            raise Refused(
                f"{self.name}: {self.words}, and {LARGEST_ROW} values are the most that one may "
                "have; make them smaller"
            )

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Its rows in order, some at a time: (n, ...).

        Raises:
            Refused: the file ends before, or goes on after what its header says; rows too long.
        """
        self.check_row()
        row, rest = math.prod(self.shape[1:]) * self.dtype.itemsize, self.shape[0]
        with self.opened() as file:
            while rest:
                rows = min(rest, max(1, BLOCK // row))
                read = file.read(rows * row)
                if len(read) < rows * row:
                    raise Refused(
                        f"{self.name}: truncated, it ends {rest * row - len(read)} bytes before "
                        f"its header says ({self.words}); fetch it again"
                    )
                yield np.frombuffer(read, self.dtype).reshape(rows, *self.shape[1:])
                rest -= rows
            if file.read(1):
                raise Refused(
                    f"{self.name}: too long, it goes on after what its header says "
                    f"({self.words}); fetch it again"
                )
