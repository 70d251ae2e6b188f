"""The command line's words."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from common.contract.info import COMPONENTS, DATA_CHOICES, DEVICES, DTYPES, MIXABLE, MODES, STYLES
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.errors import Refused

DESCRIPTION = "Train one model in several frameworks and prove whether they agree."


class Parser(argparse.ArgumentParser):
    """Refuses in one line instead of a usage text."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        raise Refused(f"{message}; see {self.prog} --help")


#: No count is larger; what is would only fail later.
LARGEST = 10**9


def number(
    kind: Callable[[str], Any], least: float, words: str, most: float | None = None
) -> Callable[[str], Any]:
    """Make an argparse type: a finite number of at least `least`, and at most `most`."""
    if most is None:
        most = LARGEST if kind is int else sys.float_info.max

    def convert(text: str) -> Any:
        complaint = argparse.ArgumentTypeError(f"{text[:40]!r} is not {words}")
        try:
            value = kind(text)
            if not least <= value <= most:
                raise complaint
        except (ValueError, OverflowError):
            raise complaint from None
        return value

    return convert


COUNT = number(int, 1, "a whole number of at least 1")

NATURAL = number(int, 0, "a whole number of at least 0")

NOT_NEGATIVE = number(float, 0.0, "a finite number of at least 0")

POSITIVE = number(float, math.ulp(0.0), "a finite number above 0")

BELOW_1 = number(float, 0.0, "a number of at least 0 and below 1", math.nextafter(1.0, 0.0))

#: What `sweep` can vary -> its option's name in the parsed arguments.
VARIED = {"batch-size": "batch_size", "hidden": "hidden", "limit": "limit", "threads": "threads"}


def varied(text: str) -> tuple[str, list[int]]:
    """Read `SETTING=VALUE,...`; at least two values, each once."""
    name, equals, values = text.partition("=")
    if not equals or name not in VARIED:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not SETTING=VALUE,... with one of {', '.join(VARIED)}"
        )
    found = [COUNT(value) for value in values.split(",")]
    if len(found) < 2 or len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} has not two or more different values")
    return name, found


def share(text: str) -> float:
    """Read a percentage, as 0.05 or 5%."""
    number_, percent = (text[:-1].strip(), 100.0) if text.endswith("%") else (text, 1.0)
    return float(NOT_NEGATIVE(number_)) / percent


