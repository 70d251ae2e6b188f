"""A network in a process of its own, of this interpreter or another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.foreign import OwnError
from common.contract.net import Answer, Asked, Call, Leaf, Tensors
from common.contract.operations import Trace
from common.entrants.answers import malformed, optional, several, table, text
from common.entrants.process import Worker
from common.errors import EntrantError, Killed, Refused, TimedOut
from common.modules.plain import listed, read, some, tensor, tensors, truth, written
from common.modules.sides import Side


class RemoteNet:
    """As `common.contract.net.Net`; what comes back cannot be written to.

    Args:
        label: whose errors they are: "the port".
        side: which network.
        seed: of what its framework draws while it is made.
        names: of its inputs, if it is called with keywords.
        process: as for `Worker`.

    Attributes:
        versions: of the framework, NumPy and Python there, once it is loaded.
        lost: why its process is gone, if it is; whoever caught that error may have made
            something else of it.

    Raises:
        EntrantError: by every call: the framework is not there, its code raised, its process
            died or took too long.
        Refused: by every call: what was named is no network, or cannot be asked that.
        OwnError: by every call: what answers there is wrong itself.
    """

    def __init__(
        self,
        label: str,
        side: Side,
        seed: int,
        names: tuple[str, ...] | None = None,
        **process: Any,
    ) -> None:
        self.framework, self._side, self._seed, self._names = side.framework, side, seed, names
        self._label = f"{label}, {side.text}"
        self._sent: dict[tuple[str, str], Array] = {}
        self._leaves: list[Leaf] | None = None
        self.doubles = False
        self.versions: dict[str, str] = {}
        self.lost: EntrantError | None = None
        self._worker: Worker = self._labelled(lambda: Worker(["common.modules.host"], **process))

    def load(self) -> None:
        """Import the framework and make the network."""
        side = self._side
        where = (side.framework, side.mode, side.home, side.name)

        def found(name: str, value: Any) -> tuple[bool, dict[str, str]]:
            if not isinstance(value, dict) or set(value) != {"doubles", "versions"}:
                raise malformed(name, value, "whether it has float64, and versions")
            return truth(name, value["doubles"]), table(text)(name, value["versions"])

        self.doubles, self.versions = self._ask(found, "load", *where, self._seed, self._names)

    def leaves(self) -> list[Leaf]:
        """As `Net.leaves`; asked for once, because nothing here changes them."""
        if self._leaves is None:
            leaves = listed(lambda where, value: read(Leaf, where, value))
            self._leaves = list(self._ask(leaves, "leaves"))
        return self._leaves

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """As `Net.record`."""
        calls = listed(lambda where, value: read(Call, where, value))

        def found(name: str, value: Any) -> tuple[Any, ...]:
            return several(name, value, calls, tensors)

        recorded, outputs = self._ask(found, "record", self._changed(values), inputs, train)
        return list(recorded), outputs

    def run(self, asked: Asked) -> Answer:
        """As `Net.run`."""
        words = {**written(asked), "values": self._changed(asked.values)}
        answer: Answer = self._ask(lambda name, value: read(Answer, name, value), "run", words)
        return answer

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """As `Net.loss`.

        Raises:
            Refused: a function, which cannot cross to another process.
        """
        if function is not None:
            raise Refused("a loss of your own cannot be asked of another process; use check()")

        def found(name: str, value: Any) -> tuple[Any, ...]:
            return several(name, value, tensor, some)

        value, slopes = self._ask(found, "loss", outputs, labels)
        return value, slopes

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """As `Net.trace`: none crosses to another process."""
        return Trace()

    def source(self, path: str) -> str | None:
        """As `Net.source`."""
        code: str | None = self._ask(optional(code_of), "source", path)
        return code

    def close(self) -> None:
        """End its process."""
        self._worker.close(at_once=True)

    def _ask(self, reader: Callable[[str, Any], Any], name: str, *words: Any) -> Any:
        """Make a call; its answer, read, or an error that says whose it is."""

        def asked() -> Any:
            found = self._worker.call("ask", name, *words)
            if isinstance(found, dict) and set(found) == {"refused"}:
                raise Refused(text(name, found["refused"]))
            if isinstance(found, dict) and set(found) == {"own"}:
                raise OwnError(code_of(name, found["own"]))
            if not isinstance(found, dict) or set(found) != {"answer"}:
                raise malformed(name, found, "an answer or a refusal")
            return reader(name, found["answer"])

        return self._labelled(asked)

    def _labelled(self, act: Callable[[], Any]) -> Any:
        """Do something, and let its error begin with whose it is."""
        try:
            return act()
        except (EntrantError, Refused) as error:
            words = f"{self._label}: {error}"
            if isinstance(error, (Killed, TimedOut)):
                self.lost = type(error)(words)
            raise type(error)(words) from error

    def _changed(self, values: Arrays) -> list[list[Any]]:
        """Name, dtype and array of each value; none where the other side has it already.

        A layer is asked again and again with the values of the whole network: to compare them
        takes a tenth of the time that it takes to send them.
        """
        rows: list[list[Any]] = []
        for name, array in values.items():
            key = name, array.dtype.str
            new = not same(array, self._sent.get(key))
            if new:
                self._sent[key] = array.copy()
            rows.append([*key, array if new else None])
        return rows


def code_of(where: str, value: Any) -> str:
    """Lines of code, or of a traceback, of any length."""
    if not isinstance(value, str):
        raise malformed(where, value, "code")
    return value


def same(array: Array, other: Array | None) -> bool:
    """Whether two arrays of a dtype are equal to the bit: zeros have signs."""
    if other is None or array.shape != other.shape:
        return False
    one, two = (np.ascontiguousarray(a).reshape(-1).view(np.uint8) for a in (array, other))
    return np.array_equal(one, two)
