"""The functions that a run chose by its plan and styles, cut out of its folder's files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.contract.info import FILES, MIXED
from common.contract.models import MODELS
from common.contract.optimizers import functions_of
from common.learning.source import excerpt, functions
from common.results.document import Document
from common.shown.html import coloured

#: Components in which there is something to choose; of the others every function runs.
CHOSEN = ("model", "loss", "update", "accuracy")


def ran(folder: Path, found: Document) -> list[dict[str, Any]]:
    """Of each component a column for each backend and style, without docstrings."""
    sides = dict.fromkeys((e.backend, e.style) for e in found.entrants if e.backend != MIXED)
    shown = []
    counted = any(row.train_accuracy is not None for e in found.entrants for row in e.epochs)
    for component in CHOSEN:
        if component == "accuracy" and not counted:
            continue
        columns = []
        for backend, style in sides:
            paths = [folder / "source" / backend / file for file in FILES[component]]
            there = [path for path in paths if path.is_file() and inside(path, folder)]
            code = cut(there, names(found, component, style))
            if code is not None:
                columns.append({"title": f"{backend}, {style}", "code": coloured(code)})
        if columns:
            shown.append({"component": component, "columns": columns})
    return shown


def names(found: Document, component: str, style: str) -> list[str]:
    """The functions of a component that a run of this style calls by name."""
    model = found.plan.model
    chosen = {
        "model": (model,),
        "loss": (MODELS[model].loss,),
        "update": functions_of(found.plan.asdict()),
    }
    if component in chosen:
        return [f"{name}_{style}" for name in chosen[component]]
    return functions(component, model, style) or []


def cut(paths: list[Path], wanted: list[str]) -> str | None:
    """These functions and what they use; nothing of files that are no Python."""
    try:
        return excerpt(paths, wanted, docstrings=False)
    except (SyntaxError, ValueError):
        return None


def inside(file: Path, folder: Path) -> bool:
    """Whether a file is where it seems to be: a link may show what is none of the run's."""
    if not file.is_relative_to(folder):
        return False
    return file.resolve() == folder.resolve() / file.relative_to(folder)
