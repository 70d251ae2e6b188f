"""What the referee expects of each component alone, from equal inputs."""

from __future__ import annotations

import numpy as np

from common.agreement.bounds import largest_error
from common.agreement.exp_reach import dlogits_reach
from common.agreement.expected import ERROR_FACTOR, Expected, expect, with_exp_reach
from common.agreement.inputs import Inputs, rounded
from common.agreement.neighbours import Neighbours, moved
from common.agreement.own_rule import bound_of_update
from common.agreement.units import gradients_of, loss_of
from common.contract.arrays import Array, Arrays
from common.contract.models import Model
from common.contract.precision import cast, cast_one


def expected_forwards(inputs: Inputs) -> list[tuple[Arrays, dict[str, Expected]]]:
    """Logits from the parameters as they are; where biases are still zero, from others, too.

    No two of those are equal: of an LSTM's two biases it shows which one is missing.
    """
    params = inputs.at.params
    found = [(params, expected_logits(inputs, params))]
    zero = [name for name, array in params.items() if array.ndim == 1 and not array.any()]
    if zero:
        other = {
            name: cast_one(np.roll(np.linspace(0.25, 0.75, len(params[name])), turn), inputs.dtype)
            for turn, name in enumerate(zero)
        }
        other = {**params, **other}
        found.append((other, expected_logits(inputs, other)))
    return found


def expected_logits(inputs: Inputs, params: Arrays) -> dict[str, Expected]:
    """The logits from given parameters, summed over the features in several orders."""
    exact, plain, images = inputs.referee.exact, inputs.referee.plain, inputs.images
    params64 = cast(params, "float64")

    def logits_of(params: Arrays) -> Arrays:
        return {"logits": exact.logits(params, inputs.images64)}

    def rearranged(draw: np.random.Generator) -> Arrays:
        columns = draw.permutation(images.shape[1])
        permuted = rows_permuted(params, columns, inputs.model)
        return {"logits": plain.logits(permuted, images[:, columns])}

    def rows(draw: np.random.Generator) -> Arrays:
        order = draw.permutation(len(images))
        return {"logits": plain.logits(params, images[order])[np.argsort(order)]}

    right, own = logits_of(params64), {"logits": plain.logits(params, images)}
    if any(axes.get("in") == "features" for axes in inputs.model.parameters.values()):
        return expect(inputs.dtype, right, own, rearranged)
    # A convolution knows its neighbours, and nobody knows a network of somebody's own.
    near = Neighbours(moved(params64, inputs.dtype), []).through(logits_of)
    noise = rounded(inputs, lambda s: {"logits": s.logits(params64, inputs.images64)})
    return expect(inputs.dtype, right, own, rows, near, noise)


def rows_permuted(params: Arrays, columns: Array, model: Model) -> Arrays:
    """Permute the rows of every weight that takes the features, to go with the images."""
    return {
        name: array[columns] if model.parameters[name].get("in") == "features" else array
        for name, array in params.items()
    }


def expected_loss(inputs: Inputs, logits: Array) -> dict[str, Expected]:
    """The loss and its gradient in the logits."""
    plain, labels = inputs.referee.plain, inputs.labels

    def rearranged(draw: np.random.Generator) -> Arrays:
        rows = draw.permutation(len(logits))
        found = loss_of(plain, logits[rows], labels[rows])
        return {"loss": found["loss"], "dlogits": found["dlogits"][np.argsort(rows)]}

    right = loss_of(inputs.referee.exact, logits.astype("float64"), inputs.labels64)
    expected = expect(inputs.dtype, right, loss_of(plain, logits, labels), rearranged)
    if inputs.model.classifies:
        reach = {
            "loss": 1.0,
            "dlogits": dlogits_reach(inputs.plan.asdict(), labels, right["dlogits"]),
        }
        expected = with_exp_reach(expected, reach)
    return expected


def ties_of(inputs: Inputs, logits: Array) -> Array:
    """Logits whose largest value each label shares with the next class."""
    classes = logits.shape[1]
    one_hot = np.eye(classes)
    both: Array = one_hot[inputs.labels] + one_hot[(inputs.labels + 1) % classes]
    return cast_one(both, inputs.dtype)


def expected_accuracy(inputs: Inputs, logits: Array, ties: Array | None) -> dict[str, Expected]:
    """The counts, from logits that all read alike: no room for error."""

    def count(logits: Array) -> Expected:
        counted = inputs.referee.exact.correct(logits.astype("float64"), inputs.labels64)
        return Expected(np.asarray(counted))

    expected = {"correct": count(logits)}
    if ties is not None:
        expected["ties"] = count(ties)
    return expected


def expected_gradient(inputs: Inputs, dlogits: Array, near: Neighbours) -> dict[str, Expected]:
    """From the logits back to every parameter."""
    exact, plain, params = inputs.referee.exact, inputs.referee.plain, inputs.at.params
    dlogits64 = dlogits.astype("float64")

    def at(params: Arrays) -> Arrays:
        return exact.backward(params, inputs.images64, dlogits64)

    def rearranged(draw: np.random.Generator) -> Arrays:
        rows = draw.permutation(len(inputs.images))
        return plain.backward(params, inputs.images[rows], dlogits[rows])

    own = plain.backward(params, inputs.images, dlogits)
    noise = rounded(inputs, lambda s: s.backward(inputs.params, inputs.images64, dlogits64))
    return expect(inputs.dtype, at(inputs.params), own, rearranged, near.through(at), noise)


def expected_gradients(
    inputs: Inputs, near: Neighbours, noise: list[Arrays], reach: Arrays
) -> dict[str, Expected]:
    """Model and loss differentiated as one.

    Args:
        inputs: where.
        near: the gradients at the neighbours.
        noise: the gradients with random rounding.
        reach: of exp, into the gradients.
    """
    exact, plain, params = inputs.referee.exact, inputs.referee.plain, inputs.at.params
    images, labels = inputs.images, inputs.labels

    def rearranged(draw: np.random.Generator) -> Arrays:
        rows = draw.permutation(len(images))
        found = gradients_of(plain, params, images[rows], labels[rows])
        return {**found, "logits": found["logits"][np.argsort(rows)]}

    right = gradients_of(exact, inputs.params, inputs.images64, inputs.labels64)
    own = gradients_of(plain, params, images, labels)
    expected = expect(inputs.dtype, right, own, rearranged, near, noise)
    if inputs.model.classifies:
        expected = with_exp_reach(expected, {"loss": 1.0, **reach})
    return expected


def expected_update(inputs: Inputs, params: Arrays, grads: Arrays) -> dict[str, Expected]:
    """Parameters and state after an update of given parameters by the referee's gradients."""
    exact, plain = inputs.referee.exact, inputs.referee.plain
    start, slopes = cast(params, "float64"), cast(grads, "float64")
    after, memory = exact.update(start, slopes, inputs.state)
    allowed = bound_of_update(inputs.referee, start, slopes, inputs.state, after, memory)
    own_after, own_memory = plain.update(params, grads, inputs.at.state)
    own = {**own_after, **own_memory}
    factor = ERROR_FACTOR if inputs.referee.own_rule else 0
    found = {}
    for name, right in {**after, **memory}.items():
        error = largest_error(own[name], right)
        found[name] = Expected(right, error, allowed[name] + factor * error)
    return found
