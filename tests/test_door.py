"""What looks like a bad start and is taken; what a port does wrong at once, told in a report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from common.check import check
from common.contract.kinds import net_of
from common.contract.labels import IGNORED
from common.modules.matched import recorded, values_of
from common.modules.probes import question, rounds_inside
from common.modules.report import ModuleReport
from tests.test_bad_starts import LABELS, TOKENS, VECTORS, Network, Rounding, Words, network

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional

DRAW = np.random.default_rng(1)


def held(
    port: Any, reference: Any, inputs: Any = VECTORS, labels: Any = LABELS, **told: Any
) -> ModuleReport:
    report = check(port, reference, inputs, labels, **{"steps": 2, **told})
    assert isinstance(report, ModuleReport)
    return report


def agrees(port: Any, reference: Any, *given: Any, **told: Any) -> None:
    report = held(port, reference, *given, **told)
    assert report.agrees, str(report)


def fault(report: ModuleReport) -> tuple[str, str, str, str]:
    first = report.first
    assert first is not None, str(report)
    assert first.fault is not None, str(report)
    assert first.fault in str(report)
    return first.place.layer, first.place.unit, first.place.tensor, first.fault


# ---- losses and labels -----------------------------------------------------------------------


def losses(framework: str) -> Any:
    """The usual loss of a framework, of arrays: the value, and its slopes."""
    if framework == "torch":
        return net_of(nn.Linear(1, 1)).loss
    if framework == "mindspore":
        return net_of(pytest.importorskip("mindspore").nn.Dense(1, 1)).loss
    jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
    return net_of(equinox.nn.Linear(1, 1, key=jax.random.key(0))).loss


@pytest.mark.parametrize("framework", ["torch", "jax", "mindspore"])
@pytest.mark.parametrize("shape", [(6,), (3, 4)], ids=["examples", "tokens"])
def test_ignored_labels_are_left_out_of_the_mean(framework: str, shape: tuple[int, ...]) -> None:
    logits = DRAW.normal(0, 1, (*shape, 5)).astype("float32")
    labels = DRAW.integers(0, 5, shape)
    labels[0] = IGNORED
    value, (slopes,) = losses(framework)(None, (logits,), labels)
    counted = labels != IGNORED
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    right = np.eye(5)[np.where(counted, labels, 0)]
    wanted = -np.log((shares * right).sum(-1))[counted].mean()
    assert value == pytest.approx(wanted, rel=1e-5)
    assert slopes == pytest.approx((shares - right) * counted[..., None] / counted.sum(), abs=1e-6)
    assert (slopes[~counted] == 0).all()


def test_token_labels_some_ignored() -> None:
    labels = np.where(TOKENS % 3 == 0, IGNORED, TOKENS % 5)
    torch.manual_seed(1)
    agrees(Words(), Words(), TOKENS, labels)


def summed(outputs: Any, labels: Any) -> Any:
    return functional.cross_entropy(outputs, labels, reduction="sum")


def weighted(outputs: Any, labels: Any) -> Any:
    return functional.cross_entropy(outputs, labels, torch.arange(1, 6).to(outputs.dtype))


def weighted_by_count(outputs: Any, labels: Any) -> Any:
    weights = torch.arange(1, 6).to(outputs.dtype)
    return functional.cross_entropy(outputs, labels, weights, reduction="sum") / len(labels)


@pytest.mark.parametrize("loss", [summed, weighted])
def test_other_losses(loss: Callable[..., Any]) -> None:
    agrees(network(), network(), loss=loss)


@pytest.mark.parametrize("losses", [(summed, None), (weighted, weighted_by_count)])
def test_two_reductions_are_two_losses(losses: Any) -> None:
    first = held(network(), network(), loss=losses).first
    assert first is not None
    assert first.place.stage == "loss"


# ---- modules ---------------------------------------------------------------------------------


def test_bfloat16_weights() -> None:
    agrees(network().bfloat16(), network())
    agrees(network(), network().bfloat16())


def test_half_precision_weights() -> None:
    agrees(network().half(), network())


def test_weights_that_share_memory() -> None:
    def sharing() -> Any:
        made = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
        made[1].weight = nn.Parameter(made[0].weight.data)
        return made

    agrees(sharing(), sharing(), VECTORS, None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_parameters(dtype: str) -> None:
    agrees(nn.Sequential(nn.Tanh(), nn.Softmax(-1)), nn.Sequential(nn.Tanh(), nn.Softmax(-1)),
           VECTORS, LABELS, dtype=dtype)  # fmt: skip
    report = held(nn.Tanh(), nn.Sigmoid(), VECTORS, None)
    assert report.verdict == "differs"


@pytest.mark.slow
def test_no_parameters_in_jax() -> None:
    jax, equinox = pytest.importorskip("jax"), pytest.importorskip("equinox")
    agrees(nn.Tanh(), equinox.nn.Lambda(jax.numpy.tanh), VECTORS, None)
    agrees(equinox.nn.Lambda(jax.numpy.tanh), nn.Tanh(), VECTORS, None)


def test_a_dict_of_outputs() -> None:
    def named(x: Any) -> Any:
        return {"logits": x, "name": "logits", "none": None}

    agrees(network(named), network(named))


def test_a_mask_of_infinities() -> None:
    class Masked(Network):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.tensor([0.0, 0, 0, 0, float("-inf")]))

        def forward(self, x: Any) -> Any:
            return torch.softmax(super().forward(x) + self.mask, -1)

    torch.manual_seed(0)
    agrees(Masked(), Masked(), VECTORS, None)


def test_one_example() -> None:
    agrees(network(), network(), VECTORS[:1], LABELS[:1])


def test_booleans_and_small_integers_are_classes() -> None:
    agrees(network(), network(), VECTORS, LABELS.astype("uint8"))
    agrees(network(), network(), VECTORS, LABELS > 2)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.LayerNorm, nn.Linear])
def test_a_reference_in_float64_is_believed(kind: Callable[..., Any]) -> None:
    def made() -> Any:
        torch.manual_seed(0)
        last = kind(6, 6) if kind is nn.Linear else kind(6)
        return nn.Sequential(nn.Linear(6, 6), nn.ReLU(), last, nn.Linear(6, 5))

    report = held(made(), made(), train=True)
    assert report.probes["float64"]
    assert report.asdict()["probes"]["repeats"]


# ---- what the port does wrong at once ----------------------------------------------------------


def raising(_: Any) -> Any:
    raise ValueError("not so")


def test_a_port_that_raises() -> None:
    report = held(network(raising), network())
    assert fault(report) == ("", "whole", "output", "raised ValueError: not so")
    assert report.verdict == "differs"
    assert report.asdict()["first"]["fault"] == "raised ValueError: not so"
    assert report.first.fault_kind == "raised"


def test_a_port_that_takes_fewer_inputs() -> None:
    class Two(Network):
        def forward(self, x: Any, y: Any) -> Any:
            return super().forward(x + y)

    report = held(network(), Two(), (VECTORS, VECTORS))
    assert "raised TypeError: Network.forward() takes 2 positional" in fault(report)[-1]


class Noisy(nn.Module):
    def forward(self, x: Any) -> Any:
        return x + 0.1 * torch.randn_like(x)


def test_a_port_that_answers_at_random() -> None:
    def made(between: Any) -> Any:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(6, 6), between, nn.Linear(6, 5))

    layer, unit, _, words = fault(report := held(made(Noisy()), made(nn.Identity())))
    assert (layer, unit) == ("1", "layer")
    assert words.startswith("is another each time it is called with the same inputs")
    assert report.probes["port_repeats"] is False
    assert report.first.fault_kind == "random"


def test_nan_is_named() -> None:
    def at_one(x: Any) -> Any:
        return torch.where(x == x[1, 2], np.nan, x)

    words = "is NaN in 1 of 40 elements, first at [1, 2], where the reference has "
    report = held(network(at_one), network())
    assert fault(report)[-1].startswith(words)
    assert report.probes["port_finite"] is False
    assert report.first.fault_kind == "NaN"


def test_fewer_layers() -> None:
    torch.manual_seed(0)
    report = held(nn.Sequential(nn.Linear(6, 5)), nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 5)))
    assert report.verdict == "differs"
    assert "1.weight" in " ".join(report.not_compared) or "weight of 1" in str(report)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda x: x[..., None], "has shape (8, 5, 1), the reference's has (8, 5)"),
        (lambda x: None, "is no tensor, the reference's has (8, 5)"),
    ],
)
def test_another_output(made: Callable[[Any], Any], words: str) -> None:
    assert fault(held(network(made), network(), VECTORS, None)) == ("", "wiring", "output", words)


def test_an_output_that_only_one_side_has_is_not_compared() -> None:
    def two(x: Any) -> Any:
        return x, x.sum(-1)

    for port, reference, who in ((two, None, "port"), (None, two, "reference")):
        sides = [network(one) if one else network() for one in (port, reference)]
        report = held(*sides, VECTORS, None)
        assert report.verdict == "not checked"
        assert report.not_compared == [
            f"output 1 (8,) of the {who} has no counterpart in the "
            f"{'reference' if who == 'port' else 'port'}"
        ]


def test_a_rounding_layer_is_found_where_it_stands() -> None:
    torch.manual_seed(0)
    net = net_of(nn.Sequential(nn.Linear(6, 6), nn.Tanh(), Rounding(), nn.Linear(6, 5)))
    inputs = (VECTORS.astype("float64"),)
    side = recorded(net, values_of(net.leaves(), 0, "float64"), inputs, train=False)
    asked = {key: question(side, key, train=False) for key in side.calls}
    rounding = [key for key, one in asked.items() if rounds_inside(net, one, net.run(one))]
    assert rounding == [("2", 0), ("", 0)]
