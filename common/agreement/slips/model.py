"""What may be wrong with a model, forwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.activations import gelu_tanh, leaky, relu, same, sigmoid
from common.agreement.slips.layers import wrong_layers, wrong_weights
from common.agreement.slips.sequences import wrong_sequences
from common.agreement.slips.slip import Slip, guarded, has_hidden_layer, ratio_slips, softmax
from common.contract.arrays import Array, Arrays


@dataclass(frozen=True)
class Activation:
    """One that the hidden layer may have by mistake.

    Attributes:
        words: what the model has.
        function: applied to the hidden layer.
        last: whether to the last layer, too.
    """

    words: str
    function: Callable[[Array], Array]
    last: bool = False


ACTIVATIONS = (
    Activation("no activation at all", same),
    Activation("a sigmoid instead of the ReLU", sigmoid),
    Activation("tanh instead of the ReLU", np.tanh),
    Activation("GELU (its tanh form) instead of the ReLU", gelu_tanh),
    Activation("a leaky ReLU of slope 0.01", leaky(0.01)),
    Activation("a leaky ReLU of slope 0.2", leaky(0.2)),
    Activation("a ReLU after every layer, the last one included", relu, last=True),
)


def forward_slips(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """What may be wrong with a model."""
    right = logits_of(expectations, params)
    if expectations.model.classifies:
        yield from guarded(squashed(right["logits"]))
    yield from guarded(wrong_biases(expectations, params))
    if expectations.images.dtype.kind == "f":  # somebody's own network may take words
        yield from guarded(wrong_inputs(expectations, params))
    yield from guarded(transposed(expectations, params))
    if has_hidden_layer(expectations):
        yield from guarded(other_activations(expectations, params))
    if expectations.model.long_sums:
        yield from guarded(wrong_weights(expectations, params))
        yield from guarded(wrong_layers(expectations, params))
        yield from guarded(wrong_sequences(expectations, params))
    yield from guarded(ratio_slips(right, "the logits are {:.6g} times the referee's"))


def logits_of(expectations: Expectations, params: Arrays, images: Array | None = None) -> Arrays:
    """The referee's logits from other parameters, or of other images."""
    images = expectations.images64 if images is None else images
    return {"logits": expectations.referee.exact.logits(params, images)}


def squashed(logits: Array) -> Iterator[Slip]:
    """A softmax that belongs to the loss."""
    look = "print a row of the logits: they need not lie in [0, 1], nor sum to 1"
    yield Slip(
        {"logits": softmax(logits)},
        "the model ends in a softmax, which the loss will apply once more",
        look,
    )
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    yield Slip({"logits": logs}, "the model ends in a log-softmax", look)


def wrong_biases(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Every bias left out, or added twice."""

    def biases(factor: float) -> Arrays:
        return {name: factor * p if p.ndim == 1 else p for name, p in params.items()}

    look = "set the weights to 0 and the biases to 1"
    yield Slip(logits_of(expectations, biases(0.0)), "no bias is added", look)
    yield Slip(logits_of(expectations, biases(2.0)), "the bias is added twice", look)


def wrong_inputs(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Something done to the pixels on their way in."""
    images = expectations.images64
    inputs = {
        "softmax is applied to the pixels instead of the logits": softmax(images),
        "the pixels are divided by 255 once more in the model": images / 255,
        "the pixels are multiplied by 255 in the model": images * 255,
        "the pixels are divided by 256, not by 255": images * (255 / 256),
        "the pixels are scaled to [-1, 1] in the model": 2 * images - 1,
    }
    for words, array in inputs.items():
        yield Slip(
            logits_of(expectations, params, array),
            words,
            "compare the model's input with the batch",
        )


def transposed(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """One square weight turned round."""
    for name, array in params.items():
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            yield Slip(
                logits_of(expectations, {**params, name: array.T}),
                f"{name} is transposed, which its square shape hides",
                "use a hidden width that is not the input's",
            )


def other_activations(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """The hidden layer with another function."""
    images = expectations.images64
    for wrong in ACTIVATIONS:
        hidden = wrong.function(images @ params["hidden.weight"] + params["hidden.bias"])
        outputs = hidden @ params["output.weight"] + params["output.bias"]
        predicted = {"logits": wrong.function(outputs) if wrong.last else outputs}
        yield Slip(predicted, f"the model has {wrong.words}", "print its layers in order")
