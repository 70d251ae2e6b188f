"""Hold a network against the one it was ported from."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.given import as_array, as_labels, as_pixels, rebuilt
from common.contract.info import MODULE_DTYPES, home_of
from common.contract.net import Leaf, Net, Tensors
from common.contract.optimizers import OPTIMIZERS
from common.entrants.port import Port
from common.errors import Refused
from common.mapping.mapping import WeightMap, taking_part
from common.modules import door
from common.modules.boundaries import merging
from common.modules.causes.likely import likely_cause
from common.modules.functions import Parameters, side_of
from common.modules.guard import NotRunError, Refusing, refusing
from common.modules.held import Held, Place, failure
from common.modules.inside import parting_of_modules
from common.modules.judging import Judge, Step
from common.modules.layout import Layout
from common.modules.losses import Losses, loss_of_reference
from common.modules.matched import Matched, rounded
from common.modules.matching import match
from common.modules.probes import random_in_port
from common.modules.report import ModuleReport, first_wrong
from common.modules.units import LossFunction

#: How a network may run.
NET_MODES = ("eager", "jit")


@dataclass(frozen=True, eq=False)
class Options:
    """How a port is held against its reference.

    Attributes:
        train: whether in training mode: statistics of the batch, buffers compared afterwards.
        steps: states of a training at which the whole is judged; 0: the layers only.
        optimizer, lr, momentum, weight_decay, betas, eps, alpha: of that training.
        dtype: "float32" or "float64".
        seed: of everything that is drawn.
        mapping: a file that says how the port's weights are made of the reference's.
        only: a pattern of the layers' names.
        losses: of the reference and of the port, (outputs, labels) -> the mean; None: the usual.
    """

    train: bool = False
    steps: int = 3
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    alpha: float = 0.99
    dtype: str = "float32"
    seed: int = 0
    mapping: Path | None = None
    only: str = "*"
    losses: Losses = (None, None)


def examine(
    reference: Net,
    port: Net,
    inputs: Tensors,
    labels: Array | None,
    options: Options,
    *,
    same: bool = False,
) -> ModuleReport:
    """Put both side by side, and judge.

    Args:
        reference, port: the networks.
        inputs: as the reference takes them.
        labels: of the examples; None: no loss.
        options: how.
        same: whether both take the same leaves, under the same names and in the same layout.

    Raises:
        Refused: what cannot be compared at all.
    """
    started = time.perf_counter()
    door.refuse_float32_only(reference)
    door.refuse_float64(port, options.dtype)
    reference = Refusing(reference)
    try:
        matched = match(
            reference,
            port,
            inputs,
            train=options.train,
            dtype=options.dtype,
            seed=options.seed,
            mapping=options.mapping,
            same=same,
        )
    except NotRunError as error:
        return not_run(error, options, started)
    door.refuse_only(matched, options.only)
    outputs = rounded(matched.reference.outputs, "float64")
    if labels is not None:
        if options.losses[0] is None:
            door.refuse_labels(labels, outputs)
        with refusing("the reference's loss"):
            loss_of_reference(matched, labels, options.losses)
    random = random_in_port(matched)
    probes = {
        "repeats": True,
        "float64": True,
        "port_repeats": random is None,
        "port_finite": all(np.isfinite(one).all() for one in matched.port.outputs),
    }
    update = update_of(options, trained(matched.reference.leaves.values()))
    judge = Judge(
        matched, options.seed, labels, options.losses, options.only, update, options.steps
    )
    judge, held = merging(judge)
    first = first_wrong(held)
    cause, unasked = (None, ()) if first is None else likely_cause(judge, first)
    parting = parting_of_modules(matched) if first is not None and between(first) else None
    if parting is not None:
        cause = cause or parting.cause
    if cause is not None:
        held = [replace(one, likely_cause=str(cause)) if one is first else one for one in held]
    elif random is not None:
        held = [random]  # its numbers say nothing
    seconds = time.perf_counter() - started
    return ModuleReport(judge.matched, held, seconds, cause, probes, parting, unasked)


def between(first: Held) -> bool:
    """Whether a tensor is wrong between what is named, forwards."""
    place = first.place
    return (place.unit, place.stage) == ("wiring", "forward") and first.fault is None


def not_run(error: NotRunError, options: Options, started: float) -> ModuleReport:
    """The report on a port that raises when it is first run."""
    leaves = [list(side.leaves.values()) for side in (error.reference, error.port)]
    nothing = WeightMap((), taking_part(leaves[0]), taking_part(leaves[1]))
    layouts = [Layout(tuple(range(one.ndim))) for one in error.port.inputs]
    matched = Matched(
        error.reference,
        error.port,
        nothing,
        [],
        layouts,
        {},
        {},
        (),
        train=options.train,
        dtype=options.dtype,
    )
    place = Place("", "", "forward", "whole", "output")
    held = [failure(place, error.words, options.dtype)]
    return ModuleReport(
        matched,
        held,
        time.perf_counter() - started,
        probes={"repeats": True, "float64": True, "port_repeats": None, "port_finite": None},
    )


def trained(leaves: Iterable[Leaf]) -> list[str]:
    """The names of the parameters."""
    return [leaf.name for leaf in leaves if leaf.trained]


def update_of(options: Options, names: Sequence[str]) -> Step:
    """The referee's update of some leaves, step after step."""
    optimizer = OPTIMIZERS[options.optimizer]
    file = home_of(optimizer.function).removesuffix(".py")
    rules = importlib.import_module(f"backends.numpy.{file}")
    make = getattr(rules, f"{optimizer.function}_scratch")
    held: dict[str, Any] = {}

    def step(values: Arrays, slopes: Arrays) -> Arrays:
        params = {name: values[name].copy() for name in names}
        if not held:
            held["state"], held["update"] = make(params, *optimizer.settings(vars(options)))
        grads = {name: slopes[name] for name in names}
        moved, held["state"] = held["update"](params, grads, held["state"])
        return {**values, **moved}

    return step


