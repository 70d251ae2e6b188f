"""What is trained on: the same for every entrant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.contract import arrays
from common.contract.arrays import Array
from common.contract.models import MODELS
from common.contract.plan import Plan
from common.data import draws
from common.data.description import Dataset
from common.results.folder import write_arrays, write_orders, write_pictures, write_predictions
from common.results.record import Results


@dataclass
class Work:
    """What is trained on: the same for every entrant."""

    plan: Plan
    data: dict[str, Any]  # for `Session.open`
    orders: Sequence[Array]
    examples: int
    summary: dict[str, Any]  # for results.json
    test_labels: Array | None


def prepare_work(plan: Plan, dataset: Dataset | None, folder: Path) -> Work:
    """Draw what is random, write it to the result folder, and describe the data.

    Args:
        plan: of the run.
        dataset: Fashion-MNIST or custom; None for synthetic data.
        folder: the result folder, made.
    """
    model = MODELS[plan.model]
    summary: dict[str, Any]
    if dataset is None:
        features, targets = draws.synthetic(plan.seed, plan.dtype)
        weight, bias = draws.least_squares(features, targets)
        inputs, examples, test_labels = features.shape[1], len(features), None
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
        examples = min(plan.limit or dataset.train_examples, dataset.train_examples)
        inputs, test_labels = dataset.side**2, dataset.test()[1]
        data = {"folder": str(dataset.folder), "limit": plan.limit}
        summary = {
            "name": dataset.name,
            "source": dataset.source,
            "train_examples": examples,
            "test_examples": dataset.test_examples,
            "sha256": dataset.sha256,
        }
    start = draws.parameters(model, inputs, plan.hidden, plan.seed, plan.dtype)
    data["initial"] = start
    write_arrays(folder / "initial.safetensors", start)

    def order(epoch: int) -> Array:
        return draws.order(plan.seed, epoch, examples, plan.batch_size, plan.drop_last)

    used = len(order(0))
    path = folder / "order.npy"
    summary["order_sha256"] = write_orders(
        path, map(order, range(plan.epochs)), (plan.epochs, used)
    )
    summary["initial_sha256"] = arrays.digest(start)
    return Work(plan, data, np.load(path, mmap_mode="r"), used, summary, test_labels)


def save_arrays(
    results: Results, folder: Path, test_labels: Array | None, dataset: Dataset | None = None
) -> None:
    """Write what training left, but results.json."""
    for record in results.records:
        if record.params is not None:
            write_arrays(folder / f"params-{record.entrant.slug}.safetensors", record.params)
    if test_labels is not None:
        write_predictions(folder / "predictions.npz", results.records, test_labels)
    if dataset is not None:
        write_pictures(folder / "pictures.npz", results, *dataset.test(), dataset.classes)
