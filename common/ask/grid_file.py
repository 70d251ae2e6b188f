"""grid.toml, read into cells: every combination of what varies, less those that are left out."""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from common.ask.request import Request, Say, read_request, silence
from common.ask.resume import code_of, versions_of
from common.ask.settings import COUNT, DEFAULTS, POSITIVE, Settings
from common.contract.registry import find
from common.data.datasets import load
from common.errors import Refused
from common.results.grid import Cell, Grid, Needs, words_of

#: What the grid itself decides of a run.
OWN = ("resume", "out", "force", "quiet", "no_progress")

#: As in the file -> as in `Settings`.
OPTIONS = {name.replace("_", "-"): name for name in DEFAULTS if name not in OWN}

TABLES = ("vary", "exclude", "needs")

NEEDS = {"cores": COUNT, "memory-gb": POSITIVE, "minutes": COUNT, "exclusive": None}

#: More cells than that are a slip.
MOST = 100_000

Arguments = dict[str, Any]


@dataclass(frozen=True)
class GridFile:
    """What a grid.toml says.

    Attributes:
        given: option -> its value in all cells.
        vary: option -> its values.
        exclude: rules, each option -> the value or values of cells that are left out.
        needs: what each cell takes of a machine.
    """

    given: Arguments = field(default_factory=dict)
    vary: dict[str, list[Any]] = field(default_factory=dict)
    exclude: list[Arguments] = field(default_factory=list)
    needs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Tools:
    """What a cell is run by: digests of the code, versions of packages."""

    code: dict[str, str]
    versions: dict[str, str]

    @classmethod
    def of(cls, request: Request) -> Tools:
        """Those of a request."""
        return cls(code_of(request), versions_of(request))


@dataclass(frozen=True)
class Planned:
    """A grid, and what its rules left out, a line for each."""

    grid: Grid
    left_out: list[str]


def plan_grid(path: Path, say: Say = silence) -> Planned:
    """Make a grid of a file.

    Args:
        path: of a grid.toml.
        say: hears of a download.

    Raises:
        Refused: what the file says, or one of its cells, cannot be.
    """
    asked = read_file(path)
    chosen, left_out = combinations(asked, path)
    once: dict[str, Any] = {"finding": cache(find), "loading": cache(load)}
    cells: list[Cell] = []
    keys: set[str] = set()
    tools: dict[tuple[tuple[str, object], ...], Tools] = {}
    for arguments in chosen:
        varied = words_of({name: arguments[name] for name in asked.vary})
        try:
            settings = settings_of(arguments)
            # How many cores there are here says nothing of where it will run.
            request = read_request(replace(settings, threads=None), say, here=False, **once)
            request = replace(request, settings=settings)
            needs = needs_of(asked.needs, settings)
        except Refused as error:
            raise Refused(
                f"{path}: {varied or 'its only cell'}: {error}; change it, or leave it out by an "
                "[[exclude]]"
            ) from error
        # Versions take a tenth of a second to find, and there are few kinds of cells.
        folders = {name: one.folder for name, one in request.backends().items()}
        kind = (*folders.items(), *request.pythons.items())
        tools[kind] = tools.get(kind) or Tools.of(request)
        key = key_of(request, tools[kind])
        if key in keys:
            raise Refused(f"{path}: two cells are the same: {varied}")
        keys.add(key)
        plain = plain_of(settings, arguments)
        cells.append(Cell(index=len(cells), arguments=plain, needs=needs, key=key))
    code = {part: sha for one in tools.values() for part, sha in one.code.items()}
    versions = {name: found for one in tools.values() for name, found in one.versions.items()}
    vary = [OPTIONS[name] for name in asked.vary]
    return Planned(Grid(vary=vary, code=code, versions=versions, cells=cells), left_out)


