"""What a run leaves behind: the result folder and results.json (docs: contract, schema)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from safetensors.numpy import save

from common.contract.arrays import Array, Arrays
from common.errors import Refused
from common.results.document import SCHEMA_VERSION, Document
from common.results.record import Record, Results

#: So many test images of a kind are kept for the page.
PICTURES = 12


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a temporary path that becomes `path` only if the block succeeds."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: Path, option: str) -> Iterator[Path]:
    """Give an empty folder that becomes `folder` only if the block succeeds.

    Args:
        folder: a new one, or an empty one.
        option: by which it was named.

    Raises:
        Refused: something is there, or the folder it is to be in is not.
    """
    parent = folder.absolute().parent
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused(f"{option} {folder} is there, and not empty; name a new folder")
    if not parent.is_dir():
        raise Refused(f"{option} {folder}: the folder {parent} is not there")
    try:
        place = tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=parent)
    except OSError as cause:
        raise Refused(f"{option} {folder} cannot be written: {cause.strerror}") from cause
    with place as name:
        made = Path(name) / "whole"
        made.mkdir(mode=0o777 & ~umask())
        yield made
        made.replace(folder)


def umask() -> int:
    """The permissions that new files do not have."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, found: Any) -> None:
    """Write strict JSON: NaN and infinities as null."""
    with whole(path) as temporary:
        temporary.write_text(as_json(found), encoding="utf-8")


def as_json(found: Any) -> str:
    """Strict JSON text of plain values, or of what msgspec knows to take apart."""
    try:
        text = msgspec.json.encode(found, enc_hook=_of_numpy)
    except UnicodeEncodeError:  # a folder's name need not be Unicode
        plain = msgspec.to_builtins(found, enc_hook=_of_numpy)
        text = msgspec.json.encode(_spelled_out(plain))
    return msgspec.json.format(text, indent=1).decode() + "\n"


def _spelled_out(value: Any) -> Any:
    """Plain values whose words are Unicode: what is not is spelled as \\udcff."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_spelled_out(name): _spelled_out(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_spelled_out(item) for item in value]
    return value


def _of_numpy(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


class Head(msgspec.Struct):
    """What is read of a file before it is known to be ours."""

    schema_version: Any = None


def read_results(folder: Path) -> Document:
    """Read the results of a run.

    Raises:
        Refused: there are none, or not such as this version writes: where in the file, and what
            was expected there.
    """
    path = folder / "results.json" if folder.is_dir() else folder
    try:
        text = path.read_bytes()
    except OSError as cause:
        raise Refused(f"{folder} has no results: {path.name}: {cause.strerror}") from cause
    try:
        version = msgspec.json.decode(text, type=Head).schema_version
        if version != SCHEMA_VERSION:
            found = repr(version)[:40]
            raise Refused(f"{path} has schema_version {found}; this program reads {SCHEMA_VERSION}")
        return msgspec.json.decode(text, type=Document)
    except msgspec.ValidationError as cause:
        raise Refused(f"{path} is no results.json: {cause}") from cause
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise Refused(f"{path} is not JSON: {cause}") from cause


def write_orders(path: Path, orders: Iterable[Array], shape: tuple[int, int]) -> None:
    """Stream the orders into an .npy file, one epoch in memory at a time."""
    header = {"descr": "<i4", "fortran_order": False, "shape": shape}
    # Written, not mapped into memory: on a full disk a write fails, where a page that cannot be
    # written back ends the process.
    with whole(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for order in orders:
            file.write(order.astype("<i4").tobytes())


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write tensors as safetensors."""
    with whole(path) as temporary:
        temporary.write_bytes(save({name: np.asarray(a, order="C") for name, a in arrays.items()}))


def write_predictions(path: Path, records: Sequence[Record], labels: Array) -> None:
    """Write each entrant's classes under its slug, and the labels."""
    classes = {r.entrant.slug: r.classes for r in records if r.classes is not None}
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, labels=np.asarray(labels), **classes)


def write_pictures(
    path: Path, results: Results, images: Array, labels: Array, classes: Sequence[str]
) -> None:
    """Write the test images a page shows, so that it can be made again without the data.

    The first ones; the first that the first entrant takes for something else; and those on
    which entrants disagree, the widest margin of the referee's logits first, because on narrow
    ones rounding decides.
    """
    chosen = [r.classes for r in results.records if r.classes is not None]
    shown = {"first": np.arange(min(PICTURES, len(labels)))}
    apart = np.empty(0, np.int64)
    if chosen:
        shown["wrong"] = np.flatnonzero(chosen[0] != labels)[:PICTURES]
        apart = np.flatnonzero((np.stack(chosen) != chosen[0]).any(axis=0))
        if results.margins is not None:
            apart = apart[np.argsort(-results.margins[apart], kind="stable")]
        shown["disagreed"] = apart[: 2 * PICTURES]
    arrays: dict[str, Array] = {
        **{f"{name}/index": index.astype(np.int64) for name, index in shown.items()},
        **{f"{name}/images": images[index] for name, index in shown.items()},
        "disagreements": np.array(len(apart)),
        "classes": np.array(list(classes)),
    }
    if results.margins is not None:
        arrays["disagreed/margins"] = results.margins[shown.get("disagreed", apart)]
    with whole(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
