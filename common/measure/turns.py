"""Whose epoch comes when."""

from __future__ import annotations

import numpy as np


def turns(entrants: int, epochs: int, seed: int) -> list[list[int]]:
    """Whose turn it is in each epoch: every entrant once, in a shuffled order.

    The machine's drift then hits all alike; the shuffle is seeded, so that a run repeats.
    """
    draw = np.random.default_rng([seed, entrants, epochs])
    return [draw.permutation(entrants).tolist() for _ in range(epochs)]
