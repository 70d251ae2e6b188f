"""Hold a network against the one it was ported from."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.given import as_array
from common.contract.info import DTYPES
from common.contract.kinds import net_of
from common.contract.net import Net, Tensors
from common.contract.optimizers import OPTIMIZERS
from common.errors import Refused
from common.modules.causes.likely import likely_cause
from common.modules.judging import Judge, Step
from common.modules.matching import match
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
        optimizer, lr, momentum, weight_decay, betas, eps: of that training.
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
    dtype: str = "float32"
    seed: int = 0
    mapping: Path | None = None
    only: str = "*"
    losses: tuple[LossFunction | None, LossFunction | None] = (None, None)


def examine(
    reference: Net, port: Net, inputs: Tensors, labels: Array | None, options: Options
) -> ModuleReport:
    """Put both side by side, and judge.

    Args:
        reference, port: the networks.
        inputs: as the reference takes them.
        labels: of the examples; None: no loss.
        options: how.

    Raises:
        Refused: what cannot be compared at all.
    """
    started = time.perf_counter()
    matched = match(
        reference,
        port,
        inputs,
        train=options.train,
        dtype=options.dtype,
        seed=options.seed,
        mapping=options.mapping,
    )
    judge = Judge(
        matched,
        options.seed,
        labels,
        options.losses,
        options.only,
        update_of(
            options, [name for name, leaf in matched.reference.leaves.items() if leaf.trained]
        ),
        options.steps,
    )
    held = judge.judged()
    first = first_wrong(held)
    cause = None if first is None else likely_cause(judge, first)
    return ModuleReport(matched, held, time.perf_counter() - started, cause)


def update_of(options: Options, names: Sequence[str]) -> Step:
    """The referee's update of some leaves, step after step."""
    optimizer = OPTIMIZERS[options.optimizer]
    rules = importlib.import_module("backends.numpy.update")
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
) -> ModuleReport:
    """Hold a module against another, both in this process.

    Args:
        port, reference: modules that some backend takes (`common.contract.kinds`).
        inputs: an array, or several: in a tuple in order, in a dict by the names of arguments.
        labels: of the examples, or None.
        options: how.
        mode: of the port: "eager" or "jit".

    Raises:
        Refused: what cannot be compared at all.
    """
    if options.optimizer not in OPTIMIZERS:
        raise Refused(f"unknown {options.optimizer!r}; there are {', '.join(OPTIMIZERS)}")
    for word, known in ((options.dtype, DTYPES), (mode, NET_MODES)):
        if word not in known:
            raise Refused(f"unknown {word!r}; there are {', '.join(known)}")
    names, arrays = given_inputs(inputs)
    return examine(
        net_of(reference, names),
        net_of(port, names, mode),
        arrays,
        None if labels is None else as_array("labels", labels),
        options,
    )


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
    return names, tuple(one / np.float32(255) if one.dtype == np.uint8 else one for one in arrays)
