"""One option: as `Settings` has it, and how the words that are given for it are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from common.ask.settings import (
    BALANCED,
    CHOICES,
    COUNT,
    DEFAULTS,
    NOT_NEGATIVE,
    NUMBERS,
    POSITIVE,
    VARIED,
    Range,
)
from common.contract.meant import meant
from common.contract.models import ALSO, MODELS
from common.contract.registry import find
from common.errors import Refused
from common.locale.language import LANGUAGES
from common.locale.phrases import told
from common.locale.typography import wrapped

#: What argparse says by itself, as the catalogue of phrases is to have it.
ARGPARSE = (
    "usage: ", "positional arguments", "show this help message and exit",
    "argument {name}: {what}", "the following arguments are required: {names}",
    "unrecognized arguments: {words}", "expected one argument", "expected at least one argument",
    "expected {number} arguments", "not allowed with argument {other}",
    "invalid choice: {value} (choose from {choices})", "one of the arguments {names} is required",
    "ignored explicit argument {value}",
)  # fmt: skip


#: The colon behind a Chinese heading.
HEADING = re.compile("(?<=[\u2e80-\u9fff]):$", re.MULTILINE)


#: What others call an option, or what is said by one -> what it is here.
ALSO_OPTIONS = {
    "bs": "--batch-size",
    "cpu": "--device cpu",
    "cuda": "--device cuda",
    "framework": "--backends",
    "frameworks": "--backends",
    "gpu": "--device cuda",
    "learning-rate": "--lr",
}


class Help(argparse.HelpFormatter):
    """Help in the language that is spoken; a Chinese character is two columns wide."""

    def add_usage(self, usage: Any, actions: Any, groups: Any, prefix: str | None = None) -> None:
        """With what stands before it."""
        super().add_usage(usage, actions, groups, told("usage: ") if prefix is None else prefix)

    def add_text(self, text: str | None) -> None:
        """A description."""
        super().add_text(text and told(text))

    def start_section(self, heading: str | None) -> None:
        """A group of options."""
        super().start_section(heading and told(heading))

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help and told(action.help)

    def format_help(self) -> str:
        """With a Chinese colon behind a Chinese heading."""
        return HEADING.sub("：", super().format_help())

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrapped(text, width)


class Parser(argparse.ArgumentParser):
    """Refuses in one line instead of a usage text."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": Help, **named})
        if self.add_help:
            add_language(self)

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        raise Refused(f"{message} (see {self.prog} --help)")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what a command does not know here, where its own options are known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = self._meant_by(unknown[0].partition("=")[0])
            self.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
        return found, unknown

    def _meant_by(self, option: str) -> str:
        """What may have been meant: the dashes that all options begin with make none alike."""
        own = self._option_string_actions
        names = {one.lstrip("-"): one for one in own}
        also = {other: one for other, one in ALSO_OPTIONS.items() if one.split()[0] in own}
        return meant(option.lstrip("-"), (), also | names)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            near = meant(str(value), map(str, action.choices or ()), also_of(action))
            raise argparse.ArgumentError(action, error.message + near) from None


def add_language(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command has."""
    parser.add_argument("--lang", choices=LANGUAGES, help="default: the locale's")


def language(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """What a command line says of the language, wherever in it, and the rest of its words."""
    asking = Parser(add_help=False)
    add_language(asking)
    found, rest = argparse.ArgumentParser.parse_known_args(asking, list(words))
    return found.lang, rest


def also_of(action: argparse.Action) -> dict[str, str]:
    """What others call the values of an option; who is to run is no command."""
    if action.dest == "command":
        words = {name: f"--backends {name}" for name in find()}
        return words | {model: f"--model {model}" for model in MODELS}
    return ALSO if action.dest == "model" else {}


def add(group: argparse._ActionsContainer, name: str, words: str, **more: Any) -> None:
    """Add an option as `Settings` has it: its default, and the values it takes."""
    default = DEFAULTS[name]
    if default is False:
        more["action"] = "store_true"
    elif name in NUMBERS:
        more["type"] = number(NUMBERS[name])
    elif name in CHOICES:
        more.setdefault("choices", CHOICES[name])
    elif name in ("backend_path", "data_dir", "out"):
        more["type"] = Path
    option = f"--{name.replace('_', '-')}"
    group.add_argument(option, **{"default": default, "help": words, **more})


def number(numbers: Range) -> Callable[[str], Any]:
    """Make an argparse type of a range."""

    def read(text: str) -> Any:
        try:
            return numbers.read(text)
        except Refused as error:
            raise argparse.ArgumentTypeError(f"{error}{shortened(numbers, text)}") from None

    return read


def shortened(numbers: Range, text: str) -> str:
    """The number that a text begins with, if that may have been meant."""
    begins = re.match(r"[-+]?(\d+\.?\d*|\.\d+)", text)
    try:
        numbers.read(begins[0] if begins else "")
    except Refused:
        return ""
    return f"; did you mean {begins[0]}?" if begins else ""


def weight(text: str) -> Any:
    """Read one weight, or the word that stands for all of them."""
    return text if text == BALANCED else number(POSITIVE)(text)


def varied(text: str) -> tuple[str, list[float]]:
    """Read `SETTING=VALUE,...`; at least two values, each once."""
    name, equals, values = text.partition("=")
    if not equals or name not in VARIED:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not SETTING=VALUE,... with one of {', '.join(VARIED)}"
        )
    found = [number(NUMBERS[VARIED[name]])(value) for value in values.split(",")]
    if len(found) < 2 or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} has not two or more different values")
    return name, found


def share(text: str) -> float:
    """Read a percentage, as 0.05 or 5%."""
    number_, percent = (text[:-1].strip(), 100.0) if text.endswith("%") else (text, 1.0)
    read = float(number(NOT_NEGATIVE)(number_)) / percent
    if percent == 1.0 and read >= 1:
        raise argparse.ArgumentTypeError(f"{text} is {100 * read:g} %; did you mean {text}%?")
    return read


def sizes(text: str) -> list[int]:
    """Read `SIZE,...`; each once."""
    found = [number(COUNT)(size) for size in text.split(",")]
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} names a size twice")
    return found


def pair(text: str) -> tuple[str, str]:
    """Read `KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not KEY=VALUE")
    return key, value
