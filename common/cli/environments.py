"""`compare.py env`: environments of their own for backends; made, listed, removed."""

from __future__ import annotations

import argparse
import os
import sys

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from common.contract.registry import find
from common.errors import Refused
from common.locale.language import _
from common.locale.phrases import told


def env(asked: argparse.Namespace, console: Console) -> int:
    """Do what `env` is asked; the exit code."""
    from common.entrants.environments import forget, make
    from common.running.interruption import Interruption

    if asked.backend is None:
        if asked.newest or asked.forget:
            raise Refused("env --newest and --forget are of one BACKEND; name it")
        return listed(console)
    if asked.forget:
        print(_("removed {folder}", folder=forget(asked.backend).folder))
        return 0
    available = find(asked.backend_path)
    if asked.backend not in available:
        raise Refused(f"no backend {asked.backend!r}; there are {', '.join(available)}")

    def say(words: str) -> None:
        print(told(words), file=sys.stderr)

    with (
        Interruption() as interruption,
        interruption.taken(),
    ):  # twice leaves nothing, either
        made = make(available[asked.backend], say, newest=asked.newest)
    packages = " ".join(f"{name} {version}" for name, version in made.packages.items())
    print(
        _(
            "{backend} runs in {folder} from now on: {packages}",
            backend=asked.backend,
            folder=made.folder,
            packages=packages,
        )
    )
    return 0


def listed(console: Console) -> int:
    """A row for each environment that is remembered."""
    from common.entrants.environments import remembered

    found = remembered()
    if not found:
        print(_("no backend has an environment of its own; compare.py env BACKEND makes one"))
        return 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in (_("backend"), _("versions"), _("where")):
        table.add_column(name)
    for name, one in found.items():
        gone = "" if os.access(one.python, os.X_OK) else _(", which is gone")
        packages = "\n".join(f"{package} {version}" for package, version in one.packages.items())
        table.add_row(escape(name), escape(packages), escape(one.folder + gone))
    console.print(table)
    return 0
