"""What a network of somebody's raises, told in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from common.contract.arrays import Array, Arrays
from common.contract.foreign import is_own
from common.contract.net import Answer, Asked, Call, Leaf, Net, Tensors
from common.contract.operations import Trace
from common.errors import CompareError, Refused, one_line
from common.modules.matched import Side


class Refusing:
    """A reference, whose own errors are refusals: without it nothing can be judged.

    Args:
        net: itself.
    """

    def __init__(self, net: Net) -> None:
        self.net, self.framework, self.doubles = net, net.framework, net.doubles
        # A kit has what is expected written down.
        self.expectation = getattr(net, "expectation", None)
        self.shares_kept = getattr(net, "shares_kept", None)
        self.believed = getattr(net, "believed", False)

    def leaves(self) -> list[Leaf]:
        """Every parameter and buffer."""
        return self.net.leaves()

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """Run the whole once."""
        with refusing("the reference"):
            return self.net.record(values, inputs, train)

    def run(self, asked: Asked) -> Answer:
        """Run a part; what random rounding raises is no fault of the reference's."""
        if asked.noise is not None:
            return self.net.run(asked)
        with refusing("the reference"):
            return self.net.run(asked)

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """Every operation of a run of the whole."""
        return self.net.trace(values, inputs, train)

    def source(self, path: str) -> str | None:
        """The code of the module at a path."""
        return self.net.source(path)

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """The loss and its slopes in the outputs."""
        with refusing("the reference's loss"):
            value, slopes = self.net.loss(function, outputs, labels)
        if value.shape != ():
            raise Refused(
                f"the reference's loss returns shape {value.shape}; give one number, the mean "
                "over the batch for instance"
            )
        return value, slopes


@contextmanager
def refusing(who: str) -> Iterator[None]:
    """Refuse with what somebody's code raises.

    Raises:
        Refused: with the first line of whatever was raised, unless it is our own.
    """
    try:
        yield
    except CompareError:
        raise
    except Exception as cause:
        raise Refused(f"{who} raised {blamed(cause)}") from cause


def blamed(cause: Exception) -> str:
    """What somebody's code raised, in one line.

    Raises:
        cause: it is an error of this project's own, which is nobody else's.
    """
    if is_own(cause):
        raise cause
    return one_line(cause)


class NotRunError(Exception):
    """A port raised when it was first run: that is what is to be told of it.

    Args:
        reference: which ran.
        port: as far as it came: without calls and outputs.
        words: what was raised.
    """

    def __init__(self, reference: Side, port: Side, words: str) -> None:
        super().__init__(words)
        self.reference, self.port, self.words = reference, port, words
