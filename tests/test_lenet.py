"""A model of pictures: what is wrong with it is seen, whatever its long sums allow."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
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
from common.entrants.process import WorkerSession
from tests.conftest import BACKENDS, EXAMPLES, Command, make_plan

PLAN = make_plan("lenet")
Data = Callable[[Plan], dict[str, Any]]


@pytest.fixture(scope="module")
def referee_of_lenet(session_data: Data) -> Referee:
    return Referee(PLAN, session_data(PLAN))


@pytest.fixture(scope="module")
def expected(referee_of_lenet: Referee) -> Expectations:
    schedule = Schedule([draws.order(0, 0, EXAMPLES, PLAN.batch_size, False)], PLAN.batch_size)
    referee_of_lenet.exact.load(cast(referee_of_lenet.data["initial"], "float64"))
    return expected_at(referee_of_lenet, referee_of_lenet.state(schedule, 1))


def wrong(expected: Expectations, session_data: Data) -> Iterator[tuple[str, str, str | None]]:
    """Stage, tensor and cause of every check that fails; PyTorch's, from scratch."""
    session = LocalSession("torch")
    choices = {"style": "scratch", "mode": "eager", "data": "memory"}
    session.open(PLAN.asdict(), choices, session_data(PLAN))
    for outcome in checks(session, expected, BACKENDS["torch"].info, compiled=False):
        if not outcome.check.right:
            slip = likely_cause(expected, outcome)
            yield outcome.check.stage, outcome.check.tensor, slip.words if slip else None


def last_map_flipped(pooled: Any) -> Any:
    def function(images: Any) -> Any:
        maps = pooled(images)
        maps[:, -1] = maps[:, -1].flip(1)
        return maps

    return function


def transposed_kernel(convolved: Any) -> Any:
    def function(params: Any, layer: str, images: Any, padding: int) -> Any:
        turned = {**params, f"{layer}.weight": params[f"{layer}.weight"].transpose(2, 3)}
        return convolved(turned, layer, images, padding)

    return function


def padded_at_the_end(convolved: Any) -> Any:
    def function(params: Any, layer: str, images: Any, padding: int) -> Any:
        images = importlib.import_module("torch").roll(images, 1 if padding else 0, 3)
        return convolved(params, layer, images, padding)

    return function


def no_kernel_bias(convolved: Any) -> Any:
    def function(params: Any, layer: str, images: Any, padding: int) -> Any:
        bare = {**params, f"{layer}.bias": 0 * params[f"{layer}.bias"]}
        return convolved(bare, layer, images, padding)

    return function


def maximum(pooled: Any) -> Any:
    return lambda images: importlib.import_module("torch").nn.functional.max_pool2d(images, 2)


#: A function of PyTorch's model, what makes another of it, and the cause that is named.
SLIPS: dict[str, tuple[str, Callable[[Any], Any], str | None]] = {
    "one feature map flipped": ("pooled", last_map_flipped, None),
    "kernels transposed": ("convolved", transposed_kernel, "conv1, conv2 has rows for columns"),
    "pixels moved by one": ("convolved", padded_at_the_end, None),
    "no bias": ("convolved", no_kernel_bias, "no bias in conv1, conv2"),
    "maximum for mean": ("pooled", maximum, "takes the maximum"),
    "another function": ("sigmoid", lambda _: lambda x: x.tanh(), "tanh instead of the sigmoid"),
    "a fifty-thousandth more": ("sigmoid", lambda own: lambda x: own(x) * (1 + 2e-5), None),
}


@pytest.mark.slow
def test_right(expected: Expectations, session_data: Data) -> None:
    assert list(wrong(expected, session_data)) == []


