"""Files of one's own, in whichever form they are."""

from __future__ import annotations

from pathlib import Path

from common.data import cifar, idx, npz, picture_folders
from common.data.content import Content
from common.data.files import RAW, content_of, find_files, scan_files, sets_in
from common.data.known import Known
from common.data.labels import read_names
from common.errors import Refused

OTHERS = "an .npz, CIFAR-10's data_batch_1.bin, or folders train and test of pictures"


def read(folder: Path, side: int | None, lent: Known | None) -> Content:
    """What a folder holds: IDX files, one .npz, CIFAR-10's files, or pictures; the first of these.

    Args:
        folder: of the user's.
        side: what pictures of several sizes become.
        lent: a set that is known, which lends how its files are called and how they lie, and the
            names of its classes.

    Raises:
        Refused: none of them, or what is wrong with it.
    """
    prefix, raw = (lent.prefix, lent.raw) if lent else ("", RAW)
    there = sets_in(folder, raw)
    names = read_names(folder) or (lent.classes if lent else ())
    if there:
        files = find_files(folder, prefix, raw)
        lying = lent is not None and lent.lying
        return content_of(files, scan_files(files), names, lying=lying)
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
