"""What a run is asked: every option, its default, and the values it takes."""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from common.contract.info import (
    CHECKS,
    DATA_CHOICES,
    DATASETS,
    DEVICES,
    DTYPES,
    INITS,
    MODES,
    STYLES,
)
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.schedules import SCHEDULES
from common.errors import Refused

#: No count is larger; what is would only fail later.
LARGEST = 10**9


@dataclass(frozen=True)
class Range:
    """The numbers that an option takes.

    Attributes:
        kind: `int` or `float`.
        least, most: both belong to it; NaN never does.
        words: what such a number is called.
    """

    kind: type[int] | type[float]
    least: float
    most: float
    words: str

    def read(self, value: Any) -> Any:
        """Read a number, or a text that is one.

        Raises:
            Refused: it is none, or lies outside.
        """
        complaint = f"{str(value)[:40]!r} is not {self.words}"
        # `int` would cut a fraction off.
        integral = self.kind is int and not isinstance(value, str)
        try:
            found = operator.index(value) if integral else self.kind(value)
        except (TypeError, ValueError, OverflowError):
            raise Refused(complaint) from None
        if isinstance(value, bool) or not self.least <= found <= self.most:
            raise Refused(complaint)
        return found


def whole(least: int, most: int = LARGEST) -> Range:
    """Whole numbers in a range."""
    return Range(int, least, most, f"a whole number of at least {least} and at most {most}")


COUNT = whole(1)

NATURAL = whole(0)

NOT_NEGATIVE = Range(float, 0.0, sys.float_info.max, "a finite number of at least 0")

POSITIVE = Range(float, math.ulp(0.0), sys.float_info.max, "a finite number above 0")

BELOW_1 = Range(float, 0.0, math.nextafter(1.0, 0.0), "a number of at least 0 and below 1")

#: Instead of class weights.
BALANCED = "balanced"

#: Longer than that no call is waited for: a timer that counts further overflows.
YEAR = 365 * 24 * 3600

NUMBERS = {
    "epochs": whole(1, 10**6),
    "batch_size": COUNT,
    "lr": POSITIVE,
    "momentum": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "betas": BELOW_1,
    "eps": POSITIVE,
    "alpha": BELOW_1,
    "warm_up": NATURAL,
    "clip_norm": POSITIVE,
    "clip_value": POSITIVE,
    "label_smoothing": BELOW_1,
    "hidden": COUNT,
    "seed": NATURAL,
    "resize": COUNT,
    "limit": COUNT,
    "threads": COUNT,
    "workers": whole(0, 1000),
    "timeout": Range(
        float, math.ulp(0.0), YEAR, f"a number of seconds above 0 and at most {YEAR}, a year"
    ),
    "wait_quiet": Range(float, 0.0, YEAR, f"a number of seconds, at most {YEAR}, a year"),
    "check_seconds": Range(
        float, math.ulp(0.0), YEAR, f"a number of seconds above 0 and at most {YEAR}, a year"
    ),
    "rounds": whole(1, 10**4),
}

#: What `sweep` can vary -> the field of `Settings`.
VARIED = {
    "batch-size": "batch_size",
    "hidden": "hidden",
    "limit": "limit",
    "threads": "threads",
    "lr": "lr",
}

