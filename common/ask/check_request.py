"""A check of two networks: what was asked is read, and refused early and by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from common.ask.check_settings import CheckSettings
from common.ask.request import interpreters
from common.contract.net import Tensors
from common.contract.registry import Backend, find
from common.errors import Refused
from common.modules.batch import Labels, read_inputs, read_labels
from common.modules.kit import KitNet
from common.modules.sides import Side, parse_side
from common.results.place import refuse_folder

#: What a kit says of the check that a port is held to.
OF_KIT = ("train", "steps", "optimizer", "lr", "dtype", "seed")


@dataclass(frozen=True)
class CheckRequest:
    """A check, read and found possible.

    Attributes:
        settings: what was asked; with a kit, as that was written.
        sides: "reference" and "port", as far as they are run -> the network each names.
        available: every backend.
        pythons: framework -> another interpreter.
        inputs: in the run's dtype.
        labels: as asked for.
        kit: in the reference's place.
    """

    settings: CheckSettings
    sides: dict[str, Side]
    available: dict[str, Backend]
    pythons: dict[str, str]
    inputs: Tensors
    labels: Labels
    kit: KitNet | None = None


def read_check(settings: CheckSettings) -> CheckRequest:
    """Read what is to be checked, and refuse what cannot be.

    Raises:
        Refused: it cannot be checked as it stands; nothing ran, nothing was written.
    """
    available = find()
    sides = {
        name: parse_side(getattr(settings, name), available, settings.mode)
        for name in named(settings)
    }
    kit = None if settings.against is None else KitNet(settings.against)
    if kit is not None:
        settings = as_written(settings, kit)
    if settings.map is not None:
        refuse_mapping(settings.map)
    if settings.out is not None:
        refuse_folder(settings.out, force=settings.force)
    if settings.write is not None:
        refuse_kit(settings.write)
    pythons = interpreters(settings.python, available)
    if kit is not None:
        labels = Labels("none" if kit.labels is None else "of the kit", array=kit.labels)
        return CheckRequest(settings, sides, available, pythons, kit.inputs, labels, kit)
    inputs = read_inputs(settings.input, settings.seed, settings.dtype)
    labels = read_labels(str(settings.labels))
    return CheckRequest(settings, sides, available, pythons, inputs, labels)


def named(settings: CheckSettings) -> list[str]:
    """The sides that are to be named.

    Raises:
        Refused: something is missing, or does not go together.
    """
    needed = ["reference", "port", "input", "labels"]
    if settings.write is not None:
        needed.remove("port")
    if settings.against is not None:
        needed = ["port"]
    for name in needed:
        if not getattr(settings, name):
            raise Refused(f"--{name} is missing; see compare.py check --help")
    if settings.write is not None and (settings.port or settings.map or settings.against):
        raise Refused("--write is of a reference alone; --port, --map and --against come later")
    if settings.against is not None and (settings.reference or settings.input or settings.labels):
        raise Refused("--against has a reference, its inputs and its labels; give a --port alone")
    return [name for name in needed if name in ("reference", "port")]


def as_written(settings: CheckSettings, kit: KitNet) -> CheckSettings:
    """What is asked, with what the kit says of the check.

    Raises:
        Refused: something else was asked for.
    """
    found: dict[str, Any] = {name: kit.document.settings.get(name) for name in OF_KIT}
    for name, value in found.items():
        given = getattr(settings, name)
        if given not in (getattr(CheckSettings, name), value):
            raise Refused(f"--{name} {given}: {settings.against} was written with {value}")
    return replace(settings, **found)


def refuse_kit(folder: Path) -> None:
    """Refuse a folder that something is in.

    Raises:
        Refused: or that is none.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise Refused(f"--write {folder} is not an empty folder; name another")


def refuse_mapping(path: Path) -> None:
    """Refuse, before anything runs, a file that holds no mapping.

    Raises:
        Refused: there is none, or it is not JSON.
    """
    try:
        msgspec.json.decode(path.read_bytes())
    except OSError as cause:
        raise Refused(f"--map {path} cannot be read: {cause.strerror}") from cause
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise Refused(f"--map {path} is not JSON: {cause}") from cause
