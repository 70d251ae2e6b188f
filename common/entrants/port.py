"""Functions of somebody's own, in one framework, as an entrant."""

from __future__ import annotations

import importlib.util
import inspect
import itertools
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common.contract.arrays import Arrays
from common.contract.entrant import unknown, why_absent
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS
from common.contract.registry import Backend, find
from common.entrants.checked import CheckedHere
from common.entrants.components import Components
from common.entrants.local import LocalSession
from common.entrants.own_state import OwnState
from common.entrants.session import Session
from common.errors import Refused, one_line


@dataclass(frozen=True)
class Port:
    """Somebody's own functions, in one framework.

    Attributes:
        framework: the backend whose tensors they take, "torch" for instance.
        forward: (params, images) -> logits (n, classes), or predictions (n, ...). The parameters
            are a dict by name, or the tree of dicts that they were given as.
            Held against a module it may take several inputs, and return several tensors.
        loss: (logits, labels) -> the batch's mean, a scalar; or (params, logits, labels), of a
            loss with a penalty, told by how many arguments have no default. Held against a
            module: (outputs..., labels), or (params, outputs..., labels).
        update: (params, lr, momentum, decay), of Adam (params, lr, betas, eps, decay), of RMSprop
            (params, lr, alpha, eps, decay), of AdaGrad (params, lr, eps, decay), -> state,
            update(params, grads, state) -> params, state; parameters and gradients are dicts by
            name ("a.b" of a tree), the state is whatever they like; None: the backend's own.
        correct: (logits, labels) -> how many are right; None: the backend's own. Held against a
            module, or with taps, a Port has neither an update nor a correct.
        taps: whether `forward` takes one more argument, `tap`, and names what is judged between
            its inputs and its outputs: `x = tap("conv1", x)`, in the order of computation.
    """

    framework: str
    forward: Callable[..., Any]
    loss: Callable[..., Any]
    update: Callable[..., Any] | None = None
    correct: Callable[[Any, Any], Any] | None = None
    taps: bool = False

    @property
    def untapped(self) -> Callable[..., Any]:
        """The forward pass, none of its names heard."""
        return partial(self.forward, tap=passed) if self.taps else self.forward


def passed(name: str, tensor: Any) -> Any:
    """A tap that nobody listens to."""
    return tensor


