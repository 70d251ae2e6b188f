"""`compare.py list`: what each backend is, can do, and lacks here."""

from __future__ import annotations

import argparse

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.contract.info import Info
from common.contract.registry import find, version
from common.locale.language import _
from common.locale.phrases import told


def backends(asked: argparse.Namespace, console: Console) -> int:
    """Do what `list` is asked; the exit code."""
    from common.entrants.environments import there
    from common.entrants.tried import faults

    available = find(asked.backend_path)
    own = there(available)
    absent = {n: None if n in own else backend.missing() for n, backend in available.items()}
    pythons = {name: one.python for name, one in own.items()}
    broken = faults((one for one in available.values() if absent[one.name] is None), pythons)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (
        _("backend"),
        _("versions"),
        _("styles"),
        _("modes"),
        _("data"),
        _("devices"),
        _("here, and what is missing"),
    ):
        table.add_column(name)
    for backend in available.values():
        info = backend.info
        found = own[backend.name].packages if backend.name in own else {}
        packages = [f"{name} {found.get(name) or version(name) or '–'}" for name in info.packages]
        why = absent[backend.name]
        if fault := broken.get(backend.name):
            why = _("fails to be imported: {fault}", fault=fault)
        works = (
            _("works, in {folder}", folder=own[backend.name].folder)
            if backend.name in own
            else _("works")
        )
        missing = [told(why) if why else works]
        missing += [f"{word}: {told(why)}" for word, why in info.absent.items()]
        missing += lacking(info)
        cells = ["\n".join(packages), *map(" ".join, (info.styles, info.modes, info.data))]
        table.add_row(
            backend.name, *cells, " ".join(info.devices), escape("\n".join(map(str, missing)))
        )
    console.print(table)
    return 0


def lacking(info: Info) -> list[str]:
    """What a backend cannot do with some models; a line for each reason."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for model, choices in info.lacking.items():
        for choice, why in choices.items():
            words, models = found.setdefault(why, ([], []))
            words += [choice] * (choice not in words)
            models += [model] * (model not in models)
    return [
        _(
            "{words} with {models}: {why}",
            words=", ".join(words),
            models=", ".join(models),
            why=told(why),
        )
        for why, (words, models) in found.items()
    ]
