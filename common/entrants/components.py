"""The components of one entrant, each by itself: arrays in, arrays out.

Op by op, or each compiled alone; `common.entrants.session.Session` says what each is.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle, islice
from types import FunctionType
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.axes import Axes
from common.contract.labels import check_classes, check_targets
from common.entrants.session import Inferred

#: Executions of each call before the clock starts: MindSpore's graphs tune themselves for 50.
WARM_UP_CALLS = 64

#: A component's time is the median of so many rounds, each of so many calls that are waited for.
COMPONENT_ROUNDS, COMPONENT_CALLS = 5, 20


@dataclass(frozen=True)
class Functions:
    """What a plan chose of a backend; the types are its framework's.

    Attributes:
        data, model, loss, update, train: the backend's modules, or what stands for them.
        make_forward: of parameters, the function (params, images) -> logits.
        backward: of a forward function, its gradient.
        gradients: of a forward function, a loss and a mode, the gradient of both.
        loss_of: (logits, labels) -> the batch's mean, after a call of the model.
        loss_alone: the same without one.
        new_update: of parameters, an optimiser's state and its update.
        count: (logits, labels) -> how many are right.
        classifies: whether labels are classes.
        classes: how many there are; 0 for targets.
        target: the shape of one.
        axes: parameter -> axis -> size, for the backend's layout.
        load: of arrays, parameters, or what has their names and shapes.
        to_tensor: of an array, a tensor.
        names: of the parameters; a compiled function may return another order.
        labels_dtype: of the labels that the losses take.
    """

    data: Any
    model: Any
    loss: Any
    update: Any
    train: Any
    make_forward: Callable[[Any], Any]
    backward: Callable[[Any], Any]
    gradients: Callable[[Any, Any, str], Any]
    loss_of: Callable[..., Any]
    loss_alone: Callable[..., Any]
    new_update: Callable[[Any], tuple[Any, Any]]
    count: Callable[..., Any]
    classifies: bool
    classes: int
    target: tuple[int, ...]
    axes: Axes
    load: Callable[[Arrays], Any]
    to_tensor: Callable[[Array], Any]
    names: tuple[str, ...]
    labels_dtype: np.dtype[Any]


class Components:
    """The components, made when they are first asked for.

    Args:
        use: the functions they are made of.
    """

    def __init__(self, use: Functions) -> None:
        self._use = use
        self._parts: dict[tuple[str, bool], tuple[Any, Any]] = {}

    def with_layers(self, layers: dict[str, Callable[..., Any]]) -> Components:
        """The same of a model with other layers than its file imports; of NumPy's alone."""
        make = partial(remade, self._use.make_forward, layers)
        return Components(replace(self._use, make_forward=make))

    def heard(self, layers: Sequence[str], hear: Callable[[str, Any], None]) -> Components:
        """The same, which tells of every answer of some layers: `hear(layer, answer)`."""
        make = self._use.make_forward
        own = (make.func if isinstance(make, partial) else make).__globals__

        def telling(name: str) -> Callable[..., Any]:
            def answered(*given: Any) -> Any:
                answer = own[name](*given)
                hear(name, answer)
                return answer

            return answered

        return self.with_layers({name: telling(name) for name in layers if name in own})

    def _tensor(self, array: Array) -> Any:
        return self._use.to_tensor(array)

    def _labels(self, labels: Array, examples: int, classes: int) -> Any:
        """Labels, checked, in the type this framework's losses take."""
        if self._use.classifies:
            check_classes(labels, examples, classes)
        else:
            check_targets(labels, examples, self._use.target)
        return self._tensor(labels.astype(self._use.labels_dtype))

    def logits(self, params: Arrays, images: Array, compiled: bool = False) -> Array:
        """Component `model`, forwards."""
        held, forward = self._component("logits", compiled, params)
        logits: Array = self._use.data.to_array(forward(held, self._tensor(images)))
        return logits

    def gradient(self, logits: Array, labels: Array, compiled: bool = False) -> tuple[Array, Array]:
        """Component `loss`: its value and gradient in the logits."""
        held, loss_gradient = self._component("gradient", compiled)
        labels = self._labels(labels, len(logits), logits.shape[-1])
        value, dlogits = loss_gradient(held, self._tensor(logits), labels)
        return self._use.data.to_array(value), self._use.data.to_array(dlogits)

    def backward(
        self, params: Arrays, images: Array, dlogits: Array, compiled: bool = False
    ) -> Arrays:
        """Component `model`, backwards."""
        held, pull_back = self._component("backward", compiled, params)
        grads = pull_back(held, self._tensor(images), self._tensor(dlogits))
        return self._named(params, grads)

    def gradients(
        self, params: Arrays, images: Array, labels: Array, compiled: bool = False
    ) -> tuple[Array, Array, Arrays]:
        """Model and loss differentiated as one."""
        held, differentiate = self._component("gradients", compiled, params)
        labels = self._labels(labels, len(images), self._use.classes)
        value, logits, *grads = differentiate(held, self._tensor(images), labels)
        to_array = self._use.data.to_array
        return to_array(value), to_array(logits), self._named(params, grads)

    def _named(self, params: Arrays, grads: Sequence[Any]) -> Arrays:
        named = dict(zip(self._use.names, grads, strict=True))
        return dict(self._use.model.dump(named, self._use.axes))

    def update(
        self, params: Arrays, grads: Arrays, state: Arrays, compiled: bool = False
    ) -> tuple[Arrays, Arrays]:
        """Component `update`."""
        held, update = self._component("update", compiled, params, state)
        # Under names of their own: a graph refuses two parameters of one name.
        slopes = {f"{name}/gradient": grads[name] for name in self._use.names}
        slopes = self._use.load(slopes)
        moved = update(held, *slopes.values())
        self._parts["update", compiled] = moved, update
        params, state = moved
        axes = self._use.axes
        return self._use.model.dump(params, axes), self._use.update.dump_state(state, axes)

    def correct(self, logits: Array, labels: Array, compiled: bool = False) -> int:
        """Component `accuracy`."""
        held, count = self._component("correct", compiled)
        labels = self._labels(labels, len(logits), logits.shape[-1])
        found = count(held, self._tensor(logits), labels)
        return int(np.asarray(self._use.data.to_array(found)).sum())

    def seconds(
        self,
        params: Arrays,
        state: Arrays,
        images: Array,
        labels: Array,
        *,
        compiled: bool,
        taken: tuple[Any, Array] | None,
    ) -> dict[str, float]:
        """Time each component by itself on one batch, compiled alone where the entrant compiles.

        Together they take longer than a step: each call is dispatched, and nothing is fused.

        Args:
            params, state: what it starts from.
            images, labels: the batch.
            compiled: whether each component is compiled alone.
            taken: what is placed and the batch's positions in it; None: a loader's work.

        Returns:
            seconds of `data` (not a loader's), `forward`, `loss` (its value and gradient),
            `backward` (with what it needs of the forward pass), `update` and `accuracy` (of a
            classifier).
        """
        logits = self.logits(params, images, compiled)
        _, dlogits = self.gradient(logits, labels, compiled)
        grads = self.backward(params, images, dlogits, compiled)
        slopes = {f"{name}/gradient": grads[name] for name in self._use.names}
        scores, classes = self._tensor(logits), self._labels(labels, len(logits), logits.shape[-1])
        inputs, backed = self._tensor(images), self._tensor(dlogits)
        calls: dict[str, tuple[tuple[Any, Any], tuple[Any, ...]]] = {
            "forward": (self._component("logits", compiled, params), (inputs,)),
            "loss": (self._component("gradient", compiled), (scores, classes)),
            "backward": (self._component("backward", compiled, params), (inputs, backed)),
            "update": (
                self._component("update", compiled, params, state),
                tuple(self._use.load(slopes).values()),
            ),
        }
        if self._use.classifies:
            calls["accuracy"] = (self._component("correct", compiled), (scores, classes))
        if taken is not None:
            placed, index = taken
            take = self._use.data.take
            take = self._use.train.compiled(take, updates=False) if compiled else take
            calls = {"data": ((placed, take), (self._tensor(index),)), **calls}
        return {
            name: self._median(held, function, arguments, compiled, name == "update")
            for name, ((held, function), arguments) in calls.items()
        }

    def infer(
        self,
        params: Arrays,
        batches: Sequence[Array],
        compiled: bool,
        calls: int,
        within: float | None,
    ) -> Inferred:
        """Time the component `model`, forwards; `timed` has the rest."""
        held, forward = self._component("logits", compiled, params)

        def call(images: Array) -> Array:
            logits: Array = self._use.data.to_array(forward(held, self._tensor(images)))
            return logits

        return timed(call, batches, calls, within)

    def _median(
        self, held: Any, function: Any, arguments: tuple[Any, ...], compiled: bool, moves: bool
    ) -> float:
        """Seconds of one call that is waited for, of many in a row."""

        def rounds(calls: int) -> float:
            nonlocal held
            started = time.perf_counter()
            for _ in range(calls):
                result = function(held, *arguments)
                held = result if moves else held
                self._use.data.to_array(first_leaf(result))
            return (time.perf_counter() - started) / calls

        rounds(WARM_UP_CALLS if compiled else COMPONENT_CALLS)
        return float(np.median([rounds(COMPONENT_CALLS) for _ in range(COMPONENT_ROUNDS)]))

    def _component(
        self, name: str, compiled: bool, params: Arrays | None = None, state: Arrays | None = None
    ) -> tuple[Any, Any]:
        """Put a component on parameters (and a state); what it holds, and the function of it.

        Made once and then set to other values in place, because what is compiled may hold its
        parameters.
        """
        if (name, compiled) not in self._parts:
            held: Any = {}
            if params:
                held = self._use.load(params)
            function, held = self._make_component(name, held, compiled)
            function = (
                self._use.train.compiled(function, name == "update") if compiled else function
            )
            self._parts[name, compiled] = held, function
        held, function = self._parts[name, compiled]
        if state is not None:
            memory = self._use.update.assign_state(held[1], state, self._use.axes)
            held = (self._use.model.assign(held[0], params, self._use.axes), memory)
        elif params:
            held = self._use.model.assign(held, params, self._use.axes)
        return held, function

    def _make_component(self, name: str, held: Any, compiled: bool) -> tuple[Any, Any]:
        """A component as a function of what it holds and tensors, its results flat."""
        names = self._use.names
        if name == "gradient":
            loss_gradient = self._use.loss.gradient(self._use.loss_alone)

            def of_loss(held: Any, logits: Any, labels: Any) -> Any:
                return loss_gradient(logits, labels)

            return of_loss, held
        if name == "correct":
            correct = self._use.count

            def of_accuracy(held: Any, logits: Any, labels: Any) -> Any:
                return correct(logits, labels)

            return of_accuracy, held
        if name == "update":
            memory, update = self._use.new_update(held)

            def of_update(held: Any, *grads: Any) -> Any:
                params, state = held
                slopes = {n: g for n, g in zip(names, grads)}  # noqa: B905, C416 (MindSpore)
                return update(params, slopes, state)

            return of_update, (held, memory)
        forward = self._use.make_forward(held)
        if name == "logits":
            return forward, held
        if name == "backward":
            pull_back = self._use.backward(forward)

            def of_model(held: Any, images: Any, dlogits: Any) -> Any:
                grads = pull_back(held, images, dlogits)
                return tuple([grads[n] for n in names])

            return of_model, held
        mode = "jit" if compiled else "eager"
        differentiate = self._use.gradients(forward, self._use.loss_of, mode)

        def of_both(held: Any, images: Any, labels: Any) -> Any:
            value, logits, grads = differentiate(held, images, labels)
            return (value, logits, *[grads[n] for n in names])

        return of_both, held


