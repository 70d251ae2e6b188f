"""What both networks are given: inputs and labels, drawn from a seed or read from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.labels import IGNORED
from common.contract.net import Tensors
from common.contract.precision import cast_one
from common.errors import Refused
from common.measure.machine import free_memory_bytes
from common.modules.door import refuse_inputs

#: Numbers in one array: 4 GB of float32.
LARGEST = 10**9

_SHAPE = re.compile(r"([0-9]+(?:x[0-9]+)*)(?::(?:int,(?:([0-9]+),)?([0-9]+)|(bool)))?")

#: What the array of a file is called that is no input.
_LABELS = "labels"

#: The stream of a seed that labels are drawn from; inputs have those from 1 on.
_OF_LABELS = 0


@dataclass(frozen=True)
class Drawn:
    """An array to be drawn: normal numbers, whole ones, or truths.

    Attributes:
        shape: its sides.
        below: what whole numbers stay below; None: normal numbers.
        least: what whole numbers begin at.
        truths: whether it holds true and false.
    """

    shape: tuple[int, ...]
    below: int | None = None
    least: int = 0
    truths: bool = False

    def draw(self, seed: int, stream: int, dtype: str) -> Array:
        """Draw it; whole numbers are int64."""
        generator = np.random.default_rng([seed, stream])
        if self.truths:
            return generator.integers(0, 2, self.shape).astype(bool)
        if self.below is None:
            return generator.normal(size=self.shape).astype(dtype)
        return generator.integers(self.least, self.below, self.shape)


@dataclass(frozen=True, eq=False)
class Batch:
    """What both networks are given.

    Attributes:
        inputs: as the reference takes them.
        names: of the arguments that they are; None: they come in order.
        labels: as asked for.
    """

    inputs: Tensors
    names: tuple[str, ...] | None
    labels: Labels

    @property
    def pictures(self) -> bool:
        """Whether there are any among the inputs: four axes of floats."""
        return any(tensor.ndim == 4 and tensor.dtype.kind == "f" for tensor in self.inputs)


def read_batch(
    texts: Sequence[str], file: Path | None, labels: str | None, seed: int, dtype: str
) -> Batch:
    """Inputs and labels: of each SHAPE drawn, of each file what is in it.

    Args:
        texts: `32x1x28x28`, `16x20:int,1000` for tokens below 1000, `16x20:int,1,1000` for such
            from 1 on, `8x12:bool`, FILE.npy, or FILE.npz with several arrays in order; each
            behind `NAME=`, or none.
        file: FILE.npz with arrays by the names of the arguments, and `labels`, unless they are
            given.
        labels: CLASSES, the SHAPE of targets, FILE.npy or "none".
        seed: of what is drawn.
        dtype: of the floats.

    Raises:
        Refused: it is none of these; labels are missing.
    """
    found = _inputs(texts, seed, dtype)
    by_name = {} if file is None else _file("--inputs", str(file))
    if labels:
        read = read_labels(labels)
    elif _LABELS in by_name:
        array = _no_truths(f"--inputs {file}", by_name.pop(_LABELS))
        read = Labels(f"of {file}", array=array)
    else:
        raise Refused("--labels is missing; see compare.py check --help")
    found += by_name.items()
    if not found:
        raise Refused(f"--inputs {file} holds labels and no input")
    names = _names([name for name, _ in found])
    arrays = [one / np.float32(255) if one.dtype == np.uint8 else one for _, one in found]
    refuse_inputs(names or (f"input {i}" for i in range(len(arrays))), tuple(arrays))
    return Batch(tuple(cast_one(one, dtype) for one in arrays), names, read)


def _inputs(texts: Sequence[str], seed: int, dtype: str) -> list[tuple[str, Array]]:
    """What each `--input` names, behind its argument's name, which may be ""."""
    found: list[tuple[str, Array]] = []
    for text in texts:
        name, equals, what = text.partition("=")
        name, what = (name, what) if equals and name.isidentifier() else ("", text)
        if _is_file(what):
            arrays = [*_file("--input", what).values()]
        else:
            arrays = [_shape("--input", what).draw(seed, len(found) + 1, dtype)]
        if name and len(arrays) > 1:
            raise Refused(f"--input {text} has {len(arrays)} arrays; --inputs names each")
        found += ((name, one) for one in arrays)
    return found