def parser() -> Parser:
    """Describe the whole command line."""
    top = Parser(prog="compare.py", allow_abbrev=False, description=DESCRIPTION)
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    run = commands.add_parser(
        "run", help="train in several frameworks and compare (the default)", allow_abbrev=False
    )
    add_entrants(run, style="concise")
    add_training(run)
    checks = run.add_argument_group("what is checked")
    checks.add_argument("--no-band", action="store_true", help="skip the nudged runs")
    checks.add_argument(
        "--check-float64", action="store_true", help="train once more in float64: to 1e-12"
    )
    run.add_argument("--rounds", type=COUNT, default=1, help="repeat the whole training")
    out = run.add_argument_group("what comes out")
    out.add_argument("--out", type=Path, metavar="DIR", help="result folder")
    out.add_argument("--force", action="store_true", help="replace an old run's files in --out")
    add_output(out, "results.json there, too; - for stdout")

    diagnosis = commands.add_parser(
        "diagnose",
        help="first step, stage and tensor at which an entrant leaves the referee's path",
        allow_abbrev=False,
    )
    add_entrants(diagnosis, style="concise")
    add_training(diagnosis)
    add_output(diagnosis.add_argument_group("what comes out"), "what was found; - for stdout")

    sweep = commands.add_parser(
        "sweep",
        help="one run for each value of a setting: a step's overhead, and the rate beyond",
        allow_abbrev=False,
    )
    add_entrants(sweep, style="concise")
    add_training(sweep)
    sweep.add_argument(
        "--vary",
        required=True,
        type=varied,
        metavar="SETTING=VALUE,...",
        help=f"one of {', '.join(VARIED)}",
    )
    sweep.add_argument("--no-band", action="store_true", help="skip the nudged runs")
    sweep.add_argument("--rounds", type=COUNT, default=1, help="repeat each training")
    swept = sweep.add_argument_group("what comes out")
    swept.add_argument("--out", type=Path, metavar="DIR", help="folder for all result folders")
    swept.add_argument("--force", action="store_true", help="replace an old sweep in --out")
    add_output(swept, "sweep.json there, too; - for stdout")

    diff = commands.add_parser(
        "diff", help="two result folders: what changed, beyond noise", allow_abbrev=False
    )
    diff.add_argument("old", type=Path, metavar="OLD")
    diff.add_argument("new", type=Path, metavar="NEW")
    diff.add_argument(
        "--fail-above",
        type=share,
        metavar="5%",
        help="exit 1 if an entrant is slower by more, its whole interval, or has no time any more; "
        "exit 4 if that cannot be said",
    )
    diff.add_argument(
        "--anyway", action="store_true", help="compare other work, or other machines, too"
    )
    diff.add_argument("--json", metavar="FILE", help="what was found; - for stdout")

    listing = commands.add_parser("list", help="backends: versions, what each can do")
    listing.add_argument("--backend-path", type=Path)

    show = commands.add_parser("show", help="source of a component side by side")
    show.add_argument(
        "component",
        metavar="COMPONENT",
        help=f"{', '.join(COMPONENTS)}, or one function, as update.sgd_scratch",
    )
    add_entrants(show, style=None)
    show.add_argument("--model", choices=MODELS)
    show.add_argument("--no-docstrings", action="store_true")
    show.add_argument("--html", action="store_true", help="a page, on stdout, instead of text")

    page = commands.add_parser(
        "report", help="write report.html of a result folder again, from what is in it"
    )
    page.add_argument("folder", type=Path, metavar="FOLDER")

    teaching = commands.add_parser(
        "lessons", help="differences between the frameworks: list them, or run one"
    )
    teaching.add_argument("name", nargs="?", metavar="NAME", help="which; none: list them")
    teaching.add_argument("--all", action="store_true", help="run every one")
    teaching.add_argument(
        "--markdown", action="store_true", help="all claims as docs/differences.md has them"
    )
    return top


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the options that say what is trained, on which data, where and how."""
    command.add_argument(
        "--mix",
        action="append",
        default=[],
        metavar="COMPONENT=BACKEND,...",
        help=f"one more entrant, of {', '.join(MIXABLE)} of several frameworks; may be repeated",
    )
    what = command.add_argument_group("what is trained")
    what.add_argument("--model", choices=MODELS, default="softmax", help="softmax unless said")
    what.add_argument("--mode", choices=MODES, help="default: each framework's usual one")
    what.add_argument(
        "--data",
        choices=DATA_CHOICES,
        default="memory",
        help="arrays in memory, or each framework's own loader",
    )
    what.add_argument("--epochs", type=COUNT, help="default: 10")
    what.add_argument("--batch-size", type=COUNT, help="default: 256; linear: 10")
    what.add_argument(
        "--lr",
        type=POSITIVE,
        help="learning rate; default: 0.1; adam, adamw: 0.001; linear: 0.03",
    )
    what.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd", help="sgd unless said")
    what.add_argument(
        "--momentum", type=NOT_NEGATIVE, help="m = momentum * m + g; default: sgd 0, momentum 0.9"
    )
    what.add_argument(
        "--weight-decay",
        type=NOT_NEGATIVE,
        default=0.0,
        help="coupled, g + decay * p; decoupled in adamw; default: 0",
    )
    what.add_argument(
        "--betas",
        type=BELOW_1,
        nargs=2,
        metavar=("B1", "B2"),
        help="of adam and adamw; default: 0.9 0.999",
    )
    what.add_argument("--eps", type=POSITIVE, help="of adam and adamw; default: 1e-8")
    what.add_argument("--hidden", type=COUNT, default=256, help="width of the MLP")
    what.add_argument("--seed", type=NATURAL, default=0, help="initial weights and orders")
    what.add_argument(
        "--dtype", choices=DTYPES, default="float32", help="float64 leaves no room for rounding"
    )
    data = command.add_argument_group("on which data")
    data.add_argument("--data-dir", type=Path, help="folder with the four IDX files; final")
    data.add_argument("--custom-data", action="store_true", help="accept other digests")
    data.add_argument("--resize", type=COUNT, metavar="SIDE", help="pictures of SIDE x SIDE")
    data.add_argument("--limit", type=COUNT, metavar="N", help="first N training examples only")
    data.add_argument("--drop-last", action="store_true", help="leave the short batch out")
    where = command.add_argument_group("where and how")
    where.add_argument("--device", choices=DEVICES, default="cpu", help="cpu unless said")
    where.add_argument("--threads", type=COUNT, help="cores for each entrant; default: all")
    where.add_argument("--workers", type=NATURAL, default=0, help="loader workers")
    where.add_argument("--timeout", type=POSITIVE, default=600.0, help="seconds one call may take")
    where.add_argument(
        "--python", action="append", default=[], metavar="BACKEND=PATH", help="another interpreter"
    )


def add_output(group: argparse._ArgumentGroup, what: str) -> None:
    """Add the options that say where the answer goes."""
    group.add_argument("--json", metavar="FILE", help=what)
    group.add_argument("--quiet", action="store_true", help="no progress, no table")
    group.add_argument("--no-progress", action="store_true")


def add_entrants(command: argparse.ArgumentParser, *, style: str | None) -> None:
    """Add the options `run` and `show` share."""
    command.add_argument("--backends", nargs="+", metavar="ENTRANT", help="BACKEND[:WORD,...]")
    command.add_argument("--backend-path", type=Path, help="folder with further backends")
    command.add_argument("--style", choices=STYLES, default=style, help="for who does not say")
