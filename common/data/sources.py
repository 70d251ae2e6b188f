"""Where a data set that is known can be had: folders of other tools, its hosts, a package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from common.data.known import Known
from common.errors import Refused

Say = Callable[[str], None]


def sources(known: Known, scratch: Path, say: Say) -> Iterator[tuple[str, Callable[[], Path]]]:
    """Where to look, in order: words for it, and a function that returns a folder."""
    for place in known.places:
        yield f"folder {place}", partial(_expand, place)
    for number, address in enumerate(known.addresses):
        get = partial(_download, known, address, scratch / f"{number}", say)
        yield f"downloaded from {address}", get
    if known.package:
        get = partial(_debian, known.package, scratch / "debian", say)
        yield f"Debian package {known.package}", get


def _expand(place: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError as error:
        raise Refused("there is no home folder") from error


def _download(known: Known, address: str, folder: Path, say: Say) -> Path:
    """Fetch the archive, or four .gz files, from one address; pooch retries each twice."""
    import pooch  # loads an HTTP library: only when something is to be downloaded

    pooch.get_logger().setLevel("WARNING")
    size = f" ({known.archive.megabytes} MB)" if known.archive else ""
    say(f"downloading {known.name} from {address}{size}")
    base, names = address, [f"{name}.gz" for name in known.files]
    if known.archive:
        base, names = address.removesuffix(known.archive.name), [known.archive.name]
    fetcher = pooch.create(folder, base, registry=dict.fromkeys(names), retry_if_failed=2)
    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=1 << 16, timeout=(4, 30))
    try:
        # An address that cannot be reached at all fails here, once, and is not retried.
        fetcher.is_available(names[0], get)
        for name in names:
            fetcher.fetch(name, downloader=get)
    except (OSError, ValueError) as error:
        raise Refused(_one_line(error)) from error
    return folder


def _debian(package: str, folder: Path, say: Say) -> Path:
    """Download and unpack Debian's package in `folder`, as any user, with apt-get.

    If the system's package lists do not do (containers often have none), private ones are
    fetched into `folder`; the system is left as it is.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise Refused("no apt-get and dpkg-deb here")
    say(f"downloading Debian's package {package}")
    lists = folder / "lists"
    lists.mkdir(parents=True)
    apt = ["apt-get", "-o", "Acquire::Retries=1"]
    private = [*apt, "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder / 'cache'}"]
    try:
        _run([*apt, "download", package], folder)
    except Refused as first:
        try:
            _run([*private, "update"], folder)
            _run([*private, "download", package], folder)
        except Refused as second:
            raise Refused(f"{first}; with fresh package lists: {second}") from second
    packages = sorted(folder.glob("*.deb"))
    if not packages:
        raise Refused("apt-get: downloaded nothing")
    _run(["dpkg-deb", "-x", packages[-1].name, "x"], folder)
    return folder / "x/usr/share/datasets" / package.removeprefix("dataset-")


def _run(command: list[str], folder: Path) -> None:
    """Run a command in `folder`; its last words are the reason if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            env=os.environ | {"LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused(f"{command[0]}: {_one_line(error)}") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise Refused(f"{command[0]}: {said[-1]}")


def _one_line(error: Exception) -> str:
    """Return an error's words on one line, without the wrappers that HTTP libraries put on."""
    cause = error.args[0] if error.args else error
    words = " ".join(str(getattr(cause, "reason", error)).split())
    words = re.sub(r"^HTTPS?Connection\([^)]*\): ", "", words)
    return words if len(words) <= 200 else f"{words[:197]}..."
