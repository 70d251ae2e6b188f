"""Taking up a run that did not end: what was asked then, and that nothing has changed since."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from common.ask.request import Request, Say, read_request, silence
from common.ask.settings import DEFAULTS, Settings
from common.contract.registry import version
from common.contract.root import ROOT
from common.entrants.environments import versions_in
from common.errors import Refused
from common.results.environment import environment
from common.results.journal import Asked, Kept, read_journal
from common.running.work import Work

#: What may be asked anew of a run that is taken up; the rest is as it was.
ANEW = ("resume", "quiet", "no_progress", "timeout", "wait_quiet", "check", "check_seconds")


def asked_of(request: Request, work: Work) -> Asked:
    """What must be the same for a run to be taken up: plan, data, code, versions, machine."""
    found = environment()
    same = {
        "plan": request.plan.asdict(),
        "data": {name: work.summary[name] for name in ("sha256", "order_sha256", "initial_sha256")},
        "code": code_of(request),
        "versions": versions_of(request),
        "interpreters": request.pythons,
        "machine": {"cpu": found.cpu, "cores": found.cores, "python": found.python},
    }
    # As it is read again: JSON has no tuples.
    return msgspec.json.decode(
        msgspec.json.encode(Asked(settings=_plain(request.settings), same=same)), type=Asked
    )


def code_of(request: Request) -> dict[str, str]:
    """Digests of the code that a run hangs on."""
    backends = request.backends().items()
    return {
        "compare.py and common": _code(),
        **{name: _sha256(backend.folder.rglob("*.py")) for name, backend in backends},
    }


def versions_of(request: Request) -> dict[str, str]:
    """Versions of the packages that a run hangs on; those of another interpreter say whose."""
    versions: dict[str, str] = {}
    for name, backend in request.backends().items():
        packages = (*backend.info.packages, "numpy")
        if python := request.pythons.get(name):
            with suppress(OSError, subprocess.SubprocessError, msgspec.DecodeError):
                there = versions_in(python, packages)  # which may be no Python: starting it tells
                versions |= {f"{name}'s {package}": one for package, one in there.items()}
        else:
            versions |= {package: found for package in packages if (found := version(package))}
    return versions


def read_asked(
    asked: Settings, say: Say = silence, given: Collection[str] | None = None
) -> tuple[Request, Kept | None]:
    """Read what is to be trained, or taken up; what an earlier process left of it.

    Args:
        asked: what is asked.
        say: as for `read_request`.
        given: names of what was said and is not only the default; None: what differs from that.

    Raises:
        Refused: it cannot be run as it stands, or not be taken up.
    """
    if asked.resume is None:
        return read_request(asked, say), None
    if given is None:
        given = {name for name, default in DEFAULTS.items() if getattr(asked, name) != default}
    return read_resumed(asked, say, given)


def read_resumed(asked: Settings, say: Say, given: Collection[str]) -> tuple[Request, Kept]:
    """Read what a run that did not end was asked.

    Args:
        asked: has the folder, and what may be asked anew.
        say: as for `read_request`.
        given: names of what was said.

    Raises:
        Refused: there is nothing to finish, or something else was asked as well.
    """
    assert asked.resume is not None
    for name in DEFAULTS:
        if name not in ANEW and name in given:
            raise Refused(
                f"--resume finishes what {asked.resume} was asked; --{name.replace('_', '-')} does "
                "not go with it"
            )
    kept = read_journal(asked.resume)
    names = {one.name for one in fields(Settings)}
    try:
        settings = Settings(**{n: v for n, v in kept.asked.settings.items() if n in names})
    except (Refused, TypeError) as cause:
        raise Refused(
            f"--resume {asked.resume}: its journal cannot be taken up: {cause}"
        ) from cause
    anew = {name: getattr(asked, name) for name in ANEW if name in given}
    if anew.get("check") == "none":
        anew.setdefault("check_seconds", None)  # what was asked with checks, nobody asks without
    return read_request(replace(settings, **anew), say), kept


def refuse_changed(folder: Path, then: Asked, now: Asked) -> None:
    """Refuse to take up a run if anything that it hangs on is another now, naming what.

    Raises:
        Refused: something is.
    """
    before, after = _flat(then.same), _flat(now.same)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            raise Refused(
                f"--resume {folder}: {name} changed since it began, from {before.get(name)} to "
                f"{after.get(name)}; begin anew"
            )


def _plain(settings: Settings) -> dict[str, Any]:
    """As JSON has it, without where it is saved and how it is shown; folders from the root."""
    found = {}
    for one in fields(settings):
        value = getattr(settings, one.name)
        if one.name not in ("resume", "out", "force", "quiet", "no_progress"):
            found[one.name] = str(value.absolute()) if isinstance(value, Path) else value
    return found


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(part, f"{name}: {key}" if name else key) for key, part in value.items())
    return {key: one for part in parts for key, one in part.items()}


@cache
def _code() -> str:
    return _sha256([ROOT / "compare.py", *(ROOT / "common").rglob("*.py")])


def _sha256(paths: Iterable[Path]) -> str:
    sha = hashlib.sha256()
    for path in sorted(paths):
        sha.update(path.read_bytes())
    return sha.hexdigest()
