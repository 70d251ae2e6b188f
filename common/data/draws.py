"""Everything random, drawn once by the parent: weights, orders, the synthetic data.

Each draw has a generator of its own, seeded by (seed, purpose, ...), so that no draw
depends on which others were made before it.
"""

from __future__ import annotations

import math

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.axes import Sizes
from common.contract.models import Model, Shape
from common.contract.precision import cast_one

_WEIGHTS, _ORDER, _SYNTHETIC = 1, 2, 3

#: What `linear` has to find (Dive into Deep Learning, 3.2.1).
TRUE_WEIGHT = np.array([2.0, -3.4])

TRUE_BIAS = 4.2

#: Parameters of normalisations that start at one.
ONES = ("scale", "variance")

SYNTHETIC_EXAMPLES = 1000

SYNTHETIC_NOISE = 0.01


def parameters(
    model: Model, shape: Shape, hidden: int, classes: int, seed: int, dtype: str
) -> Arrays:
    """Draw the initial parameters: weights as the model says, in float64, the rest zero or one.

        normal    N(0, 0.01²), as for the book's linear networks and perceptrons
        xavier    U(-a, a), a² = 6 / (fan in + fan out): Glorot and Bengio, 2010; the book, 4.8.2.2

    Rounded once to `dtype`; names and axes are neutral.
    """
    draw = np.random.default_rng([seed, _WEIGHTS])
    weigh = {"normal": _normal, "xavier": _xavier}[model.initial]
    arrays = {}
    for name, sizes in model.axes(shape, hidden, classes).items():
        size = tuple(sizes.values())
        part = name.rpartition(".")[2]
        values = weigh(draw, sizes) if part == "weight" else np.full(size, float(part in ONES))
        arrays[name] = cast_one(values, dtype)
    return arrays


def _normal(draw: np.random.Generator, sizes: Sizes) -> Array:
    return draw.normal(0.0, 0.01, tuple(sizes.values()))


def _xavier(draw: np.random.Generator, sizes: Sizes) -> Array:
    """A number of the output is a sum over all axes but "out"; one of a picture goes into a window
    of outputs, one that is flattened into all of them.
    """
    fan_in = math.prod(size for axis, size in sizes.items() if axis != "out")
    fan_out = math.prod(size for axis, size in sizes.items() if axis in ("height", "width", "out"))
    reach = math.sqrt(6 / (fan_in + fan_out))
    return draw.uniform(-reach, reach, tuple(sizes.values()))


def order(seed: int, epoch: int, examples: int, batch_size: int, drop_last: bool) -> Array:
    """Draw the order of one epoch: int32, a permutation of `range(examples)`.

    It depends on (seed, epoch) alone. `drop_last` cuts the short last batch off.
    """
    permutation = np.random.default_rng([seed, _ORDER, epoch]).permutation(examples)
    length = examples - examples % batch_size if drop_last else examples
    return permutation[:length].astype(np.int32)


def synthetic(seed: int, dtype: str) -> tuple[Array, Array]:
    """Draw y = Xw + b + noise: X (1000, 2) from N(0, 1), noise N(0, 0.01²), y (1000, 1)."""
    draw = np.random.default_rng([seed, _SYNTHETIC])
    features = draw.normal(0.0, 1.0, (SYNTHETIC_EXAMPLES, len(TRUE_WEIGHT)))
    noise = draw.normal(0.0, SYNTHETIC_NOISE, SYNTHETIC_EXAMPLES)
    targets = features @ TRUE_WEIGHT + TRUE_BIAS + noise
    return cast_one(features, dtype), cast_one(targets, dtype)[:, None]


def least_squares(features: Array, targets: Array) -> tuple[Array, float]:
    """Solve `linear` exactly: the (w, b) that minimise ‖Xw + b - y‖², in float64.

    The book's w = (XᵀX)⁻¹Xᵀy with a column of ones for b, by a method that does not
    square the condition number.
    """
    ones = np.ones((len(features), 1))
    solution, *_ = np.linalg.lstsq(np.hstack([features, ones]), targets[:, 0], rcond=None)
    return solution[:-1], float(solution[-1])