class PortSession(LocalSession):
    """Somebody's functions in the harness of their framework's backend.

    Args:
        port: the functions.
        who: "port" or "reference", for what is refused.
    """

    def __init__(self, port: Port, who: str = "port") -> None:
        super().__init__(port.framework)
        self.port, self.who = port, who

    def _compose(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> None:
        """Put the components together, if the functions give what those need."""
        self._begin = data["initial"]
        super()._compose(plan, choices, data)
        self._fresh = self.state()
        size = min(plan["batch_size"], len(data["train"][1]))
        images, labels = self._data.take(self._held, self._tensor(np.arange(size, dtype=np.int32)))
        logits = self._first_logits(images)
        shape = shape_of(logits)
        if shape is None or shape[:1] != (size,) or (self._classifies and len(shape) != 2):
            kind = "(n, classes)" if self._classifies else "(n, ...)"
            raise Refused(
                f"the {self.who}'s forward returns {described(logits)} for {size} examples; "
                f"give one tensor {kind}"
            )
        value = self._first_loss(logits, labels)
        if shape_of(value) != ():
            words = "one number for each example; take the mean"
            words = words if shape_of(value) == (size,) else "the mean over the batch is needed"
            raise Refused(f"the {self.who}'s loss returns {described(value)}: {words}")

    def _first_logits(self, images: Any) -> Any:
        """The output for the first batch; a forward that takes none is somebody's to mend."""
        try:
            return self._make_forward(self._params)(self._params, images)
        except Exception as cause:
            raise Refused(
                f"the {self.who}'s forward raised {one_line(cause)}; it is called with (params, "
                "images), and a network itself is given without a Port"
            ) from cause

    def _first_loss(self, logits: Any, labels: Any) -> Any:
        """The loss of the first batch; one that takes no such shapes is somebody's to mend."""
        try:
            return self._loss_of(logits, labels)
        except Exception as cause:
            raise Refused(
                f"the {self.who}'s loss takes no output of shape {shape_of(logits)} with labels "
                f"of shape {shape_of(labels)}: {one_line(cause)}"
            ) from cause

    def _choose(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> None:
        """Take the port's functions for the backend's."""
        port, backend = self.port, self._import
        told = OPTIMIZERS[plan["optimizer"]].told
        refuse_arguments(f"the {self.who}'s forward", port.untapped, ("params", "images"))
        takes = ("params",) if sees_parameters(port.loss) else ()
        refuse_arguments(f"the {self.who}'s loss", port.loss, (*takes, "logits", "labels"))
        if port.update is not None:
            words = f"the {self.who}'s update, of {plan['optimizer']},"
            refuse_arguments(words, port.update, ("params", *told))
        update = backend("update")
        # From the formulas: a framework's own may follow a rule of its own.
        own = self._function(update, f"{OPTIMIZERS[plan['optimizer']].function}_scratch")
        registered = MODELS.get(plan["model"])
        self._classifies = registered.classifies if registered else plan["model"] != REGRESSION
        self._axes = {}  # nobody knows: its arrays stay as they are
        accuracy = backend("accuracy")
        self._make_forward = lambda params: port.untapped
        self._loss_of, self._loss_alone = port.loss, None
        if takes:
            self._see_parameters()
        self._make_update = self._made_update if port.update else own
        # A session may be opened again, and then imports the backend's module anew.
        self._update = OwnState(update, self._data, plan["device"]) if port.update else update
        counts = port.correct or accuracy.correct
        self._count = counts if self._classifies else accuracy.uncounted

    def _made_update(self, params: Any, *settings: Any) -> tuple[Any, Any]:
        """State and update, if the port's function makes those."""
        assert self.port.update is not None
        wanted = f"the {self.who}'s update makes no pair of a state and a function"
        try:
            made = self.port.update(params, *settings)
        except Exception as cause:
            raise Refused(f"{wanted} from parameters and settings: {one_line(cause)}") from cause
        if not isinstance(made, tuple) or len(made) != 2 or not callable(made[1]):
            raise Refused(f"{wanted}: it returns {described(made)}; give state, update")
        return made

    def _see_parameters(self) -> None:
        """Hand the parameters of a call of the model to the loss that follows it.

        They are the very tensors that are differentiated, so that a penalty has its gradient. The
        loss by itself has no model before it: there they are those that training begins with.
        """
        port, seen = self.port, {}

        def forward(params: Any, images: Any) -> Any:
            seen["params"] = params
            return port.forward(params, images)

        def alone(logits: Any, labels: Any) -> Any:
            begin = self._model.load(self._begin, self._axes, self._plan["device"])
            return port.loss(begin, logits, labels)

        self._make_forward = lambda params: forward
        self._loss_of = lambda logits, labels: port.loss(seen["params"], logits, labels)
        self._loss_alone = alone

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """As `Session.load`; somebody's own state need not begin at zero."""
        super().load(params, self._fresh if state is None else state)


#: What is asked of `Components` -> the port's function that a graph of it is made of.
GRAPHS = {"logits": "forward", "backward": "forward", "gradient": "loss"}


def raised_in(error: Exception) -> str | None:
    """Whose function raised an error, in words; None of an error of this project's own.

    A graph is made of a function without running it: there is no frame of it then, and whose it is
    follows from the component that was asked, if that is made of the port's functions alone.
    """
    session: PortSession | None = None
    asked = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        held = frame.f_locals.get("self")
        if isinstance(held, PortSession):
            session = held
        if session is None:
            continue
        if isinstance(held, Components):
            asked = asked or frame.f_code.co_name
        if frame.f_code.co_qualname.startswith("compiled.<locals>.") and asked in GRAPHS:
            return f"the {session.who}'s {GRAPHS[asked]}, compiled,"
        for name in ("forward", "loss", "update", "correct"):
            if getattr(getattr(session.port, name), "__code__", None) is frame.f_code:
                return f"the {session.who}'s {name}"
    return None


def sees_parameters(loss: Callable[..., Any], outputs: int = 1) -> bool:
    """Whether a loss takes (params, *outputs, labels): so many arguments without a default."""
    try:
        taken = inspect.signature(loss).parameters.values()
    except (TypeError, ValueError):  # written in C: nobody knows what it takes
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [one for one in taken if one.kind in positional and one.default is one.empty]
    return len(needed) == outputs + 2


def refuse_arguments(what: str, function: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Refuse a function that cannot be called with so many arguments."""
    if not callable(function):
        raise Refused(
            f"{what} is called with ({', '.join(names)}): a value of type "
            f"{type(function).__name__} is no function"
        )
    try:
        inspect.signature(function).bind(*names)
    except ValueError:  # written in C: nobody knows what it takes
        return
    except TypeError as cause:
        raise Refused(f"{what} is called with ({', '.join(names)}): {cause}") from cause


def shape_of(tensor: Any) -> tuple[int, ...] | None:
    """The shape of a tensor; None of what has none."""
    shape = getattr(tensor, "shape", None)
    return None if shape is None else tuple(shape)


def described(value: Any) -> str:
    """What was returned, in words."""
    shape = shape_of(value)
    return f"a {type(value).__name__}" if shape is None else f"shape {shape}"


_NUMBERS = itertools.count(1)

#: What a plan calls a port that is none of the registered models.
CLASSIFICATION, REGRESSION = "port", "port of a regression"


def opened_as(port: Port | str | Path, style: str, mode: str) -> tuple[Session, Backend, str]:
    """A session for functions or for a backend, what it is a backend of, and a style it has."""
    folder = None
    if isinstance(port, Port):
        available, name = find(), port.framework
    else:
        folder, name = Path(port).resolve(), Path(port).name
        available = find(folder.parent if folder.is_dir() else None)
    if name not in available:
        raise Refused(unknown(name, available))
    backend = available[name]
    if mode not in backend.info.modes:
        raise Refused(f"{name} has no {mode}: {why_absent(backend, mode)}")
    if style not in backend.info.styles:
        style = backend.info.styles[0]
    if not isinstance(port, Port):
        return CheckedHere(LocalSession(name, package=imported(backend))), backend, style
    if "concise" not in backend.info.styles:
        raise Refused(f"{name} differentiates nobody's functions; name a framework that does")
    return CheckedHere(PortSession(port)), backend, style


def imported(backend: Backend) -> str:
    """The package of a backend; somebody's own under a new name, so that none is taken for it."""
    if not backend.external:
        return f"backends.{backend.name}"
    name = f"_checked_{next(_NUMBERS)}_{backend.name}"
    file = backend.folder / "__init__.py"
    where = [str(backend.folder)]
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=where)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return name
