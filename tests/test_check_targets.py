"""Targets of a regression have the output's shape, however many axes that has."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.check import Port, check


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("slip", [0.0, 0.01])
def test_targets_of_every_shape(shape: tuple[int, ...], slip: float) -> None:
    pytest.importorskip("torch")
    draw = np.random.default_rng(0)

    def port(factor: float) -> Port:
        def forward(params: Any, images: Any) -> Any:
            return factor * (images * params["scale"] + params["shift"])

        return Port("torch", forward, lambda outputs, targets: ((outputs - targets) ** 2).mean())

    report = check(
        port(1 + slip),
        port(1.0),
        params={name: draw.normal(size=shape) for name in ("scale", "shift")},
        images=draw.normal(size=(40, *shape)).astype("float32"),
        labels=draw.normal(size=(40, *shape)).astype("float32"),
        epochs=1,
    )
    assert report.agrees == (slip == 0.0), str(report)