def _names(names: Sequence[str]) -> tuple[str, ...] | None:
    """The names of inputs, if they have some."""
    if not any(names):
        return None
    for name in names:
        if not name:
            raise Refused("some inputs have names and some have none; give all as --input NAME=...")
        if not name.isidentifier():
            raise Refused(
                f"--inputs: no argument is called {name!r}; save arrays by the names of the "
                "arguments, or give --input FILE.npz, where they come in order"
            )
    if len(set(names)) < len(names):
        raise Refused(f"an input is given twice: {', '.join(names)}")
    return tuple(names)


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
        kept = found[found != IGNORED]
        if kept.size and not 0 <= int(kept.min()) <= int(kept.max()) < output.shape[-1]:
            raise self._refusal(
                f"classes {kept.min()} to {kept.max()} for outputs {output.shape}, the classes last"
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
        (array,) = found.values()
        return Labels(text, array=_no_truths(f"--labels {text}", array))
    drawn = _shape("--labels", text)
    if drawn.below is not None or drawn.truths:
        raise Refused(f"--labels {text}: give CLASSES, as 10, or the SHAPE of targets, as 32x3")
    if len(drawn.shape) == 1:
        return Labels(text, classes=drawn.shape[0])
    return Labels(text, drawn=drawn)


def _no_truths(where: str, array: Array) -> Array:
    """Refuse true and false as labels."""
    if array.dtype.kind == "b":
        raise Refused(f"{where} holds {array.dtype}; give classes or targets")
    return array


def _shape(option: str, text: str) -> Drawn:
    """Read a SHAPE."""
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise Refused(
            f"{option} {text[:80]!r} is no SHAPE, as 32x1x28x28, 16x20:int,1000 or 8x12:bool, and "
            "no file *.npy or *.npz"
        )
    shape = tuple(map(int, found[1].split("x")))
    least, below = int(found[2] or 0), None if found[3] is None else int(found[3])
    if not 0 < prod(shape) <= LARGEST:
        raise Refused(f"{option} {text[:80]!r}: {prod(shape)} numbers, not 1 to {LARGEST}")
    if (needed := 8 * prod(shape)) > (free := free_memory_bytes()):  # as they are drawn
        raise Refused(
            f"{option} {text[:80]!r} takes {needed / 1e9:.3g} GB of memory at least, and "
            f"{free / 1e9:.3g} are free"
        )
    if below is not None and not 0 <= least < below <= LARGEST:
        raise Refused(
            f"{option} {text[:80]!r}: a vocabulary of {below - least}, not 1 to {LARGEST}"
        )
    return Drawn(shape, below, least, truths=found[4] is not None)


def _is_file(text: str) -> bool:
    return text.endswith((".npy", ".npz"))


def _file(option: str, text: str) -> Arrays:
    """The arrays in a file of NumPy's, without unpickling anything; "" is the only one's name."""
    path = Path(text)
    try:
        with path.open("rb") as file:
            read: Any = np.load(file, allow_pickle=False)
            arrays = dict(read) if hasattr(read, "files") else {"": read}
    except OSError as cause:
        raise Refused(f"{option} {text} cannot be read: {cause.strerror or cause}") from cause
    except Exception as cause:  # whatever a damaged file makes NumPy and zipfile raise
        raise Refused(f"{option} {text} is no such file of arrays of numbers: {cause}") from cause
    for array in arrays.values():
        if array.dtype.kind not in "fiub" or not array.size:
            raise Refused(f"{option} {text} holds {array.dtype} {array.shape}, no numbers")
    return {
        name: array.astype(array.dtype.newbyteorder("="), copy=False)
        for name, array in arrays.items()
    }
