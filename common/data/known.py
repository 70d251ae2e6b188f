"""The data sets that are known by name: their files' digests, their classes, where to find them."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from common.data import cifar, idx
from common.data.idx import Facts
from common.data.stored import Shape
from common.data.wrapping import is_packed, open_unpacked, reading


@dataclass(frozen=True)
class Sum:
    """A digest that a genuine file has.

    Attributes:
        algorithm: "sha256" or "md5", as hashlib calls them.
        digest: hexadecimal.
        packed: it is of the .gz file, not of the bytes in it.
    """

    algorithm: str
    digest: str
    packed: bool = False

    @property
    def words(self) -> str:
        """What it is of, in words."""
        return {"sha256": "SHA-256", "md5": "MD5"}[self.algorithm] + " of the .gz" * self.packed

    def of(self, path: Path, facts: Facts | None = None) -> str:
        """The digest that a file has, from what was found in it already if that is enough."""
        if facts and self.algorithm == "sha256" and not self.packed:
            return facts.sha256
        with reading(path), path.open("rb") if self.packed else open_unpacked(path) as file:
            # Against accidents: where it is MD5, nothing stronger is published.
            sha = hashlib.new(self.algorithm, usedforsecurity=False)
            while chunk := file.read(1 << 20):
                sha.update(chunk)
        return sha.hexdigest()


@dataclass(frozen=True)
class Genuine:
    """What a genuine file is: its shape, and digests of which one is enough."""

    shape: Shape
    sums: tuple[Sum, ...]


@dataclass(frozen=True)
class Archive:
    """An archive with all files in it.

    Attributes:
        name: of the file.
        sha256: of its bytes.
        files: in it, by the last part of their names.
        megabytes: of the download.
    """

    name: str
    sha256: str
    files: tuple[str, ...]
    megabytes: int


@dataclass(frozen=True)
class Known:
    """A data set that is known.

    Attributes:
        option: what `--dataset` and the cache call it.
        name: what people call it.
        classes: their names.
        files: file name -> what the genuine IDX file is; none for a set in another form.
        prefix: before the files' names.
        raw: folder below a given one where they may be, too, as torchvision arranges them.
        lying: rows and columns of its images are exchanged.
        archive: that holds the files, if it comes in one.
        addresses: that serve the archive, or each file as <name>.gz.
        places: folders where other tools leave the files.
        package: of Debian's, that has them.
    """

    option: str
    name: str
    classes: tuple[str, ...]
    files: Mapping[str, Genuine] = field(default_factory=dict)
    prefix: str = ""
    raw: str = ""
    lying: bool = False
    archive: Archive | None = None
    addresses: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    package: str | None = None

    @property
    def digests(self) -> dict[str, str] | None:
        """File name -> SHA-256 of its unpacked bytes; None if one of them is not known."""
        found = {
            name: one.digest
            for name, genuine in self.files.items()
            for one in genuine.sums
            if one.algorithm == "sha256" and not one.packed
        }
        return found if found and found.keys() == self.files.keys() else None

    @property
    def wanted(self) -> str:
        """What somebody has to put in a folder, in words."""
        if self.archive:
            return self.archive.name
        return f"{', '.join(self.files)}, plain or .gz,"

    def difference(self, files: Mapping[str, Path], facts: Mapping[str, Facts]) -> str | None:
        """Say in words how the first file that is not genuine differs; None if all are."""
        for name, genuine in self.files.items():
            found, path = facts[name], files[name]
            if found.shape != genuine.shape:
                return f"{path}: shape {found.shape}, {self.name}'s is {genuine.shape}"
            sums = [one for one in genuine.sums if not one.packed or is_packed(path)]
            if not sums:
                return f"{path}: is unpacked, and only the digest of its .gz is known; give that"
            digests = [one.of(path, found) for one in sums]
            if not any(one.digest == digest for one, digest in zip(sums, digests, strict=True)):
                return (
                    f"{path}: not {self.name}'s, {sums[0].words} {digests[0][:12]}... "
                    f"instead of {sums[0].digest[:12]}..."
                )
        return None


def _pictures(train: int, test: int, *sums: tuple[Sum, ...]) -> dict[str, Genuine]:
    """So many pictures of 28 x 28, and their labels; the digests of the four files."""
    found = {}
    for (name, magic), of in zip(idx.FILES.items(), sums, strict=True):
        count = train if name in idx.TRAIN else test
        found[name] = Genuine((count, 28, 28) if magic == idx.IMAGES_MAGIC else (count,), of)
    return found


def _unpacked(digest: str) -> tuple[Sum, ...]:
    return (Sum("sha256", digest),)


FASHION_MNIST = Known(
    "fashion-mnist",
    "Fashion-MNIST",
    (
        "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag",
        "ankle boot",
    ),
    _pictures(
        60000,
        10000,
        _unpacked("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        _unpacked("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        _unpacked("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        _unpacked("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ),
    raw="FashionMNIST/raw",
    # Its authors' repository, Keras, and its authors' bucket, which has no https; the digests
    # make up for that.
    addresses=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    # Debian's package, torchvision (with the usual roots, and the book's ../data), Keras.
    places=(
        "/usr/share/datasets/fashion-mnist",
        "data/FashionMNIST/raw",
        "../data/FashionMNIST/raw",
        "~/data/FashionMNIST/raw",
        "~/.keras/datasets/fashion-mnist",
    ),
    package="dataset-fashion-mnist",
)  # fmt: skip

MNIST = Known(
    "mnist",
    "MNIST",
    tuple(string.digits),
    _pictures(
        60000,
        10000,
        _unpacked("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        _unpacked("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        _unpacked("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        _unpacked("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ),
    raw="MNIST/raw",
    # The mirrors of torchvision and of TensorFlow.
    addresses=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    places=("data/MNIST/raw", "../data/MNIST/raw", "~/data/MNIST/raw"),
)


def _either(packed: str, md5: str) -> tuple[Sum, ...]:
    """SHA-256 of the .gz, or MD5 of the bytes in it."""
    return (Sum("sha256", packed, packed=True), Sum("md5", md5))


KMNIST = Known(
    "kmnist",
    "KMNIST",
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    _pictures(
        60000,
        10000,
        _either(
            "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
            "92be26ec9822e900ac425d0a0aa84ced",
        ),
        _either(
            "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
            "949e75301f8813e0dc5800dcc320fc52",
        ),
        _either(
            "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
            "bf305b8cd328700fbc17f5acbc2856d2",
        ),
        _either(
            "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
            "9f55f451c0988b028eccdf7d5cc265ab",
        ),
    ),
    raw="KMNIST/raw",
    addresses=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    places=("data/KMNIST/raw", "../data/KMNIST/raw", "~/data/KMNIST/raw"),
)

_LETTERS = "emnist-letters-"

#: Its files' own digests are known of the .gz alone; the archive has them so.
EMNIST_LETTERS = Known(
    "emnist-letters",
    "EMNIST Letters",
    tuple(string.ascii_lowercase),
    _pictures(
        124800,
        20800,
        (Sum("md5", "8795078f199c478165fe18db82625747", packed=True),),
        (Sum("md5", "c16de4f1848ddcdddd39ab65d2a7be52", packed=True),),
        (Sum("md5", "382093a19703f68edac6d01b8dfdfcad", packed=True),),
        (Sum("md5", "d4108920cd86601ec7689a97f2de7f59", packed=True),),
    ),
    prefix=_LETTERS,
    raw="EMNIST/raw",
    lying=True,
    archive=Archive(
        "gzip.zip",
        "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
        tuple(f"{_LETTERS}{name.replace('t10k', 'test')}.gz" for name in idx.FILES),
        562,
    ),
    addresses=("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",),
    places=("data/EMNIST/raw", "../data/EMNIST/raw", "~/data/EMNIST/raw"),
)

CIFAR10 = Known(
    "cifar10",
    "CIFAR-10",
    (
        "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
    ),
    archive=Archive(
        "cifar-10-binary.tar.gz",
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        (*cifar.TRAIN, *cifar.TEST),
        170,
    ),
    addresses=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    places=("data", "../data", "~/data"),
)  # fmt: skip

#: What `--dataset` takes.
KNOWN = {one.option: one for one in (FASHION_MNIST, MNIST, KMNIST, EMNIST_LETTERS, CIFAR10)}
