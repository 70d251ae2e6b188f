"""An entrant in this process: notebooks, tests, the referee, and what a worker serves."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from common.contract.arrays import Array, Arrays
from common.contract.axes import Axes, sized
from common.contract.info import home_of
from common.contract.labels import TARGET, check_labels
from common.contract.models import MODELS
from common.contract.optimizers import OPTIMIZERS, function_of
from common.contract.precision import PRECISIONS, cast, held
from common.contract.registry import Rules
from common.contract.schedules import varies
from common.entrants.by_components import ByComponents
from common.entrants.components import WARM_UP_CALLS, Components, Functions, calls_of
from common.entrants.digests import digest_of
from common.entrants.examples import EVALUATION_BATCH, classes_of, mean_over_examples, read
from common.entrants.losses import loss_for
from common.entrants.session import Evaluated, Inferred, Opened, Trained, WarmedUp
from common.entrants.trail import Counted, Held, Trail
from common.entrants.updates import Clip, clip_for, clipping, rates, with_rates
from common.errors import Unavailable, one_line
from common.measure.machine import peak_memory_bytes

#: So long a call is made again and again to warm up, if it is quick enough to be made often.
WARM_UP_SECONDS = 5.0


class LocalSession(ByComponents):
    """An entrant in this process.

    Args:
        backend: a folder under `backends/`, or under one that its path was extended by.
        rules: instead of the backend's own: differences that another declares.
        package: where it is imported from, if not from `backends`.
    """

    # Modules and objects of the framework: nothing here can say their types.
    _data: Any
    _model: Any
    _loss: Any
    _update: Any
    _accuracy: Any
    _train: Any
    # What is placed and made for a plan, from `open` to `close`.
    _held: Any
    _loader: Any
    _test: Any
    _params: Any
    _state: Any
    _epoch: Any
    _evaluate: Any
    _components: Components | None = None
    _axes: Axes
    #: The initial parameters, as they came.
    _given: Arrays
    _statistics: tuple[str, ...]
    #: The learning rate of every step, where it is not the same for all.
    rates: Array | None
    warm_up_seconds = WARM_UP_SECONDS
    #: Of logits and labels, for a loss that sees more than those.
    _loss_alone: Callable[..., Any] | None = None

    def __init__(
        self, backend: str, rules: Rules | None = None, package: str | None = None
    ) -> None:
        self.backend, self._rules = backend, rules or {}
        self._package = package or f"backends.{backend}"

    def open(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> Opened:
        """Import the framework and make everything ready.

        Args:
            plan: `Plan.asdict()`.
            choices: {"style", "mode", "data"}.
            data: {"folder", "limit"} of IDX files, or {"train", "test": pairs of arrays};
                "initial": the parameters; "classes": how many there are, 0 for targets;
                "target": the shape of one, where it is not (1,); "trail": along which states are
                made that two sides name otherwise.

        Raises:
            Unavailable: the framework cannot be imported, or the device is not there.
            BadLabel: a label that no loss can take.
        """
        started = time.perf_counter()
        package = importlib.import_module(self._package)
        try:
            for component in ("data", "model", "loss", "update", "accuracy", "train"):
                setattr(self, f"_{component}", self._import(component))
            if choices["data"] == "loader":
                for name in package.INFO.loader_packages:
                    importlib.import_module(name)
        except ImportError as cause:
            raise Unavailable(f"{self.backend} cannot be imported: {one_line(cause)}") from cause
        imported = time.perf_counter()
        try:
            self._plan = plan
            settings = self.set_up()
        except Exception as cause:
            # What a framework raises for a device it lacks is its own affair.
            if plan["device"] == "cpu":
                raise
            raise Unavailable(
                f"{self.backend} has no device {plan['device']} here: {one_line(cause)}"
            ) from cause
        own = peak_memory_bytes()
        self._compose(plan, choices, data)
        packages = package.INFO.packages
        if choices["data"] == "loader":
            packages += package.INFO.loader_packages
        return Opened(
            versions={
                **{name: importlib.metadata.version(name) for name in (*packages, "numpy")},
                "python": platform.python_version(),
            },
            settings=settings,
            import_seconds=imported - started,
            open_seconds=time.perf_counter() - imported,
            framework_memory_bytes=own,
        )

    def set_up(self) -> dict[str, Any]:
        """Prepare the framework for the plan; what it says of itself."""
        plan = self._plan
        return dict(self._train.setup(plan["dtype"], plan["device"], plan["threads"]))

    def _import(self, component: str) -> Any:
        return importlib.import_module(f"{self._package}.{component}")

    def _function(self, first: Any, name: str) -> Any:
        """From the file that has it; backends of one's own may hold all of a component in one."""
        file = home_of(name.rpartition("_")[0]).removesuffix(".py")
        there = importlib.util.find_spec(f"{self._package}.{file}") is not None
        for module in (first, *([self._import(file)] if there else [])):
            if hasattr(module, name):
                return getattr(module, name)
        raise Unavailable(f"{self.backend} has no {name}; it belongs into its {file}.py")

    def _compose(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> None:
        """Put the components together for one plan."""
        self._plan, self._choices, self._classes = plan, choices, data["classes"]
        self._given = data["initial"]
        self._target = tuple(data.get("target", TARGET))
        self._statistics = ()
        self._choose(plan, choices, data)
        self._backward, self._gradients = self._model.backward, self._differentiation()
        if self._statistics:
            apart = self._import("statistics")
            self._backward = partial(apart.backward, statistics=self._statistics)
        if "trail" in data:
            self._count_updates(data["trail"])
        mode = choices["mode"]
        train, self._test = read(data)
        for images, labels in filter(None, (train, self._test)):
            check_labels(images, labels, self._classes, self._target)
        self._examples = len(train[1])
        self.rates = self.rates_of(plan) if varies(plan) else None
        if choices["data"] == "loader":  # the loader reads the files; one example tells the types
            train = (train[0][:1], train[1][:1])
        self._held = self._placed(*train)
        self._labels_dtype = np.dtype("<i4" if self._classifies else held(plan["dtype"]))
        self._components = Components(self._functions(tuple(data["initial"])))
        self._params = self._loaded(data["initial"])
        forward = self._make_forward(self._params)
        self._state, update = self._new_update(self._params)
        gradients = self._gradients(forward, self._loss_of, mode)
        step = self._train.step(gradients, update, self._count)
        self._waited = 0.0
        source = self._held
        if choices["data"] == "loader":
            self._loader = self._data.loader(
                data["folder"], plan["dtype"], plan["device"], plan["batch_size"], plan["workers"]
            )
            source = self._clocked
        self._epoch = self._train.epoch(step, source, mode, self._batch_size())
        self._evaluate = None
        if self._test is not None:
            told = forward, self._loss_of, self._count, self._placed(*self._test)
            self._evaluate = self._train.evaluate(*told, mode, EVALUATION_BATCH)

    def _differentiation(self) -> Any:
        if self._statistics:
            return partial(self._import("statistics").gradients, statistics=self._statistics)
        return self._train.gradients

    def _batch_size(self) -> Any:
        return self._plan["batch_size"]

    def _choose(self, plan: dict[str, Any], choices: dict[str, Any], data: dict[str, Any]) -> None:
        """Choose the backend's functions for a plan."""
        model, style = MODELS[plan["model"]], choices["style"]
        self._classifies = model.classifies
        self._axes = sized(model.parameters, data["initial"])
        self._make_forward = self._function(self._model, f"{model.name}_{style}")
        if model.smallest:
            self._make_forward = partial(self._make_forward, shape=tuple(data["inputs"]["shape"]))
        self._statistics = model.statistics
        named = partial(self._function, self._loss)
        self._loss_of = loss_for(plan, style, named, self._tensor)
        rule = function_of(plan)
        self._make_update = self._rules.get(rule, self._function(self._update, f"{rule}_{style}"))
        self._count = self._accuracy.correct if model.classifies else self._accuracy.uncounted

    def _count_updates(self, trail: Trail) -> None:
        """Have a count for the state: it is another's business what that is."""
        counting = Held(
            lambda arrays: self._loaded(cast(arrays, self._plan["dtype"])),
            lambda count: self._tensor(np.asarray(count, np.int32)),
            self._data.to_array,
        )
        self._update = counted = Counted(self._update, self._make_update, counting, trail)
        self._make_update = counted.make

    def _functions(self, names: tuple[str, ...]) -> Functions:
        one = self._data.take(self._held, self._tensor(np.zeros(1, np.int32)))
        return Functions(
            data=self._data,
            model=self._model,
            loss=self._loss,
            update=self._update,
            train=self._train,
            make_forward=self._make_forward,
            loss_of=self._loss_of,
            loss_alone=self._loss_alone or self._loss_of,
            backward=self._backward,
            gradients=self._gradients,
            new_update=self._new_update,
            count=self._count,
            classifies=self._classifies,
            classes=self._classes,
            target=self._target,
            axes=self._axes,
            load=self._loaded,
            to_tensor=self._tensor,
            names=names,
            labels_dtype=self._data.to_array(one[1]).dtype,
        )

    def _new_update(self, params: Any) -> tuple[Any, Any]:
        plan = with_rates(self._plan, self.rates, self._tensor)
        settings = OPTIMIZERS[plan["optimizer"]].settings(plan)
        trained = {name: param for name, param in params.items() if name not in self._statistics}
        state, update = self._make_update(trained if self._statistics else params, *settings)
        update = clipping(update, self.clip(trained))
        if self._statistics:
            update = self._import("statistics").keeping(update, self._statistics)
        return state, update

    def rates_of(self, plan: dict[str, Any]) -> Array:
        """The learning rates that a plan means, one for each step: (steps,), float64."""
        return rates(self._import("schedule"), self._choices["style"], plan, self._examples)

    def clip(self, params: Any) -> Clip | None:
        """What makes the gradients of some parameters smaller, if the plan has it so."""
        own = partial(self._import, "clip")
        return clip_for(self._plan, self._choices["style"], self._rules, own, params)

    def _clocked(self, order: Array) -> Iterator[Any]:
        """Yield the loader's batches, adding up the time spent waiting for them."""
        batches = iter(self._loader(order))
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self._waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def warm_up(self, order: Array) -> WarmedUp:
        """Run every call that an epoch is made of, again and again; forget it by `load`.

        `WARM_UP_CALLS` times each, as long as that stays a matter of seconds; twice where a loader
        has to be started each time. A call of several steps that is a whole epoch is made once.
        """
        size, unit = self._plan["batch_size"], self._steps_per_call(order)
        full, parts = len(order) // size, calls_of(order, size, unit)
        compiled = self._compiled()
        started = time.perf_counter()
        self._run(parts[0])
        first = time.perf_counter() - started - (self._compiled() - compiled)
        for part in parts:
            calls = WARM_UP_CALLS
            if self._choices["data"] == "loader":
                calls = 2
            elif part is parts[0] and 1 < unit >= full:
                calls = 0
            ends = time.perf_counter() + self.warm_up_seconds
            for number in range(calls):
                if number < 2 or time.perf_counter() < ends:
                    self._run(part)
        if self._evaluate is not None:
            self._evaluate(self._params)
        tells = self._train.compile_seconds() is not None
        return WarmedUp(max(0.0, first), self._compiled() - compiled if tells else None)

    def _compiled(self) -> float:
        """Seconds spent compiling so far, as far as the framework tells."""
        return self._train.compile_seconds() or 0.0

    def _steps_per_call(self, order: Array) -> int:
        """How many of an order's full batches one call holds."""
        full: int = len(order) // self._plan["batch_size"]
        most: int | None = self._epoch.steps_per_call
        if most is None:  # all there are
            return max(1, full)
        return most if most <= full else 1

    def initial(self, seed: int) -> Arrays:
        """As `Session.initial`; a backend that does not say begins with what it was given."""
        params = self._loaded(self._given)
        if importlib.util.find_spec(f"{self._package}.initial") is not None:
            params = self._import("initial").initial(params, seed)
        return dict(self._model.dump(params, self._axes))

    def load(self, params: Arrays, state: Arrays | None = None) -> None:
        """Set parameters and optimiser state (None: zeros, as before the first step)."""
        self._params = self._model.assign(self._params, params, self._axes)
        if state is None:
            state = {name: np.zeros_like(array) for name, array in self.state().items()}
        self._state = self._update.assign_state(self._state, state, self._axes)

    def _run(self, order: Array) -> tuple[Array, Array]:
        self._params, self._state, losses, counts = self._epoch(self._params, self._state, order)
        return losses, counts

    def train(self, order: Array) -> Trained:
        """Train along an order; the clock stops when the parameters are there."""
        self._waited = 0.0
        started, worked = time.perf_counter(), time.process_time()
        losses, counts = self._run(order)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
        loads = self._choices["data"] == "loader"
        return Trained(
            losses=losses,
            counts=counts,
            seconds=seconds,
            data_seconds=self._waited if loads else None,
            # The processes of a loader are not this one's threads.
            cpu_seconds=None if loads and self._plan["workers"] else cpu_seconds,
            steps_per_call=self._steps_per_call(order),
            peak_memory_bytes=peak_memory_bytes(),
        )

    def evaluate(self) -> Evaluated:
        """Measure the test set: mean loss, number correct, seconds."""
        assert self._evaluate is not None, "this model has no test set"
        started = time.perf_counter()
        losses, counts = self._evaluate(self._params)
        seconds = time.perf_counter() - started
        loss = mean_over_examples(losses, len(self._test[1]), EVALUATION_BATCH)
        return Evaluated(loss, int(counts.sum()), seconds)

    def params(self) -> Arrays:
        """Fetch the parameters."""
        return dict(self._model.dump(self._params, self._axes))

    def state(self) -> Arrays:
        """Fetch the optimiser's state."""
        return dict(self._update.dump_state(self._state, self._axes))

    def fingerprint(self, order: Array) -> str:
        """SHA-256 of every batch's images, then labels, as the framework holds them."""
        return digest_of(self._batches(order), self._labels_dtype)

    def _batches(self, order: Array) -> Iterator[tuple[Array, Array]]:
        size = self._plan["batch_size"]
        if self._choices["data"] == "loader":
            pairs: Iterator[Any] = self._loader(order)
        else:
            parts = (order[start : start + size] for start in range(0, len(order), size))
            pairs = (self._data.take(self._held, self._tensor(part)) for part in parts)
        for images, labels in pairs:
            yield self._data.to_array(images), self._data.to_array(labels)

    def batch(self, index: Array) -> tuple[Array, Array]:
        """Fetch one batch as the framework holds it."""
        return next(self._batches(index))

    def _placed(self, images: Array, labels: Array) -> Any:
        return self._data.place(images, labels, self._plan["dtype"], self._plan["device"])

    def _tensor(self, array: Array) -> Any:
        return self._in_dtype(self._data.to_tensor(array, self._plan["device"]))

    def _loaded(self, arrays: Arrays) -> Any:
        """Parameters of the framework, or what has their names and shapes."""
        params = self._model.load(arrays, self._axes, self._plan["device"])
        if not PRECISIONS[self._plan["dtype"]].narrow:
            return params
        return {name: self._in_dtype(param) for name, param in params.items()}

    def _in_dtype(self, tensor: Any) -> Any:
        """A tensor in the run's dtype; arrays came in another, where NumPy has no such."""
        dtype = self._plan["dtype"]
        return self._data.to_dtype(tensor, dtype) if PRECISIONS[dtype].narrow else tensor

    @property
    def components(self) -> Components:
        """Each component by itself."""
        assert self._components is not None, "the session is not open"
        return self._components

    def component_seconds(self, index: Array) -> dict[str, float]:
        """As `Session.component_seconds`: compiled alone where the entrant compiles."""
        compiled, memory = self._choices["mode"] != "eager", self._choices["data"] == "memory"
        taken = (self._held, index) if memory else None
        start, batch = (self.params(), self.state()), self.batch(index)
        return self.components.seconds(*start, *batch, compiled=compiled, taken=taken)

    def infer(self, params: Arrays, index: Array, calls: int, within: float | None) -> Inferred:
        """As `Session.infer`."""
        compiled, batches = self._choices["mode"] != "eager", [self.batch(row)[0] for row in index]
        return self.components.infer(params, batches, compiled, calls, within)

    def predict(self) -> Array:
        """Choose a class for each test image: (examples,), uint8 where that holds all classes."""
        return classes_of(self.test_logits(self.params()))

    def has_test_set(self) -> bool:
        """Whether there is anything to evaluate."""
        return self._test is not None

    def test_batches(self) -> Iterator[tuple[Array, Array]]:
        """Images and labels of the test set, as many at a time as are evaluated at once."""
        placed, examples = self._placed(*self._test), len(self._test[1])
        for start in range(0, examples, EVALUATION_BATCH):
            index = np.arange(start, min(start + EVALUATION_BATCH, examples), dtype=np.int32)
            batch = self._data.take(placed, self._tensor(index))
            yield self._data.to_array(batch[0]), self._data.to_array(batch[1])

    def test_logits(self, params: Arrays) -> Array:
        """Logits of the whole test set: (examples, classes)."""
        return np.concatenate([self.logits(params, images) for images, _ in self.test_batches()])

    def close(self, *, at_once: bool = False) -> None:
        """Let go of everything placed."""
        self._held = self._loader = self._test = self._params = self._state = None
        self._epoch = self._evaluate = self._components = None
