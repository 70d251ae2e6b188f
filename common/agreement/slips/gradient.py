"""What may be wrong with gradients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from common.agreement.expectations import Expectations
from common.agreement.slips.layers import by_running_statistics
from common.agreement.slips.slip import (
    Slip,
    fitted,
    guarded,
    has_hidden_layer,
    ratio_slips,
    softmax,
)
from common.contract.arrays import Arrays


def gradient_slips(expectations: Expectations, grads: Arrays, values: Arrays) -> Iterator[Slip]:
    """What may be wrong with gradients: `grads` are the referee's."""
    yield from guarded(wrong_gradients(expectations, grads))
    theirs = {name: values[name].astype("float64") for name in grads}
    yield from guarded(clipped(grads, theirs))
    factor = fitted(theirs, grads)
    yield Slip(
        {name: factor * array for name, array in grads.items()},
        f"every gradient is {factor:.7g} times the referee's, in all tensors alike",
        "look for that number among the constants",
    )
    shrink = fitted({n: theirs[n] - grads[n] for n in grads}, expectations.params)
    if shrink:
        yield Slip(
            {n: grads[n] + shrink * expectations.params[n] for n in grads},
            f"a weight decay of {shrink:.3g} is in the gradient",
            "look for a penalty on the weights in the loss",
        )


def wrong_gradients(expectations: Expectations, grads: Arrays) -> Iterator[Slip]:
    """Gradients as known slips would have them; in a whole step they go on to the update."""
    yield from guarded(
        ratio_slips(grads, "every gradient is {:.6g} times the referee's", expectations)
    )
    yield from guarded(of_one_tensor(expectations, grads))
    yield from guarded(of_the_batch_before(expectations, grads))
    if has_hidden_layer(expectations):
        yield from guarded(no_mask(expectations, grads))
    if expectations.model.classifies:
        yield from guarded(through_softmax(expectations))
    if expectations.model.statistics:
        yield from guarded(by_running_statistics(expectations))


def of_one_tensor(expectations: Expectations, grads: Arrays) -> Iterator[Slip]:
    """One gradient that is zero, scaled or transposed."""
    for name, array in grads.items():
        yield Slip(
            {name: np.zeros_like(array)},
            f"the gradient of {name} is zero: it never moves",
            "look for a detach, a stop_gradient, or a parameter the optimiser was not given",
        )
        yield from guarded(
            ratio_slips(
                {name: array},
                f"the gradient of {name} is {{:.6g}} times the referee's",
                expectations,
            )
        )
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            yield Slip(
                {name: array.T},
                f"the gradient of {name} is transposed, which its square shape hides",
                "use a hidden width that is not the input's",
            )


def of_the_batch_before(expectations: Expectations, grads: Arrays) -> Iterator[Slip]:
    """Gradients of another batch, alone or added."""
    exact, params = expectations.referee.exact, expectations.params
    other_images, other_labels = exact.batch(expectations.at.other)
    _, _, before = exact.gradients(params, other_images, other_labels)
    yield Slip(
        before,
        "this is the gradient of the batch before",
        "make two steps on two batches and compare the second",
    )
    yield Slip(
        {name: grads[name] + before[name] for name in grads},
        "gradients add up from step to step: they are not set to zero",
        "print a gradient before and after the step; look for zero_grad()",
    )


def through_softmax(expectations: Expectations) -> Iterator[Slip]:
    """A softmax before a loss that applies one."""
    exact, params = expectations.referee.exact, expectations.params
    logits = exact.logits(params, expectations.images64)
    chances = softmax(logits)
    _, slope = exact.gradient(chances, expectations.labels64)
    through = chances * (slope - (slope * chances).sum(axis=1, keepdims=True))
    yield Slip(
        exact.backward(params, expectations.images64, through),
        "softmax is applied twice before the loss",
        "print a row of what the loss is given: logits need not sum to 1",
    )


def no_mask(expectations: Expectations, grads: Arrays) -> Iterator[Slip]:
    """A ReLU that passes every gradient back."""
    params, images = expectations.params, expectations.images64
    dhidden = expectations.dlogits.astype("float64") @ params["output.weight"].T
    predicted = {"hidden.weight": images.T @ dhidden, "hidden.bias": dhidden.sum(axis=0)}
    rest = {name: grads[name] for name in grads if name not in predicted}
    yield Slip(
        {**rest, **predicted},
        "the gradient goes through the ReLU as if it were not there",
        "compare the gradient of the hidden bias by finite differences",
    )


def clipped(grads: Arrays, theirs: Arrays) -> Iterator[Slip]:
    """Gradients scaled down, all alike, to a norm that is a round number."""
    factor = fitted(theirs, grads)
    norm = float(np.sqrt(sum(float((array**2).sum()) for array in theirs.values())))
    rounded = float(f"{norm:.2g}")
    if 0 < factor < 1 and abs(norm - rounded) < 1e-4 * norm:
        yield Slip(
            {name: factor * array for name, array in grads.items()},
            f"the gradients are clipped to a norm of {rounded:g}",
            "look for clip_grad_norm, clip_by_global_norm",
        )
