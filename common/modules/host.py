"""The process a network is asked in: started by `common.modules.remote`, one for each side.

Started as `python -P -m common.modules.host DESCRIPTOR THREADS`, as the workers of runs are
(common/entrants/worker.py). Only plain values and arrays come and go.
"""

from __future__ import annotations

import importlib
import platform
import random
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from common.entrants.worker import answer, leave
from common.errors import Refused, Unavailable, one_line

if TYPE_CHECKING:
    from common.contract.arrays import Array
    from common.contract.net import Net


class Host:
    """A network of this process, and the values of its leaves as they came last."""

    _net: Net
    _own_loss: Callable[..., Any] | None  # a Port's; a module has the usual one

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Array] = {}

    def ask(self, name: str, *words: Any) -> dict[str, Any]:
        """Answer one of the questions below; a refusal and an error of our own are answers, too."""
        try:
            return {"answer": getattr(self, f"_{name}")(*words)}
        except Refused as error:
            traceback.print_exc()
            return {"refused": str(error)}
        except Exception as error:
            from common.contract.foreign import is_own

            if not is_own(error):
                raise
            traceback.print_exc()
            return {"own": traceback.format_exc()}

    def _load(
        self, framework: str, mode: str, home: str, name: str, seed: int, names: Any
    ) -> dict[str, Any]:
        """Make the network that a side names; what is to be known of it.

        Where the framework draws from a generator of its own, its `module.py` has `seed`.
        """
        import numpy as np

        from common.contract.registry import find, version
        from common.entrants.port import Port
        from common.modules.functions import side_of
        from common.modules.sides import load

        try:
            adapter = importlib.import_module(f"backends.{framework}.module")
        except ImportError as cause:
            raise Unavailable(f"{framework} cannot be imported: {one_line(cause)}") from cause
        random.seed(seed)
        np.random.seed(seed % 2**32)
        if hasattr(adapter, "seed"):
            adapter.seed(seed)
        given, params = load(framework, home, name)
        self._net = side_of(name, given, params, names and tuple(names), mode)
        self._own_loss = given.loss if isinstance(given, Port) else None
        info = find()[framework].info
        kinds = type(given[0] if isinstance(given, tuple) else given).__mro__
        bases = (base.__module__.partition(".")[0] for base in kinds)
        bases = (base for base in bases if any(one.startswith(f"{base}.") for one in info.modules))
        packages = dict.fromkeys((*info.packages, *bases, "numpy"))
        versions = {one: found for one in packages if (found := version(one))}
        return {
            "doubles": bool(self._net.doubles),
            "versions": {**versions, "python": platform.python_version()},
        }

    def _leaves(self) -> list[dict[str, Any]]:
        from common.modules.plain import written

        return [written(leaf) for leaf in self._net.leaves()]

    def _record(self, values: Any, inputs: Any, train: bool) -> list[Any]:
        from common.modules.plain import written

        calls, outputs = self._net.record(self._values(values), tuple(inputs), train)
        return [[written(call) for call in calls], outputs]

    def _run(self, asked: dict[str, Any]) -> dict[str, Any]:
        from common.contract.net import Asked
        from common.modules.plain import read, written

        asked["values"] = self._values(asked["values"])
        return written(self._net.run(read(Asked, "run", asked)))

    def _loss(self, outputs: Any, labels: Array) -> tuple[Array, Any]:
        return self._net.loss(self._own_loss, tuple(outputs), labels)

    def _source(self, path: str) -> str | None:
        return self._net.source(path)

    def _values(self, rows: list[list[Any]]) -> dict[str, Array]:
        """The leaves' values: name, dtype, and the array unless it came before."""
        for name, dtype, array in rows:
            if array is not None:
                self._held[name, dtype] = array
        return {name: self._held[name, dtype] for name, dtype, _ in rows}


if __name__ == "__main__":
    answer(sys.argv[1], sys.argv[2], Host)
    leave()
