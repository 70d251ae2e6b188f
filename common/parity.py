"""Do the entrants agree? Held against the referee: NumPy, float64, gradients by hand.

Two questions, because either alone is blind (docs/conventions.md has the figures):

* *From equal inputs*, is each component within the error of the run's own arithmetic? At
  the first step, at the short batch and at the last step, on the referee's parameters and
  optimiser state; the update also from zero parameters, where nothing hides it; one
  whole step as it ran (compiled, if it was), from the same state; and the evaluation.
* *Running free*, does it stay with the referee? Within 16 units in the last place of the
  loss that needs no more proof. Beyond, the drift is held against a noise band: what plain
  arithmetic of that dtype drifts, and what one unit in the last place at the start grows into,
  because a network may amplify rounding to any size.

Criterion for a tensor: |entrant - referee| <= 8 E + 4 ulp + S, where E is the largest error
of the referee's own formulas in the run's dtype over several summation orders, ulp that of
the tensor's largest value, and S, element by element, what moving the parameters by 16 ulp
changes (a ReLU on its edge). The update has a bound for every element instead: 6 roundings
of each term it adds up (there are no more on any term's way) and 2 of the result (N. J. Higham,
Accuracy and Stability of Numerical Algorithms, 2002, section 3.1), so that a learning rate
wrong by 1e-6 shows: from zero that is 17 roundings. A count of correct rows may be off by the
rows whose two largest logits the bound cannot tell apart.

In a float64 run the referee has no finer arithmetic than the entrant, so that E shows little: there
4 ulp become 1e-13 of the tensor's largest value, and the update's roundings count twice. What this
run is for shows all the same: a constant rounded to float32 is off by 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from common.initial import Array, Arrays
from common.models import MODELS, Model
from common.session import LocalSession, Session
from common.spec import Info, Plan

REFEREE = "numpy"

ERROR_FACTOR = 8
ULPS = 4
UPDATE_ROUNDINGS = 6
NUDGE_ULPS = 16
SUMMATION_ORDERS = 5
NUDGES = 8
FREE_ULPS = 16
BAND_FACTOR = 4
FLOAT64_DRIFT = 1e-12
FLOAT64_FLOOR = 1e-13

CRITERION = (
    f"components from equal inputs: within {ERROR_FACTOR} times the error of the run's own "
    f"arithmetic (the referee's formulas in {SUMMATION_ORDERS} summation orders) + {ULPS} ulp "
    f"(float64: {FLOAT64_FLOOR:g} of the largest value) + what {NUDGE_ULPS} ulp in the parameters "
    f"change; update: {UPDATE_ROUNDINGS} roundings of each term; running free: drift within "
    f"{FREE_ULPS} ulp of the loss (float64: {FLOAT64_DRIFT:g}), or {BAND_FACTOR} times the noise "
    f"band + {ULPS} ulp"
)


@dataclass(frozen=True)
class Difference:
    """The first value that no rounding explains; `results.json` has its fields."""

    step: int
    stage: str
    tensor: str
    index: tuple[int, ...]
    value: float
    referee: float
    likely_cause: str | None = None

    def asdict(self) -> dict[str, Any]:
        """As in results.json."""
        return {**vars(self), "index": list(self.index)}


@dataclass
class State:
    """A place on the referee's path: what every backend is put on.

    Attributes:
        step: counted from 1.
        params, state: the referee's, rounded to the run's dtype.
        index: the examples of the step's batch.
        last: whether it is the run's last step, where the evaluation is checked, too.
    """

    step: int
    params: Arrays
    state: Arrays
    index: Array
    last: bool


@dataclass
class Path:
    """The referee's whole run, and epoch 1's batches as the run's dtype has them."""

    losses: Array
    states: list[State]
    classes: Array | None
    fingerprint: str


