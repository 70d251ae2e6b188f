"""Exercises: a backend with one slip, which somebody who learns is to find and to mend.

What they are stands in `docs/exercises.toml`. A started one is a folder: the backend's files with
the slip in them, to be edited; README.md with the task; and what was found last, so that the next
look can say whether it came nearer.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from common.contract.meant import meant
from common.contract.registry import Backend
from common.contract.root import ROOT
from common.errors import Refused, one_line
from common.locale.phrases import told
from common.results.folder import whole_folder, write_json

CATALOGUE = ROOT / "docs" / "exercises.toml"

#: In a started exercise's folder: which it is, and what was found last.
STATE = "exercise.json"

README = """# {name}

{task}

The files in `{backend}/` are those of {title}, with one slip in one of them. Find it, mend it, and
ask

    python compare.py exercise {name} --check {folder}

which trains {model} ({how}) beside the referee and says where the two part first. Hint, if you want
one: `python compare.py exercise {name} --hint`. The answer: `--answer`.
"""


class Slip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an exercise is about, in every framework that it has an edit for."""

    task: str
    hint: str
    answer: str
    settings: dict[str, Any]
    file: str
    edits: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Exercise:
    """A slip in one backend.

    Attributes:
        name: "BACKEND-SLIP".
        backend: whose files have the slip.
        slip: what it is.
    """

    name: str
    backend: str
    slip: Slip

    @property
    def right(self) -> str:
        """The text as it is without the slip."""
        return self.slip.edits[self.backend][0]

    @property
    def wrong(self) -> str:
        """The text with the slip."""
        return self.slip.edits[self.backend][1]


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an entrant parts from the referee first."""

    step: int
    stage: str
    tensor: str


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A started exercise: its name, and where the last look found a difference."""

    exercise: str
    last: Where | None = None


def slips() -> dict[str, Slip]:
    """What exercises are about, by name."""
    return msgspec.toml.decode(CATALOGUE.read_bytes(), type=dict[str, Slip])


def exercises() -> dict[str, Exercise]:
    """All of them by name, framework by framework."""
    known = slips()
    names = sorted({backend for slip in known.values() for backend in slip.edits})
    return {
        f"{backend}-{name}": Exercise(f"{backend}-{name}", backend, slip)
        for backend in names
        for name, slip in known.items()
        if backend in slip.edits
    }


def choose(name: str, known: Mapping[str, Exercise]) -> Exercise:
    """One of them by name.

    Raises:
        Refused: there is none of that name.
    """
    if name not in known:
        raise Refused(f"no exercise {name!r}; compare.py exercise lists them{meant(name, known)}")
    return known[name]


def start(exercise: Exercise, backend: Backend, folder: Path) -> None:
    """Write an exercise into a folder, or nothing.

    Args:
        exercise: which.
        backend: the project's own of its name.
        folder: a new one, or an empty one.

    Raises:
        Refused: the folder cannot be had.
    """
    with whole_folder(folder, "--start") as made:
        files = made / exercise.backend
        shutil.copytree(backend.folder, files, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        plant(exercise, files)
        settings = dict(exercise.slip.settings)
        model, style = settings.pop("model"), settings.pop("style")
        words = README.format(
            name=exercise.name,
            task=exercise.slip.task,
            backend=exercise.backend,
            title=backend.info.title,
            folder=folder,
            model=model,
            how=", ".join([style, *(f"{name} {value}" for name, value in settings.items())]),
        )
        (made / "README.md").write_text(told(words), encoding="utf-8")
        write_json(made / STATE, State(exercise.name))


def plant(exercise: Exercise, files: Path) -> None:
    """Put the slip into a copy of the backend's files."""
    path = files / exercise.slip.file
    code = path.read_text(encoding="utf-8")
    if exercise.right not in code:
        raise ValueError(f"{exercise.name}: {exercise.right!r} is not in {path}")
    path.write_text(code.replace(exercise.right, exercise.wrong), encoding="utf-8")


def state_of(exercise: Exercise, folder: Path) -> State:
    """What a started exercise came to so far.

    Raises:
        Refused: the folder is none of this exercise.
    """
    try:
        found = msgspec.json.decode((folder / STATE).read_bytes(), type=State)
    except (OSError, msgspec.MsgspecError) as cause:
        raise Refused(
            f"--check {folder} is no started exercise ({one_line(cause)}); "
            f"compare.py exercise {exercise.name} --start {folder} makes one"
        ) from cause
    if found.exercise != exercise.name:
        raise Refused(f"--check {folder} is of the exercise {found.exercise}")
    return found
