"""A network of any framework, as everything here sees it: in NumPy arrays, under dotted names.

A backend's `module.py` makes one of a module of its framework. What is asked of it is always
the same: run a part of the network (the whole, or one call of one layer) on given inputs, with
given values in the place of what some layers return, forwards and, if there are cotangents,
backwards. From that everything follows: a layer on the reference's inputs, and the wiring
between the layers, which is the whole with every layer's outputs given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from common.contract.arrays import Array, Arrays
from common.contract.operations import Trace

#: The kind of a call that only names the tensor which it is called with and returns.
TAP = "Tap"

#: The kind of what holds a parameter of functions that is named without a dot, where the framework
#: has modules of its own.
FUNCTIONS = "Functions"

#: One call of one module: its path ("" is the whole) and which of its calls, from 0.
Key = tuple[str, int]

Tensors = tuple[Array, ...]

#: Tensors of which some are not there: slopes of integers, outputs that stay as they are.
Some = tuple[Array | None, ...]


@dataclass(frozen=True, eq=False)
class Leaf:
    """A parameter, or a buffer that the forward pass may change.

    Attributes:
        name: dotted, as its framework says it: "layer1.0.conv1.weight".
        owners: the paths of all modules that hold it, the first of which is in its name.
        kind: the type of that module: "Conv2d".
        value: as it is now.
        trained: whether it is a parameter.
    """

    name: str
    owners: tuple[str, ...]
    kind: str
    value: Array
    trained: bool

    @property
    def role(self) -> str:
        """What it is to its module: "weight"."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one module, as it happened.

    Attributes:
        path, number: which.
        kind: the module's type.
        inputs, outputs: all tensors in what it was called with and in what it returned, in order.
    """

    path: str
    number: int
    kind: str
    inputs: Tensors
    outputs: Tensors

    @property
    def key(self) -> Key:
        """What it is called."""
        return self.path, self.number


@dataclass(frozen=True, eq=False)
class Asked:
    """Which part of a network is run, and on what.

    Attributes:
        values: every leaf by name; the floats among them have the dtype that is computed in.
        inputs: of the part; floats have that dtype, too.
        part: a call that was recorded; None: the whole.
        given: what takes the place of the outputs of some calls; None leaves one as it is.
        taps: those calls among them that are made nevertheless: what they return is what arrives.
        train: whether in training mode.
        cotangents: of the outputs; None: forwards only.
        arrived_cotangents: of what arrives at the calls in `given`.
        noise: a seed: what every operation returns is moved at random, as far as float32's
            roundings might; None: it is not.
        exp_error: how far that may lead an exp beside, relative to it.
    """

    values: Arrays
    inputs: Tensors
    part: Key | None = None
    given: Mapping[Key, Some] = field(default_factory=dict)
    taps: tuple[Key, ...] = ()
    train: bool = False
    cotangents: Some | None = None
    arrived_cotangents: Mapping[Key, Some] = field(default_factory=dict)
    noise: int | None = None
    exp_error: float = 0.0

    @property
    def backwards(self) -> bool:
        """Whether anything is differentiated."""
        every = (self.cotangents or (), *self.arrived_cotangents.values())
        return any(one is not None for some in every for one in some)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a part of a network made of it.

    The slopes are of Σ cotangent × output over all outputs (and all that arrived) that have a
    cotangent; zeros where nothing leads, None of integers; all empty if it only ran forwards.

    Attributes:
        outputs: in order.
        arrived: the inputs of each call in `given`, as they reached it; a tap's outputs.
        buffers: the leaves that are no parameters, as they are afterwards.
        input_slopes: of every input.
        slopes: of the parameters that the part holds.
        given_slopes: of what was given.
        unknown: how often each operation came that noise has no rule for: moved by far too much
            rather than not at all.
    """

    outputs: Tensors
    arrived: Mapping[Key, Tensors] = field(default_factory=dict)
    buffers: Arrays = field(default_factory=dict)
    input_slopes: Some = ()
    slopes: Arrays = field(default_factory=dict)
    given_slopes: Mapping[Key, Some] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)


class Asking(Protocol):
    """Whoever answers what is asked."""

    def run(self, asked: Asked) -> Answer:
        """Run a part."""


class Net(Asking, Protocol):
    """A network that can be asked."""

    #: The backend whose tensors it computes in.
    framework: str
    #: Whether it computes in float64 when it is given that.
    doubles: bool

    def leaves(self) -> list[Leaf]:
        """Every parameter and buffer, once, in the order they are defined in."""

    def record(self, values: Arrays, inputs: Tensors, train: bool) -> tuple[list[Call], Tensors]:
        """Run the whole once: every call of every module, as each returned, and the outputs.

        Calls that happen where nothing can be seen (inside a compiled loop) are left out; their
        caller is there.
        """

    def run(self, asked: Asked) -> Answer:
        """Run a part; `record` came before, with inputs of the same shapes.

        Here as everywhere the module's own code is called by `foreign`: what anything else of
        this project's raises is told as its own error.
        """

    def trace(self, values: Arrays, inputs: Tensors, train: bool) -> Trace:
        """Run the whole once: every operation; an empty trace where nobody sees them."""

    def source(self, path: str) -> str | None:
        """The code of the module at a path, "" the whole; None where there is none to be had."""

    def loss(
        self, function: Callable[..., Any] | None, outputs: Tensors, labels: Array
    ) -> tuple[Array, Tensors]:
        """The loss and its slopes in the outputs.

        Args:
            function: (outputs, labels) -> the mean, in the framework's tensors; None: softmax
                cross-entropy of whole-numbered labels (n,) or (n, tokens), the classes last, and
                the mean of squares of other labels.
            outputs: whose dtype is computed in.
            labels: of the examples.
        """
