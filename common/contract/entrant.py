"""One row of a comparison, and what its words mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entrant:
    """One row of a comparison: a backend and the three choices made for it."""

    label: str
    slug: str
    backend: str
    style: str
    mode: str
    data: str
    stock: bool = False
    notes: tuple[str, ...] = ()
