"""What may be wrong with a model of sequences: gates, masks, norms, the referee with others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.activations import gelu_tanh, relu, sigmoid
from common.agreement.slips.layers import logits_with
from common.agreement.slips.slip import Slip, softmax
from common.contract.arrays import Array, Arrays

#: Of a norm; others have another.
EPS = 1e-5
EPSILONS = (1e-6, 1e-12, 1e-3)


def wrong_sequences(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Slips of the model that is trained, if it is one of sequences."""
    yield from exchanged_gates(expectations, params)
    if "reset" in expectations.model.gates:
        yield Slip(
            logits_with(expectations, {"gru_step": reset_before}, params),
            "the reset gate is applied to the state before its product, not after",
            "compare one step with both formulas",
        )
    if "position.weight" in params:
        yield from wrong_attention(expectations, params)


def exchanged_gates(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """Two gates exchanged, in all that makes them or in what comes of the inputs alone."""
    gates = expectations.model.gates
    both = ("input.weight", "input.bias", "recurrent.weight", "recurrent.bias")
    for one, other in combinations(range(len(gates)), 2):
        order = list(range(len(gates)))
        order[one], order[other] = other, one
        for names, where in ((both, ""), (both[:2], " in what comes of the inputs")):
            changed = {name: reordered(params[name], order) for name in names}
            yield Slip(
                logits_with(expectations, {}, {**params, **changed}),
                f"the gates {gates[one]} and {gates[other]} are exchanged{where}",
                "print the shapes and the order of the blocks of its weights",
            )


def reordered(array: Array, order: list[int]) -> Array:
    """Blocks of the last axis in another order."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[block] for block in order], axis=-1)


def reset_before(params: Arrays, given: Array, state: Array) -> tuple[Array, None]:
    """A GRU's step as its paper has it."""
    weight, bias = params["recurrent.weight"], params["recurrent.bias"]
    given_r, given_z, given_m = np.split(given, 3, axis=1)
    kept_r, kept_z, _ = np.split(state @ weight + bias, 3, axis=1)
    reset, update = sigmoid(given_r + kept_r), sigmoid(given_z + kept_z)
    kept_m = np.split((reset * state) @ weight + bias, 3, axis=1)[2]
    return (1 - update) * np.tanh(given_m + kept_m) + update * state, None


def wrong_attention(expectations: Expectations, params: Arrays) -> Iterator[Slip]:
    """A mask, a factor, a norm or an activation that is another."""
    others: list[tuple[str, str, str, Callable[..., Any]]] = [
        (
            "no mask: a patch attends to those after it, too",
            "change the last patch: the first one's output must stay",
            "attention",
            lambda queries, keys, _: softmax_of_rows(scores(queries, keys)),
        ),
        (
            "the scores are not divided by the root of a head's width",
            "print the scores",
            "attention",
            lambda queries, keys, _: softmax_of_rows(
                masked(scores(queries, keys) * math.sqrt(queries.shape[3]))
            ),
        ),
        ("GELU by tanh, not by erf", "print its layers", "gelu", gelu_tanh),
        ("a ReLU instead of the GELU", "print its layers", "gelu", relu),
    ]
    others += [
        (f"the eps of its norms is {eps:g}, not {EPS:g}", "print the layers", "normed", norm(eps))
        for eps in EPSILONS
    ]
    for words, look, layer, other in others:
        predicted = logits_with(expectations, {layer: other}, params)
        yield Slip(predicted, f"the model has {words}", look)


def scores(queries: Array, keys: Array) -> Array:
    """q kᵀ over the root of a head's width."""
    found: Array = queries @ keys.swapaxes(2, 3) / math.sqrt(queries.shape[3])
    return found


def masked(found: Array) -> Array:
    """Scores of what comes later so low that they count nothing."""
    return np.where(np.tri(found.shape[-1], dtype=bool), found, -1e30)


def softmax_of_rows(found: Array) -> Array:
    """Over the last axis of any number."""
    rows = softmax(found.reshape(-1, found.shape[-1]))
    return rows.reshape(found.shape)


def norm(eps: float) -> Callable[[Arrays, str, Array], Array]:
    """Layer normalisation with an eps."""

    def normed(params: Arrays, layer: str, inputs: Array) -> Array:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
        scaled: Array = centred / deviation * params[f"{layer}.scale"] + params[f"{layer}.shift"]
        return scaled

    return normed
