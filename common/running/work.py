"""What is trained on: the same for every entrant."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

from common.contract.arrays import Array, Arrays, digest
from common.contract.inputs import Inputs
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.contract.precision import cast, cast_one
from common.data import draws
from common.data.description import Dataset
from common.results.folder import write_arrays, write_orders


class Orders(Sequence[Array]):
    """The order of every epoch, drawn when it is asked for.

    Args:
        plan: of the run.
        examples: of the training set.
    """

    def __init__(self, plan: Plan, examples: int) -> None:
        self._plan, self._examples = plan, examples
        # A turn asks for the same order once an entrant.
        self._draw = lru_cache(2)(self._drawn)

    def _drawn(self, epoch: int) -> Array:
        plan = self._plan
        return draws.order(plan.seed, epoch, self._examples, plan.batch_size, plan.drop_last)

    def __len__(self) -> int:
        return self._plan.epochs

    @overload
    def __getitem__(self, epoch: int) -> Array: ...
    @overload
    def __getitem__(self, epoch: slice) -> Sequence[Array]: ...
    def __getitem__(self, epoch: int | slice) -> Array | Sequence[Array]:
        if isinstance(epoch, slice):
            return [self._draw(one) for one in range(*epoch.indices(len(self)))]
        if not -len(self) <= epoch < len(self):
            raise IndexError(f"epoch {epoch} of {len(self)}")
        return self._draw(epoch % len(self))

    def digest(self) -> str:
        """SHA-256 of all orders, as order.npy has them."""
        sha = hashlib.sha256()
        for order in self:
            sha.update(order.astype("<i4").tobytes())
        return sha.hexdigest()


@dataclass(frozen=True)
class Work:
    """What is trained on.

    Attributes:
        plan: of the run.
        data: for `Session.open`, the initial parameters among them.
        orders: of every epoch.
        examples: in one epoch.
        summary: of the data, for results.json.
        test_labels: of the test set, if there is one.
    """

    plan: Plan
    data: dict[str, Any]
    orders: Sequence[Array]
    examples: int
    summary: dict[str, Any]
    test_labels: Array | None

    @property
    def initial(self) -> Arrays:
        """The initial parameters."""
        start: Arrays = self.data["initial"]
        return start

    def beginning(self, start: Arrays | None) -> Work:
        """The same work from other initial parameters; None: from these."""
        return self if start is None else replace(self, data={**self.data, "initial": start})

    def in_float64(self) -> Work:
        """The same work for a run in float64, from the same initial values."""
        wide = {**self.data, "initial": cast(self.initial, "float64")}
        if "train" in wide:
            wide["train"] = tuple(cast_one(array, "float64") for array in wide["train"])
        return replace(self, plan=replace(self.plan, dtype="float64"), data=wide)


def examples_of(plan: Plan, dataset: Dataset | None) -> int:
    """How many are trained on in an epoch, those of a short batch that is left out among them."""
    there = dataset.train_examples if dataset else draws.SYNTHETIC_EXAMPLES
    return min(plan.limit or there, there)


def draw_work(plan: Plan, dataset: Dataset | None) -> Work:
    """Draw what is random, and describe the data; nothing is written.

    Args:
        plan: of the run.
        dataset: what is trained on; None for synthetic data.
    """
    model = MODELS[plan.model]
    examples = examples_of(plan, dataset)
    summary: dict[str, Any]
    if dataset is None:
        features, targets = draws.synthetic(plan.seed, plan.dtype)
        weight, bias = draws.least_squares(features, targets)
        inputs, classes = Inputs("vector", features.shape[1:]), 0
        test_labels = None
        data: dict[str, Any] = {"train": (features, targets)}
        summary = {
            "name": "synthetic linear regression",
            "source": "drawn from the seed",
            "train_examples": examples,
            "test_examples": 0,
            "sha256": {},
            "true": {"weight": draws.TRUE_WEIGHT.tolist(), "bias": draws.TRUE_BIAS},
            "least_squares": {"weight": weight.tolist(), "bias": bias},
        }
    else:
        inputs, classes = dataset.inputs, len(dataset.classes)
        test_labels = dataset.test()[1]
        data = {"folder": str(dataset.folder), "limit": plan.limit}
        summary = {
            "name": dataset.name,
            "source": dataset.source,
            "train_examples": examples,
            "test_examples": dataset.test_examples,
            "sha256": dataset.sha256,
            "classes": list(dataset.classes),
            "notes": list(dataset.notes),
        }
    summary["inputs"] = inputs
    start = draws.parameters(model, inputs.shape, plan.hidden, classes, plan.seed, plan.dtype)
    data |= {"initial": start, "classes": classes, "inputs": inputs.asdict()}
    orders = Orders(plan, examples)
    summary["initial_sha256"] = digest(start)
    summary["order_sha256"] = orders.digest()
    return Work(plan, data, orders, len(orders[0]), summary, test_labels)


def write_work(work: Work, folder: Path) -> None:
    """Write what was drawn to the result folder."""
    write_arrays(folder / "initial.safetensors", work.initial)
    write_orders(folder / "order.npy", work.orders, (len(work.orders), work.examples))
