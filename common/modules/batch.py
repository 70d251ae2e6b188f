"""What both networks are given: inputs and labels, drawn from a seed or read from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, cast_one
from common.contract.net import Tensors
from common.errors import Refused

#: Numbers in one array: 4 GB of float32.
LARGEST = 10**9

_SHAPE = re.compile(r"([0-9]+(?:x[0-9]+)*)(?::int,([0-9]+))?")

#: The stream of a seed that labels are drawn from; inputs have those from 1 on.
_OF_LABELS = 0


@dataclass(frozen=True)
class Drawn:
    """An array to be drawn: normal numbers, or whole ones from 0 on.

    Attributes:
        shape: its sides.
        below: what whole numbers stay below; None: normal numbers.
    """

    shape: tuple[int, ...]
    below: int | None = None

    def draw(self, seed: int, stream: int, dtype: str) -> Array:
        """Draw it; whole numbers are int64."""
        generator = np.random.default_rng([seed, stream])
        if self.below is None:
            return generator.normal(size=self.shape).astype(dtype)
        return generator.integers(0, self.below, self.shape)


def read_inputs(texts: Sequence[str], seed: int, dtype: str) -> Tensors:
    """The inputs of a network: of each SHAPE drawn, of each file what is in it.

    Args:
        texts: `32x1x28x28`, `16x20:int,1000` for tokens below 1000, FILE.npy, or FILE.npz with
            several arrays in order.
        seed: of what is drawn.
        dtype: of the floats.

    Raises:
        Refused: it is neither.
    """
    found: list[Array] = []
    for text in texts:
        if _is_file(text):
            found += (cast_one(one, dtype) for one in _file("--input", text))
        else:
            found.append(_shape("--input", text).draw(seed, len(found) + 1, dtype))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels that were asked for: what fits them is known once the outputs are.

    Attributes:
        text: as written.
        array: from a file.
        drawn: targets to be drawn.
        classes: how many there are, to be drawn.
    """

    text: str
    array: Array | None = None
    drawn: Drawn | None = None
    classes: int | None = None

    def of(self, outputs: Tensors, seed: int, dtype: str) -> Array | None:
        """The labels for a network's outputs; None: there are to be none.

        Args:
            outputs: classes last, or anything that targets are held against.
            seed: of what is drawn.
            dtype: of targets.

        Raises:
            Refused: they do not fit.
        """
        if self.text == "none":
            return None
        if len(outputs) != 1:
            raise self._refusal(f"the reference returns {len(outputs)} tensors, its loss takes one")
        (output,) = outputs
        if self.classes is not None:
            if not output.ndim or output.shape[-1] < self.classes:
                raise self._refusal(f"the reference returns {output.shape}, the classes last")
            return Drawn(output.shape[:-1], self.classes).draw(seed, _OF_LABELS, dtype)
        found = self.array if self.drawn is None else self.drawn.draw(seed, _OF_LABELS, dtype)
        assert found is not None
        if found.dtype.kind == "f":
            if found.shape != output.shape:
                raise self._refusal(f"targets {found.shape} for outputs {output.shape}")
            return found.astype(dtype)
        if found.shape != output.shape[:-1]:
            raise self._refusal(f"classes {found.shape} for outputs {output.shape}")
        if found.size and not 0 <= int(found.min()) <= int(found.max()) < output.shape[-1]:
            raise self._refusal(
                f"classes {found.min()} to {found.max()} for outputs {output.shape}, the classes "
                "last"
            )
        return found

    def _refusal(self, words: str) -> Refused:
        return Refused(f"--labels {self.text}: {words}; none judges the layers alone")


def read_labels(text: str) -> Labels:
    """Read `--labels`: CLASSES, the SHAPE of targets, FILE.npy, or none.

    Raises:
        Refused: it is none of them.
    """
    if text == "none":
        return Labels(text)
    if _is_file(text):
        found = _file("--labels", text)
        if len(found) != 1:
            raise Refused(f"--labels {text} has {len(found)} arrays; one is needed")
        if found[0].dtype.kind == "b":
            raise Refused(f"--labels {text} holds {found[0].dtype}; give classes or targets")
        return Labels(text, array=found[0])
    drawn = _shape("--labels", text)
    if drawn.below is not None:
        raise Refused(f"--labels {text}: give CLASSES, as 10, or the SHAPE of targets, as 32x3")
    if len(drawn.shape) == 1:
        return Labels(text, classes=drawn.shape[0])
    return Labels(text, drawn=drawn)


def _shape(option: str, text: str) -> Drawn:
    """Read a SHAPE."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise Refused(
            f"{option} {text[:80]!r} is no SHAPE, as 32x1x28x28 or 16x20:int,1000, and no file "
            "*.npy or *.npz"
        )
    shape = tuple(map(int, found[1].split("x")))
    below = None if found[2] is None else int(found[2])
    if not 0 < prod(shape) <= LARGEST:
        raise Refused(f"{option} {text[:80]!r}: {prod(shape)} numbers, not 1 to {LARGEST}")
    if below is not None and not 0 < below <= LARGEST:
        raise Refused(f"{option} {text[:80]!r}: a vocabulary of {below}, not 1 to {LARGEST}")
    return Drawn(shape, below)


def _is_file(text: str) -> bool:
    return text.endswith((".npy", ".npz"))


def _file(option: str, text: str) -> list[Array]:
    """The arrays in a file of NumPy's, without unpickling anything."""
    path = Path(text)
    try:
        with path.open("rb") as file:
            read: Any = np.load(file, allow_pickle=False)
            arrays = [read[name] for name in read.files] if hasattr(read, "files") else [read]
    except OSError as cause:
        raise Refused(f"{option} {text} cannot be read: {cause.strerror or cause}") from cause
    except Exception as cause:  # whatever a damaged file makes NumPy and zipfile raise
        raise Refused(f"{option} {text} is no such file of arrays of numbers: {cause}") from cause
    for array in arrays:
        if array.dtype.kind not in "fiub" or not array.size:
            raise Refused(f"{option} {text} holds {array.dtype} {array.shape}, no numbers")
    return [array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays]