@dataclass
class Verdict:
    """What is said of one entrant; `results.json` has its fields."""

    verdict: str = "not checked"
    identical_to: str | None = None
    max_abs_loss_difference: float | None = None
    noise_band: float | None = None
    criterion: str = CRITERION
    prediction_agreement: float | None = None
    first_difference: Difference | None = None
    reason: str | None = None

    def asdict(self) -> dict[str, Any]:
        """As in results.json."""
        first = self.first_difference
        return {**vars(self), "first_difference": first.asdict() if first else None}


@dataclass
class Referee:
    """NumPy in float64, and NumPy in the run's dtype to show what that arithmetic costs.

    Args:
        plan: of the run.
        data: as for `Session.open`.
    """

    plan: Plan
    data: dict[str, Any]
    exact: LocalSession = field(init=False)
    plain: LocalSession = field(init=False)

    def __post_init__(self) -> None:
        self.exact = self._open("float64")
        self.plain = self._open(self.plan.dtype)

    def _open(self, dtype: str) -> LocalSession:
        session = LocalSession(REFEREE)
        plan = {**self.plan.asdict(), "dtype": dtype, "device": "cpu"}
        choices = {"style": "scratch", "mode": "eager", "data": "memory"}
        data = {**self.data, "initial": cast(self.data["initial"], dtype)}
        if "train" in data:
            data["train"] = tuple(array.astype(dtype) for array in data["train"])
        session.open(plan, choices, data)
        return session

    def path(self, orders: Sequence[Array]) -> Path:
        """Run the whole training; keep the states that the components are checked on.

        They are: before the first step, the first epoch's last batch, the last epoch's.
        """
        size, losses, states = self.plan.batch_size, [], []
        steps_before = 0
        self.exact.load(cast(self.data["initial"], "float64"))
        for epoch, order in enumerate(orders):
            last_batch = (len(order) - 1) // size * size
            wanted = {0, last_batch} if epoch == 0 else set()
            if epoch == len(orders) - 1:
                wanted.add(last_batch)
            for start, stop in pairwise(sorted({0, *wanted, len(order)})):
                if start in wanted:
                    step, last = steps_before + start // size + 1, epoch == len(orders) - 1
                    index = order[start : start + size]
                    states.append(self._state(step, index, last and start == last_batch))
                losses.append(self.exact.train(order[start:stop])["losses"])
            steps_before += -(-len(order) // size)
        classes = self.exact.predict() if "folder" in self.data else None
        fingerprint = self.plain.fingerprint(orders[0])
        return Path(np.concatenate(losses), states, classes, fingerprint)

    def _state(self, step: int, index: Array, last: bool) -> State:
        """The referee's state, rounded to the run's dtype: an input all can hold exactly."""
        dtype = self.plan.dtype
        params, state = cast(self.exact.params(), dtype), cast(self.exact.state(), dtype)
        return State(step, params, state, index, last)


def cast(arrays: Mapping[str, Array], dtype: str) -> Arrays:
    """Round (or widen) every array."""
    return {name: array.astype(dtype) for name, array in arrays.items()}


def free_run(session: Session, orders: Sequence[Array], initial: Arrays) -> Array:
    """Train from given parameters along all orders; the step losses."""
    session.load(initial)
    return np.concatenate([session.train(order)["losses"] for order in orders])


def nudged(initial: Arrays) -> Arrays:
    """Move every parameter by one unit in the last place, up or down at random."""
    draw = np.random.default_rng(1)
    return {
        name: np.nextafter(
            array, np.where(draw.random(array.shape) < 0.5, -1, 1).astype(array.dtype)
        )
        for name, array in initial.items()
    }


def ulp(value: float, dtype: str) -> float:
    """Distance from |value| to the next larger number of a dtype."""
    return float(np.spacing(np.abs(np.asarray(value).astype(dtype))))


#: tensor, index, value, the referee's value
Finding = tuple[str, tuple[int, ...], float, float]


class Components:
    """The components of one entrant against the referee's, from equal inputs.

    Args:
        referee: exact and plain.
        info: the entrant's backend; its `exp_error` widens what depends on exp.
    """

    def __init__(self, referee: Referee, info: Info) -> None:
        self._referee = referee
        self._dtype = referee.plan.dtype
        self._exp_error = info.exp_error if self._dtype == "float32" else 0.0
        self._model = MODELS[referee.plan.model]

    def first_difference(self, session: Session, state: State) -> Difference | None:
        """Check data, forward, loss, gradient, update and count, then one step as it runs."""
        for stage, found in self._differences(session, state):
            if found is not None:
                tensor, index, value, right = found
                return Difference(state.step, stage, tensor, index, value, right)
        return None

    def _differences(self, session: Session, at: State) -> Iterator[tuple[str, Finding | None]]:
        exact, plain = self._referee.exact, self._referee.plain
        images, labels = plain.batch(at.index)
        theirs = session.batch(at.index)
        yield "data", worst({"images": theirs[0]}, {"images": images}, {"images": 0.0})
        yield "data", worst({"labels": theirs[1]}, {"labels": labels}, {"labels": 0.0})

        def rearranged(draw: np.random.Generator) -> tuple[Array, Array]:
            return draw.permutation(len(images)), draw.permutation(images.shape[1])

        # Forward: the logits, summed over the features in several orders.
        def forward(s: Session, params: Arrays, pixels: Array) -> Arrays:
            return {"logits": s.logits(params, pixels)}

        def forward_rearranged(draw: np.random.Generator) -> Arrays:
            _, columns = rearranged(draw)
            return forward(
                plain, rows_permuted(at.params, columns, self._model), images[:, columns]
            )

        wide = cast(at.params, "float64")
        logits64 = forward(exact, wide, images.astype("float64"))
        allowed = self._allowed(logits64, forward(plain, at.params, images), forward_rearranged)
        logits_bound = float(np.max(allowed["logits"]))
        yield "forward", worst(forward(session, at.params, images), logits64, allowed)

        # Loss: its value and its gradient in the logits.
        logits = logits64["logits"].astype(self._dtype)

        def loss(s: Session, logits: Array, labels: Array) -> Arrays:
            value, dlogits = s.gradient(logits, labels)
            return {"loss": np.asarray(value), "dlogits": dlogits}

        def loss_rearranged(draw: np.random.Generator) -> Arrays:
            rows, _ = rearranged(draw)
            found = loss(plain, logits[rows], labels[rows])
            return {"loss": found["loss"], "dlogits": found["dlogits"][np.argsort(rows)]}

        loss64 = loss(exact, logits.astype("float64"), labels)
        allowed = self._allowed(loss64, loss(plain, logits, labels), loss_rearranged)
        if self._model.classifies:
            # The only place where a framework's own exp comes in: log Σ exp moves by at most
            # its relative error, and softmax p by twice that times p.
            chances = loss64["dlogits"] + one_hot(labels, logits.shape[1]) / len(labels)
            allowed["loss"] = allowed["loss"] + self._exp_error
            allowed["dlogits"] = allowed["dlogits"] + 2 * self._exp_error * chances
        loss_bound = float(np.max(allowed["loss"]))
        yield "loss", worst(loss(session, logits, labels), loss64, allowed)
        count = np.asarray(session.correct(logits, labels))
        right = np.asarray(exact.correct(logits.astype("float64"), labels))
        yield "accuracy", worst({"correct": count}, {"correct": right}, {"correct": 0.0})

        # Gradient: from the logits back to every parameter.
        dlogits = loss64["dlogits"].astype(self._dtype)

        def backward_rearranged(draw: np.random.Generator) -> Arrays:
            rows, _ = rearranged(draw)
            return plain.backward(at.params, images[rows], dlogits[rows])

        images64, dlogits64 = images.astype("float64"), dlogits.astype("float64")
        grads64 = exact.backward(wide, images64, dlogits64)
        moved = [exact.backward(p, images64, dlogits64) for p in self._moved(wide)]
        allowed = self._allowed(
            grads64, plain.backward(at.params, images, dlogits), backward_rearranged, moved
        )
        yield "gradient", worst(session.backward(at.params, images, dlogits), grads64, allowed)

        # Update: from the parameters as they are, and from zero.
        grads = cast(grads64, self._dtype)
        zeros = {name: np.zeros_like(array) for name, array in at.params.items()}
        for params in (zeros, at.params):
            yield "update", self._update(session, params, grads, at.state)

        # One step and the evaluation as they run, in the entrant's own mode.
        near = near_ties(logits64["logits"], logits_bound)
        yield "step", self._whole_step(session, at, near)
        if at.last and exact.has_test_set():
            yield "evaluation", self._evaluation(session, at, logits_bound, loss_bound)

    def _moved(self, params: Arrays) -> Iterator[Arrays]:
        """Parameters moved by up to `NUDGE_ULPS` of the run's dtype, at random."""
        draw = np.random.default_rng(2)
        relative = NUDGE_ULPS * float(np.finfo(self._dtype).eps) / 2
        for _ in range(NUDGES):
            yield {
                name: array * (1 + relative * draw.uniform(-1, 1, array.shape))
                for name, array in params.items()
            }

    def _allowed(
        self,
        right: Arrays,
        plain: Arrays,
        rearranged: Callable[[np.random.Generator], Arrays],
        moved: Sequence[Arrays] = (),
    ) -> dict[str, Any]:
        """The criterion at the head of this file, tensor by tensor."""
        draw = np.random.default_rng(3)
        runs = [plain, *(rearranged(draw) for _ in range(SUMMATION_ORDERS - 1))]
        allowed: dict[str, Any] = {}
        for name, tensor in right.items():
            error = max(float(np.max(np.abs(run[name] - tensor), initial=0.0)) for run in runs)
            largest = float(np.max(np.abs(tensor), initial=0.0))
            sensitivity = np.zeros_like(tensor)
            for other in moved:
                sensitivity = np.maximum(sensitivity, np.abs(other[name] - tensor))
            floor = ULPS * ulp(largest, self._dtype)
            if self._dtype == "float64":
                floor = FLOAT64_FLOOR * largest
            allowed[name] = ERROR_FACTOR * error + floor + sensitivity
        return allowed

    def _update(
        self, session: Session, params: Arrays, grads: Arrays, state: Arrays
    ) -> Finding | None:
        exact = self._referee.exact
        moved, memory = exact.update(*(cast(x, "float64") for x in (params, grads, state)))
        right = {**moved, **memory}
        plan = self._referee.plan
        # Half a unit in the last place; in a float64 run the referee rounds as much again.
        unit = float(np.finfo(self._dtype).eps) / (1 if self._dtype == "float64" else 2)
        allowed = {}
        for name in params:
            terms = np.abs(grads[name]).astype("float64")
            terms += plan.weight_decay * np.abs(params[name])
            if f"{name}/m" in state:
                terms += plan.momentum * np.abs(state[f"{name}/m"])
                result = np.abs(memory[f"{name}/m"])
                allowed[f"{name}/m"] = unit * (UPDATE_ROUNDINGS * terms + 2 * result)
            allowed[name] = unit * (UPDATE_ROUNDINGS * plan.lr * terms + 2 * np.abs(right[name]))
        moved, memory = session.update(params, grads, state)
        return worst({**moved, **memory}, right, allowed)

    def _whole_step(self, session: Session, at: State, near: int) -> Finding | None:
        exact, plain = self._referee.exact, self._referee.plain

        def run(s: Session, params: Arrays, state: Arrays, index: Array) -> Arrays:
            s.load(params, state)
            trained = s.train(index)
            moved = {**s.params(), **s.state()}
            first = {"loss": trained["losses"][0], "correct": trained["counts"][0]}
            return {**{name: np.asarray(value) for name, value in first.items()}, **moved}

        def run_rearranged(draw: np.random.Generator) -> Arrays:
            return run(plain, at.params, at.state, draw.permutation(at.index))

        params, state = cast(at.params, "float64"), cast(at.state, "float64")
        right = run(exact, params, state, at.index)
        moved = []
        for other in self._moved(params):
            run_from = run(exact, other, state, at.index)
            # What is moved is the input; compare the steps, not where they started.
            for name in params:
                run_from[name] = run_from[name] - other[name] + params[name]
            moved.append(run_from)
        allowed = self._allowed(
            right, run(plain, at.params, at.state, at.index), run_rearranged, moved
        )
        allowed["correct"] = near
        if self._model.classifies:
            allowed = self._widen_step(allowed, at)
        return worst(run(session, at.params, at.state, at.index), right, allowed)

    def _evaluation(
        self, session: Session, at: State, logits_bound: float, loss_bound: float
    ) -> Finding | None:
        """Loss and count of the whole test set, from the same parameters.

        The bounds are those of logits, and of the loss from equal logits; its slope in an
        example's logits has magnitudes that sum to 2 at most.
        """
        exact, params = self._referee.exact, cast(at.params, "float64")

        def run(s: Session, params: Arrays) -> Arrays:
            s.load(params)
            measured = s.evaluate()
            return {name: np.asarray(measured[name]) for name in ("loss", "count")}

        near = near_ties(exact.test_logits(params), logits_bound)
        allowed = {"loss": loss_bound + 2 * logits_bound, "count": near}
        return worst(run(session, at.params), run(exact, params), allowed)

    def _widen_step(self, allowed: dict[str, Any], at: State) -> dict[str, Any]:
        """Let the error of exp through: loss, gradient, update."""
        exact, lr = self._referee.exact, self._referee.plan.lr
        images, labels = exact.batch(at.index)
        params = cast(at.params, "float64")
        logits = exact.logits(params, images)
        _, dlogits = exact.gradient(logits, labels)
        chances = dlogits + one_hot(labels, logits.shape[1]) / len(labels)
        # With magnitudes for numbers, backward adds up how far an error can reach.
        magnitudes = {name: np.abs(array) for name, array in params.items()}
        reach = exact.backward(magnitudes, images, 2 * self._exp_error * chances)
        wider = {**allowed, "loss": allowed["loss"] + self._exp_error}
        for name, error in reach.items():
            wider[name] = allowed[name] + lr * error
            if f"{name}/m" in allowed:
                wider[f"{name}/m"] = allowed[f"{name}/m"] + error
        return wider


def one_hot(labels: Array, classes: int) -> Array:
    """Rows of zeros with a one at the label: float64 (n, classes)."""
    rows: Array = np.eye(classes)[labels]
    return rows


def near_ties(logits: Array, bound: float) -> int:
    """Rows whose two largest logits lie within twice a bound: either may be called the larger."""
    if logits.shape[1] < 2:
        return 0
    largest = np.sort(logits, axis=1)[:, -2:]
    return int((largest[:, 1] - largest[:, 0] <= 2 * bound).sum())


def rows_permuted(params: Arrays, columns: Array, model: Model) -> Arrays:
    """Permute the rows of every weight that takes the features, to go with the images."""
    return {
        name: array[columns] if model.shapes[name][0] == "features" else array
        for name, array in params.items()
    }


def worst(
    values: Mapping[str, Array], right: Mapping[str, Array], allowed: Mapping[str, Any]
) -> Finding | None:
    """In the first tensor that is wrong, the value furthest beyond what is allowed.

    Returns:
        tensor, index, value, the referee's; None if all is within what is allowed.
    """
    for name, tensor in right.items():
        value = values.get(name)
        if value is None or value.shape != tensor.shape:
            return name, (), float("nan"), float("nan")
        error = np.abs(value.astype("float64") - tensor)
        limit = np.broadcast_to(np.asarray(allowed[name], dtype="float64"), error.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            beyond = np.where(error <= limit, 0.0, error / limit)
        beyond = np.where(np.isnan(error), np.inf, beyond)
        if beyond.any():
            index = tuple(int(i) for i in np.unravel_index(beyond.argmax(), beyond.shape))
            return name, index, float(value[index]), float(tensor[index])
    return None


def judge(
    session: Session,
    info: Info,
    losses: Array,
    fingerprint: str,
    referee: Referee,
    path: Path,
    orders: Sequence[Array],
) -> Verdict:
    """Hold one entrant against the referee, as far as that goes without nudged runs.

    Args:
        session, info: who; the session is left in another state than it had.
        losses: the step losses of its free run.
        fingerprint: of epoch 1's batches as the framework held them.
        referee, path: the yardsticks, and the referee's run.
        orders: of all epochs.

    Returns:
        a verdict; `not checked`, with the reason, where the drift needs the noise band.
    """
    verdict = Verdict()
    drifts = np.abs(losses - path.losses)
    verdict.max_abs_loss_difference = float(drifts.max())
    if fingerprint != path.fingerprint:
        verdict.first_difference = first_batch_difference(session, referee, orders[0])
        verdict.verdict = "differs"
        return verdict
    components = Components(referee, info)
    for state in path.states:
        verdict.first_difference = components.first_difference(session, state)
        if verdict.first_difference is not None:
            verdict.verdict = "differs"
            return verdict
    if (drifts <= free_limit(path.losses, referee.plan.dtype)).all():
        verdict.verdict = "rounding"
    else:
        verdict.reason = "every component agrees; its drift was not held against nudged runs"
    return verdict


def free_limit(losses: Array, dtype: str) -> Array:
    """Drift, step by step, that needs no nudged run to be called rounding."""
    if dtype == "float64":
        return FLOAT64_DRIFT * np.maximum(1.0, np.abs(losses))
    return FREE_ULPS * spacing(losses, dtype)


def spacing(losses: Array, dtype: str) -> Array:
    """One unit in the last place of each loss."""
    units: Array = np.spacing(np.abs(losses).astype(dtype)).astype("float64")
    return units


def undecided(verdict: Verdict) -> bool:
    """Whether nothing is wrong so far, but for a drift that only the noise band can explain."""
    return verdict.verdict == "not checked" and verdict.first_difference is None


def drift(session: Session, orders: Sequence[Array], params: Arrays, losses: Array) -> float:
    """Find how far a run from some parameters gets from given step losses.

    The noise band is the largest of: the plain referee's from the exact one, as it is and nudged;
    each entrant's from its own free run, nudged. An entrant is not held against the referee here,
    or an error of its own would widen the band that is to show it.
    """
    return float(np.abs(free_run(session, orders, params) - losses).max())


def settle(verdict: Verdict, losses: Array, path: Path, band: float, dtype: str) -> None:
    """Decide what `judge` left open, by the noise band."""
    verdict.noise_band = band
    limit = BAND_FACTOR * band + ULPS * spacing(path.losses, dtype)
    if (np.abs(losses - path.losses) <= limit).all():
        verdict.verdict, verdict.reason = "rounding", None
    else:
        verdict.reason = "every component agrees, but the run drifts further than nudged runs do"


def first_batch_difference(session: Session, referee: Referee, order: Array) -> Difference | None:
    """Find the first batch of epoch 1 whose bytes are not the referee's."""
    size = referee.plan.batch_size
    for step, start in enumerate(range(0, len(order), size), 1):
        index = order[start : start + size]
        for name, theirs, ours in zip(
            ("images", "labels"), session.batch(index), referee.plain.batch(index), strict=True
        ):
            found = worst({name: theirs}, {name: ours}, {name: 0.0})
            if found is not None:
                return Difference(step, "data", *found)
    return None


def mark_identical(
    verdicts: Mapping[str, Verdict],
    losses: Mapping[str, Array],
    params: Mapping[str, Arrays],
) -> None:
    """Name, for each entrant, the first earlier one whose losses and parameters are bit-equal."""
    labels = list(verdicts)
    for position, label in enumerate(labels):
        for earlier in labels[:position]:
            same = losses[label].tobytes() == losses[earlier].tobytes() and all(
                array.tobytes() == params[earlier][name].tobytes()
                for name, array in params[label].items()
            )
            if same:
                verdicts[label].identical_to = earlier
                # Two that are wrong alike, or of which one is, do not agree.
                pair = {verdicts[label].verdict, verdicts[earlier].verdict}
                if pair <= {"rounding", "identical"}:
                    verdicts[label].verdict = "identical"
                break