def read_file(path: Path) -> GridFile:
    """Read a grid.toml.

    Raises:
        Refused: it is none, or has something that no grid has.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise Refused(f"{path} cannot be read: {cause.strerror}") from cause
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise Refused(f"{path} is no TOML: {cause}") from cause
    tables = {name: found.pop(name) for name in TABLES if name in found}
    vary, exclude = table(tables, "vary", path), tables.get("exclude", [])
    if not isinstance(exclude, list) or not all(isinstance(rule, dict) for rule in exclude):
        raise Refused(f"{path}: exclude is written [[exclude]], once for each rule")
    refuse_unknown(found, OPTIONS, f"{path}:")
    for name, values in vary.items():
        refuse_unknown([name], OPTIONS, f"{path}: [vary]")
        if not isinstance(values, list) or not values:
            raise Refused(f"{path}: [vary] {name} = {values!r} is no list of values")
        if name in found:
            raise Refused(f"{path}: {name} stands twice, for all cells and in [vary]")
    if not {"backends", "mix"} & {*found, *vary}:
        raise Refused(f'{path}: name its entrants: backends = ["torch", "jax"]')
    for rule in exclude:
        refuse_unknown(rule, OPTIONS, f"{path}: [[exclude]]")
    needs = table(tables, "needs", path)
    refuse_unknown(needs, NEEDS, f"{path}: [needs]")
    for name, value in needs.items():
        numbers = NEEDS[name]
        try:
            if numbers is not None:
                numbers.read(value)
            elif not isinstance(value, bool):
                raise Refused(f"{value!r} is neither true nor false")
        except Refused as error:
            raise Refused(f"{path}: [needs] {name}: {error}") from None
    return GridFile(found, vary, exclude, needs)


def table(tables: Mapping[str, Any], name: str, path: Path) -> Arguments:
    """A table of the file; an empty one if it has none."""
    found = tables.get(name, {})
    if not isinstance(found, dict):
        raise Refused(f"{path}: {name} is written as a table, [{name}]")
    return found


def refuse_unknown(names: Sequence[str] | Arguments, known: Mapping[str, Any], where: str) -> None:
    """Refuse what is none of the known names."""
    for name in names:
        if name in OWN or name.replace("-", "_") in OWN:
            raise Refused(f"{where} {name} is the grid's own to decide; leave it out")
        if name not in known:
            raise Refused(f"{where} {name} is unknown; there are {', '.join(known)}")


def combinations(asked: GridFile, path: Path) -> tuple[list[Arguments], list[str]]:
    """Every combination that no rule leaves out, and what each rule did.

    Raises:
        Refused: a rule leaves nothing out, nothing is left, or too much is.
    """
    count = 1
    for values in asked.vary.values():
        count *= len(values)
    if count > MOST:
        raise Refused(f"{path}: {count} combinations; {MOST} are the most a grid may have")
    kept, out = [], [0] * len(asked.exclude)
    for arguments in products(asked):
        rule = next((n for n, rule in enumerate(asked.exclude) if matches(arguments, rule)), None)
        if rule is None:
            kept.append(arguments)
        else:
            out[rule] += 1
    for rule, number in enumerate(out):
        if not number:
            raise Refused(
                f"{path}: [[exclude]] {words_of(asked.exclude[rule])} leaves nothing out; "
                "correct or remove it"
            )
    if not kept:
        raise Refused(f"{path}: its rules leave out all {count} combinations")
    lines = [
        f"left out {number} of {count} combinations: {words_of(rule)}"
        for rule, number in zip(asked.exclude, out, strict=True)
    ]
    return kept, lines


def products(asked: GridFile) -> Iterator[Arguments]:
    """Every combination, the last of what varies the quickest."""
    for values in itertools.product(*asked.vary.values()):
        yield {**asked.given, **dict(zip(asked.vary, values, strict=True))}


def matches(arguments: Arguments, rule: Arguments) -> bool:
    """Whether a rule leaves a combination out: all it names are as it says."""
    for name, wanted in rule.items():
        value = arguments.get(name, DEFAULTS[OPTIONS[name]])
        if value != wanted and not (isinstance(wanted, list) and value in wanted):
            return False
    return True


def settings_of(arguments: Arguments) -> Settings:
    """What a combination asks of a run, its folders from the root."""
    settings = Settings(**{OPTIONS[name]: value for name, value in arguments.items()})
    return replace(
        settings,
        data_dir=settings.data_dir and settings.data_dir.absolute(),
        backend_path=settings.backend_path and settings.backend_path.absolute(),
    )


def plain_of(settings: Settings, names: Iterable[str]) -> Arguments:
    """What some options came to, by the fields' names, as JSON has it."""
    found = {OPTIONS[name]: getattr(settings, OPTIONS[name]) for name in names}
    plain: Arguments = msgspec.json.decode(msgspec.json.encode(found, enc_hook=str))
    return plain


def key_of(request: Request, tools: Tools) -> str:
    """A digest of what decides a cell's result: settings, data, code, versions."""
    settings = plain_of(request.settings, OPTIONS)
    decisive = {
        "settings": {name: v for name, v in settings.items() if v != DEFAULTS[name]},
        "data": request.dataset.sha256 if request.dataset else None,
        "code": tools.code,
        "versions": tools.versions,
    }
    return hashlib.sha256(msgspec.json.encode(decisive, order="deterministic")).hexdigest()


def needs_of(asked: Mapping[str, Any], settings: Settings) -> Needs:
    """What a cell takes of a machine.

    Raises:
        Refused: it shares a machine, and does not say how much of it.
    """
    cores = asked.get("cores", settings.threads)
    if settings.threads and cores < settings.threads:
        raise Refused(f"[needs] cores = {cores} are less than its {settings.threads} threads")
    if not asked.get("exclusive", True) and cores is None:
        raise Refused("a cell that shares its machine must say threads, or [needs] cores")
    return Needs(
        cores=cores,
        memory_gb=asked.get("memory-gb"),
        minutes=asked.get("minutes"),
        gpus=int(settings.device != "cpu"),
        exclusive=asked.get("exclusive", True),
    )
