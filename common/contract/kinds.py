"""Which backend takes a module that somebody has: found by its bases, importing nothing else."""

from __future__ import annotations

import importlib
from typing import Any

from common.contract.net import Net
from common.contract.registry import find
from common.errors import Refused

#: The components of a module that is two things, as linen's: the module and its variables.
PAIR = 2


def takes(given: Any) -> str | None:
    """The backend that takes a module, or a pair of a module and its variables.

    Raises:
        Refused: what a backend says of a module that none takes.
    """
    module = given[0] if isinstance(given, tuple) and len(given) == PAIR else given
    bases = {f"{base.__module__}.{base.__qualname__}" for base in type(module).__mro__}
    for name, backend in find().items():
        if bases & set(backend.info.modules):
            return name
    for backend in find().values():
        for base, words in backend.info.refused.items():
            if base in bases:
                raise Refused(f"{type(module).__name__}: {words}")
    return None


def net_of(given: Any, names: tuple[str, ...] | None = None, mode: str = "eager") -> Net:
    """A network to be asked, of a module.

    Args:
        given: a module of any framework; linen's as (module, variables).
        names: of its inputs, if it is called with keywords.
        mode: "eager" or "jit".

    Raises:
        Refused: it is none.
    """
    backend = takes(given)
    if backend is None:
        words = ", ".join(name for b in find().values() for name in b.info.modules)
        raise Refused(f"{type(given).__name__} is no module that can be taken; these are: {words}")
    net: Net = importlib.import_module(f"backends.{backend}.module").Net(given, names, mode)
    return net
