"""What is expected of a part, as a kit has it: rows of numbers, and nobody to be asked for more."""

from __future__ import annotations

from typing import Any

import numpy as np

from common.contract.arrays import Array
from common.contract.net import Answer, Asked
from common.errors import Refused
from common.modules.design import Design
from common.modules.expected import NOISE_DRAWS, Expectation, Name


class Kept(Expectation):
    """What is expected of a part, as a kit has it."""

    def __init__(self, asked: Asked, dtype: str, rows: list[list[Any]]) -> None:
        super().__init__(Nobody(), asked, dtype)
        self._rows = {name_of(row[0]): row[1:] for row in rows}
        self.exact = {name: row[0] for name, row in self._rows.items()}
        self.own = {name: row[3] for name, row in self._rows.items() if len(row) > 2}

    def is_constant(self, name: Name) -> bool:
        """As `Expectation.is_constant`, of what arrives; of anything else it was not asked."""
        return bool(self._rows[name][1])

    def by_design(self, design: Design) -> Expectation:
        """As `Expectation.by_design`; that buffer alone."""
        name = "buffer", design.name
        exact, constant, sensitivity, own, noise = self._rows[name]
        old, most = self.asked.values[design.name], max(1.0, design.factor)
        others = design.of(exact, old.astype("float64")), most * sensitivity, design.of(own, old)
        return Kept(
            self.asked, self.dtype, [[name, others[0], constant, *others[1:], most * noise]]
        )

    def sensitivity(self, name: Name) -> Array:
        """As `Expectation.sensitivity`."""
        found: Array = self._rows[name][2].astype("float64")
        return found

    def noise(self, name: Name, draws: int = NOISE_DRAWS) -> Array:
        """As `Expectation.noise`: the largest, of as many draws as were made."""
        return np.array(float(self._rows[name][4]))

    def kinks(self, name: Name) -> float:
        """As `Expectation.kinks`; 0 of a kit that was written before it was asked."""
        return float((*self._rows[name], 0.0)[5])


class Nobody:
    """Who is asked where everything is known."""

    def run(self, asked: Asked) -> Answer:
        """Refuse."""
        raise Refused("a kit has no network to be asked; write it again with this version")


def plain_name(name: Name) -> list[Any]:
    """A tensor's name as JSON has it."""
    return [list(part) if isinstance(part, tuple) else part for part in name]


def name_of(plain: list[Any]) -> Name:
    """A tensor's name."""
    return tuple(tuple(part) if isinstance(part, list) else part for part in plain)