CHOICES: dict[str, Collection[str]] = {
    "style": STYLES,
    "model": MODELS,
    "mode": MODES,
    "data": DATA_CHOICES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "dataset": DATASETS,
    "dtype": DTYPES,
    "device": DEVICES,
    "init": INITS,
    "check": CHECKS,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is asked; None where the model, the optimiser or the machine decides.

    Attributes:
        backends: entrants, `BACKEND[:WORD,...]`; None for every backend that is there.
        backend_path: folder with further backends.
        style, mode, data: for entrants that do not say; no mode: each backend's usual one.
        mix: one more entrant each, `COMPONENT=BACKEND,...`.
        model, optimizer, epochs, batch_size, lr, momentum, weight_decay, betas, eps, alpha,
            schedule, warm_up, nesterov, clip_norm, clip_value, label_smoothing, hidden, seed,
            init, dtype: what is trained.
        class_weights: one for each class, or `BALANCED`: those by which every class counts alike.
        dataset, data_dir, custom_data, resize, limit, drop_last: on which data.
        device, threads, workers, timeout: where, and for how long a call may take.
        python: another interpreter each, `BACKEND=PATH`.
        check, check_seconds: how much is checked, and how long that may take; None: as long as the
            training took.
        no_band: skip the nudged runs.
        check_float64: train once more in float64.
        rounds: how often the whole training is repeated.
        wait_quiet: how many seconds to wait at most for a quiet machine.
        start_alone: start one entrant after the other, so that each start is timed by itself.
        resume: the folder of a run that did not end, which is finished as it was asked.
        out: the result folder; None: `runs/<time>-<model>`.
        force: replace an old run's files in `out`.
        quiet, no_progress: say nothing while it runs.

    Raises:
        Refused: a value that its option does not take.
    """

    backends: tuple[str, ...] | None = None
    backend_path: Path | None = None
    style: str = "concise"
    mix: tuple[str, ...] = ()
    model: str = "softmax"
    mode: str | None = None
    data: str = "memory"
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    optimizer: str = "sgd"
    momentum: float | None = None
    weight_decay: float = 0.0
    betas: tuple[float, float] | None = None
    eps: float | None = None
    alpha: float | None = None
    schedule: str = SCHEDULES[0]
    warm_up: int = 0
    nesterov: bool = False
    clip_norm: float | None = None
    clip_value: float | None = None
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | str | None = None
    hidden: int = 256
    seed: int = 0
    init: str = INITS[0]
    dtype: str = "float32"
    dataset: str = DATASETS[0]
    data_dir: Path | None = None
    custom_data: bool = False
    resize: int | None = None
    limit: int | None = None
    drop_last: bool = False
    device: str = "cpu"
    threads: int | None = None
    workers: int = 0
    timeout: float = 600.0
    python: tuple[str, ...] = ()
    check: str = CHECKS[0]
    check_seconds: float | None = None
    no_band: bool = False
    check_float64: bool = False
    rounds: int = 1
    wait_quiet: float = 0.0
    start_alone: bool = False
    resume: Path | None = None
    out: Path | None = None
    force: bool = False
    quiet: bool = False
    no_progress: bool = False

    def __post_init__(self) -> None:
        for name, default in DEFAULTS.items():
            value = getattr(self, name)
            if value is None and default is None:
                continue
            try:
                # Frozen for everybody else.
                object.__setattr__(self, name, read_value(name, value))
            except Refused as error:
                raise Refused(f"{name}: {error}") from None

    @property
    def silent(self) -> bool:
        """Whether nothing is said while it runs."""
        return self.quiet or self.no_progress


DEFAULTS: dict[str, Any] = {one.name: one.default for one in fields(Settings)}


def read_value(name: str, value: Any) -> Any:
    """A value as its option has it, or Refused."""
    if name in ("backends", "mix", "python"):
        return tuple(map(text, several(value)))
    if name in ("backend_path", "data_dir", "out", "resume"):
        return Path(value if isinstance(value, Path) else text(value))
    if name == "betas":
        if not isinstance(value, Iterable) or len(pair := tuple(value)) != 2:
            raise Refused(f"{value!r} is not two numbers")
        return tuple(map(NUMBERS[name].read, pair))
    if name == "class_weights":
        if (words := several(value)) == (BALANCED,):
            return BALANCED
        return tuple(map(POSITIVE.read, words))
    if name in NUMBERS:
        return NUMBERS[name].read(value)
    if name in CHOICES:
        if text(value) not in CHOICES[name]:
            raise Refused(f"{value!r} is unknown; there are {', '.join(CHOICES[name])}")
        return value
    if not isinstance(value, bool):
        raise Refused(f"{value!r} is neither True nor False")
    return value


def text(value: Any) -> str:
    """A text, or Refused."""
    if not isinstance(value, str):
        raise Refused(f"{value!r} is no text")
    return value


def several(value: Any) -> tuple[Any, ...]:
    """One text, or several, as several."""
    return tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
