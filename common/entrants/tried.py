"""Whether a backend can be imported here, tried in a process of its own; what it says if not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from common.contract.registry import Backend
from common.contract.root import ROOT

#: So long an import may take, seconds.
PATIENCE = 120.0

#: Imports what the first call of a worker imports; the last line says why it could not.
CODE = """
import importlib, sys
from common.contract.registry import extend_path
from common.errors import one_line
name, *folder = sys.argv[1:]
for one in folder:
    extend_path(one)
try:
    for component in ("data", "model", "loss", "update", "accuracy", "train"):
        importlib.import_module(f"backends.{name}.{component}")
except Exception as error:
    print(one_line(error))
    sys.exit(1)
"""


def fault(backend: Backend, python: str = sys.executable) -> str | None:
    """Why an interpreter cannot import a backend, in its own words; None if it can."""
    words = [backend.name, *([str(backend.folder.parent)] if backend.external else [])]
    variables = backend.info.variables(1, "cpu")
    try:
        done = subprocess.run(
            [python, "-P", "-c", CODE, *words], timeout=PATIENCE, capture_output=True,
            text=True, errors="replace", env={**os.environ, **variables, "PYTHONPATH": path()},
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"it is not imported after {PATIENCE:g} s"
    if done.returncode < 0:
        names = {one.value: one.name for one in signal.Signals}
        name = names.get(-done.returncode, -done.returncode)
        return f"the process that imported it was ended by signal {name}"
    if done.returncode:
        last = (done.stdout or done.stderr).strip().splitlines()[-1:]
        return last[0] if last else f"the process that imported it ended with {done.returncode}"
    return None


def path() -> str:
    """Where Python looks: the project first, and where it looked before."""
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def faults(backends: Iterable[Backend], pythons: Mapping[str, str]) -> dict[str, str | None]:
    """The same of several at a time, by name; of some in another interpreter."""
    tried = list(backends)
    with ThreadPoolExecutor(max(1, len(tried))) as pool:
        found = list(pool.map(lambda one: fault(one, pythons.get(one.name, sys.executable)), tried))
    return {one.name: why for one, why in zip(tried, found, strict=True)}
