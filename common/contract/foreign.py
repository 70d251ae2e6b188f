"""Whose error it is: of somebody's network and its framework, or of this project's own.

The innermost frame says it. Those of the standard library and of NumPy say nothing: they do what
they are told by whoever called them.
"""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from common.errors import CompareError

Returned = TypeVar("Returned")

ROOT = Path(__file__).parents[2]

#: Where this project's own code lies.
OWN = tuple(f"{ROOT / package}/" for package in ("common", "backends"))

#: Where code lies that does what it is told.
TOLD = (f"{sysconfig.get_path('stdlib')}/", f"{Path(np.__file__).parent}/", "<frozen ")

#: The folders below the standard library that are no part of it.
INSTALLED = ("/site-packages/", "/dist-packages/")


class OwnError(Exception):
    """An error of this project's own in another process; says the traceback there."""


def foreign(function: Callable[..., Returned], *args: Any, **kwargs: Any) -> Returned:
    """Call what is somebody's, or runs it; what is raised here is theirs.

    Often nothing else says so: arguments that do not fit are an error of the line that calls, and
    JAX takes its own frames out of a traceback.
    """
    return function(*args, **kwargs)


def is_own(error: BaseException) -> bool:
    """Whether this project's own code raised it, and did not mean to."""
    if isinstance(error, (CompareError, OwnError, MemoryError)):
        return isinstance(error, OwnError)
    for frame, _ in reversed([*traceback.walk_tb(error.__traceback__)]):
        code = frame.f_code
        if code is foreign.__code__:
            return False
        if not told(code.co_filename):
            return code.co_filename.startswith(OWN)
    return True


def told(filename: str) -> bool:
    """Whether code of a file does what it is told."""
    installed = any(folder in filename for folder in INSTALLED)
    return filename.startswith(TOLD) and (not installed or "/numpy/" in filename)
