"""The data sets that are known by name: their files' digests, their classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from common.data import idx
from common.data.idx import Facts


@dataclass(frozen=True)
class Known:
    """A data set that is known.

    Attributes:
        option: what `--dataset` and the cache call it.
        name: what people call it.
        facts: file name -> shape and digest of the genuine file, unpacked (gzip files of the same
            data differ among hosts).
        classes: their names.
    """

    option: str
    name: str
    facts: Mapping[str, Facts]
    classes: tuple[str, ...]

    @property
    def digests(self) -> dict[str, str]:
        """File name -> SHA-256 of its unpacked bytes."""
        return {name: fact.sha256 for name, fact in self.facts.items()}

    def difference(self, files: Mapping[str, Path], facts: Mapping[str, Facts]) -> str | None:
        """Say in words how the first file that is not genuine differs; None if all are."""
        for name, wanted in self.facts.items():
            found = facts[name]
            if found.shape != wanted.shape:
                return f"{files[name]}: shape {found.shape}, {self.name}'s is {wanted.shape}"
            if found.sha256 != wanted.sha256:
                return (
                    f"{files[name]}: not {self.name}'s, "
                    f"SHA-256 {found.sha256[:12]}... instead of {wanted.sha256[:12]}..."
                )
        return None


def _facts(train: int, test: int, *sha256: str) -> dict[str, Facts]:
    """Facts of pictures of 28 x 28, and of labels: so many, and the digests of the four files."""
    counts = {name: train if name in idx.TRAIN else test for name in idx.FILES}
    return {
        name: Facts((counts[name], 28, 28) if magic == idx.IMAGES_MAGIC else (counts[name],), sha)
        for (name, magic), sha in zip(idx.FILES.items(), sha256, strict=True)
    }


FASHION_MNIST = Known(
    "fashion-mnist",
    "Fashion-MNIST",
    _facts(
        60000,
        10000,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    (
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
    ),
)

KNOWN = {one.option: one for one in (FASHION_MNIST,)}
