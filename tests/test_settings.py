"""What a run is asked: the same from Python and from the command line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import compare
from common.ask.settings import CHOICES, DEFAULTS, NUMBERS, Settings
from common.cli.options import parser, settings
from common.errors import Refused
from tests.test_cli import REFUSED


def test_the_defaults_are_those_of_the_command_line_and_of_compare() -> None:
    assert settings(parser().parse_args(["run"])) == Settings()
    taken = inspect.signature(compare.compare).parameters
    assert {name: one.default for name, one in taken.items()} == DEFAULTS


def test_words_and_keywords_ask_the_same() -> None:
    words = "run --backends numpy numpy:scratch --mix loss=numpy --mix model=numpy --betas 0.5 0.9"
    words += " --python numpy=/bin/python --data-dir data --drop-last --no-band --lr 0.5 --out out"
    assert settings(parser().parse_args(words.split())) == Settings(
        backends=["numpy", "numpy:scratch"], mix=["loss=numpy", "model=numpy"], betas=[0.5, 0.9],
        python="numpy=/bin/python", data_dir="data", drop_last=True, no_band=True, lr=0.5,
        out="out",
    )  # type: ignore[arg-type] # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("epochs", "x"), ("epochs", 10**7),
        ("batch_size", 10**9 + 1), ("lr", float("nan")), ("lr", -1), ("lr", [1]),
        ("momentum", float("inf")), ("betas", (0.5, 1.0)), ("betas", 0.5), ("betas", (0.5,)),
        ("rounds", 10**9), ("timeout", 1e10), ("workers", 10**9), ("seed", -1), ("hidden", None),
        ("model", "vgg"), ("style", "neat"), ("device", None), ("force", "yes"),
    ],
    ids=str,
)  # fmt: skip
def test_values_that_no_option_takes_are_refused(name: str, value: Any) -> None:
    with pytest.raises(Refused, match=f"^{name}: ") as told:
        Settings(**{name: value})
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("case", [name for name in REFUSED if name.endswith("-huge")])
def test_the_largest_is_named_in_python_too(case: str) -> None:
    (option, value), words = REFUSED[case]
    with pytest.raises(Refused, match=words):
        Settings(**{option.removeprefix("--").replace("-", "_"): value})


def test_numbers_of_other_kinds_become_plain() -> None:
    found = Settings(epochs=np.int64(3), lr=np.float32(0.5), timeout=9, out="x")  # type: ignore
    assert [type(one) for one in (found.epochs, found.lr, found.timeout)] == [int, float, float]
    assert isinstance(found.out, Path)


def test_every_restricted_option_is_an_option() -> None:
    assert {*NUMBERS, *CHOICES} <= set(DEFAULTS)


def test_the_names_of_the_api() -> None:
    from common.check import check
    from common.entrants.port import Port

    assert (compare.check, compare.Port) == (check, Port)
    assert sorted(compare.__all__) == ["Port", "check", "compare", "speak"]
    with pytest.raises(AttributeError, match="no attribute 'contrast'"):
        compare.contrast  # noqa: B018
