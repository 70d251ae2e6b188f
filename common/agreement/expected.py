"""One entrant's components against the referee's, from equal inputs.

Each check compares one tensor and says how far it is off, in units in the last place (of the
tensor's largest value) and relative to it, beside E, the error of the run's own arithmetic:
the referee's formulas in the run's dtype, over several summation orders.

Criterion: |entrant - referee| <= 8 E + 4 ulp + S, where S, element by element, is what moving
the parameters by 16 ulp changes, and what every ReLU changes that 16 ulp of its terms would
switch: no arithmetic can tell on which side of its edge it is. The update has a bound for
every element instead: 6 roundings of each term it adds up (there are no more on any term's
way) and 2 of the result (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2002,
section 3.1), so that a learning rate wrong by 1e-6 shows: from zero that is 17 roundings. A
count of correct rows may be off by the rows whose two largest logits the bound cannot tell
apart.

In a float64 run the referee has no finer arithmetic than the entrant, so that E shows little:
there 4 ulp become 1e-13 of the tensor's largest value, and the update's roundings count twice.
What this run is for shows all the same: a constant rounded to float32 is off by 1e-8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from common.agreement.bounds import UPDATE_ROUNDINGS, largest_error, near_ties, update_bound
from common.agreement.referee import Referee, State
from common.agreement.units import evaluation_of, gradients_of, loss_of, one_step, several_steps
from common.contract.arrays import Array, Arrays, cast, ulp
from common.contract.models import Model

ERROR_FACTOR = 8

ULPS = 4

NUDGE_ULPS = 16

SUMMATION_ORDERS = 5

NUDGES = 4

EDGES = (0.125, 0.25, 0.5, 1.0)

FLOAT64_FLOOR = 1e-13

CRITERION = (
    f"components from equal inputs: within {ERROR_FACTOR} times the error of the run's own "
    f"arithmetic (the referee's formulas in {SUMMATION_ORDERS} summation orders) + {ULPS} ulp "
    f"(float64: {FLOAT64_FLOOR:g} of the largest value) + what {NUDGE_ULPS} ulp in the parameters "
    f"change; update: {UPDATE_ROUNDINGS} roundings of each term"
)


@dataclass(frozen=True)
class Expected:
    """One tensor as the referee has it.

    Attributes:
        right: in float64.
        own: largest error of the run's own arithmetic.
        allowed: how far from it rounding may lead, for each element or for all.
        exp_reach: how far it moves for each unit of relative error in the entrant's exp.
    """

    right: Array
    own: float = 0.0
    allowed: Any = 0.0
    exp_reach: Any = 0.0


@dataclass(frozen=True)
class Row:
    """Several steps in one call: the order they are made in, and what is expected of them.

    Losses and counts are one number a step; parameters and state those in the end.
    """

    order: Array
    expected: dict[str, Expected]


class Yardstick:
    """What the referee expects at one state: made once, held against every entrant.

    Args:
        referee: exact and plain.
        at: the state.
    """

    def __init__(self, referee: Referee, at: State) -> None:
        self.referee, self.at = referee, at
        self.plan, self.dtype = referee.plan, referee.plan.dtype
        self.model = referee.described
        self.images, self.labels = referee.plain.batch(at.index)
        self.params = cast(at.params, "float64")
        self.state = cast(at.state, "float64")
        self.images64 = self.images.astype("float64")
        self.labels64 = self.labels
        self.rows: dict[int, Row] = {}
        if not self.model.classifies:
            self.labels64 = self.labels.astype("float64")

    def prepare(self) -> None:
        """Work everything out; from then on several threads may read it."""
        parts = [
            "batch",
            "forwards",
            "loss",
            "accuracy",
            "gradient",
            "gradients",
            "updates",
            "step",
        ]
        if self.at.last and self.referee.exact.has_test_set():
            parts.append("evaluation")
        for part in parts:
            getattr(self, part)
        self._forget()

    def _forget(self) -> None:
        """Drop what only the bounds were made of: a hundred times the parameters."""
        for name in [name for name in vars(self) if name.startswith("_")]:
            del self.__dict__[name]

    # Inputs that are equal for all, and exact for the referee.

    @cached_property
    def logits(self) -> Array:
        """Logits for the loss: the referee's, rounded."""
        return self.forward["logits"].right.astype(self.dtype)

    @cached_property
    def dlogits(self) -> Array:
        """A gradient in the logits to pull back: the referee's, rounded."""
        return self.loss["dlogits"].right.astype(self.dtype)

    @cached_property
    def grads(self) -> Arrays:
        """Gradients for the update: the referee's, rounded."""
        return {name: e.right.astype(self.dtype) for name, e in self.gradient.items()}

    @cached_property
    def ties(self) -> Array:
        """Logits whose largest value each label shares with the next class."""
        classes = self.logits.shape[1]
        one_hot = np.eye(classes)
        both: Array = one_hot[self.labels] + one_hot[(self.labels + 1) % classes]
        return both.astype(self.dtype)

    @cached_property
    def zeros(self) -> Arrays:
        """Parameters that hide nothing of an update."""
        return {name: np.zeros_like(array) for name, array in self.at.params.items()}

    # What is expected of each component.

    @cached_property
    def batch(self) -> dict[str, Expected]:
        """Every bit of the batch."""
        return {"images": Expected(self.images), "labels": Expected(self.labels)}

    @cached_property
    def forward(self) -> dict[str, Expected]:
        """The logits from the parameters as they are."""
        return self.logits_of(self.at.params)

    def logits_of(self, params: Arrays) -> dict[str, Expected]:
        """The logits from given parameters, summed over the features in several orders."""
        exact, plain = self.referee.exact, self.referee.plain
        params64 = cast(params, "float64")

        def rearranged(draw: np.random.Generator) -> Arrays:
            columns = draw.permutation(self.images.shape[1])
            permuted = rows_permuted(params, columns, self.model)
            return {"logits": plain.logits(permuted, self.images[:, columns])}

        def rows(draw: np.random.Generator) -> Arrays:
            order = draw.permutation(len(self.images))
            logits = plain.logits(params, self.images[order])
            return {"logits": logits[np.argsort(order)]}

        right = {"logits": exact.logits(params64, self.images64)}
        own = {"logits": plain.logits(params, self.images)}
        if self.model.shapes:
            return self._expected(right, own, rearranged)
        # Nobody knows which parameters take the features of a network of somebody's own.
        nudged = self._moved(params64)
        moved = [{"logits": exact.logits(p, self.images64)} for p in nudged]
        return self._expected(right, own, rows, moved)

    @cached_property
    def forwards(self) -> list[tuple[Arrays, dict[str, Expected]]]:
        """Logits from the parameters as they are; where biases are still zero, from others, too."""
        params = self.at.params
        zero = {name for name, array in params.items() if array.ndim == 1 and not array.any()}
        if not zero:
            return [(params, self.forward)]
        other = {
            name: np.linspace(0.25, 0.75, len(array)).astype(self.dtype) if name in zero else array
            for name, array in params.items()
        }
        return [(params, self.forward), (other, self.logits_of(other))]

    @cached_property
    def loss(self) -> dict[str, Expected]:
        """The loss and its gradient in the logits."""
        plain, logits = self.referee.plain, self.logits

        def rearranged(draw: np.random.Generator) -> Arrays:
            rows = draw.permutation(len(logits))
            found = loss_of(plain, logits[rows], self.labels[rows])
            return {"loss": found["loss"], "dlogits": found["dlogits"][np.argsort(rows)]}

        right = loss_of(self.referee.exact, logits.astype("float64"), self.labels64)
        expected = self._expected(right, loss_of(plain, logits, self.labels), rearranged)
        if self.model.classifies:
            # The only place where a framework's own exp comes in: log Σ exp moves by at most
            # its relative error, and softmax p by twice that times p.
            reach = {"loss": 1.0, "dlogits": 2 * self._chances(right["dlogits"])}
            expected = with_exp_reach(expected, reach)
        return expected

    @cached_property
    def accuracy(self) -> dict[str, Expected]:
        """The counts, from logits that all read alike: no room for error."""
        exact = self.referee.exact
        inputs = {"correct": self.logits}
        if self.model.classifies:
            inputs["ties"] = self.ties
        return {
            name: Expected(np.asarray(exact.correct(logits.astype("float64"), self.labels64)))
            for name, logits in inputs.items()
        }

    @cached_property
    def gradient(self) -> dict[str, Expected]:
        """From the logits back to every parameter."""
        exact, plain = self.referee.exact, self.referee.plain
        dlogits64 = self.dlogits.astype("float64")

        def rearranged(draw: np.random.Generator) -> Arrays:
            rows = draw.permutation(len(self.images))
            return plain.backward(self.at.params, self.images[rows], self.dlogits[rows])

        right = exact.backward(self.params, self.images64, dlogits64)
        own = plain.backward(self.at.params, self.images, self.dlogits)

        def at(params: Arrays) -> Arrays:
            return exact.backward(params, self.images64, dlogits64)

        moved = [at(params) for params in self._moved_params]
        edges = [[at(params) for params in way] for way in self._edge_params]
        return self._expected(right, own, rearranged, moved, edges)

    @cached_property
    def gradients(self) -> dict[str, Expected]:
        """Model and loss differentiated as one."""
        exact, plain = self.referee.exact, self.referee.plain

        def rearranged(draw: np.random.Generator) -> Arrays:
            rows = draw.permutation(len(self.images))
            found = gradients_of(plain, self.at.params, self.images[rows], self.labels[rows])
            return {**found, "logits": found["logits"][np.argsort(rows)]}

        right = gradients_of(exact, self.params, self.images64, self.labels64)
        own = gradients_of(plain, self.at.params, self.images, self.labels)
        expected = self._expected(
            right, own, rearranged, self._moved_gradients, self._edge_gradients
        )
        if self.model.classifies:
            expected = with_exp_reach(expected, {"loss": 1.0, **self._gradient_reach})
        return expected

    @cached_property
    def step(self) -> dict[str, Expected]:
        """One whole step as it runs: loss, count, parameters and state after it."""
        exact, plain, at = self.referee.exact, self.referee.plain, self.at

        def rearranged(draw: np.random.Generator) -> Arrays:
            return one_step(plain, at.params, at.state, draw.permutation(at.index))

        right = one_step(exact, self.params, self.state, at.index)
        own = one_step(plain, at.params, at.state, at.index)

        def after(found: Arrays) -> Arrays:
            grads = {name: found[name] for name in self.params}
            params, state = exact.update(self.params, grads, self.state)
            return {**right, "loss": found["loss"], **params, **state}

        moved = [after(found) for found in self._moved_gradients]
        edges = [[after(found) for found in way] for way in self._edge_gradients]
        expected = self._expected(right, own, rearranged, moved, edges)
        # The update's own bound, too: the constants of the run's dtype may err by luck only little.
        grads = {name: self.gradients[name].right for name in self.params}
        for name, bound in self._update_bound(self.params, grads, right, right).items():
            if name in expected:
                e = expected[name]
                expected[name] = Expected(e.right, e.own, e.allowed + bound)
        near = near_ties(
            self.forward["logits"].right, float(np.max(self.forward["logits"].allowed))
        )
        expected["correct"] = Expected(right["correct"], allowed=near)
        if self.model.classifies:
            expected = with_exp_reach(expected, {"loss": 1.0, **self._step_reach})
        return expected

    def row(self, steps: int) -> Row:
        """Several steps in a row, as one compiled call may hold them; made once."""
        if steps not in self.rows:
            self.rows[steps] = self._row(steps)
            self._forget()
        return self.rows[steps]

    def _row(self, steps: int) -> Row:
        """Steps on the same batch, each time in another order.

        The bounds are those of one step, added up: the moved parameters move on through all of
        them, every update rounds, and momentum carries what it rounded on.
        """
        exact, plain, at = self.referee.exact, self.referee.plain, self.at
        shuffle = np.random.default_rng(4)
        batches = [shuffle.permutation(at.index) for _ in range(steps)]
        order = np.concatenate(batches)

        def rearranged(draw: np.random.Generator) -> Arrays:
            rows = np.concatenate([draw.permutation(batch) for batch in batches])
            return several_steps(plain, at.params, at.state, rows)

        right = several_steps(exact, self.params, self.state, order)

        def from_other(params: Arrays) -> Arrays:
            found = several_steps(exact, params, self.state, order)
            # What it was moved by at the start is not what that grew into.
            return found | {n: found[n] - (params[n] - array) for n, array in self.params.items()}

        moved = [from_other(params) for params in self._moved_params]
        edges = [[from_other(params) for params in way] for way in self._edge_params]
        own = several_steps(plain, at.params, at.state, order)
        expected = self._expected(right, own, rearranged, moved, edges)
        bounds, near = self._row_bounds(batches)
        for name, bound in bounds.items():
            if name in expected:
                e = expected[name]
                expected[name] = Expected(e.right, e.own, e.allowed + bound)
        expected["correct"] = Expected(right["correct"], allowed=near)
        if self.model.classifies:
            carried = self._carried(steps)
            reach = {name: carried * array for name, array in self._step_reach.items()}
            slopes = {name: np.abs(self.gradients[name].right) for name in self.params}
            # Parameters that an exp has led elsewhere lead the losses after them.
            later = sum(float((slopes[name] * reach[name]).sum()) for name in self.params)
            expected = with_exp_reach(expected, {"loss": 1.0 + later, **reach})
        return Row(order, expected)

    def _row_bounds(self, batches: Sequence[Array]) -> tuple[dict[str, Any], Array]:
        """What the updates of a row round, added up; rows of logits too close to call, by step."""
        exact = self.referee.exact
        params, state = self.params, self.state
        bounds: dict[str, Any] = {}
        near = []
        for batch in batches:
            images, labels = exact.batch(batch)
            found = gradients_of(exact, params, images, labels)
            grads = {name: found[name] for name in params}
            moved, memory = exact.update(params, grads, state)
            for name, bound in self._update_bound(params, grads, moved, memory, state).items():
                bounds[name] = bounds.get(name, 0.0) + bound
            # The bound of the first logits, as much larger as these are, once for each step.
            first = self.forward["logits"]
            growth = max(1.0, np.abs(found["logits"]).max() / np.abs(first.right).max())
            allowed = len(batches) * growth * float(np.max(first.allowed))
            near.append(near_ties(found["logits"], allowed))
            params, state = moved, memory
        carried = self._carried(len(batches)) / len(batches)
        return {name: carried * bound for name, bound in bounds.items()}, np.array(near)

    def _carried(self, steps: int) -> float:
        """How often the errors of single steps count in the end: momentum makes each one again."""
        m = self.plan.momentum
        return sum(m**ago for made in range(1, steps + 1) for ago in range(made))

    def update(self, params: Arrays) -> dict[str, Expected]:
        """Parameters and state after an update of given parameters by the referee's gradients."""
        exact, plain = self.referee.exact, self.referee.plain
        grads, state = self.grads, self.at.state
        start, slopes = cast(params, "float64"), cast(grads, "float64")
        moved, memory = exact.update(start, slopes, self.state)
        allowed = self._update_bound(start, slopes, moved, memory)
        own_moved, own_memory = plain.update(params, grads, state)
        own = {**own_moved, **own_memory}
        return {
            name: Expected(right, largest_error(own[name], right), allowed[name])
            for name, right in {**moved, **memory}.items()
        }

    @cached_property
    def updates(self) -> list[tuple[Arrays, dict[str, Expected]]]:
        """Updates from zero, where nothing hides them, and from the parameters as they are."""
        return [(params, self.update(params)) for params in (self.zeros, self.at.params)]

    @cached_property
    def evaluation(self) -> dict[str, Expected]:
        """Loss and count of the whole test set.

        The bounds are those of logits, and of the loss from equal logits; its slope in an
        example's logits has magnitudes that sum to 2 at most.
        """
        exact = self.referee.exact
        logits_bound = float(np.max(self.forward["logits"].allowed))
        loss_bound = float(np.max(self.loss["loss"].allowed))
        right = evaluation_of(exact, self.params)
        near = near_ties(exact.test_logits(self.params), logits_bound)
        allowed = loss_bound + 2 * logits_bound
        return {
            "loss": Expected(right["loss"], 0.0, allowed, exp_reach=1.0),
            "count": Expected(right["count"], 0.0, near),
        }

    # How far rounding reaches.

    def _update_bound(
        self,
        params: Arrays,
        grads: Arrays,
        moved: Arrays,
        memory: Arrays,
        state: Arrays | None = None,
    ) -> dict[str, Any]:
        # Half a unit in the last place; in a float64 run the referee rounds as much again.
        unit = float(np.finfo(self.dtype).eps) / (1 if self.dtype == "float64" else 2)
        before = self.state if state is None else state
        bounds = update_bound(self.plan, params, grads, before, moved, memory, unit)
        # What is smaller may be zero: some frameworks have no subnormal numbers.
        least = float(np.finfo(self.dtype).tiny)
        return {name: bound + least for name, bound in bounds.items()}

    def _expected(
        self,
        right: Arrays,
        own: Arrays,
        rearranged: Callable[[np.random.Generator], Arrays],
        moved: Sequence[Arrays] = (),
        edges: Sequence[Sequence[Arrays]] = (),
    ) -> dict[str, Expected]:
        """The criterion at the head of this file, tensor by tensor."""
        draw = np.random.default_rng(3)
        runs = [own, *(rearranged(draw) for _ in range(SUMMATION_ORDERS - 1))]
        expected = {}
        for name, tensor in right.items():
            error = max(largest_error(run[name], tensor) for run in runs)
            largest = float(np.max(np.abs(tensor), initial=0.0))
            sensitivity = np.zeros_like(tensor, dtype="float64")
            for other in moved:
                sensitivity = np.maximum(sensitivity, np.abs(other[name] - tensor))
            for way in edges:
                # Ring by ring outwards: what two units switch must not cancel.
                for inner, outer in pairwise([right, *way]):
                    sensitivity = sensitivity + np.abs(outer[name] - inner[name])
            floor = ULPS * ulp(largest, self.dtype)
            if self.dtype == "float64":
                floor = FLOAT64_FLOOR * largest
            if tensor.dtype.kind in "iu":
                error, floor = 0.0, 0.0
            expected[name] = Expected(tensor, error, ERROR_FACTOR * error + floor + sensitivity)
        return expected

    @cached_property
    def _moved_params(self) -> list[Arrays]:
        return self._moved(self.params)

    def _moved(self, params: Arrays) -> list[Arrays]:
        """Parameters moved by up to `NUDGE_ULPS` of the run's dtype, at random."""
        draw = np.random.default_rng(2)
        relative = NUDGE_ULPS * float(np.finfo(self.dtype).eps) / 2
        return [
            {
                name: array * (1 + relative * draw.uniform(-1, 1, array.shape))
                for name, array in params.items()
            }
            for _ in range(NUDGES)
        ]

    @cached_property
    def _moved_gradients(self) -> list[Arrays]:
        exact = self.referee.exact
        return [gradients_of(exact, p, self.images64, self.labels64) for p in self._moved_params]

    @cached_property
    def _edge_params(self) -> list[list[Arrays]]:
        """Hidden biases moved up, and down, by ever more of 16 ulp of the terms they are added to.

        Whatever unit that switches on or off is on its edge.
        """
        hidden = "hidden.weight", "hidden.bias"
        if not set(hidden) <= set(self.model.shapes):
            return []
        terms = (np.abs(self.images64) @ np.abs(self.params[hidden[0]])).max(axis=0)
        unit = NUDGE_ULPS * float(np.finfo(self.dtype).eps) / 2
        bias = self.params[hidden[1]]
        reach = unit * (terms + np.abs(bias))
        return [
            [{**self.params, hidden[1]: bias + sign * share * reach} for share in EDGES]
            for sign in (1, -1)
        ]

    @cached_property
    def _edge_gradients(self) -> list[list[Arrays]]:
        exact = self.referee.exact
        return [
            [gradients_of(exact, params, self.images64, self.labels64) for params in way]
            for way in self._edge_params
        ]

    def _chances(self, dlogits: Array) -> Array:
        """The softmax over n: what dlogits is without the label's -1."""
        one_hot = np.eye(dlogits.shape[1])[self.labels]
        chances: Array = dlogits + one_hot / len(self.labels)
        return chances

    @cached_property
    def _gradient_reach(self) -> Arrays:
        """How far a relative error of exp reaches into the gradients."""
        chances = self._chances(self.loss["dlogits"].right)
        # With magnitudes for numbers, backward adds up how far an error can reach.
        magnitudes = {name: np.abs(array) for name, array in self.params.items()}
        reach = self.referee.exact.backward(magnitudes, np.abs(self.images64), 2 * chances)
        # A network of somebody's own may subtract.
        return {name: np.abs(array) for name, array in reach.items()}

    @cached_property
    def _step_reach(self) -> Arrays:
        """And through the update, into parameters and state."""
        reach: Arrays = {}
        found = self.gradients
        params, state = self.referee.exact.update(
            self.params, {name: found[name].right for name in self.params}, self.state
        )
        # A difference as long as an exp that is off by a ten-thousandth makes it.
        length = 1e-4
        for sign in (1, -1):
            grads = {
                name: found[name].right + sign * length * self._gradient_reach[name]
                for name in self.params
            }
            moved = self.referee.exact.update(self.params, grads, self.state)
            for now, then in zip(moved, (params, state), strict=True):
                for name, array in now.items():
                    slope = np.abs(array - then[name]) / length
                    reach[name] = np.maximum(reach.get(name, 0.0), slope)
        return reach


def with_exp_reach(expected: dict[str, Expected], reach: Mapping[str, Any]) -> dict[str, Expected]:
    """Say how far the error of an entrant's exp reaches."""
    return {
        name: Expected(e.right, e.own, e.allowed, reach.get(name, 0.0))
        for name, e in expected.items()
    }


def rows_permuted(params: Arrays, columns: Array, model: Model) -> Arrays:
    """Permute the rows of every weight that takes the features, to go with the images."""
    return {
        name: array[columns] if model.shapes[name][0] == "features" else array
        for name, array in params.items()
    }