@pytest.mark.parametrize("slip", SLIPS)
def test_wrong(
    slip: str, expected: Expectations, session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, change, words = SLIPS[slip]
    model = importlib.import_module("backends.torch.convolutional")
    monkeypatch.setattr(model, name, change(getattr(model, name)))
    *place, cause = next(wrong(expected, session_data))
    assert place == ["forward", "logits"]
    assert cause is None if words is None else words in (cause or ""), cause


def test_a_gradient_that_misses_a_place_of_the_window(
    expected: Expectations, session_data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards it is right: long sums hide no share of a 25th."""
    model = importlib.import_module("backends.torch.convolutional")
    own = model.convolved

    def function(params: Any, layer: str, images: Any, padding: int) -> Any:
        weight = params[f"{layer}.weight"]
        held = weight.clone()
        held[:, :, 2, 2] = weight[:, :, 2, 2].detach()
        return own({**params, f"{layer}.weight": held}, layer, images, padding)

    monkeypatch.setattr(model, "convolved", function)
    stage, tensor, _ = next(wrong(expected, session_data))
    assert (stage, tensor) == ("gradient", "conv1.weight")


def test_a_referee_without_time_holds_the_first_steps(session_data: Data) -> None:
    plan = make_plan("lenet", batch_size=4)
    orders = [draws.order(0, epoch, EXAMPLES, 4, False) for epoch in range(2)]
    schedule, referee = Schedule(orders, 4), Referee(plan, session_data(plan))
    whole = referee.path(schedule)
    cut = referee.path(schedule, lambda losses: 0.0)
    assert len(whole.losses) == schedule.total == 36
    np.testing.assert_array_equal(cut.losses, whole.losses[: len(cut.losses)])
    assert 8 <= len(cut.losses) < schedule.per_epoch
    assert cut.classes is None
    assert whole.classes is not None
    first, last = cut.states
    assert (first.step, first.last, last.last) == (1, False, True)
    # The batch that was not reached, on the last state that was.
    assert last.step == len(cut.losses) + 1
    np.testing.assert_array_equal(last.index, schedule.batch(schedule.per_epoch))


def test_small_pictures_are_refused(compare: Command) -> None:
    done = compare(*compare.small("--model", "lenet", "--backends", "numpy"))
    assert done.returncode == 2
    assert "lenet needs pictures of 12 x 12 pixels or more; these have 6 x 6" in done.stderr


@pytest.mark.slow
def test_a_run_and_its_page(compare: Command, picture_folder: Path) -> None:
    compare.data, compare.page = picture_folder, True
    read = compare.run("--model", "lenet", "--backends", "numpy", "torch")
    assert {one["verdict"] for one in read["parity"]["entrants"].values()} <= {"rounding"}
    page = (compare.folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "kernel of the first convolution" in page


def avx512() -> bool:
    """Whether this processor has it, and a Linux says so."""
    told = Path("/proc/cpuinfo")
    return told.exists() and "avx512bw" in told.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.skipif(not avx512(), reason="oneDNN has other code where there is no AVX-512")
@pytest.mark.parametrize("stock", [False, True], ids=["tuned", "stock"])
def test_no_convolution_of_mindspore_is_left_to_the_reference_code_of_onednn(
    stock: bool, session_data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forwards each would be; a stock entrant, which is told nothing, shows it."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    told = BACKENDS["mindspore"].info.variables(1, "cpu", stock=stock, convolves=True)
    choices = {"style": "concise", "mode": "eager", "data": "memory"}
    with closing(
        WorkerSession(
            "mindspore", log=tmp_path / "log", environment={**told, "ONEDNN_VERBOSE": "1"},
            threads=1, timeout=60,
        )
    ) as session:  # fmt: skip
        session.open(PLAN.asdict(), choices, session_data(PLAN))
        session.train(np.arange(PLAN.batch_size))
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    computed = [line for line in lines if ",exec,cpu,convolution," in line]
    forwards = [line for line in computed if ",forward_training," in line]
    # Backwards to both kernels, and to the inputs of the second.
    assert (len(forwards), len(computed)) == (2, 5)
    assert sum("ref:any" in line for line in forwards) == (2 if stock else 0)
    assert stock or not any("ref:any" in line for line in computed)
