"""What a data set is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.data import idx
from common.data.files import RAW, Digests

FASHION_MNIST = "Fashion-MNIST"

CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


@dataclass(frozen=True)
class Dataset:
    """A data set that has been checked, in the cache.

    Attributes:
        name: "Fashion-MNIST" or "custom".
        source: what served the files, in words.
        folder: holds FashionMNIST/raw/ with the four plain IDX files, so it is torchvision's
            `root`; `raw` is what MindSpore's `FashionMnistDataset` takes (if side is 28).
        sha256: file name -> digest of the original file's unpacked bytes, before any resize.
        side: rows, and columns, of the images in `folder`.
        train_examples, test_examples: how many there are.
    """

    name: str
    source: str
    folder: Path
    sha256: Digests
    side: int
    train_examples: int
    test_examples: int

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names; none are known of custom data."""
        return names_of(self.name)

    @property
    def raw(self) -> Path:
        """The folder that holds the four files themselves."""
        return self.folder / RAW

    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images (N, side²) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TRAIN)

    def test(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test images (N, side²) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TEST)

    def _pair(self, names: tuple[str, str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images, labels = names
        return idx.read_images(self.raw / images), idx.read_labels(self.raw / labels)


def names_of(dataset: str) -> tuple[str, ...]:
    """The classes' names of a data set by its name; none are known of custom data."""
    return CLASSES if dataset == FASHION_MNIST else ()
