"""Files of one's own, in whichever form they are."""

from __future__ import annotations

from pathlib import Path

from common.data import cifar, idx, npz, picture_folders
from common.data.content import Content
from common.data.files import content_of, find_files, scan_files, sets_in
from common.data.labels import read_names
from common.errors import Refused

OTHERS = "an .npz, CIFAR-10's data_batch_1.bin, or folders train and test of pictures"


def read(folder: Path, side: int | None) -> Content:
    """What a folder holds: IDX files, one .npz, CIFAR-10's files, or pictures; the first of these.

    Args:
        folder: of the user's.
        side: what pictures of several sizes become.

    Raises:
        Refused: none of them, or what is wrong with it.
    """
    if sets_in(folder):
        files = find_files(folder)
        return content_of(files, scan_files(files), read_names(folder))
    names = read_names(folder)
    packed = sorted(path for path in folder.glob("*.npz") if path.is_file())
    if len(packed) > 1:
        raise Refused(f"has {packed[0].name}, {packed[1].name}; leave one .npz there")
    if packed:
        return npz.read(packed[0], names)
    if (folder / cifar.TRAIN[0]).is_file():
        return cifar.read(folder, names)
    if picture_folders.are_there(folder):
        return picture_folders.read(folder, names, side)
    raise Refused(f"lacks {', '.join(idx.FILES)} (plain or .gz), or {OTHERS}")
