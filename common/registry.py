"""Which backends there are, what each can do, and what the words of an entrant mean."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import backends
from common.contract.entrant import Entrant
from common.contract.info import DATA_CHOICES, MODES, STYLES, Declared, Info
from common.contract.optimizers import OPTIMIZERS
from common.contract.plan import Plan
from common.errors import Refused

STOCK = "stock"
#: What an entrant that does not say takes when its backend lacks what the run asks for.
_NEAREST = {"fused": "jit", "jit": "eager", "concise": "scratch", "loader": "memory"}
_KINDS = {"style": STYLES, "mode": MODES, "data": DATA_CHOICES}


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

    def declared(self, style: str, plan: Plan) -> Declared | None:
        """The difference by design that an entrant of a style has in a plan, if any."""
        function = f"{OPTIMIZERS[plan.optimizer].function}_{style}"
        for one in self.info.declared:
            if one.function == function and plan.dtype in one.dtypes:
                return one
        return None

    def rule(self, declared: Declared) -> Callable[..., Any]:
        """The update rule of a difference by design, in NumPy.

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
    """Version of an installed distribution, without importing it."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def find(backend_path: Path | None = None) -> dict[str, Backend]:
    """Find every backend: the project's own, and those in the folder given.

    One in the folder stands in for the project's own of the same name.

    Raises:
        Refused: the folder is not there, or an INFO in it cannot be read.
    """
    found = {}
    for folder in sorted(Path(backends.__path__[0]).iterdir()):
        if (folder / "__init__.py").is_file():
            found[folder.name] = Backend(folder.name, _info(folder), folder, external=False)
    if backend_path is not None:
        if not backend_path.is_dir():
            raise Refused(f"--backend-path {backend_path} is not a folder")
        for folder in sorted(backend_path.resolve().iterdir()):
            if (folder / "__init__.py").is_file():
                found[folder.name] = Backend(folder.name, _info(folder), folder, external=True)
    return found


def _info(folder: Path) -> Info:
    """Run a backend's `__init__.py`, which imports no framework, for its INFO."""
    try:
        info = _module(folder, "__init__.py").INFO
    except Exception as cause:
        raise Refused(f"{folder / '__init__.py'} has no readable INFO: {cause!r}") from cause
    if not isinstance(info, Info):
        raise Refused(f"INFO in {folder / '__init__.py'} is {type(info).__name__}, not Info")
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


def parse(
    texts: Sequence[str],
    available: Mapping[str, Backend],
    *,
    style: str = "concise",
    mode: str | None = None,
    data: str = "memory",
) -> list[Entrant]:
    """Read entrants as written: `BACKEND[:WORD[,WORD...]]`.

    Args:
        texts: as on the command line; repeated ones are labelled `#1`, `#2`.
        available: from `find`.
        style, mode, data: for entrants that do not say; no mode: each backend's usual one.

    Raises:
        Refused: an unknown backend or word, two words of a kind, or one its backend lacks.
    """
    counts, seen, slugs = Counter(texts), Counter[str](), set[str]()
    entrants = []
    for text in texts:
        label = text
        if counts[text] > 1:
            seen[text] += 1
            label = f"{text}#{seen[text]}"
        name, _, words = text.partition(":")
        if name not in available:
            raise Refused(f"unknown backend {name!r}; there are {', '.join(available)}")
        backend = available[name]
        chosen, stock = _words(text, words.split(",") if words else [], backend)
        asked = {"style": style, "mode": mode or backend.info.usual_mode, "data": data}
        notes = []
        for kind, default in asked.items():
            if kind not in chosen:
                chosen[kind], note = _nearest(default, backend)
                notes += note
        if chosen["data"] == "loader" and chosen["mode"] == "fused":
            raise Refused(f"{text}: loader hands out batches one by one, which fused cannot take")
        if backend.external:
            notes.append(f"{name} from {backend.folder}")
        slug = slug_of(label)
        while slug in slugs:
            slug += "-"
        slugs.add(slug)
        entrants.append(Entrant(label, slug, name, **chosen, stock=stock, notes=tuple(notes)))
    return entrants


def slug_of(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.]", "-", label)


def _words(text: str, words: Iterable[str], backend: Backend) -> tuple[dict[str, str], bool]:
    chosen: dict[str, str] = {}
    stock = False
    for word in words:
        if word == STOCK:
            stock = True
            continue
        kind = next((kind for kind, words in _KINDS.items() if word in words), None)
        if kind is None:
            known = ", ".join([*STYLES, *MODES, *DATA_CHOICES, STOCK])
            raise Refused(f"unknown word {word!r} in {text!r}; there are {known}")
        if kind in chosen:
            raise Refused(f"{text!r} names two: {chosen[kind]} and {word}")
        if word not in backend.info.choices():
            raise Refused(f"{backend.name} has no {word}: {why_absent(backend, word)}")
        chosen[kind] = word
    return chosen, stock


def why_absent(backend: Backend, word: str) -> str:
    """Why a backend lacks a choice, in its own words."""
    return backend.info.absent.get(word, f"its INFO does not list {word}")


def _nearest(word: str, backend: Backend) -> tuple[str, list[str]]:
    """Take the nearest choice a backend has, and a note if that is another one."""
    have = word
    while have not in backend.info.choices():
        if have not in _NEAREST:
            raise Refused(f"{backend.name} has neither {word} nor {have}: see its INFO")
        have = _NEAREST[have]
    if have == word:
        return have, []
    return have, [f"{have}, not {word}: {why_absent(backend, word)}"]
