"""Batch normalisation: what is wrong with it, in training or evaluation, is found and named."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

from common.agreement.checks import checks
from common.agreement.expectations import Expectations, expected_at
from common.agreement.referee import Referee
from common.agreement.schedule import Schedule
from common.agreement.slips.causes import likely_cause
from common.contract.plan import Plan
from common.contract.precision import cast
from common.data import draws
from common.entrants.local import LocalSession
from tests.conftest import BACKENDS, EXAMPLES, make_plan

PLAN = make_plan("lenet_bn", momentum=0.9, weight_decay=0.01)
Data = Callable[[Plan], dict[str, Any]]


@pytest.fixture(scope="module")
def expected(session_data: Data) -> Expectations:
    """After a step: the running statistics are no longer 0 and 1."""
    referee = Referee(PLAN, session_data(PLAN))
    schedule = Schedule([draws.order(0, 0, EXAMPLES, PLAN.batch_size, False)], PLAN.batch_size)
    referee.exact.load(cast(referee.data["initial"], "float64"))
    referee.exact.train(schedule.part(1, 2))
    return expected_at(referee, referee.state(schedule, 2))


def first_wrong(expected: Expectations, session_data: Data) -> tuple[str, str, str | None]:
    """Stage, tensor and cause of the first check that fails; PyTorch's, from scratch."""
    session = LocalSession("torch")
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(PLAN.asdict(), choices, session_data(PLAN))
    for outcome in checks(session, expected, BACKENDS["torch"].info, compiled=False):
        if not outcome.check.right:
            slip = likely_cause(expected, outcome)
            return outcome.check.stage, outcome.check.tensor, slip.words if slip else None
    return "", "", None


def share(value: float) -> Callable[[Any], None]:
    def change(patch: Any) -> None:
        patch("layers", "SHARE", value)

    return change


def biased(patch: Any) -> None:
    def normalised(params: Any, layer: str, inputs: Any) -> Any:
        outputs, (mean, variance) = own(params, layer, inputs)
        m = inputs.numel() // inputs.shape[1]
        held = 0.9 * params[f"{layer}.variance"]
        return outputs, (mean, held + (variance - held) * (1 - 1 / m))

    own = importlib.import_module("backends.torch.layers").normalised
    patch("convolutional", "normalised", normalised)


def evaluation_left_on(patch: Any) -> None:
    own = importlib.import_module("backends.torch.layers")

    def normalised(params: Any, layer: str, inputs: Any) -> Any:
        outputs, _ = own.standardised(params, layer, inputs)
        return outputs, own.normalised(params, layer, inputs)[1]

    patch("convolutional", "normalised", normalised)


def training_left_on(patch: Any) -> None:
    patch(
        "convolutional", "standardised", importlib.import_module("backends.torch.layers").normalised
    )


def kernels_turned(patch: Any) -> None:
    own = importlib.import_module("backends.torch.layers").correlation

    def correlation(kernel: Any, images: Any, padding: int, stride: int) -> Any:
        kernel = kernel.transpose(2, 3) if kernel.shape[1] == 6 else kernel
        return own(kernel, images, padding, stride)

    patch("convolutional", "correlation", correlation)


def maxima(patch: Any) -> None:
    functional = importlib.import_module("torch").nn.functional
    patch("convolutional", "pooled", lambda images: functional.max_pool2d(images, 2))


def eps(patch: Any) -> None:
    patch("layers", "EPS", 1e-3)


def relu(patch: Any) -> None:
    patch("convolutional", "sigmoid", importlib.import_module("torch").relu)


def right(patch: Any) -> None:
    del patch


#: What is done to PyTorch's files, where it shows first, and the cause in words.
SLIPS: dict[str, tuple[Callable[[Any], None], str, str, str | None]] = {
    "right": (right, "", "", None),
    "share and complement": (share(0.9), "gradient", "norm1.mean", "taken for its complement"),
    "share of a hundredth": (share(0.01), "gradient", "norm1.mean", "keep 0.99 of the old value"),
    "biased variance": (biased, "gradient", "norm2.variance", "not by m - 1"),
    "evaluation left on": (evaluation_left_on, "gradient", "conv1.weight", "as in evaluation"),
    "training left on": (training_left_on, "forward", "logits", "by the batch's own mean"),
    "eps": (eps, "forward", "logits", "eps of its normalisations is 0.001"),
    "kernel transposed": (kernels_turned, "forward", "logits", "the kernel of conv2 has rows"),
    "maximum for mean": (maxima, "forward", "logits", "takes the maximum"),
    "another activation": (relu, "forward", "logits", "a ReLU instead of the sigmoid"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_found(
    slip: str, expected: Expectations, session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, *place, words = SLIPS[slip]

    def patch(file: str, name: str, value: Any) -> None:
        monkeypatch.setattr(importlib.import_module(f"backends.torch.{file}"), name, value)

    change(patch)
    *found, cause = first_wrong(expected, session_data)
    assert found == place
    assert (words is None and cause is None) or (words is not None and words in (cause or "")), (
        cause
    )
