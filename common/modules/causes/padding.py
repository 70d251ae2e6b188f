"""A convolution that pads otherwise: at the other side, or with something else than zeros.

The reference is asked with the picture padded already, and its answer cut to size: what it pads
itself is then outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product

import numpy as np

from common.contract.arrays import Array
from common.modules.causes.case import Batch, Case, Guess
from common.modules.expected import Name

#: So many pixels are put before the picture, and so many rows of the answer cut off, at most.
MOST = 4

#: What NumPy calls it, and what it is called.
MODES = {
    "edge": "the edge's own pixels",
    "reflect": "the picture turned round at its edge",
    "wrap": "the picture's other side",
}


def padding_guesses(case: Case) -> Iterator[Guess]:
    """Other places and other values of the padding."""
    batch, tensor = case.batches[0], case.tensors[0]
    name = tensor.names[0]
    shape, out = batch.asked.inputs[0].shape, batch.right[name].shape
    if len(shape) < 3 or len(shape) != len(out):
        return
    for axes in (range(2, len(shape)), range(1, len(shape) - 1)):
        for some in {tuple(axes), *((axis,) for axis in axes)}:
            stride = max(1, round(shape[some[0]] / out[some[0]]))
            for before, cut in product(range(MOST + 1), range(MOST + 1)):
                further = before - stride * cut
                if further:
                    ways = ("more", "less") if further > 0 else ("less", "more")
                    pixels = f"{abs(further)} pixel{'s' if abs(further) > 1 else ''}"
                    where = "the picture" if len(some) > 1 else f"axis {some[0]} begins"
                    yield Guess(
                        "padding",
                        f"{pixels} {ways[0]} padding before {where} where the original has "
                        f"{abs(further)} {ways[1]}",
                        "compare both paddings: with a stride, 'SAME' puts more at the end, and "
                        "a number as much at either end",
                        partial(padded, name, some, before, cut, "constant"),
                    )
        for mode, words in MODES.items():
            axis = axes[0]
            stride = max(1, round(shape[axis] / out[axis]))
            for cut in range(1, MOST + 1):
                yield Guess(
                    "padded with",
                    f"padding with {words} where the original pads with zeros",
                    "compare the padding modes",
                    partial(padded, name, tuple(axes), cut * stride, cut, mode),
                )


def padded(
    name: Name, axes: tuple[int, ...], before: int, cut: int, mode: str, batch: Batch
) -> Mapping[Name, Array]:
    """The reference's answer to the padded picture, cut to size."""
    first, *rest = batch.asked.inputs
    pads = [(before, before + MOST) if axis in axes else (0, 0) for axis in range(first.ndim)]
    options = {"mode": mode}
    made = batch.with_inputs((np.pad(first, pads, **options), *rest))[name]  # type: ignore[call-overload]
    size = batch.right[name].shape
    ranges = tuple(
        slice(cut, cut + size[axis]) if axis in axes else slice(None) for axis in range(made.ndim)
    )
    return {name: made[ranges]}
