"""SIDE, a network named on the command line: `FRAMEWORK[:MODE]=HOME:NAME`.

HOME is a module (`pkg.nets`) or a file (`port/nets.py`), NAME a network in it: a class called
without arguments, a function that returns one, or an instance. A `Port` comes with its parameters,
as a pair `(port, params)`.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from common.contract.given import as_arrays
from common.contract.info import MODULE_MODES
from common.contract.kinds import PAIR, takes
from common.contract.registry import Backend
from common.entrants.port import Port, sees_parameters
from common.errors import Failed, Refused, one_line
from common.modules.functions import Parameters

FORM = "FRAMEWORK=module.path:NAME or FRAMEWORK=path/to/file.py:NAME"

#: So many names are told of what a module has.
TOLD = 8


@dataclass(frozen=True)
class Side:
    """A network, named.

    Attributes:
        text: as written.
        framework: the backend that takes it.
        mode: "eager" or "jit".
        home: a module's name, or the path of a file.
        name: in it, with dots if it is in something there.
    """

    text: str
    framework: str
    mode: str
    home: str
    name: str


def parse_side(text: str, available: Mapping[str, Backend], mode: str = "eager") -> Side:
    """Read a SIDE as written.

    Args:
        text: as on the command line.
        available: every backend.
        mode: of a side that does not say.

    Raises:
        Refused: it has another form, or names a framework, a mode or a file that is not there.
    """
    who, equals, place = text.partition("=")
    home, colon, name = place.rpartition(":")
    if not (equals and colon and home and all(map(str.isidentifier, name.split(".")))):
        raise Refused(f"{text!r} is not {FORM}")
    framework, colon, said = who.partition(":")
    takers = [one for one, backend in available.items() if backend.info.modules]
    if framework not in takers:
        _refuse_framework(text, framework, place, {one: available[one] for one in takers})
    if colon and said not in MODULE_MODES:
        raise Refused(
            f"{text!r}: {said!r} is no mode of a module; there are {', '.join(MODULE_MODES)}"
        )
    if is_file(home):
        if not Path(home).is_file():
            raise Refused(f"{text!r}: there is no file {home} in {Path.cwd()}")
    elif not all(map(str.isidentifier, home.split("."))):
        raise Refused(f"{text!r}: {home!r} is neither a module's name nor a file of Python, *.py")
    return Side(text, framework, said or mode, home, name)


def _refuse_framework(
    text: str, framework: str, place: str, takers: Mapping[str, Backend]
) -> NoReturn:
    """Refuse one that takes no modules; of one whose models others take, say which."""
    within = [
        f"{name}={place}"
        for name, backend in takers.items()
        if any(base.startswith(f"{framework}.") for base in backend.info.modules)
    ]
    if within:
        words = f"name the framework that {framework} computes in: {' or '.join(within)}"
        raise Refused(f"{text!r}: {words}")
    raise Refused(f"{text!r}: {framework!r} takes no modules; these do: {', '.join(takers)}")


def is_file(home: str) -> bool:
    """Whether a home is a file, and no module's name."""
    return home.endswith(".py") or "/" in home


def load(framework: str, home: str, name: str) -> tuple[Any, Parameters | None]:
    """The module that a side names, or its Port and the parameters of that.

    A module is an instance, or a pair of it and its variables.

    Its folder, or the one where we stand, is where it imports from first, as for a script of
    one's own; the framework must have been imported before, or a file called like it would be.

    Raises:
        Refused: there is no such module or name, or it is no network of this framework.
        Failed: its code raised.
    """
    module = _of_file(Path(home)) if is_file(home) else _of_name(home)
    try:
        found = attrgetter(name)(module)
    except AttributeError:
        raise Refused(f"{home} has no {name}; {_has(module)}") from None
    if takes(found) is None and callable(found) and not isinstance(found, Port):
        try:
            found = found()
        except (Exception, SystemExit) as cause:
            raise Failed(f"{name}() raised {one_line(cause)}") from cause
        name = f"{name}()"
    port, params = found if _is_pair(found) else (found, None)
    taker = port.framework if isinstance(port, Port) else takes(found)
    if taker is None:
        raise Refused(f"{name} is no module of {framework}: {_kind(found)}")
    if taker != framework:
        raise Refused(f"{name} is of {taker}, not of {framework}: {_kind(port)}")
    if not isinstance(port, Port):
        return found, None
    if params is None:
        raise Refused(f"{name} is a Port alone; make it a pair, (port, params by name)")
    if sees_parameters(port.loss):
        raise Refused(
            f"the loss of {name} takes the parameters, too; hold it from Python, with check(...)"
        )
    return port, Parameters(*as_arrays(params))


def _is_pair(found: Any) -> bool:
    """Whether it is a Port and its parameters."""
    return isinstance(found, tuple) and len(found) == PAIR and isinstance(found[0], Port)


def _of_file(path: Path) -> ModuleType:
    """Run a file as a module, under a name that nothing else has."""
    name = f"_side_{path.stem}"
    _first((str(Path.cwd()), str(path.resolve().parent)))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Refused(f"{path} is no file of Python; name one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and compilers look for it
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as cause:
        raise Failed(f"importing {path} raised {one_line(cause)}") from cause
    return module


def _of_name(home: str) -> ModuleType:
    """Import a module."""
    _first((str(Path.cwd()),))
    try:
        return importlib.import_module(home)
    except (Exception, SystemExit) as cause:
        lacking = cause.name if isinstance(cause, ModuleNotFoundError) else None
        if lacking and f"{home}.".startswith(f"{lacking}."):
            words = f"there is no module {lacking}, neither in {Path.cwd()} nor installed"
            raise Refused(words) from cause
        raise Failed(f"importing {home} raised {one_line(cause)}") from cause


def _first(folders: Collection[str]) -> None:
    """Import from these folders before any other, the last of them first."""
    for folder in folders:
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)


def _has(module: ModuleType) -> str:
    """What could be meant: the names that are defined in a module."""
    names = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (getattr(value, "__module__", None) == module.__name__ or takes(value))
    ]
    more = ", ..." if len(names) > TOLD else ""
    return f"it has {', '.join(names[:TOLD])}{more}" if names else "it defines nothing"


def _kind(found: Any) -> str:
    """What was got instead, in a word."""
    return f"it is of type {type(found).__name__}"
