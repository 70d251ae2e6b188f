"""Which backends there are, what each can do, and what the words of an entrant mean."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import backends
from common.contract.info import Declared, Info
from common.contract.optimizers import functions_of
from common.contract.plan import Plan
from common.errors import Refused

#: Where the project's own backends lie, whatever folders `extend_path` adds.
OWN = Path(backends.__file__).parent


#: Functions that stand for a backend's own, by the prefix of their names.
Rules = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Backend:
    """One folder with an INFO.

    Attributes:
        name: the folder's name.
        info: its INFO.
        folder: where its files lie.
        external: whether it was found by `--backend-path`.
    """

    name: str
    info: Info
    folder: Path
    external: bool

    def missing(self) -> str | None:
        """Say which of its packages this environment lacks, and how to install them."""
        for package in self.info.packages:
            if version(package) is None:
                return f"{package} is not installed" + self._remedy()
        return None

    def declared(self, style: str, plan: Plan) -> tuple[Declared, ...]:
        """The differences by design that an entrant of a style has in a plan."""
        used = {f"{function}_{style}" for function in functions_of(plan.asdict())}
        return tuple(
            one for one in self.info.declared if one.function in used and plan.dtype in one.dtypes
        )

    def rules(self, declared: Iterable[Declared]) -> Rules:
        """The rules of differences by design, by what they stand for: "adam", "clip_norm".

        Raises:
            Refused: the backend declares one, but cannot say what it is.
        """
        return {one.function.rpartition("_")[0]: self.rule(one) for one in declared}

    def rule(self, declared: Declared) -> Callable[..., Any]:
        """The rule of a difference by design, in NumPy.

        Raises:
            Refused: the backend declares it, but cannot say what it is.
        """
        try:
            found: Callable[..., Any] = getattr(_module(self.folder, "declared.py"), declared.rule)
        except Exception as cause:
            raise Refused(
                f"{self.name} declares a rule {declared.rule} that cannot be read from "
                f"{self.folder / 'declared.py'}: {cause!r}"
            ) from cause
        return found

    def _remedy(self) -> str:
        extra = self.info.extra
        return f": pip install -e '.[{extra}]'" if extra else ""


def version(package: str) -> str | None:
    """Version of an installed distribution, without importing it.

    Of its metadata only the line that says so is read: `importlib.metadata.version` indents all of
    NumPy's licences anew first, ten times as long.
    """
    try:
        text = importlib.metadata.distribution(package).read_text("METADATA") or ""
    except importlib.metadata.PackageNotFoundError:
        return None
    said = (line for line in text.splitlines() if line.startswith("Version:"))
    return next(said, "").partition(":")[2].strip() or None


def find(backend_path: Path | None = None) -> dict[str, Backend]:
    """Find every backend: the project's own, and those in the folder given.

    One in the folder stands in for the project's own of the same name.

    Raises:
        Refused: the folder is not there, or an INFO in it cannot be read.
    """
    found = {}
    for folder in sorted(OWN.iterdir()):
        if (folder / "__init__.py").is_file():
            found[folder.name] = Backend(folder.name, _info(folder), folder, external=False)
    if backend_path is not None:
        if not backend_path.is_dir():
            raise Refused(f"--backend-path {backend_path} is not a folder")
        for folder in sorted(backend_path.resolve().iterdir()):
            if (folder / "__init__.py").is_file():
                found[folder.name] = Backend(folder.name, _info(folder), folder, external=True)
    return found


def extend_path(folder: str) -> None:
    """Let `backends.<name>` be imported from another folder, before the project's own."""
    backends.__path__.insert(0, folder)


def _info(folder: Path) -> Info:
    """Run a backend's `__init__.py`, which imports no framework, for its INFO."""
    try:
        info = _module(folder, "__init__.py").INFO
    except Exception as cause:
        raise Refused(f"{folder / '__init__.py'} has no readable INFO: {cause!r}") from cause
    if not isinstance(info, Info):
        raise Refused(f"INFO in {folder / '__init__.py'} is {type(info).__name__}, not Info")
    if not isinstance(info.parallel, tuple):
        raise Refused(
            f"INFO.parallel in {folder / '__init__.py'} is {type(info.parallel).__name__}; give a "
            "tuple of each way to train on several devices"
        )
    return info


def _module(folder: Path, file: str) -> ModuleType:
    """Run one file of a backend by itself; those that need no framework can be."""
    name = f"_{folder.name}_{file.removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, folder / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
