"""Step losses stay what they were: bit for bit on the machine and versions they were recorded on.

`step_losses.json` holds the losses of 27 steps (three epochs of 70 examples in batches of 8, one
thread) of each cell; elsewhere sums may be rounded in another order, and 16 units in the last
place of the loss are allowed.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.data import draws
from tests.conftest import BACKENDS, EXAMPLES, make_plan

RECORDED = json.loads(Path(__file__).with_name("step_losses.json").read_text(encoding="utf-8"))
BATCH, EPOCHS, ULP = 8, 3, 16


def processor() -> str:
    """This one, by name, family and model: generations share a name, and round otherwise."""
    found: dict[str, str] = {}
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else ():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    parts = (found.get(name) for name in ("model name", "cpu family", "model"))
    return "{}, family {}, model {}".format(*parts)


def as_recorded(backend: str) -> bool:
    """Whether this is the processor, and these are the versions, of the record."""
    packages = {"numpy", *BACKENDS[backend].info.packages}
    versions = {name: importlib.metadata.version(name) for name in packages}
    recorded = RECORDED["versions"]
    return processor() == RECORDED["cpu"] and all(recorded[n] == v for n, v in versions.items())


def cells() -> Iterator[Any]:
    """Backend and cell; of what is compiled, one of a backend every day."""
    for cell in RECORDED["losses"]:
        backend, mode, *rest = cell.split("-")
        quick = mode == "eager" or rest == ["concise", "softmax", "0"]
        yield pytest.param(backend, cell, id=cell, marks=[pytest.mark.slow] * (not quick))


@pytest.mark.parametrize(("backend", "cell"), [*cells()])
def test_step_losses_are_what_they_were(
    backend: str, cell: str, workers: Any, session_data: Any
) -> None:
    _, mode, style, model, seed = cell.split("-")
    plan = make_plan(model, seed=int(seed), threads=1, epochs=EPOCHS, batch_size=BATCH, lr=0.03)
    data = session_data(plan)
    if "train" in data:
        data["train"] = tuple(array[:EXAMPLES] for array in data["train"])
    session = workers(backend, threads=1)
    session.open(plan.asdict(), {"style": style, "mode": mode, "data": "memory"}, data)
    session.load(data["initial"])
    orders = [draws.order(plan.seed, epoch, EXAMPLES, BATCH, False) for epoch in range(EPOCHS)]
    losses = np.concatenate([session.train(order).losses for order in orders])
    recorded = np.array(RECORDED["losses"][cell], np.float32)
    assert losses.dtype == np.float32
    if as_recorded(backend):
        np.testing.assert_array_equal(losses, recorded)
    else:
        apart = np.abs(losses - recorded) / np.spacing(recorded)
        assert apart.max() <= ULP, "another processor or version: 16 ulp of the loss are allowed"
