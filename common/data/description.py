"""What a data set is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.contract.inputs import Inputs
from common.data import idx
from common.data.content import Digests
from common.data.files import RAW


@dataclass(frozen=True)
class Dataset:
    """A data set that has been checked, in the cache.

    Attributes:
        name: "Fashion-MNIST" or another that is known, or "custom".
        source: what served the files, in words.
        folder: holds FashionMNIST/raw/ with the four plain IDX files, so it is torchvision's
            `root`; `raw` is what MindSpore's `FashionMnistDataset` takes (of 28 x 28 pixels).
        sha256: file name -> digest of the original file's unpacked bytes, before anything was
            done to them; of pictures in folders, folder -> digest of the lines that `sha256sum`
            prints of them in their order.
        inputs: what one image in `folder` is.
        classes: their names; numbers if nobody gave any, as many as the training labels need.
        train_examples, test_examples: how many there are.
        notes: what was done to the files' values, as a person is told.
    """

    name: str
    source: str
    folder: Path
    sha256: Digests
    inputs: Inputs
    classes: tuple[str, ...]
    train_examples: int
    test_examples: int
    notes: tuple[str, ...] = ()

    @property
    def raw(self) -> Path:
        """The folder that holds the four files themselves."""
        return self.folder / RAW

    def train(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Training images (N, features) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TRAIN)

    def test(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test images (N, features) and labels (N,): uint8, mapped into memory, read-only."""
        return self._pair(idx.TEST)

    def _pair(self, names: tuple[str, str]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        images, labels = names
        return idx.read_images(self.raw / images), idx.read_labels(self.raw / labels)
