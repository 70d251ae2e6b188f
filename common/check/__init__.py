"""Hold a port against its original, from Python: modules layer by layer, functions step by step.

    from compare import check

    report = check(flax_net, torch_net, inputs, labels)
    print(report)

What is taken, and what the answer looks like: docs/checking-a-port.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from common.check.ports import Report, check_functions
from common.contract.given import as_arrays
from common.contract.kinds import takes
from common.contract.optimizers import OPTIMIZERS
from common.contract.registry import find
from common.entrants.port import Port
from common.errors import Refused
from common.modules.check import Options, check_modules
from common.modules.door import refuse_class
from common.modules.functions import Parameters
from common.shown.module_page import CheckReport

__all__ = ["CheckReport", "Port", "Report", "check"]


def check(
    port: Any,
    reference: Any = None,
    inputs: Any = None,
    labels: Any = None,
    *,
    loss: Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]] | None = None,
    train: bool = False,
    steps: int = 3,
    optimizer: str = "sgd",
    lr: float = 0.1,
    momentum: float | None = None,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float | None = None,
    alpha: float = 0.99,
    mode: str = "eager",
    dtype: str = "float32",
    mapping: str | Path | None = None,
    only: str | None = None,
    seed: int = 0,
    params: Mapping[str, Any] | None = None,
    images: Any = None,
    model: str | None = None,
    style: str = "concise",
    batch_size: int = 32,
    epochs: int = 2,
) -> CheckReport | Report:
    """Say whether a port agrees with its original, or where it parts.

    Modules are held against each other layer by layer, forwards and backwards; so is a `Port` of
    functions against a module, and two that name what lies between (`taps`). Other functions, or
    a backend, are trained along the referee's path.

    Args:
        port: a module of any framework (linen's as (module, variables)); a `Port`; or the name or
            the folder of a backend that follows the contract.
        reference: what is ported: a module, or a `Port`, computing in the dtype it is given. None:
            the NumPy referee, for a registered model and a `Port` or a backend.
        inputs: an array, or several: in a tuple in order, in a dict by the names of arguments.
            Bytes are pixels and divided by 255, other integers are tokens. Of a `Port` one array,
            also under its older name `images`.
        labels: (n,) classes, (n, tokens) of them, or floats: targets. None, of modules: no loss.
        loss: of modules, (outputs, labels) -> the mean, in the framework's tensors: one for both,
            or (the reference's, the port's); (params, outputs, labels) of one with a penalty,
            the parameters by name. None: a `Port`'s own; of modules softmax
            cross-entropy of integers, -100 left out of the mean, or the mean of squares of floats.
        train: modules: in training mode, their buffers compared afterwards.
        steps: modules: at so many states of a training the whole is judged; 0: the layers only.
        optimizer, lr, momentum, weight_decay, betas, eps, alpha: of the training; momentum and eps
            are by default the optimizer's usual ones, as on the command line.
        mode: of the port: "eager" or "jit"; of a `Port` or a backend "fused", too.
        dtype: "float32" or "float64".
        mapping: modules: a file that says how the port's weights are made of the reference's, as
            a report's `matched.mapping.save` writes it. None: it is found.
        only: modules: a pattern of the reference's layers, "layer3.*".
        seed: of all that is drawn.
        params: of a `Port`: initial values, a dict by name or a tree of dicts; where one side is
            a module, or there are taps, also (the reference's, the port's).
        model, style, batch_size, epochs: of a `Port` or a backend: a registered model instead of a
            reference, and as on the command line.

    Returns:
        the report; `report.agrees` is the answer, `print(report)` the explanation; of
        modules `report.save("report.html")` is a page of it.

    Raises:
        Refused: what cannot be compared at all, in one line.
        BadLabel: labels that no loss could take.
    """
    usual = OPTIMIZERS.get(optimizer, OPTIMIZERS["sgd"])  # an unknown one is refused by its name
    shared: dict[str, Any] = {
        "optimizer": optimizer,
        "lr": lr,
        "momentum": usual.momentum if momentum is None else momentum,
        "weight_decay": weight_decay,
        "betas": betas,
        "eps": usual.eps if eps is None else eps,
        "alpha": alpha,
        "dtype": dtype,
        "seed": seed,
    }
    if inputs is not None and images is not None:
        raise Refused("images is the older name of inputs; give one of them")
    given = images if inputs is None else inputs
    of_modules = {"loss": loss, "train": train, "steps": steps, "mapping": mapping, "only": only}
    of_functions = {"model": model, "style": style, "batch_size": batch_size, "epochs": epochs}
    if layered(port, reference):
        refuse_other(
            of_functions,
            "of functions and backends that are trained; what is held layer by layer has none",
        )
        if given is None:
            raise Refused("check needs inputs, as the reference takes them")
        options = Options(
            train=train,
            steps=steps,
            mapping=None if mapping is None else Path(mapping),
            only=only or "*",
            losses=both("loss", loss),
            **shared,
        )
        leaves = parameters(both("params", params))
        return CheckReport.of(check_modules(port, reference, given, labels, options, mode, leaves))
    refuse_other(of_modules, "of modules, and of functions with taps; a Port brings its own loss")
    if params is None:
        raise Refused(
            f"{type(port).__name__} is no module that is known, and a Port of functions needs "
            "params, its initial values by name"
        )
    return check_functions(
        port,
        reference,
        params=params,
        images=given,
        labels=labels,
        model=model,
        style=style,
        mode=mode,
        batch_size=batch_size,
        epochs=epochs,
        **shared,
    )


def layered(port: Any, reference: Any) -> bool:
    """Whether both are held against each other as networks: a module is there, or a tap.

    Raises:
        Refused: a class instead of its instance; what is neither a module nor functions.
    """
    sides = {"reference": reference, "port": port}
    for who, side in sides.items():
        refuse_class(who, side)
    modules = any(takes(side) for side in sides.values())
    if not modules and not any(isinstance(side, Port) and side.taps for side in sides.values()):
        return False
    for who, side in sides.items():
        if not takes(side) and not isinstance(side, Port):
            known = ", ".join(name for one in find().values() for name in one.info.modules)
            kind = f"{type(side).__module__}.{type(side).__qualname__}"
            raise Refused(
                f"the {who} is a {kind}, which is no module that can be taken; these are: {known}, "
                "and a Port of functions"
            )
    return True


def refuse_other(given: Mapping[str, Any], words: str) -> None:
    """Refuse what is said for another kind of check, and would be of no effect in this one.

    Raises:
        Refused: for the first of it.
    """
    usual = signature(check).parameters
    for name, value in given.items():
        if value != usual[name].default:
            raise Refused(f"{name}={value!r:.60}: that is {words}")


def both(what: str, given: Any) -> tuple[Any, Any]:
    """What is said for both sides at once, or for (the reference, the port)."""
    if not isinstance(given, tuple):
        return given, given
    if len(given) != len(("reference", "port")):
        raise Refused(
            f"{what} are {len(given)}; give one for both, or (the reference's, the port's)"
        )
    return given


def parameters(given: tuple[Any, Any]) -> tuple[Parameters | None, Parameters | None]:
    """The parameters of Ports, by name; the same where they are given once."""
    first = None if given[0] is None else Parameters(*as_arrays(given[0]))
    if given[0] is given[1]:
        return first, first
    return first, None if given[1] is None else Parameters(*as_arrays(given[1]))
