"""What may be wrong with the layers of a model: the referee with others in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.slip import Slip
from common.contract.arrays import Array, Arrays

#: Layers under the names that the referee's file gives them.
Layers = dict[str, Callable[..., Any]]


def logits_with(expectations: Expectations, layers: Layers, params: Arrays) -> Arrays:
    """The logits of the referee, some of its layers replaced."""
    other = expectations.referee.exact.components.with_layers(layers)
    return {"logits": other.logits(params, expectations.images64)}


def wrong_weights(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Weights read in another order, or biases left out, of all layers of a kind or of one."""
    axes = expectations.model.parameters
    kernels = [name for name in params if "height" in axes[name]]
    for names in (kernels, *([name] for name in kernels if len(kernels) > 1)):
        yield from turned_kernels(expectations, params, names)
    biases = [name for name in params if name.endswith(".bias")]
    of_kernels = [name for name in biases if name.replace(".bias", ".weight") in kernels]
    for names in (of_kernels, *([name] for name in biases)):
        changed = {name: np.zeros_like(params[name]) for name in names}
        yield Slip(
            logits_with(expectations, {}, {**params, **changed}),
            f"no bias in {listed(names)}",
            "print the layers' parameters: a bias may have to be asked for",
        )
    for name in (name for name in params if "rows" in axes[name]):
        yield from flattened_otherwise(expectations, params, name)


def listed(names: Sequence[str]) -> str:
    """The layers of some parameters."""
    return ", ".join(name.partition(".")[0] for name in names)


def turned_kernels(
    expectations: Expectations, params: Arrays, names: Sequence[str]
) -> Iterator[Slip]:
    """Kernels with their rows and columns in other orders."""
    look = "compare outputs for a kernel that is 1 in one corner and 0 elsewhere"
    flipped = {name: np.ascontiguousarray(params[name][::-1, ::-1]) for name in names}
    yield Slip(
        logits_with(expectations, {}, {**params, **flipped}),
        f"the kernel of {listed(names)} is flipped: a convolution, not a correlation",
        look,
    )
    if all(params[name].shape[0] == params[name].shape[1] for name in names):
        turned = {name: np.ascontiguousarray(params[name].swapaxes(0, 1)) for name in names}
        yield Slip(
            logits_with(expectations, {}, {**params, **turned}),
            f"the kernel of {listed(names)} has rows for columns",
            look,
        )


def flattened_otherwise(expectations: Expectations, params: Arrays, name: str) -> Iterator[Slip]:
    """A dense layer whose weight knows its pictures flattened in another order."""
    array, layer = params[name], name.partition(".")[0]
    rows, columns, channels, outputs = array.shape
    first = array.reshape(channels, rows, columns, outputs).transpose(1, 2, 0, 3)
    last = array.transpose(2, 0, 1, 3).reshape(array.shape)
    for words, other in ((("first", "last"), first), (("last", "first"), last)):
        changed = {**params, name: np.ascontiguousarray(other)}
        yield Slip(
            logits_with(expectations, {}, changed),
            "{} takes pictures flattened with channels {}, its weight {}".format(layer, *words),
            f"print the shape before {layer} and before it is flattened",
        )


def maxima(images: Array) -> Array:
    """The largest of each 2 x 2; an odd last row or column is left out."""
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    images = images[:, : 2 * rows, : 2 * columns]
    largest: Array = images.reshape(n, rows, 2, columns, 2, channels).max(axis=(2, 4))
    return largest


#: What stands in a layer's place, layer by layer, in words.
OTHERS: tuple[tuple[str, str, Callable[[Array], Array]], ...] = (
    ("pooled", "pooling takes the maximum, not the mean", maxima),
    ("sigmoid", "a ReLU instead of the sigmoid", lambda x: np.maximum(x, 0)),
    ("sigmoid", "tanh instead of the sigmoid", np.tanh),
    ("sigmoid", "no activation at all", lambda x: x),
)

#: Of batch normalisation; others have another.
EPS = 1e-5
EPSILONS = (1e-3, 1e-6, 1e-12)


def wrong_layers(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Other functions in the place of layers."""
    look = "print its layers in order"
    for layer, words, other in OTHERS:
        predicted = logits_with(expectations, {layer: other}, params)
        yield Slip(predicted, f"the model has {words}", look)
    if not expectations.model.statistics:
        return
    words = "evaluation normalises by the batch's own mean and variance, not by the running ones"
    by_batch = {"standardised": by_the_batch}
    look = "is it in evaluation mode? one example alone must have the same logits"
    yield Slip(logits_with(expectations, by_batch, params), words, look)
    for eps in EPSILONS:
        variances = [name for name in expectations.model.statistics if name.endswith(".variance")]
        changed = {**params, **{name: params[name] + eps - EPS for name in variances}}
        words = f"the eps of its normalisations is {eps:g}, not {EPS:g}"
        yield Slip(logits_with(expectations, {}, changed), words, "print the layers")


def by_the_batch(params: Arrays, layer: str, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
    """Batch normalisation as in training, the statistics left alone."""
    axes = tuple(range(inputs.ndim - 1))
    return by(params, layer, inputs, inputs.mean(axis=axes), inputs.var(axis=axes))


def by(
    params: Arrays, layer: str, inputs: Array, mean: Array, variance: Array
) -> tuple[Array, tuple[Array, Array]]:
    """Normalised by some mean and variance."""
    standard = (inputs - mean) / np.sqrt(variance + EPS)
    outputs = params[f"{layer}.scale"] * standard + params[f"{layer}.shift"]
    return outputs, (mean, variance)


def by_running_statistics(expectations: Expectations) -> Iterator[Slip]:
    """Training that normalises by the running statistics, as evaluation does."""

    def back(
        params: Arrays, layer: str, inputs: Array, doutputs: Array, grads: dict[str, Array]
    ) -> Array:
        mean, variance = params[f"{layer}.mean"], params[f"{layer}.variance"]
        axes, deviation = tuple(range(inputs.ndim - 1)), np.sqrt(variance + EPS)
        standard = (inputs - mean) / deviation
        grads[f"{layer}.scale"] = (doutputs * standard).sum(axis=axes)
        grads[f"{layer}.shift"] = doutputs.sum(axis=axes)
        grads[f"{layer}.mean"], grads[f"{layer}.variance"] = mean, variance
        dinputs: Array = params[f"{layer}.scale"] / deviation * doutputs
        return dinputs

    def normalised(params: Arrays, layer: str, inputs: Array) -> tuple[Array, tuple[Array, Array]]:
        return by(params, layer, inputs, params[f"{layer}.mean"], params[f"{layer}.variance"])

    layers: Layers = {"normalised": normalised, "normalised_back": back}
    other = expectations.referee.exact.components.with_layers(layers)
    dlogits = expectations.dlogits.astype("float64")
    grads = other.backward(expectations.params, expectations.images64, dlogits)
    yield Slip(
        {name: grads[name] for name in expectations.trained},
        "training normalises by the running statistics, as in evaluation",
        "is it in training mode?",
    )
