"""A check of two networks: what was asked is read, and refused early and by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from common.ask.check_settings import CheckSettings
from common.ask.request import interpreters
from common.contract.registry import Backend, find
from common.errors import Refused
from common.modules.batch import Batch, Labels, read_batch
from common.modules.kit import KitNet
from common.modules.kits import refuse_unlike
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
        batch: inputs, in the run's dtype, and labels.
        kits: "reference" and "port", as far as a kit is in their place.
    """

    settings: CheckSettings
    sides: dict[str, Side]
    available: dict[str, Backend]
    pythons: dict[str, str]
    batch: Batch
    kits: dict[str, KitNet]


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
    places = {"reference": settings.against, "port": settings.kit}
    kits = {name: KitNet(folder) for name, folder in places.items() if folder is not None}
    if settings.against is not None:
        settings = as_written(settings, settings.against, kits["reference"])
    if settings.kit is not None:
        refuse_unlike(kits["reference"], kits["port"])
    if settings.map is not None:
        refuse_mapping(settings.map)
    if settings.out is not None:
        refuse_folder(settings.out, force=settings.force)
    if settings.write is not None:
        refuse_kit(settings.write)
    pythons = interpreters(settings.python, available)
    if kits:
        kit = kits["reference"]
        labels = Labels("none" if kit.labels is None else "of the kit", array=kit.labels)
        batch = Batch(kit.inputs, kit.document.names, labels)
    else:
        asked = settings.input, settings.inputs, settings.labels
        batch = read_batch(*asked, settings.seed, settings.dtype)
    return CheckRequest(settings, sides, available, pythons, batch, kits)


def named(settings: CheckSettings) -> list[str]:
    """The sides that are to be named.

    Raises:
        Refused: something is missing, or does not go together.
    """
    inputs = settings.input or settings.inputs
    of_port = settings.port or settings.map or settings.kit
    sides = ["reference", "port"]
    if settings.write is not None or settings.kit is not None:
        sides.remove("port")
    if settings.against is not None:
        sides.remove("reference")
    for name in sides:
        if not getattr(settings, name):
            raise Refused(f"--{name} is missing; see compare.py check --help")
    if settings.against is None and not inputs:
        raise Refused("--input is missing; see compare.py check --help")
    if settings.write is not None and (of_port or settings.against):
        raise Refused("--write is of a reference alone; --port, --map and --against come later")
    if settings.kit is not None and (settings.against is None or settings.port or settings.map):
        raise Refused("--kit is the port of --against KIT; give it with that, and without --port")
    if settings.against is not None and (settings.reference or inputs or settings.labels):
        raise Refused("--against has a reference, its inputs and its labels; give a --port alone")
    return sides


def as_written(settings: CheckSettings, folder: Path, kit: KitNet) -> CheckSettings:
    """What is asked, with what the kit in a folder says of the check.

    Raises:
        Refused: something else was asked for.
    """
    found: dict[str, Any] = {name: kit.document.settings.get(name) for name in OF_KIT}
    for name, value in found.items():
        given = getattr(settings, name)
        if given not in (getattr(CheckSettings, name), value):
            raise Refused(f"--{name} {given}: {folder} was written with {value}")
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