def check_modules(
    port: Any,
    reference: Any,
    inputs: Any,
    labels: Any,
    options: Options,
    mode: str = "eager",
    params: tuple[Parameters | None, Parameters | None] = (None, None),
) -> ModuleReport:
    """Hold a module against another, both in this process.

    Args:
        port, reference: modules that some backend takes (`common.contract.kinds`), or Ports.
        inputs: an array, or several: in a tuple in order, in a dict by the names of arguments.
        labels: of the examples, or None.
        options: how.
        mode: of the port: "eager" or "jit".
        params: of Ports: the reference's, the port's.

    Raises:
        Refused: what cannot be compared at all.
    """
    refuse_options(options, mode)
    for who, given in (("reference", reference), ("port", port)):
        door.refuse_class(who, given)
    names, arrays = given_inputs(inputs)
    functions = isinstance(reference, Port) and isinstance(port, Port)
    options = replace(options, losses=own_losses(options.losses, (reference, port), params))
    return examine(
        side_of("reference", reference, params[0], names, "eager"),
        side_of("port", port, params[1], names, mode),
        arrays,
        None if labels is None else as_labels(labels),
        options,
        same=functions and params[0] is params[1],
    )


def own_losses(
    given: Losses, sides: tuple[Any, Any], params: tuple[Parameters | None, Parameters | None]
) -> Losses:
    """The losses that are given, and of Ports, where none is, their own."""
    first, second = (
        on_tree(loss or side.loss, parameters) if isinstance(side, Port) else loss
        for loss, side, parameters in zip(given, sides, params, strict=True)
    )
    return first, second


def on_tree(loss: LossFunction, params: Parameters | None) -> LossFunction:
    """A loss that takes the parameters, if it does, as the tree that they were given as."""
    paths = None if params is None else params.paths
    if paths is None:
        return loss

    @wraps(loss)
    def called(*given: Any) -> Any:
        first, *rest = given
        return loss(rebuilt(first, paths) if isinstance(first, Mapping) else first, *rest)

    return called


def refuse_options(options: Options, mode: str) -> None:
    """Refuse words that are not known, and numbers that no training can have.

    Raises:
        Refused: the first of them.
    """
    words = (
        (options.optimizer, tuple(OPTIMIZERS)),
        (options.dtype, MODULE_DTYPES),
        (mode, NET_MODES),
    )
    for word, known in words:
        if word not in known:
            raise Refused(f"unknown {word!r}; there are {', '.join(known)}")
    if not isinstance(options.steps, int) or options.steps < 0:
        raise Refused(f"steps={options.steps!r}; give a whole number, 0 for the layers only")
    if not isinstance(options.seed, int) or options.seed < 0:
        raise Refused(f"seed={options.seed!r}; give a whole number from 0 up")
    beta1, beta2 = options.betas
    numbers = (
        ("lr", options.lr, 0.0, np.inf),
        ("momentum", options.momentum, 0.0, 1.0),
        ("weight_decay", options.weight_decay, 0.0, np.inf),
        ("betas", beta1, 0.0, 1.0),
        ("betas", beta2, 0.0, 1.0),
        ("eps", options.eps, 0.0, np.inf),
        ("alpha", options.alpha, 0.0, 1.0),
    )
    for name, number, least, most in numbers:
        if not least <= number < most:
            raise Refused(f"{name}={number!r}; give a number, {least:g} <= {name} < {most:g}")


def given_inputs(inputs: Any) -> tuple[tuple[str, ...] | None, Tensors]:
    """The names of the inputs, if they have some, and the inputs; bytes become 0 to 1.

    Raises:
        Refused: what is no array of numbers; none at all.
    """
    names = None
    if isinstance(inputs, Mapping):
        names, inputs = tuple(inputs), tuple(inputs.values())
    elif not isinstance(inputs, tuple):
        inputs = (inputs,)
    if not inputs:
        raise Refused("inputs is empty; give one array, a tuple of them, or a dict by name")
    told = names or tuple(
        f"inputs[{i}]" if len(inputs) > 1 else "inputs" for i in range(len(inputs))
    )
    arrays = tuple(as_array(name, one) for name, one in zip(told, inputs, strict=True))
    door.refuse_inputs(told, arrays)
    return names, tuple(map(as_pixels, arrays))
