"""Functions with long sums: right ones are not blamed for their order, wrong ones are found."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from common.check import Port, check
from common.check.ports import Report

#: JAX on a CPU adds up in sequence, PyTorch in pairs: of 8192 terms the slope of a bias is off by
#: some tens of units in the last place in the one, and by one in the other.
ROWS, CHANNELS, SIDE = 32, 4, 16


def functions(framework: str, share: float = 1.0) -> Port:
    """A scale and a bias for each channel, ReLU, the mean over the picture, a dense layer."""
    if framework == "torch":
        torch = pytest.importorskip("torch")
        relu, loss = torch.relu, torch.nn.functional.cross_entropy
    else:
        optax, jax = pytest.importorskip("optax"), pytest.importorskip("jax")
        relu = jax.nn.relu

        def loss(logits: Any, labels: Any) -> Any:
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    def forward(params: Any, images: Any) -> Any:
        scaled = images * params["scale"][:, None, None]
        hidden = relu(scaled + share * params["bias"][:, None, None])
        return hidden.mean((2, 3)) @ params["out.weight"]

    return Port(framework, forward, loss)


@cache
def checked(port: str, original: str, seed: int, share: float = 1.0) -> Report:
    return asked(functions(port, share), functions(original), seed)


def asked(port: Port, original: Port, seed: int) -> Report:
    draw = np.random.default_rng(seed)
    found: Report = check(
        port,
        original,
        params={
            "scale": draw.uniform(0.5, 1.5, CHANNELS),
            "bias": draw.normal(0, 0.1, CHANNELS),
            "out.weight": draw.normal(0, 1, (CHANNELS, 3)),
        },
        images=draw.normal(0, 1, (ROWS, CHANNELS, SIDE, SIDE)).astype("float32"),
        labels=draw.integers(0, 3, ROWS),
        epochs=1,
    )
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("port", "original"), [("jax", "torch"), ("torch", "jax")])
def test_another_order_is_right(port: str, original: str, seed: int) -> None:
    report = checked(port, original, seed)
    assert report.agrees, str(report)


def test_what_is_wrong_in_float64_is_wrong() -> None:
    """A slope that is off by 2e-6, less than the order of a sum in float32 may bring."""
    report = checked("jax", "torch", 0, 1 + 2e-6)
    assert report.verdict.verdict == "differs"


def test_what_float64_cannot_be_asked_stays_as_it_was_found() -> None:
    """A port that takes float32 alone is wrong as before, and not refused for that."""
    right = functions("jax", 1.01)

    def forward(params: Any, images: Any) -> Any:
        if images.dtype != "float32":
            raise TypeError("float32 alone")
        return right.forward(params, images)

    first = asked(Port("jax", forward, right.loss), functions("torch"), 0).diagnosis.difference
    assert first is not None
    assert first.stage == "forward"
    jax = pytest.importorskip("jax")
    assert not jax.config.jax_enable_x64, "it was asked further questions in float64"


def test_an_original_of_which_nobody_knows_how_it_rounds() -> None:
    """Then nothing more is allowed, and nobody is refused for it."""
    torch = pytest.importorskip("torch")
    right = functions("torch")

    def forward(params: Any, images: Any) -> Any:
        return right.forward(params, torch.fft.ifft(torch.fft.fft(images)).real)

    report = asked(functions("jax"), Port("torch", forward, right.loss), 0)
    assert report.diagnosis.difference is not None


def test_a_rounding_is_no_weight_decay() -> None:
    """Coefficients of 1e-8 fit whatever rounding leaves: there is no decay on either side."""
    first = checked("torch", "torch", 0, 1 + 1e-5).diagnosis.difference
    assert first is not None
    assert "decay" not in (first.likely_cause or "")
