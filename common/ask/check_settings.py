"""What a check of two networks is asked: every option, its default, and the values it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from common.ask.settings import read_value, several, whole
from common.contract.info import MODULE_DTYPES, MODULE_MODES
from common.errors import Refused

#: Of the training run after the layers.
STEPS = whole(0, 10**4)


@dataclass(frozen=True, kw_only=True)
class CheckSettings:
    """What a check is asked.

    Attributes:
        reference, port: SIDEs, `FRAMEWORK[:MODE]=HOME:NAME`.
        input: a SHAPE or a file for each input, behind NAME= if it is called by that.
        inputs: file of inputs by their names, and of the labels.
        labels: CLASSES, the SHAPE of targets, a file, or "none".
        train: in training mode.
        steps, optimizer, lr: of the training run after the layers.
        mode: "eager" or "jit", of a side that does not say.
        dtype, seed: of the run, and of what is drawn.
        python: another interpreter each, `FRAMEWORK=PATH`.
        timeout: seconds a call may take.
        out: folder for the report, the mapping and the logs; None: nothing is kept.
        force: replace an old check's files in `out`.
        map: file of a mapping given by hand.
        only: pattern of the layers' names.
        write: folder for a kit of the reference, with which no port is checked.
        against: folder of a kit, in the reference's place.
        kit: folder of another one, in the port's.

    Raises:
        Refused: a value that its option does not take.
    """

    reference: str | None = None
    port: str | None = None
    input: tuple[str, ...] = ()
    inputs: Path | None = None
    labels: str | None = None
    train: bool = False
    steps: int = 3
    optimizer: str = "sgd"
    lr: float = 0.1
    mode: str = "eager"
    dtype: str = "float32"
    seed: int = 0
    python: tuple[str, ...] = ()
    timeout: float = 600.0
    out: Path | None = None
    force: bool = False
    map: Path | None = None
    only: str = "*"
    write: Path | None = None
    against: Path | None = None
    kit: Path | None = None

    def __post_init__(self) -> None:
        readers: dict[str, Callable[[Any], Any]] = {
            **dict.fromkeys(("reference", "port", "labels", "only"), str),
            "input": several,
            "steps": STEPS.read,
            **dict.fromkeys(("inputs", "map", "write", "against", "kit"), Path),
        }
        for one in fields(self):
            value = getattr(self, one.name)
            if value is None and one.default is None:
                continue
            try:
                read = readers.get(one.name) or partial(read_value, one.name)
                object.__setattr__(self, one.name, read(value))
            except Refused as error:
                raise Refused(f"{one.name}: {error}") from None
        if self.dtype not in MODULE_DTYPES:
            raise Refused(f"dtype: {self.dtype!r} is unknown; there are {', '.join(MODULE_DTYPES)}")
        if self.mode not in MODULE_MODES:
            raise Refused(f"mode: {self.mode!r} is unknown; there are {', '.join(MODULE_MODES)}")