def remade(make: Callable[..., Any], layers: dict[str, Callable[..., Any]], params: Any) -> Any:
    """A forward function with other layers: its file's functions over again, which see those."""
    make, told = (make.func, make.keywords) if isinstance(make, partial) else (make, {})
    others = dict(make.__globals__)
    others |= {
        name: FunctionType(one.__code__, others, name, one.__defaults__)
        for name, one in others.items()
        if isinstance(one, FunctionType) and one.__module__ == make.__module__
    }
    others |= layers
    return others[make.__name__](params, **told)


def timed(
    call: Callable[[Array], Array], batches: Sequence[Array], calls: int, within: float | None
) -> Inferred:
    """Seconds of a call that is made again and again, of one batch after the other.

    Args:
        call: what is timed.
        batches: what it is given, in turn.
        calls: how many are made at most; one at least.
        within: seconds after which none is begun; None: all are made.
    """
    seconds: list[float] = []
    worked, ends = time.process_time(), math.inf
    if within is not None:
        ends = time.perf_counter() + within
    for batch in islice(cycle(batches), calls):
        started = time.perf_counter()
        call(batch)
        ended = time.perf_counter()
        seconds.append(ended - started)
        if ended >= ends:
            break
    return Inferred(np.array(seconds), time.process_time() - worked)


def calls_of(order: Array, size: int, unit: int) -> list[Array]:
    """Examples of each kind of call that an epoch is made of, the first of `unit` full batches."""
    full, short = divmod(len(order), size)
    parts = [order[: unit * size if full else short]]
    if full % unit:
        parts.append(order[:size])
    if full and short:
        parts.append(order[-short:])
    return parts


def first_leaf(result: Any) -> Any:
    """The first tensor of what a component returned."""
    while isinstance(result, (tuple, list, dict)):
        result = next(iter(result.values() if isinstance(result, dict) else result))
    return result
